"""Attention against known truth: perfect, blind and random attention, controls, intervals."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import clip_arrays, make_store, row, settings
from pcsta.data.clip import HANDS
from pcsta.data.store import Store
from pcsta.data.store_writer import StoreWriter
from pcsta.evaluation import Prediction
from pcsta_book.experiments.attention_scores import attention_scores, performances, shift_shown


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=10)


def predictions(clips=4, spatial=None, temporal=None, frames=None):
    n = np.arange(clips)
    logits = np.eye(2)[[0, 1, 0, 0][:clips] if clips == 4 else n % 2]
    frames = np.tile(np.arange(24), (clips, 1, 1)) if frames is None else frames
    return Prediction(n, n % 2, logits, None, None, spatial, temporal, frames)


def test_a_performance_is_drawn_as_one(store):
    names = performances(store, np.arange(10))
    assert len(set(names)) == 10  # label 0 or 1, subject 0..4, one replication: all pairs differ
    assert names[0] == "0/0/1" and names[7] == "1/2/1"


def test_perfect_and_blind_attention_get_their_known_scores(store):
    spatial = np.zeros((10, 1, 24, 4))
    spatial[:, 0, :, 0] = 1
    temporal = np.zeros((10, 1, 24))
    temporal[:, 0, 8:16] = 1 / 8
    scores = attention_scores(predictions(10, spatial, temporal), store)
    top, mass = scores["spatial"]["one_person"], scores["temporal"]
    assert top["top_hand"] == 1
    assert top["uniform"] == 0.5
    assert top["best_constant"] == 1  # always the left hand here
    assert top["frames"] == mass["frames"] == 80
    assert mass["mass"] == pytest.approx(1)
    assert mass["uniform"] == pytest.approx(8 / 24)
    assert mass["best_constant"] == 1  # every fake clip has the same interval
    wrong = attention_scores(predictions(10, spatial[..., ::-1], temporal[..., ::-1] * 0), store)
    assert wrong["spatial"]["one_person"]["top_hand"] == 0
    assert wrong["temporal"]["mass"] == 0


def test_every_score_is_the_loop(store):
    rng = np.random.default_rng(0)
    spatial, temporal = rng.random((10, 2, 24, 4)), rng.random((10, 2, 24))
    spatial[..., 2:] = 0
    frames = np.tile(np.arange(24), (10, 2, 1))
    said = predictions(10, spatial, temporal, frames)
    blind = predictions(10, spatial[::-1], temporal[::-1], frames)
    scores = attention_scores(said, store, {"content_blind": blind})
    for name, p, q in (
        ("top_hand", spatial, temporal),
        ("content_blind", spatial[::-1], temporal[::-1]),
    ):
        top, mass, inside = [], [], []
        for clip in range(10):
            for sub in range(2):
                inside.append(sum(q[clip, sub, t] for t in range(8, 16)))
                for t in range(8, 16):
                    top.append(p[clip, sub, t, 0] > max(p[clip, sub, t, 1:]))
                    mass.append(p[clip, sub, t, 0])
        assert scores["spatial"]["one_person"][name] == pytest.approx(np.mean(top))
        own = "mass" if name == "top_hand" else name
        assert scores["spatial_mass"]["one_person"][own] == pytest.approx(np.mean(mass))
        assert scores["temporal"][own] == pytest.approx(np.mean(inside))


def test_every_figure_has_its_interval_and_every_control_its_distance(store):
    rng = np.random.default_rng(1)
    spatial, temporal = rng.random((10, 1, 24, 4)), rng.random((10, 1, 24))
    spatial[..., 2:] = 0
    scores = attention_scores(predictions(10, spatial, temporal), store)
    found = [
        scores["spatial"]["one_person"],
        scores["spatial_mass"]["one_person"],
        scores["temporal"],
    ]
    for score, own in zip(found, ("top_hand", "mass", "mass"), strict=True):
        named = [own, *score["ahead"]]
        assert list(score["intervals"]) == named and list(score)[: len(named)] == named
        assert {"uniform", "permuted", "other_clip", "best_constant"} == set(score["ahead"])
        for name, (low, high) in score["intervals"].items():
            assert low - 1e-9 <= score[name] <= high + 1e-9
        for name, (low, high) in score["ahead"].items():
            assert low - 1e-9 <= score[own] - score[name] <= high + 1e-9
    # two hands that swap: what one has, the permuted control lacks
    assert found[0]["permuted"] == pytest.approx(1 - found[0]["top_hand"])


def test_scores_as_a_record_holds_them(store):
    rng = np.random.default_rng(1)
    spatial = rng.random((10, 1, 24, 4))
    scores = attention_scores(predictions(10, spatial), store)
    held = json.loads(json.dumps(scores))
    assert set(held) == {"spatial", "spatial_mass"}  # no p', no shift, no hand but one decides
    assert set(held["spatial"]) == {"one_person", "left 1"}  # no people in pairs
    top, score = held["spatial"]["one_person"], scores["spatial"]["one_person"]
    assert set(top) == {"top_hand", *top["ahead"], "intervals", "ahead", "clips", "frames"}
    assert top["top_hand"] == score["top_hand"] and top["clips"] == 10
    assert top["intervals"]["top_hand"] == list(score["intervals"]["top_hand"])


def test_equal_weights_are_right_by_chance_alone(store):
    spatial = np.full((10, 1, 24, 4), 0.25)
    scores = attention_scores(predictions(10, spatial), store)
    assert scores["spatial"]["one_person"]["top_hand"] == pytest.approx(0.25)
    assert "temporal" not in scores


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Four clips of two people: hands decide one after the other and, in one clip, two at once."""
    path = tmp_path_factory.mktemp("fake") / "pairs"
    with StoreWriter(path, settings(4), 4) as writer:
        for i in writer.claim():
            arrays = clip_arrays(i)
            arrays["hands"][:] = 50
            arrays["deciding"][:] = 0
            arrays["deciding"][4:10, i] = arrays["deciding"][10:14, 3 - i] = 1
            if i == 0:
                arrays["deciding"][8:12, [0, 3]] = 1  # only hand 0 to frame 7, only hand 3 from 12
            writer.add(row(i), **arrays)
    return Store(path)


def test_every_hand_is_scored_where_it_alone_decides_and_the_least_is_the_headline(pairs):
    rng = np.random.default_rng(2)
    spatial = rng.random((4, 1, 24, 4))
    said = predictions(4, spatial, frames=np.tile(np.arange(24), (4, 1, 1)))
    scores = attention_scores(said, pairs)
    assert set(scores) == {"spatial", "minimum", "spatial_mass", "shift"}
    both, mass, alone = [], [], {hand: [] for hand in range(4)}
    for clip in range(4):
        for t in range(4, 14):
            hands = set(np.flatnonzero(pairs.deciding(clip)[t]).tolist())
            p = spatial[clip, 0, t]
            both.append(p.argmax() in hands)
            mass.append(sum(p[hand] for hand in hands))
            if len(hands) == 1:
                alone[min(hands)].append(p.argmax() in hands)
    assert scores["spatial"]["two_people"]["top_hand"] == pytest.approx(np.mean(both))
    assert scores["spatial_mass"]["two_people"]["mass"] == pytest.approx(np.mean(mass))
    for hand, hits in alone.items():
        score = scores["spatial"][HANDS[hand]]
        assert score["top_hand"] == pytest.approx(np.mean(hits)) and score["frames"] == len(hits)
        assert score["clips"] == 2 and score["uniform"] == 0.25
    assert scores["minimum"]["top_hand"] == pytest.approx(min(map(np.mean, alone.values())))
    assert scores["minimum"]["uniform"] == 0.25
    assert scores["minimum"]["best_constant"] == 0  # it is right for one hand, and for no other
    assert set(scores["minimum"]) == {"top_hand", *scores["shift"]["ahead"]}


def test_attention_that_follows_the_truth_shifts_and_none_that_stays_does(pairs):
    spatial = np.stack([pairs.deciding(i) for i in range(4)])[:, None].astype(float) + 0.1
    spatial[:, :, :4, 2] += 0.1
    said = predictions(4, spatial, frames=np.tile(np.arange(24), (4, 1, 1)))
    shift = attention_scores(said, pairs)["shift"]
    assert shift["shown"] == 1 and shift["clips"] == shift["frames"] == 4
    assert shift["uniform"] == shift["best_constant"] == shift["other_clip"] == 0


A, B, OTHER, TIE = np.eye(4)[0], np.eye(4)[2], np.eye(4)[1], np.full(4, 0.25)


@pytest.mark.parametrize(
    ("what", "p", "expected"),
    [
        ("at the very step", [A] * 6 + [B] * 14, 1),
        ("3 steps early", [A] * 3 + [B] * 17, 1),
        ("4 steps early: b alone in what is looked at", [A] * 2 + [B] * 18, 0),
        ("3 steps late", [A] * 9 + [B] * 11, 1),
        ("4 steps late", [A] * 10 + [B] * 10, 0),
        ("back and forth", [A] * 5 + [B, A] + [B] * 13, 0),
        ("back long after", [A] * 6 + [B] * 8 + [A] * 6, 1),
        ("the wrong way", [B] * 6 + [A] * 14, 0),
        ("by a third hand", [A] * 5 + [OTHER] * 2 + [B] * 13, 1),
        ("through a tie", [A] * 5 + [TIE] * 2 + [B] * 13, 1),
        ("to a third hand", [A] * 6 + [OTHER] * 14, 0),
        ("never sure", [TIE] * 20, 0),
    ],
)
def test_a_shift_is_shown(what, p, expected):
    """Hand 0 decides alone at steps 2 to 5, hand 2 from 6 to 12: what counts are steps 2 to 9."""
    deciding = np.zeros((1, 1, 20, 4), bool)
    deciding[..., 2:6, 0] = deciding[..., 6:13, 2] = True
    assert shift_shown(np.array(p)[None, None], deciding).item() == expected, what
    alone = deciding & [True, False, False, False]
    assert np.isnan(shift_shown(np.array(p)[None, None], alone)).all()


def test_where_no_hand_decides_attention_may_rest_anywhere():
    deciding = np.zeros((1, 1, 20, 4), bool)
    deciding[..., 4:6, 0] = deciding[..., 6:8, 2] = True
    p = np.array([B] * 4 + [A] * 2 + [B] * 2 + [A] * 12)[None, None]
    assert shift_shown(p, deciding).item() == 1
    deciding[..., 8:, 2] = True  # and now a late A is wrong
    assert shift_shown(p, deciding).item() == 0


@given(st.integers(0, 10_000))
def test_shifts_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 3, (3, 2, 12, 4)).astype(float)
    deciding = np.zeros(p.shape, bool)
    for c, s in np.ndindex(3, 2):
        for start in rng.integers(0, 12, 2):
            deciding[c, s, start : start + 4, rng.integers(4)] = True
    got = shift_shown(p, deciding)
    for c, s in np.ndindex(3, 2):
        sole = [row.argmax() if row.sum() == 1 else None for row in deciding[c, s]]
        change = None
        for v in range(12):
            before = [t for t in range(v) if sole[t] is not None]
            if change is None and sole[v] is not None and before and sole[before[-1]] != sole[v]:
                change = before[-1], v
        if change is None:
            assert np.isnan(got[c, s])
            continue
        u, v = change
        seen = []
        for t in range(u - 3, v + 4):
            in_time = 0 <= t < 12 and deciding[c, s, t].any()
            if in_time and sorted(p[c, s, t])[-1] > sorted(p[c, s, t])[-2]:
                seen.append(p[c, s, t].argmax())
        seen = [hand for hand in seen if hand in (sole[u], sole[v])]
        turns = [
            i for i in range(len(seen) + 1) if seen == [sole[u]] * i + [sole[v]] * (len(seen) - i)
        ]
        assert got[c, s] == any(0 < i < len(seen) for i in turns)


def test_controls_on_other_sub_sequences_are_refused(store):
    spatial = np.full((10, 1, 24, 4), 0.25)
    said = predictions(10, spatial)
    later = predictions(10, spatial, frames=np.roll(said.frames, 1, -1))
    with pytest.raises(ValueError, match="'unconditioned' is attention on other sub-sequences"):
        attention_scores(said, store, {"unconditioned": later})

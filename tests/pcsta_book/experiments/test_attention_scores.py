"""Attention against known truth: perfect, blind and random attention, controls, intervals."""

import json

import numpy as np
import pytest

from fakes import make_store
from pcsta.evaluation import Prediction
from pcsta_book.experiments.attention_scores import attention_scores, performances


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
    assert set(held) == {"spatial", "spatial_mass"}  # no p', no people in pairs
    top, score = held["spatial"]["one_person"], scores["spatial"]["one_person"]
    assert set(top) == {"top_hand", *top["ahead"], "intervals", "ahead", "clips", "frames"}
    assert top["top_hand"] == score["top_hand"] and top["clips"] == 10
    assert top["intervals"]["top_hand"] == list(score["intervals"]["top_hand"])


def test_equal_weights_are_right_by_chance_alone(store):
    spatial = np.full((10, 1, 24, 4), 0.25)
    scores = attention_scores(predictions(10, spatial), store)
    assert scores["spatial"]["one_person"]["top_hand"] == pytest.approx(0.25)
    assert "temporal" not in scores


def test_controls_on_other_sub_sequences_are_refused(store):
    spatial = np.full((10, 1, 24, 4), 0.25)
    said = predictions(10, spatial)
    later = predictions(10, spatial, frames=np.roll(said.frames, 1, -1))
    with pytest.raises(ValueError, match="'unconditioned' is attention on other sub-sequences"):
        attention_scores(said, store, {"unconditioned": later})

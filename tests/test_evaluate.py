"""Evaluation: averages, the confusion matrix, and attention against known truth."""

import numpy as np
import pytest
import torch
from fakes import make_store, tiny

from pcsta.batches import SubSequences
from pcsta.evaluate import (
    Predictions,
    attention_scores,
    classification,
    describe_scores,
    performances,
    predict,
)
from pcsta.model.config import row
from pcsta.model.two_stream import TwoStream


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=10)


def predictions(clips=4, spatial=None, temporal=None, frames=None):
    n = np.arange(clips)
    logits = np.eye(2)[[0, 1, 0, 0][:clips] if clips == 4 else n % 2]
    frames = np.tile(np.arange(24), (clips, 1, 1)) if frames is None else frames
    return Predictions(n, n % 2, logits, None, None, spatial, temporal, frames)


def test_accuracy_and_confusion():
    result = classification(predictions(), ("rest", "raise"))
    assert result["accuracy"] == 0.75
    assert result["confusion"] == [[2, 0], [1, 1]]
    assert result["per_class"] == {"rest": 1.0, "raise": 0.5}


def test_perfect_and_blind_attention_get_their_known_scores(store):
    spatial = np.zeros((10, 1, 24, 4))
    spatial[:, 0, :, 0] = 1
    temporal = np.zeros((10, 1, 24))
    temporal[:, 0, 8:16] = 1 / 8
    scores = attention_scores(predictions(10, spatial, temporal), store)
    assert scores["spatial"]["one_person"]["top_hand"] == 1
    assert scores["spatial"]["one_person"]["uniform"] == 0.5
    assert scores["spatial"]["one_person"]["best_constant"] == 1  # always the left hand here
    assert scores["spatial"]["one_person"]["frames"] == 80
    assert scores["temporal"]["mass"] == pytest.approx(1)
    assert scores["temporal"]["uniform"] == pytest.approx(8 / 24)
    assert scores["temporal"]["best_constant"] == 1  # every fake clip has the same interval
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
    blocks = [
        scores["spatial"]["one_person"],
        scores["spatial_mass"]["one_person"],
        scores["temporal"],
    ]
    for block, own in zip(blocks, ("top_hand", "mass", "mass"), strict=True):
        assert set(block["intervals"]) == {own, *block["ahead"]}
        assert {"uniform", "permuted", "other_clip", "best_constant"} == set(block["ahead"])
        for name, (low, high) in block["intervals"].items():
            assert low - 1e-9 <= block[name] <= high + 1e-9
        for name, (low, high) in block["ahead"].items():
            assert low - 1e-9 <= block[own] - block[name] <= high + 1e-9
    # two hands that swap: what one has, the permuted control lacks
    assert blocks[0]["permuted"] == pytest.approx(1 - blocks[0]["top_hand"])
    text = describe_scores(scores)
    assert f"{100 * blocks[0]['top_hand']:.1f} %" in text and "p', all, 10 clips" in text


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


def test_a_performance_is_drawn_as_one(store):
    names = performances(store, np.arange(10))
    assert len(set(names)) == 10  # label 0 or 1, subject 0..4, one replication: all pairs differ
    assert names[0] == "0/0/1" and names[7] == "1/2/1"


def test_every_frame_is_projected_once(store, monkeypatch):
    model = TwoStream(row("E", tiny())).eval()
    batches = SubSequences(store, model.config, torch.device("cpu"))
    seen, project = [], model.rgb.project
    monkeypatch.setattr(model.rgb, "project", lambda V: seen.append(len(V)) or project(V))
    once = predict(model, batches, np.array([3, 5]), count=10)
    assert sum(seen) == 48  # two clips of 24 frames, not 2 x 10 x 20
    monkeypatch.undo()
    b = next(batches.testing(np.array([3, 5]), 10))
    logits = model(b.pose_tensor, b.glimpses, b.present).logits.detach().view(2, 10, -1).mean(1)
    np.testing.assert_allclose(once.logits, logits, rtol=1e-5, atol=1e-6)


def test_a_blind_model_attends_by_pose_alone(store):
    torch.manual_seed(0)
    model = TwoStream(row("K", tiny())).eval()
    batches = SubSequences(store, model.config, torch.device("cpu"))
    said = predict(model, batches, np.array([3, 5]), count=2, blind=True)
    for b in batches.testing(np.array([3, 5]), 2):
        zero = model(b.pose_tensor, torch.zeros_like(b.glimpses), b.present)
    np.testing.assert_allclose(
        said.spatial.reshape(4, 20, 4), zero.spatial_attention.detach(), rtol=1e-5, atol=1e-6
    )
    assert not np.allclose(said.spatial, predict(model, batches, np.array([3, 5]), count=2).spatial)


def test_logits_are_the_mean_over_sub_sequences(store):
    """Against each alone (mean of ten, section 5)."""
    torch.manual_seed(0)
    model = TwoStream(row("K", tiny())).eval()
    batches = SubSequences(store, model.config, torch.device("cpu"))
    said = predict(model, batches, np.array([3, 5]), count=4)
    assert said.spatial.shape == (2, 4, 20, 4) and said.frames.shape == (2, 4, 20)
    one_by_one = [
        model(b.pose_tensor, b.glimpses, b.present).logits.detach()
        for b in batches.testing(np.array([3]), 4, batch=1)
    ]
    np.testing.assert_allclose(said.logits[0], torch.cat(one_by_one).mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        said.logits, said.pose_logits + said.rgb_logits, rtol=1e-4, atol=1e-5
    )

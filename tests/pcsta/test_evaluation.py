"""Evaluation: averages, the confusion matrix, and attention against known truth."""

import numpy as np
import pytest
import torch

from fakes import make_store, tiny
from pcsta.batches import SubSequences
from pcsta.config import row
from pcsta.evaluation import (
    Predictions,
    classification,
    performances,
    predict,
)
from pcsta.two_stream import TwoStream


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


def test_a_performance_is_drawn_as_one(store):
    names = performances(store, np.arange(10))
    assert len(set(names)) == 10  # label 0 or 1, subject 0..4, one replication: all pairs differ
    assert names[0] == "0/0/1" and names[7] == "1/2/1"


def test_every_frame_is_projected_once(store, monkeypatch):
    model = TwoStream(row("E", tiny())).eval()
    batches = SubSequences(store, model.config, torch.device("cpu"))
    seen, project = [], model.rgb.scaling.project
    monkeypatch.setattr(model.rgb.scaling, "project", lambda V: seen.append(len(V)) or project(V))
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

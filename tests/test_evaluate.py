"""Evaluation: averages, the confusion matrix, and attention against known truth."""

import numpy as np
import pytest
import torch
from fakes import make_store, tiny

from pcsta.batches import SubSequences
from pcsta.evaluate import Predictions, _derangement, attention_scores, classification, predict
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


def test_no_clip_keeps_its_own_weights_in_the_control():
    for n in (2, 3, 10):
        order = _derangement(n, np.random.default_rng(n))
        assert sorted(order) == list(range(n))
        assert not (order == np.arange(n)).any()


def test_logits_are_the_mean_over_sub_sequences(store):
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

"""Prediction of one clip: the mean of ten sub-sequences, and attention for every frame."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from fakes import clip_arrays, tiny
from pcsta.config import row
from pcsta.data.clip import Clip
from pcsta.pose_tensor import PoseTensor
from pcsta.predict import Prediction, predict_clip
from pcsta.skeletons import KINECT_V2
from pcsta.subsequences import frame_indices
from pcsta.two_stream import TwoStream


@pytest.fixture
def clip():
    arrays = clip_arrays(1, length=31)
    pixels = np.full((31, 2, 25, 2), np.nan, np.float32)
    pixels[:, 0] = 50
    return Clip("clip-001", arrays["joints"], pixels, KINECT_V2, label=1, subject="1")


@torch.no_grad()
def test_logits_of_ten_sub_sequences_are_averaged(clip):
    torch.manual_seed(0)
    model = TwoStream(row("K", tiny())).eval()
    V = clip_arrays(1, length=31)["glimpses"].astype(np.float16)
    said = predict_clip(model, clip, V)
    logits = []
    for frames in frame_indices(31, 20, count=10):
        X = PoseTensor.from_config(model.config)(torch.from_numpy(clip.joints[frames])[None])
        present = torch.from_numpy(np.isfinite(clip.hands[frames]).all(-1))[None]
        out = model(X, torch.from_numpy(V[frames]).float()[None], present)
        logits.append(out.logits[0].numpy())
    np.testing.assert_allclose(said.probabilities, softmax(np.mean(logits, 0)), rtol=1e-4)
    assert said.top(("rest", "raise"), 1)[0][1] == pytest.approx(said.probabilities.max())


def test_attention_of_every_frame_is_that_of_its_nearest_sample():
    frames = np.array([[0, 10], [4, 8]])
    spatial = np.array([[[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]], float)
    temporal = np.array([[0.25, 0.75], [0.5, 0.5]])
    p, when = Prediction(np.ones(2) / 2, spatial, temporal, frames).per_frame(12)
    np.testing.assert_allclose(p[0], [0.5, 0, 0.5, 0])  # nearest: 0 and 4
    np.testing.assert_allclose(p[11], [0, 0.5, 0, 0.5])  # nearest: 10 and 8
    np.testing.assert_allclose(p.sum(-1), 1)
    assert when.sum() == pytest.approx(1) and when[11] > when[0]
    assert Prediction(np.ones(2), None, None, frames).per_frame(12) == (None, None)

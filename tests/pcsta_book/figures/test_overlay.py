"""Attention of the sampled frames, spread over all frames of a clip."""

import numpy as np
import pytest

from pcsta.evaluation import Prediction
from pcsta_book.figures import attention_per_frame


def said(frames, spatial=None, temporal=None):
    one = np.zeros((), int)
    return Prediction(one, one, np.ones(2) / 2, None, None, spatial, temporal, frames)


def test_attention_of_every_frame_is_that_of_its_nearest_sample():
    frames = np.array([[0, 10], [4, 8]])
    spatial = np.array([[[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]], float)
    temporal = np.array([[0.25, 0.75], [0.5, 0.5]])
    p, when = attention_per_frame(said(frames, spatial, temporal), 12)
    np.testing.assert_allclose(p[0], [0.5, 0, 0.5, 0])  # nearest: 0 and 4
    np.testing.assert_allclose(p[11], [0, 0.5, 0, 0.5])  # nearest: 10 and 8
    np.testing.assert_allclose(p.sum(-1), 1)
    assert when.sum() == pytest.approx(1) and when[11] > when[0]
    assert attention_per_frame(said(frames), 12) == (None, None)
    assert attention_per_frame(said(frames, spatial), 12)[1] is None

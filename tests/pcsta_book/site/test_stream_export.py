"""A stream exported by itself: both together say what the whole model says."""

import pytest
import torch

from onnx_files import assert_same, inputs, model, onnx_says
from pcsta_book.site.stream_export import to_onnx

pytestmark = pytest.mark.slow  # a loop of 20 steps takes some seconds to trace


@torch.no_grad()
def test_two_pieces_are_the_whole(tmp_path):
    net, given = model("K"), inputs(3)
    pose = onnx_says(to_onnx(net, tmp_path / "pose.onnx", "pose"), given)
    given["pose_features"] = torch.from_numpy(pose["pose_features"])
    V = given["glimpses"]
    given["glimpses"] = net.rgb.scaling.project(V)
    rgb = onnx_says(to_onnx(net, tmp_path / "rgb.onnx", "rgb"), given)
    assert set(rgb) == {"rgb_logits", "spatial_attention", "temporal_attention"}
    wanted = net(given["pose_tensor"], V, given["present"])
    assert_same(rgb | {"pose_logits": pose["pose_logits"]}, wanted)


def test_a_stream_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no rgb stream"):
        to_onnx(model("A"), tmp_path / "x.onnx", "rgb")
    assert not list(tmp_path.iterdir())

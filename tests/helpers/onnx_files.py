"""Small models, their inputs, and what an exported file says to them."""

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator

from fakes import tiny
from pcsta.config import row
from pcsta.two_stream import TwoStream


def model(letter, **changes):
    torch.manual_seed(0)
    net = TwoStream(row(letter, tiny(**changes))).eval()
    if net.rgb is not None and net.rgb.scaling.glimpse_mean is not None:
        net.rgb.scaling.fit_glimpses([torch.rand(30, 6)])
    return net


def inputs(batch, features=6):
    torch.manual_seed(1)
    present = torch.rand(batch, 20, 4) > 0.3
    glimpses = torch.rand(batch, 20, 4, features) * present[..., None]
    return {
        "pose_tensor": torch.randn(batch, 3, 20, 300),
        "glimpses": glimpses,
        "present": present,
    }


def onnx_says(path, given):
    """Outputs by name; of `given` the file takes what it reads."""
    file = onnx.load(path)
    names = [value.name for value in file.graph.input]
    feed = {name: given[name].numpy() for name in names}
    said = ReferenceEvaluator(file).run(None, feed)
    return dict(zip([value.name for value in file.graph.output], said, strict=True))


def assert_same(said, out):
    for name, value in said.items():
        np.testing.assert_allclose(value, getattr(out, name), atol=1e-5, err_msg=name)

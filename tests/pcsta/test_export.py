"""Exported models: the same numbers, any batch, nothing of this machine inside."""

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from typer.testing import CliRunner

from fakes import make_store, tiny
from pcsta import cli
from pcsta.config import TrainConfig, row
from pcsta.export import to_onnx
from pcsta.training import train
from pcsta.two_stream import TwoStream

pytestmark = pytest.mark.slow  # a loop of 20 steps takes some seconds to trace


def model(letter):
    torch.manual_seed(0)
    net = TwoStream(row(letter, tiny())).eval()
    if net.rgb is not None and net.rgb.scaling.glimpse_mean is not None:
        net.rgb.scaling.fit_glimpses(torch.rand(30, 6))
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


@torch.no_grad()
@pytest.mark.parametrize("letter", ["A", "B", "K", "K-unconditioned"])
def test_the_file_says_what_the_model_says(letter, tmp_path):
    net, given = model(letter), inputs(3)
    path = to_onnx(net, tmp_path / "model.onnx")
    wanted = net(given["pose_tensor"], given["glimpses"], given["present"])
    said = onnx_says(path, given)
    assert set(said) == {name for name, value in wanted._asdict().items() if value is not None}
    assert_same(said, wanted)


@torch.no_grad()
def test_two_pieces_are_the_whole(tmp_path):
    net, given = model("K"), inputs(2)
    pose = onnx_says(to_onnx(net, tmp_path / "pose.onnx", "pose"), given)
    given["pose_features"] = torch.from_numpy(pose["pose_features"])
    V = given["glimpses"]
    given["glimpses"] = net.rgb.scaling.project(V)
    rgb = onnx_says(to_onnx(net, tmp_path / "rgb.onnx", "rgb", projected=True), given)
    assert set(rgb) == {"rgb_logits", "spatial_attention", "temporal_attention"}
    wanted = net(given["pose_tensor"], V, given["present"])
    assert_same(rgb | {"pose_logits": pose["pose_logits"]}, wanted)


def test_the_file_names_no_file_of_this_machine(tmp_path):
    path = to_onnx(model("E"), tmp_path / "model.onnx", about={"classes": '["rest", "raise"]'})
    data = path.read_bytes()
    assert b"two_stream.py" not in data and str(tmp_path).encode() not in data
    assert {p.key: p.value for p in onnx.load(path).metadata_props}[
        "classes"
    ] == '["rest", "raise"]'
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx"]


def test_a_stream_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no rgb stream"):
        to_onnx(model("A"), tmp_path / "x.onnx", "rgb")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_run_with_its_classes(tmp_path):
    store = make_store(tmp_path / "store", clips=8)
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, validation=0.25, batch=4)
    run = train(store, row("A", tiny()), recipe, tmp_path / "run", progress=False)
    out = tmp_path / "out.onnx"
    said = CliRunner().invoke(cli.app, ["export", str(run), "--out", str(out)])
    assert said.exit_code == 0 and "out.onnx" in said.output
    assert "raise" in next(p.value for p in onnx.load(out).metadata_props if p.key == "classes")

"""Exported models: the same numbers, any batch, nothing of this machine inside."""

import onnx
import pytest
import torch
from typer.testing import CliRunner

from fakes import make_store, tiny
from onnx_files import assert_same, inputs, model, onnx_says
from pcsta import cli
from pcsta.config import TrainConfig, row
from pcsta.export import to_onnx
from pcsta.training import train

pytestmark = pytest.mark.slow  # a loop of 20 steps takes some seconds to trace


@torch.no_grad()
@pytest.mark.parametrize(
    ("letter", "changes"),
    [
        ("A", {}),
        ("B", {}),
        ("K", {}),
        ("K-unconditioned", {}),
        ("K", {"moment_in_attention": True}),
    ],
)
def test_the_file_says_what_the_model_says(letter, changes, tmp_path):
    """And names no file of this machine."""
    net, given = model(letter, **changes), inputs(3)
    path = to_onnx(net, tmp_path / "model.onnx", about={"classes": '["rest", "raise"]'})
    wanted = net(given["pose_tensor"], given["glimpses"], given["present"])
    said = onnx_says(path, given)
    assert set(said) == {name for name, value in wanted._asdict().items() if value is not None}
    assert_same(said, wanted)
    data = path.read_bytes()
    assert b"two_stream.py" not in data and str(tmp_path).encode() not in data
    properties = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert properties["classes"] == '["rest", "raise"]'
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx"]


def test_the_model_stays_in_the_mode_that_it_was_in(tmp_path):
    net = model("A").stage("pose").train()
    to_onnx(net, tmp_path / "model.onnx")
    assert net.pose_head.training
    net.stage("rgb").train()
    to_onnx(net, tmp_path / "model.onnx")
    assert net.training and not net.pose_head.training


def test_the_command_writes_a_run_with_its_classes(tmp_path):
    store = make_store(tmp_path / "store", clips=8)
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, validation=0.25, batch=4)
    run = train(store, row("A", tiny()), recipe, tmp_path / "run", progress=False)
    out = tmp_path / "out.onnx"
    said = CliRunner().invoke(cli.app, ["export", str(run), "--out", str(out)])
    assert said.exit_code == 0 and "out.onnx" in said.output
    assert "raise" in next(p.value for p in onnx.load(out).metadata_props if p.key == "classes")

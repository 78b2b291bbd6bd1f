"""The command: help, clear errors, and the whole way from files to a prediction."""

import json
import subprocess
import sys

import numpy as np
import pytest

from command import call
from fakes import make_store, plan_of, tiny
from pcsta import options
from pcsta.config import CONFIGS, RECIPES, TrainConfig, laptop, row
from pcsta.data.video import video_info
from pcsta.glimpse import GlimpseSensor
from pcsta.training import train


def test_help_names_every_command_and_starts_without_torch():
    code = "import sys; import pcsta_book.cli; from pcsta import cli; assert 'torch' not in sys.modules; cli.main()"
    said = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    for command in (
        "book",
        "data",
        "inspect",
        "prepare",
        "train",
        "evaluate",
        "predict",
        "pose",
        "export",
        "doctor",
    ):
        assert command in said.stdout
    assert "pcsta book" in said.stdout  # where a newcomer starts


@pytest.mark.parametrize(
    "command",
    [
        "book",
        "inspect",
        "prepare",
        "train",
        "evaluate",
        "ablate",
        "predict",
        "pose",
        "export",
        "doctor",
    ],
)
def test_each_command_explains_itself(command):
    assert "Usage" in call(command, "--help").output


def test_a_readers_mistake_is_one_line(tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "pcsta", "evaluate", tmp_path / "nothing"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 1
    assert said.stderr.startswith("pcsta: ") and "pcsta train" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["prepare", "nturgbd"], "no dataset 'nturgbd'"),
        (["check", "ntu", "--root", "nowhere"], "no such folder"),
        (["train", "sbu", "--row", "Z", "--out", "x"], "no row 'Z'"),
        (["train", "sbu", "--config", "huge", "--out", "x"], "no configuration 'huge'"),
        (["train", "sbu", "--recipe", "fast", "--out", "x"], "no recipe 'fast'"),
        (["inspect", "nowhere.skeleton"], "nowhere.skeleton"),
    ],
)
def test_wrong_words_say_what_is_wrong(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in str(call(*arguments, ok=False).exception)


def test_doctor_says_what_is_missing_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    found = json.loads(call("doctor", "--json").output)
    assert found["versions"]["torch"] and found["findings"]["efficientnet-lite0"]["ok"]
    assert not found["findings"]["synthetic"]["ok"]
    assert "pcsta data make" in found["findings"]["synthetic"]["do"]
    assert "pcsta data make" in call("doctor").output
    assert found["findings"]["data folder"]["ok"]
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    found = json.loads(call("doctor", "--json").output)["findings"]["data folder"]
    assert not found["ok"] and "set PCSTA_DATA to a folder of your own" in found["do"]


def test_nested_holds_every_fold_out_inside_every_other():
    there = ["fold-1", "fold-2", "fold-3"]
    assert options.expand_protocols(there, "folds") == there
    assert options.expand_protocols(there, None) == ["fold-1"]
    assert options.expand_protocols(["split-1", "split-2"], "splits") == ["split-1", "split-2"]
    assert options.expand_protocols(there, "nested") == [
        f"fold-{outer}/fold-{inner}" for outer, inner in ("12", "13", "21", "23", "31", "32")
    ]


@pytest.mark.parametrize("named", ["cross-setup", "cross-subject,cross-setup", "folds", "a/b"])
def test_a_protocol_that_the_dataset_lacks_is_refused(named):
    there = ["cross-subject", "cross-view"]
    assert options.expand_protocols(there, "cross-view,cross-subject") == there[::-1]
    with pytest.raises(ValueError, match="it has cross-subject, cross-view"):
        options.expand_protocols(there, named)


def test_train_and_evaluate_folds(tmp_path, monkeypatch):
    """`--protocol folds` trains a run per fold and evaluate gives their mean."""
    from pcsta.data.shard import read_settings, write_settings
    from pcsta.data.store import Store

    made = make_store(tmp_path / "store", clips=12)
    settings = read_settings(made.path)
    split = settings["splits"]["cross-subject"]
    settings["splits"] = {
        "fold-1": split,
        "fold-2": {"train": split["test"], "test": split["train"]},
    }
    write_settings(made.path, settings)
    monkeypatch.setattr(options, "Plan", lambda *a: plan_of(Store(made.path)))
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    monkeypatch.setitem(
        RECIPES, "laptop", TrainConfig(pose_epochs=2, rgb_epochs=2, validation=0.2, batch=4)
    )
    call("train", "sbu", "--row", "A", "--protocol", "folds", "--out", tmp_path / "run")
    found = json.loads(call("evaluate", tmp_path / "run", "--json").output)
    assert set(found["runs"]) == {"fold-1", "fold-2"}
    assert found["mean"] == pytest.approx(np.mean([r["accuracy"] for r in found["runs"].values()]))
    assert "mean" in call("evaluate", tmp_path / "run").output
    (tmp_path / "run/fold-1/model.safetensors").write_bytes(b"half")
    result = call("evaluate", tmp_path / "run", ok=False)
    assert "fold-2           accuracy" in result.output and "mean" not in result.output
    assert "1 of 2 cannot be tested; fold-1: " in str(result.exception)


@pytest.mark.real
def test_predict_and_overlay_on_the_real_ntu_clip(real_data, tmp_path):
    """The whole way on real files. The model is a test's: trained for one epoch on made clips."""
    store = make_store(
        tmp_path / "store", clips=8, features=1280, sensor_name="efficientnet-lite0",
        sensor=GlimpseSensor().fingerprint, crop_size=50, image_width=1920,
    )  # fmt: skip
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, batch=4, validation=0.25)
    model = train(store, row("K", laptop()), recipe, tmp_path / "run", progress=False)
    ntu = real_data / "ntu"
    name = "S001C001P001R001A001"
    arguments = [
        "predict", model, "--skeleton", ntu / f"nturgb+d_skeletons/{name}.skeleton",
        ntu / f"nturgb+d_rgb/{name}_rgb.avi",
    ]  # fmt: skip
    said = json.loads(call(*arguments, "--json", "--overlay", tmp_path / "o.mp4").output)
    assert said["frames"] == 103
    assert sum(p for _, p in said["top"]) == pytest.approx(1, abs=1e-5)
    info = video_info(tmp_path / "o.mp4")
    assert info.frames == 103 and info.size[0] == 960
    without = call(*arguments[:4], ok=False)
    assert "the colour video: name it" in str(without.exception)


def test_transfer_by_command(tmp_path, monkeypatch):
    """Pretrain with the target's skeleton, fine-tune at a tenth of the rate, without and with --config."""
    made = make_store(tmp_path / "store", clips=12)
    monkeypatch.setattr(options, "Plan", lambda *a: plan_of(made))
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, validation=0.2, batch=4, rate=1e-2)
    monkeypatch.setitem(RECIPES, "laptop", recipe)
    source, out = tmp_path / "source", tmp_path / "out"
    call("train", "ntu", "--row", "K", "--skeleton", "sbu", "--out", source)
    call("train", "sbu", "--row", "A", "--from", source, "--skeleton", "sbu", "--out", out)
    record = json.loads((out / "record.json").read_text())
    assert record["recipe"]["rate"] == pytest.approx(1e-3)
    assert record["model"]["pose_widths"] == list(tiny().pose_widths)
    again = ["train", "sbu", "--row", "A", "--from", source, "--out", tmp_path / "b"]
    assert "--skeleton" in str(call(*again, ok=False).exception)
    assert "leave --config out" in str(call(*again, "--config", "paper", ok=False).exception)
    assert "no skeleton 'bvh'" in str(call(*again, "--skeleton", "bvh", ok=False).exception)


def test_a_misspelt_device_or_protocol_leaves_nothing_behind(tmp_path, monkeypatch):
    made = make_store(tmp_path / "store", clips=12)
    monkeypatch.setattr(options, "Plan", lambda *a: plan_of(made))
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    words = ["train", "sbu", "--row", "A", "--out", tmp_path / "run"]
    said = call(*words, "--device", "cdua", ok=False)
    assert "no device 'cdua'; choose auto" in str(said.exception)
    assert "no protocol 'fold-9'" in str(call(*words, "--protocol", "fold-9", ok=False).exception)
    assert not (tmp_path / "run").exists()

"""MSR Daily Activity 3D from raw files to a prediction, on small files in both published forms."""

import json

import numpy as np
import pytest
import torch

from command import call
from pcsta.checkpoint import load
from pcsta.config import RECIPES
from pcsta.data.msr_daily import MSRDaily
from pcsta.data.pairing import clip_frames
from pcsta.data.store import Store
from pcsta.data.video import write_video
from pcsta.files import read_json
from pcsta.glimpse import GlimpseSensor, crop
from pcsta.skeletons import KINECT_V1
from pcsta_book.experiments.comparisons import limited
from recordings import msr_converted, msr_text, person

FRAMES = 22


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Three activities, four subjects: the first two activities in the original form, the third in
    the converted one. A video of 640 x 480 is grey, with a bright square that moves."""
    root = tmp_path_factory.mktemp("msr")
    for action in (1, 2, 3):
        for subject in (1, 2, 3, 4):
            seed = 10 * action + subject
            joints = person(FRAMES, (0.2, 0, 2.5), KINECT_V1, wave=0.1 * action, seed=seed)
            name = f"a{action:02}_s{subject:02}_e01"
            if action < 3:
                text, file = msr_text([[j] for j in joints]), f"{name}_skeleton.txt"
            else:
                text, file = msr_converted(joints), f"{name}_skeleton3D.txt"
            (root / file).write_text(text)
            images = np.full((FRAMES, 480, 640, 3), 60 * action, np.uint8)
            for t, image in enumerate(images):
                image[200:260, 10 * t : 10 * t + 60] = 250
            write_video(root / f"{name}_rgb.avi", list(images))
    return root


@pytest.fixture(scope="module")
def runs(raw, tmp_path_factory):
    """Row K trained by the command, with its folder of data."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSTA_DATA", str(folder / "data"))
        patch.setitem(RECIPES, "laptop", limited(RECIPES["laptop"], 2))
        call("prepare", "msr-daily", "--root", raw, "--workers", 0)
        call("train", "msr-daily", "--root", raw, "--row", "K", "--device", "cpu",
             "--workers", 0, "--out", folder / "k")  # fmt: skip
    return folder


def test_check_counts_both_forms(raw):
    found = json.loads(call("check", "msr-daily", "--root", raw, "--json").stdout)
    assert found["usable"] == 12 and found["files"] == {"skeletons": 12, "videos": 12}
    assert found["splits"] == {"cross-subject": {"train": 6, "test": 6}}
    assert found["videos"]["equal"]["count"] == 12
    assert found["repaired"] == 4, "the converted form has no image positions of its own"


@torch.no_grad()
def test_glimpses_are_crops_of_100_pixels(raw, runs):
    (path,) = (runs / "data/prepared").iterdir()
    store, sensor = Store(path), GlimpseSensor()
    assert store.settings["crop_size"] == 100 and len(store) == 12
    for name in ("a01_s01_e01", "a03_s02_e01"):
        clip = MSRDaily(raw).read(name)
        assert clip.image_size == (640, 480)
        t, image = list(clip_frames(clip))[7]
        crops = torch.from_numpy(crop(image, clip.hands[t, :2], 100))
        stored = store.glimpses(store.index(name))[t]
        np.testing.assert_allclose(stored[:2], sensor(crops).numpy(), atol=2e-2)
        assert not stored[2:].any(), "nobody is second"


def test_train_evaluate_predict(raw, runs):
    """Both streams: trained, tested by the protocol, and asked about one recording."""
    model = load(runs / "k")
    assert model.config.skeleton == "kinect_v1" and model.config.classes == 16
    found = json.loads(call("evaluate", runs / "k", "--json", "--device", "cpu").output)
    assert found["runs"]["k"]["clips"] == 6
    assert np.sum(found["runs"]["k"]["confusion"]) == 6
    for name, form in (("a02_s02_e01", "skeleton.txt"), ("a03_s04_e01", "skeleton3D.txt")):
        said = json.loads(
            call(
                "predict", runs / "k", "--skeleton", raw / f"{name}_{form}", "--json",
                raw / f"{name}_rgb.avi", "--top", 16, "--device", "cpu",
            ).output
        )  # fmt: skip
        assert said["clip"] == name and said["frames"] == FRAMES
        assert sum(p for _, p in said["top"]) == pytest.approx(1, abs=1e-4)


def test_table_3_from_raw_files(raw, tmp_path, monkeypatch):
    """All rows by one command (Table 3); again, and it only prints."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)  # no pool
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    command = [
        "table", 3, "--root", raw, "--config", "laptop", "--recipe", "laptop", "--epochs", 2,
        "--sensor", "efficientnet-lite0", "--device", "cpu", "--workers", 0,
        "--out", tmp_path / "table3",
    ]  # fmt: skip
    said = call(*command).output
    assert "12 skeletons, 12 videos" in said and "74.6" in said and "not run" not in said
    record = read_json(tmp_path / "table3/record.json")
    assert list(record["lines"]) == ["A", "G", "K"]
    assert record["title"] == "Table 3 on msr-daily, a trial of 2 epochs"
    assert record["command"] == (
        "pcsta table 3 --out runs/table3 --config laptop --recipe laptop "
        "--sensor efficientnet-lite0 --seeds 1 --epochs 2"
    )
    row = {k: v["results"]["cross-subject"][0]["accuracy"] for k, v in record["lines"].items()}
    for method, letter in (("pose only", "A"), ("RGB only", "G"), ("pose + RGB", "K")):
        line = next(x for x in said.splitlines() if x.startswith(f"Ours ({method})"))
        assert line.split(")")[1].split()[0] == f"{100 * row[letter]:.1f}"
    states = {f: f.stat().st_mtime_ns for f in (tmp_path / "table3").rglob("model.safetensors")}
    assert len(states) == 2
    assert call(*command).output.split()[-20:] == said.split()[-20:]
    assert states == {f: f.stat().st_mtime_ns for f in states}, "nothing is trained twice"

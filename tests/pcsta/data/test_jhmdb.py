"""J-HMDB: names, splits by source, clips without a pose; real film where it is at hand."""

import json
import shutil

import numpy as np
import pytest

from command import call
from fakes import tiny
from pcsta.config import CONFIGS, RECIPES, TrainConfig
from pcsta.data import DataError, open_dataset, read_clip
from pcsta.data.check import check_dataset, format_report
from pcsta.data.jhmdb import CLASSES, JHMDB
from pcsta.data.prepare import prepare
from pcsta.data.store import Store
from pcsta.files import read_json
from pcsta.preflight import training_clips
from recordings import TITLES, write_jhmdb

ODD = "Drink_@18_-_Apple!(Martini)_wave_u_nm_np1_fr_goo_11"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "jhmdb"
    write_jhmdb(folder)
    return folder


def test_a_name_tells_source_class_and_number(root):
    data = open_dataset("jhmdb", root)
    assert len(data) == 20 and len(data.classes) == 21  # those of the whole, though two are there
    sample = data[ODD]
    assert (sample.action, sample.label, sample.replication) == ("wave", CLASSES.index("wave"), 11)
    assert {one.subject for one in data} == set(TITLES)
    clip = data.read(sample)
    assert len(clip) == 22 and clip.image_size == (320, 240) and clip.video == sample.video
    assert clip.present[:, 0].all() and not clip.present[:, 1].any()
    assert read_clip(sample.skeleton_file).action == "wave"
    said = call("inspect", sample.skeleton_file).output
    assert "action" in said and "wave (label 20)" in said and "Apple!(Martini)" in said


def test_check_counts_what_a_split_lists_and_nobody_can_read(root):
    facts = check_dataset(open_dataset("jhmdb", root), progress=False)
    assert facts["files"] == {"skeletons": 19, "videos": 20} and facts["usable"] == 18
    assert {kind: found["count"] for kind, found in facts["unusable"].items()} == {
        "no skeleton": 1, "no body in any of its N frames": 1,
    }  # fmt: skip
    assert facts["splits"]["split-1"] == {"train": 12, "test": 6, "errors": 2}
    assert facts["videos"]["equal"]["count"] == 18
    assert "12 to train, 6 to test, 2 unread, which are errors" in format_report(facts)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_sides_are_those_of_the_files(root, split):
    expected = {"1": set(), "2": set()}
    for action in ("pour", "wave"):
        for line in (root / f"splits/{action}_test_split{split}.txt").read_text().splitlines():
            expected[line[-1]].add(line[: -len(".avi 1")])
    train, test = JHMDB(root).split(f"split-{split}")
    assert (set(train), set(test)) == (expected["1"], expected["2"])


@pytest.mark.parametrize(
    "fault, message",
    [
        (lambda text: None, "pour_test_split2.txt: cannot read it"),
        (lambda text: text.replace(".avi 2", ".avi 3", 1), "line 5: should be the file of a pour clip, and 1"),
        (lambda text: text.replace("_pour_", "_wave_", 1), "line 1: should be the file of a pour clip"),
        (lambda text: text + text.splitlines()[0], "line 11: Drink_.* is listed twice"),
        (lambda text: text.partition("\n")[2], "does not list Drink_.*_0, which the first split has"),
    ],
)  # fmt: skip
def test_a_wrong_split_file_is_named(root, tmp_path, fault, message):
    shutil.copytree(root / "splits", tmp_path / "splits")
    shutil.copytree(root / "poses", tmp_path / "poses")
    path = tmp_path / "splits/pour_test_split2.txt"
    text = fault(path.read_text())
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DataError, match=message):
        _ = JHMDB(tmp_path).samples


def test_a_clip_that_no_split_lists_and_a_video_of_another_name_are_told(root, tmp_path):
    shutil.copytree(root / "splits", tmp_path / "splits")
    (tmp_path / "Rename_Images").mkdir()
    for name in ("new_wave_u_nm_np1_fr_med_0.avi", "holiday.avi", "Rename_Images/a.avi"):
        (tmp_path / name).touch()
    data = JHMDB(tmp_path)
    assert data.unusable == {
        "new_wave_u_nm_np1_fr_med_0": "no split file lists it",
        "holiday.avi": "neither a skeleton nor a video by its name",
    }
    assert len(data) == 10 and data.files["skeletons"] == data.files["videos"] - 1 == 0
    with pytest.raises(
        DataError, match=r"poses/wave/Drink_.*: no skeleton. Estimate it with `pcsta"
    ):
        data.read(ODD)


def test_a_validation_cut_by_subject_parts_sources(root, tmp_path):
    store = prepare(JHMDB(root), tmp_path / "s", workers=0, progress=False)
    recipe = TrainConfig(validation=0.3, validation_by="subject")
    fitted, held = (
        {store.clips[i].subject for i in side}
        for side in training_clips(store, recipe, "split-2", 0)
    )
    assert fitted and held and not fitted & held


def test_unread_clips_are_errors_from_raw_files_to_figures(root, tmp_path, monkeypatch):
    """In evaluate and in ablate, for all splits; accuracies against a count of the answers."""
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    recipe = TrainConfig(pose_epochs=2, rgb_epochs=1, batch=4, validation=0.2)
    monkeypatch.setitem(RECIPES, "laptop", recipe)
    words = ["jhmdb", "--root", root, "--row", "A", "--protocol", "splits", "--device", "cpu"]
    call("train", *words, "--out", tmp_path / "run")
    found = json.loads(call("evaluate", tmp_path / "run", "--json").output)["runs"]
    one = found["split-1"]
    assert (one["clips"], one["unread"], np.sum(one["confusion"])) == (8, 2, 6)
    assert one["accuracy"] == pytest.approx(np.trace(one["confusion"]) / 8)
    assert one["accuracy"] == pytest.approx(np.mean(list(one["per_class"].values())))
    assert (found["split-3"]["clips"], found["split-3"]["unread"]) == (4, 0)
    assert (
        "(8 clips, 2 of them unread and counted as errors)"
        in call("evaluate", tmp_path / "run").output
    )

    record = tmp_path / "record.json"
    words = ["jhmdb", "--root", root, "--rows", "A,K", "--seeds", 1, "--protocol", "splits"]
    said = call(
        "ablate", *words, "--crop-size", "0.5torso", "--out", tmp_path / "g", "--record", record
    )
    assert (
        "Test clips that could not be read, and count as errors: 2 of 8, 0 of 8, 0 of 4."
        in said.output
    )
    assert "mean of three splits" in said.output
    told = read_json(record)
    assert "--crop-size 0.5torso" in told["command"]
    for name in ("A", "G", "K"):
        line = told["lines"][name]
        right = np.trace(line["confusion"]["split-1"])
        assert line["results"]["split-1"][0]["accuracy"] == pytest.approx(right / 8)
    made = read_json(tmp_path / "g/split-1/seed-0/G/store.json")["path"]
    store = Store(made)
    assert store.settings["crop_size"] == "0.5torso" and store.unread("split-1").tolist() == [8, 20]
    assert store.unread("split-2/split-1").tolist() == [8, 20]  # held out inside


def test_a_crop_size_that_is_none_is_refused_before_anything_is_made(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    words = ["prepare", "jhmdb", "--root", root, "--crop-size"]
    assert "such as 0.75torso: not 'big'" in str(call(*words, "big", ok=False).exception)
    frame = call(*words, "50", "--crops", "frame", ok=False)
    assert "leave --crop-size out" in str(frame.exception)
    assert not list(tmp_path.iterdir())

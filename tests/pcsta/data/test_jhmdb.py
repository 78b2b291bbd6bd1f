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
from pcsta.data.crop_size import crop_sides
from pcsta.data.estimated import write_estimated
from pcsta.data.jhmdb import CLASSES, JHMDB
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import glimpse_crops, prepare
from pcsta.data.video import write_video
from pcsta.evaluation import predict
from pcsta.files import read_json
from pcsta.glimpse import squeeze
from pcsta.preflight import training_clips
from recordings import TITLES, write_jhmdb

ODD = "Drink_@18_-_Apple!(Martini)_wave_u_nm_np1_fr_med_11"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "jhmdb"
    write_jhmdb(folder)
    return folder


def test_a_name_tells_source_class_and_number(root, tmp_path):
    data = open_dataset("jhmdb", root)
    assert len(data) == 20 and len(data.classes) == 21  # those of the whole, though two are there
    sample = data[ODD]
    assert (sample.action, sample.label, sample.replication) == ("wave", CLASSES.index("wave"), 11)
    assert {one.subject for one in data} == set(TITLES)
    clip = data.read(sample)
    assert len(clip) == 22 and clip.image_size == (320, 240) and clip.video == sample.video
    assert read_clip(sample.skeleton_file).action == "wave"
    wide = write_video(tmp_path / sample.video.name, [np.zeros((240, 416, 3), np.uint8)] * 22)
    assert read_clip(sample.skeleton_file, wide).image_size == (416, 240)  # as of HMDB51
    said = call("inspect", sample.skeleton_file).output
    assert "wave (label 20)" in said and "Apple!(Martini)" in said


def test_check_counts_what_a_split_lists_and_nobody_can_read(root):
    facts = check_dataset(open_dataset("jhmdb", root), progress=False)
    assert facts["files"] == {"skeletons": 19, "videos": 20} and facts["usable"] == 18
    unusable = {kind: found["count"] for kind, found in facts["unusable"].items()}
    assert unusable == {"no skeleton": 1, "no body in any of its N frames": 1}
    assert facts["splits"]["split-1"] == {"train": 12, "test": 6, "errors": 2}
    assert facts["videos"]["equal"]["count"] == 18
    assert "12 to train, 6 to test, 2 unread, which are errors" in format_report(facts)


@pytest.mark.parametrize(
    "fault, message",
    [
        (lambda text: None, "pour_test_split2.txt: cannot read it"),
        (lambda text: text.replace(".avi 2", ".avi 3", 1), "line 5: should be a pour clip, once in"),
        (lambda text: text.replace("_pour_", "_wave_", 1), "line 1: should be a pour clip, once in"),
        (lambda text: text + text.splitlines()[0], "line 11: should be a pour clip, once in"),
        (lambda text: text.partition("\n")[2], "it does not list Drink_.*_0, which the split before"),
    ],
)  # fmt: skip
def test_a_wrong_split_file_is_named(root, tmp_path, fault, message):
    for part in ("splits", "poses"):
        shutil.copytree(root / part, tmp_path / part)
    path = tmp_path / "splits/pour_test_split2.txt"
    text = fault(path.read_text())
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DataError, match=message):
        _ = JHMDB(tmp_path).samples


def test_what_no_split_lists_is_told(root, tmp_path):
    shutil.copytree(root / "splits", tmp_path / "splits")
    (tmp_path / "Rename_Images").mkdir()
    for name in ("new_wave_u_nm_np1_fr_med_0.avi", "holiday.avi", "Rename_Images/a.avi"):
        (tmp_path / name).touch()
    data = JHMDB(tmp_path)
    assert data.unusable == {
        "new_wave_u_nm_np1_fr_med_0": "no split file lists it",
        "holiday.avi": "neither a skeleton nor a video by its name",
    }
    assert len(data) == 10 and data.files["skeletons"] == 0
    with pytest.raises(
        DataError, match=r"med_11.skeleton: no skeleton. Estimate it with `pcsta pose"
    ):
        data.read(ODD)
    for folder in ("a", "b"):  # two films of one clip, which is tested and cannot be left out
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{ODD}.avi").touch()
    with pytest.raises(DataError, match=r"med_11: .*The splits list it: keep one file"):
        _ = JHMDB(tmp_path).samples


def test_unread_clips_are_errors_from_raw_files_to_figures(root, tmp_path, monkeypatch):
    """In evaluate and in ablate; accuracies against a count of the answers."""
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, batch=9, validation=0.2)
    monkeypatch.setitem(RECIPES, "laptop", recipe)
    words = ["jhmdb", "--root", root, "--device", "cpu", "--protocol"]
    call("train", *words, "split-1", "--row", "A", "--out", tmp_path / "run")
    one = json.loads(call("evaluate", tmp_path / "run", "--json").output)["runs"]["run"]
    assert (one["clips"], one["unread"], np.sum(one["confusion"])) == (8, 2, 6)
    assert one["accuracy"] == pytest.approx(np.trace(one["confusion"]) / 8)
    assert one["accuracy"] == pytest.approx(np.mean(list(one["per_class"].values())))
    assert (
        "(8 clips, 2 of them unread and counted as errors)"
        in call("evaluate", tmp_path / "run").output
    )
    words += ["splits", "--rows", "K", "--seeds", 1, "--crop-size", "0.5torso"]
    record = tmp_path / "record.json"
    said = call("ablate", *words, "--out", tmp_path / "grid", "--record", record).output
    assert "mean of three splits" in said
    assert "could not be read, and count as errors: 2 of 8, 0 of 8, 0 of 4." in said
    told = read_json(record)
    assert "--crop-size 0.5torso" in told["command"]
    for line in told["lines"].values():
        right = np.trace(line["confusion"]["split-1"])
        assert line["results"]["split-1"][0]["accuracy"] == pytest.approx(right / 8)
    # a prediction from files sees crops as large as those of the run's store
    run, (name, *_) = tmp_path / "grid/split-1/seed-0/G", JHMDB(root).split("split-1").test
    sample = JHMDB(root)[name]
    alone = predict(run, sample.skeleton_file, sample.video, device="cpu")
    assert alone.crop_sides.tolist() == crop_sides("0.5torso", alone.clip).tolist()
    among = np.load(run / "predictions.npz")["logits"][0]
    np.testing.assert_allclose(alone.prediction.logits, among, rtol=1e-3, atol=1e-4)


def test_crops_are_cut_as_large_as_the_body_and_squeezed_for_the_sensor(root):
    clip = JHMDB(root).read(ODD)
    crops, where = glimpse_crops(clip, "0.5torso", 16)
    assert where.tolist() == [[t, hand] for t in range(22) for hand in (0, 1)]
    side, images = crop_sides("0.5torso", clip)[0], dict(clip_frames(clip))
    for seen, (t, hand) in zip(crops, where.tolist(), strict=True):
        x, y = np.rint(clip.hands[t, hand]).astype(int) - side // 2
        cut = np.zeros((side, side, 3), np.uint8)
        for i, j in np.ndindex(side, side):
            if 0 <= y + i < 240 and 0 <= x + j < 320:
                cut[i, j] = images[t][y + i, x + j]
        np.testing.assert_array_equal(seen, squeeze(cut, 16))


def test_a_crop_size_that_is_none_is_refused_before_anything_is_made(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    words = ["prepare", "jhmdb", "--root", root, "--crop-size"]
    assert "such as 0.75torso: not 'big'" in str(call(*words, "big", ok=False).exception)
    for more in (("--crops", "frame"), ("--sensor", "none")):
        assert "leave --crop-size out" in str(call(*words, "50", *more, ok=False).exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.real
def test_real_film(real_data, tmp_path):
    """Four classes: sides as listed, whom nobody found, crops as large as the body, sources apart."""
    shared = real_data / "jhmdb"
    if not shared.is_dir():
        pytest.skip(f"no J-HMDB in {real_data}")
    for part in ("splits", "ReCompress_Videos"):
        (tmp_path / part).symlink_to(shared / part)
    classes, nobody = ("brush_hair", "clap", "pour", "wave"), set()  # the first without its films
    for file in (one for name in classes for one in shared.glob(f"poses/{name}__*.npz")):
        action, name = file.stem.split("__", 1)
        image, world = (np.load(file)[of].astype(float)[:, None] for of in ("image", "world"))
        image = image[..., [0, 1, 3]] * (320, 240, 1)  # (T, 1, 33, 3)
        nobody |= {name} if np.isnan(image).all() else set()
        path = tmp_path / f"poses/{action}/{name}.skeleton"
        write_estimated(path, image, world, (320, 240))
    data = JHMDB(tmp_path)
    train, test = data.split("split-2")
    assert len(train) + len(test) == len(data) == 41 + data.files["videos"] == 182
    lists = "\n".join((shared / f"splits/{name}_test_split2.txt").read_text() for name in classes)
    assert set(test) == {line[:-6] for line in lists.splitlines() if line[-1:] == "2"}
    store = prepare(data, tmp_path / "store", workers=0, progress=False)
    assert nobody and set(store.skipped) == nobody
    recipe = TrainConfig(validation=0.2, validation_by="subject")
    sides = training_clips(store, recipe, "split-2", 0)
    fitted, held = ({store.clips[i].subject for i in side} for side in sides)
    assert fitted and held and not fitted & held
    filmed = next(sample for sample in data if sample.video)
    crops, where = glimpse_crops(data.read(filmed), "0.75torso")
    assert len(crops) == len(where) > 0 and crops.any((1, 2, 3)).mean() > 0.9

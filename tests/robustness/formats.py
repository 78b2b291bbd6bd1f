"""Every kind of file that pcsta takes in: a good one to spoil, and a use that must survive it.

Each format is `make(folder)`, which writes good files and returns those to spoil with the mutations
that suit them, and `use(folder)`, which takes them in as a user's command does.  It returns whether
something was repaired, and raises `NotFinite` when it hands on a number that is none.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mutations import BINARY, JSON, TEXT, digit

from fakes import cores, make_store, tiny
from pcsta import course, glimpse, tensors
from pcsta.config import TrainConfig, row
from pcsta.data import Clip, open_dataset, read_clip
from pcsta.data.pairing import clip_frames
from pcsta.data.poses import make_skeletons
from pcsta.data.prepare import prepare
from pcsta.data.store import Store
from pcsta.data.video import write_video
from pcsta.evaluation import Evaluation, evaluate
from pcsta.skeletons import ESTIMATED, KINECT_V1, SBU, from_estimate
from pcsta.training import train
from pcsta_book.experiments import grid, records, tables
from recordings import (
    msr_converted,
    msr_text,
    ntu_text,
    person,
    pixels,
    sbu_text,
    write_ntu,
)  # fmt: skip

FRAMES = 12
Spoil = dict[str, tuple]  # file below the folder -> the mutations that suit it


class NotFinite(Exception):
    """A number that is none was handed on."""


class Format(NamedTuple):
    make: Callable[[Path], Spoil]
    use: Callable[[Path], bool]


def finite(clip: Clip) -> bool:
    """Whether anything of a clip was repaired; raises NotFinite."""
    for name, array in (("joints", clip.joints), ("pixels", clip.pixels[~np.isnan(clip.pixels)])):
        if not np.isfinite(array).all() or np.abs(array).max(initial=0) > 1e5:
            raise NotFinite(f"{name} of {clip.name} reach {np.abs(array).max()}")
    return bool(clip.repairs)


# --- skeletons ------------------------------------------------------------------------------------
def text_format(path: str, text: str) -> Format:
    def make(folder: Path) -> Spoil:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, newline="")
        return {path: TEXT}

    return Format(make, lambda folder: finite(read_clip(folder / path)))


A, B = (person(FRAMES, at=(x, 0, 3), seed=i) for i, x in enumerate((-0.5, 0.5)))
ONE = person(FRAMES, skeleton=KINECT_V1)
PAIR = tuple(person(FRAMES, at=(x, 0, 3), skeleton=SBU) for x in (-0.4, 0.4))
NTU_NAME = "S001C001P001R001A001"


def keypoints(layout: str) -> Format:
    """What other programs find in a film: as one list of results, and in 3D as OpenPose's folder."""
    size, programs = (320, 180), ("list.json", "folder")
    joints = np.linalg.pinv(from_estimate(layout)) @ np.stack([A, B], 1)  # (T, 2, K, 3)
    there = joints[..., 2:] > 0.1  # else Kinect v2 does without it
    places = np.where(there, pixels(np.where(there, joints, 1)) / 6, 0)
    flat = np.concatenate([places, 0.9 * there], -1)
    deep = np.concatenate([joints * (1, -1, 1), 0.9 * there], -1)

    def make(folder: Path) -> Spoil:
        write_video(folder / "film.mp4", [np.zeros((*size[::-1], 3), np.uint8)] * FRAMES)
        said = [
            {"image_id": f"{t}.jpg", "keypoints": one.ravel().tolist()}
            for t in range(FRAMES) for one in flat[t]
        ]  # fmt: skip
        (folder / "list.json").write_text(json.dumps(said, indent=1))
        (folder / "folder").mkdir()
        for t in range(FRAMES):
            people = [
                {"pose_keypoints_2d": a.ravel().tolist(), "pose_keypoints_3d": b.ravel().tolist()}
                for a, b in zip(flat[t], deep[t], strict=True)
            ]
            (folder / f"folder/{t:012}_keypoints.json").write_text(json.dumps({"people": people}))
        return dict.fromkeys(("list.json", f"folder/{3:012}_keypoints.json"), (*JSON, *9 * [digit]))

    def use(folder: Path) -> bool:
        film = folder / "film.mp4"
        for name in programs:
            list(make_skeletons(folder / name, folder, film))
        clips = [read_clip(folder / f"{Path(name).stem}.skeleton", film) for name in programs]
        return any([finite(clip) for clip in clips])

    return Format(make, use)


# --- datasets -------------------------------------------------------------------------------------
def own_make(folder: Path) -> Spoil:
    table = ["skeleton,video,action,subject,side"]
    for i, (who, side) in enumerate((("ann", "train"), ("bob", "test"), ("cy", "train"))):
        (folder / f"{who}.skeleton").write_text(ntu_text(FRAMES, [(1, 0, A + 0.01 * i)]))
        table.append(f"{who}.skeleton,,wave,{who},{side}")
    (folder / "recordings.csv").write_text("\n".join(table) + "\n")
    return {"recordings.csv": TEXT, "ann.skeleton": TEXT}


def own_use(folder: Path) -> bool:
    data = open_dataset("own", folder)
    data.split()
    return any([finite(data.read(sample)) for sample in data])


def jhmdb_make(folder: Path) -> Spoil:
    names = [f"{title}_pour_u_nm_np1_fr_med_0" for title in ("Kurt Kr mer", "BIG_FISH", "100%")]
    spoil = {f"poses/pour/{names[0]}.skeleton": TEXT}
    for part in ("poses/pour", "splits"):
        (folder / part).mkdir(parents=True)
    for i, name in enumerate(names):
        (folder / f"poses/pour/{name}.skeleton").write_text(
            ntu_text(FRAMES, [(1, 0, A + 0.01 * i)])
        )
        path = f"splits/pour_test_split{i + 1}.txt"
        (folder / path).write_text("".join(f"{n}.avi {1 + (n == name)}\n" for n in names))
        spoil[path] = TEXT
    return spoil


def jhmdb_use(folder: Path) -> bool:
    data = open_dataset("jhmdb", folder)
    for protocol in data.protocols:
        assert sum(map(len, data.split(protocol))) == 3
    outside = "is outside the image"  # of 320 x 240; the skeletons are of 1920 x 1080
    clips = [data.read(sample) for sample in data]
    return any([finite(clip) and not all(outside in r for r in clip.repairs) for clip in clips])


def embedded_make(folder: Path) -> Spoil:
    """As the embedded dataset describes itself, and what was planted in its clips."""
    for action, who in ((1, 1), (121, 3)):
        write_ntu(folder, f"S001C001P00{who}R001A{action:03}", ntu_text(FRAMES, [(1, 0, A)]))
    about = {
        "name": "synthetic", "actions": [1, 121], "classes": ["drink water", "pour into a cup"],
        "image_size": [1920, 1080], "crop_size": 50,
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(about, indent=1))
    hands = pixels(A)[:, None, [7, 11]]  # (T, 1, 2, 2)
    truth = {
        "actors": [1], "deciding": [[[[2, 6]], [[0, 3], [8, 12]]]], "hands": hands.tolist(),
        "objects": [[["cup"] * FRAMES, [""] * FRAMES]], "faults": ["jitter"],
    }  # fmt: skip
    path = f"nturgb+d_truth/{NTU_NAME}.json"
    (folder / path).parent.mkdir()
    (folder / path).write_text(json.dumps(truth))
    return {"dataset.json": JSON, path: JSON}


def embedded_use(folder: Path) -> bool:
    data = open_dataset("ntu", folder)
    for protocol in data.protocols:
        data.split(protocol)
    store = prepare(data, folder / "s", None, 0, "cpu", progress=False)
    assert set(store.deciding(0).ravel().tolist()) <= {0, 1}
    assert store.settings["crop_size"] > 0 and len(store.classes) in (
        2,
        60,
    )  # NTU's, where the actions are lost
    return any([finite(data.read(sample)) for sample in data]) or bool(store.skipped)


def store_make(folder: Path) -> Spoil:
    make_store(folder / "s", clips=4)
    shard = "s/shards/000000"
    arrays = {f"{shard}/{name}.npy": BINARY for name in ("joints", "hands", "deciding", "glimpses")}
    return {"s/settings.json": JSON, f"{shard}/index.jsonl": JSON, **arrays}


def store_use(folder: Path) -> bool:
    store = Store(folder / "s")
    rows = np.arange(store.frames_total)
    for name in ("joints", "hands", "deciding", "glimpses"):
        store.take(name, rows)
    for protocol in store.settings["splits"]:
        store.split(protocol)
    return False


# --- runs -----------------------------------------------------------------------------------------
RECIPE = TrainConfig(pose_epochs=2, rgb_epochs=1, batch=2, validation=0.25)


def run_make(folder: Path) -> Spoil:
    train(
        make_store(folder / "s", clips=12), row("A", tiny()), RECIPE, folder / "r", progress=False
    )
    json = {f"r/{name}.json": JSON for name in ("config", "record", "store")}
    return {"r/model.safetensors": BINARY, **json}


def run_use(folder: Path) -> bool:
    result = evaluate(folder / "r")
    if not 0 <= result.accuracy <= 1:
        raise NotFinite(f"accuracy {result.accuracy}")
    return False


def log_make(folder: Path) -> Spoil:
    run_make(folder)
    return {"r/log.csv": TEXT}


def log_use(folder: Path) -> bool:
    result = Evaluation(1.0, 2, {}, [[1, 0], [0, 1]], {}, "cross-subject", 0)
    if "nan" in (said := course.format_report({"r": result}, {"r": folder / "r"}, None)):
        raise NotFinite(said)
    return False


def state_make(folder: Path) -> Spoil:
    from pcsta import training

    store = make_store(folder / "s", clips=12)
    save, training.SAVE_SECONDS = training.State.save, -1

    def stops(self, out):
        save(self, out)
        if self.progress["epochs"] and self.underway:
            raise KeyboardInterrupt

    training.State.save = stops
    with suppress(KeyboardInterrupt):
        train(store, row("A", tiny()), RECIPE, folder / "r", progress=False)
    training.State.save = save
    return {"r/state.safetensors": BINARY, "r/config.json": JSON}


def state_use(folder: Path) -> bool:
    train(Store(folder / "s"), row("A", tiny()), RECIPE, folder / "r", progress=False)
    return False


def sensor_make(folder: Path) -> Spoil:
    """Weights of f_g as `--weights` names them, in both forms; Lite0's own."""
    weights = glimpse._lite0_weights()
    torch.save(weights, folder / "f_g.pth")
    tensors.write(folder / "f_g.safetensors", weights)
    return {"f_g.pth": BINARY, "f_g.safetensors": BINARY}


def sensor_use(folder: Path) -> bool:
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), np.uint8))
    spoiled = max(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    features = glimpse.GlimpseSensor(weights=spoiled)(crops).half()
    if not features.isfinite().all():
        raise NotFinite(f"{spoiled.name}: features reach {features.max()}")
    return False


# --- results -------------------------------------------------------------------------------------
def experiment(folder: Path) -> grid.Experiment:
    names, recipe = ("A", "G"), replace(RECIPE, name="test")
    return grid.Experiment(Store(folder / "s"), tiny(), recipe, folder / "g", names, device="cpu")


def grid_make(folder: Path) -> Spoil:
    """What `pcsta table` and `pcsta ablate` keep of each model, and go on from."""
    make_store(folder / "s", clips=12)
    with cores(1):
        grid.run_grid(experiment(folder))
    run = "g/cross-subject/seed-0/G"
    return {f"{run}/result.json": JSON, f"{run}/predictions.npz": BINARY}


def grid_use(folder: Path) -> bool:
    asked = experiment(folder)
    with cores(1):
        told = records.describe(asked, grid.run_grid(asked), "A test", "pcsta ablate")
    records.write(folder / "record.json", told)
    return shown(folder, "record")


def record_make(folder: Path) -> Spoil:
    grid_make(folder)
    grid_use(folder)
    return {"record.json": JSON}


def shown(folder: Path, name: str) -> bool:
    """A record as the book's chapters show it."""
    kept, records.FOLDER = records.FOLDER, folder
    try:
        record = records.read(name)
        said = tables.result_table(name, record["lines"], "A table").data
        for line in record["lines"]:
            for protocol in record["protocols"]:
                records.right(record, line, protocol)
            said += tables.attention_table(name, [line], tables.SCORES).data
        records.median_seed(record, record["lines"], record["protocols"][0])
        said += tables.format_table(record)
    finally:
        records.FOLDER = kept
    if found := re.search(r".*\b(nan|inf)[\s±|%].*", said):
        raise NotFinite(found[0])
    return False


# --- films ----------------------------------------------------------------------------------------
def film_make(suffix: str) -> Callable[[Path], Spoil]:
    def make(folder: Path) -> Spoil:
        rng = np.random.default_rng(0)
        film = f"nturgb+d_rgb/{NTU_NAME}_rgb.avi"
        images = [rng.integers(0, 255, (108, 192, 3), np.uint8) for _ in range(FRAMES)]
        (folder / film).parent.mkdir(parents=True)
        made = write_video(folder / f"x{suffix}", images)
        shutil.move(made, folder / film)
        write_ntu(folder, NTU_NAME, ntu_text(FRAMES, [(1, 0, A)]))
        return {film: BINARY}

    return make


def images_make(folder: Path) -> Spoil:
    """SBU's films are folders of images; some have them as JPEG."""
    rng, spoil = np.random.default_rng(0), {}
    for i, suffix in enumerate((".png", ".jpg"), 1):
        sbu = f"s01s02/0{i}/001"
        (folder / sbu).mkdir(parents=True)
        (folder / sbu / "skeleton_pos.txt").write_text(sbu_text(*PAIR))
        for t in range(FRAMES):
            image = rng.integers(0, 255, (48, 64, 3), np.uint8)
            spoil[file := f"{sbu}/rgb_{180 + t:06}{suffix}"] = BINARY
            cv2.imwrite(str(folder / file), image)
    return spoil


def images_use(folder: Path) -> bool:
    data = open_dataset("sbu", folder)
    for sample in data:
        for _, image in clip_frames(data.read(sample)):
            assert image.dtype == np.uint8
    return False


def film_use(folder: Path) -> bool:
    data = open_dataset("ntu", folder)
    clip = data.read(NTU_NAME)
    for _, image in clip_frames(clip):
        assert image.dtype == np.uint8
    return False


def prepared_use(folder: Path) -> bool:
    """A dataset of damaged files becomes a store all the same, without those that cannot be read."""
    store = prepare(open_dataset("ntu", folder), folder / "s", None, 0, "cpu", progress=False)
    for i in range(len(store)):
        if not np.isfinite(store.joints(i)).all():
            raise NotFinite(store.clips[i].name)
    return bool(store.skipped)


def ntu_make(folder: Path) -> Spoil:
    names = [f"S001C00{i}P001R001A001" for i in (1, 2)]
    for name in names:
        write_ntu(folder, name, ntu_text(FRAMES, [(1, 0, A)]))
    return {f"nturgb+d_skeletons/{names[0]}.skeleton": TEXT}


FORMATS = {
    "ntu": text_format(
        f"nturgb+d_skeletons/{NTU_NAME}.skeleton", ntu_text(FRAMES, [(1, 0, A), (2, 2, B[2:])])
    ),
    "sbu": text_format("s01s02/01/001/skeleton_pos.txt", sbu_text(*PAIR)),
    "msr": text_format("a01_s01_e01_skeleton.txt", msr_text([[frame] for frame in ONE])),
    "msr-converted": text_format("a01_s01_e01_skeleton.txt", msr_converted(ONE)),
    **{name.replace("_", "-"): keypoints(name) for name in ESTIMATED},
    "own": Format(own_make, own_use),
    "jhmdb": Format(jhmdb_make, jhmdb_use),
    "embedded": Format(embedded_make, embedded_use),
    "prepare": Format(ntu_make, prepared_use),
    "store": Format(store_make, store_use),
    "run": Format(run_make, run_use),
    "log": Format(log_make, log_use),
    "state": Format(state_make, state_use),
    "sensor": Format(sensor_make, sensor_use),
    "grid": Format(grid_make, grid_use),
    "record": Format(record_make, lambda folder: shown(folder, "record")),
    "avi": Format(film_make(".avi"), film_use),
    "mp4": Format(film_make(".mp4"), film_use),
    "images": Format(images_make, images_use),
}

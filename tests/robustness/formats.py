"""Every kind of file that pcsta takes in: a good one to spoil, and a use that must survive it.

Each format is `make(folder)`, which writes good files and returns those to spoil with the mutations
that suit them, and `use(folder)`, which takes them in as a user's command does.  It returns whether
something was repaired, and raises `NotFinite` when it hands on a number that is none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mutations import BINARY, JSON, TEXT

from fakes import make_store, tiny
from pcsta.config import TrainConfig, row
from pcsta.data import Clip, open_dataset, read_clip
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import prepare
from pcsta.data.store import Store
from pcsta.data.video import write_video
from pcsta.evaluation import evaluate
from pcsta.skeletons import KINECT_V1, SBU
from pcsta.training import train
from recordings import msr_converted, msr_text, ntu_text, person, sbu_text, write_ntu

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
PAIR = (person(FRAMES, at=(x, 0, 3), skeleton=SBU) for x in (-0.4, 0.4))
NTU_NAME = "S001C001P001R001A001"


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
    "own": Format(own_make, own_use),
    "prepare": Format(ntu_make, prepared_use),
    "store": Format(store_make, store_use),
    "run": Format(run_make, run_use),
    "state": Format(state_make, state_use),
    "avi": Format(film_make(".avi"), film_use),
    "mp4": Format(film_make(".mp4"), film_use),
}

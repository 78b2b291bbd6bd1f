"""Faults planted in a sound store, or in a run trained on one: one function for each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from pytest import MonkeyPatch
from safetensors.torch import load_file, save_file

from command import call
from pcsta.config import CONFIGS, RECIPES, TrainConfig, laptop
from pcsta.data.shard import read_settings, write_settings
from pcsta.data.store import Store
from pcsta.files import read_json, write_json
from pcsta.skeletons import KINECT_V2

Arrays = dict[str, np.ndarray]  # of one clip
SHIFT = 5  # frames


def change(store: Path, spoil: Callable[[Arrays], None]) -> None:
    """Let `spoil` change each clip's arrays in place."""
    for shard in sorted((store / "shards").iterdir()):
        files = {path: np.load(path) for path in shard.glob("*.npy")}
        for line in map(json.loads, (shard / "index.jsonl").read_text().splitlines()):
            here = slice(line["start"], line["start"] + line["length"])
            spoil({path.stem: array[here] for path, array in files.items()})
        for path, array in files.items():
            np.save(path, array)


def shuffle_labels(store: Path) -> None:
    indices = sorted((store / "shards").glob("*/index.jsonl"))
    lines = [[json.loads(text) for text in path.read_text().splitlines()] for path in indices]
    labels = [line["label"] for part in lines for line in part]
    mixed = iter(np.random.default_rng(0).permutation(labels).tolist())
    for path, part in zip(indices, lines, strict=True):
        clips = [line | {"label": next(mixed)} for line in part]
        path.write_text("".join(json.dumps(clip) + "\n" for clip in clips))


def _split(protocol: str, spoil: Callable[[dict, list[str]], None]) -> Callable[[Path], None]:
    def plant(store: Path) -> None:
        settings = read_settings(store)
        sides = settings["splits"][protocol]
        spoil(sides, sides["train"] + sides["test"])
        write_settings(store, settings)

    return plant


def _test_people_train(sides: dict, _: list[str]) -> None:
    moved = [name for name in sides["test"] if name[8:12] == "P003"]
    sides["train"] = sorted(sides["train"] + moved[::2])
    sides["test"] = [n for n in sides["test"] if n not in moved[::2]]


def _camera_1_trains(sides: dict, names: list[str]) -> None:
    sides["train"] = sorted(n for n in names if n[4:8] != "C003" or n.endswith("1"))
    sides["test"] = sorted(set(names) - set(sides["train"]))


def _empty(store: Path) -> None:
    turn = count()
    change(store, lambda clip: clip["joints"].fill(0) if next(turn) % 10 == 0 else None)


def _twice(store: Path) -> None:
    """The middle pose of a clip that trains becomes that of one that is tested."""
    made, turn = Store(store), count()
    one, other = (side[0] for side in made.split("cross-subject"))
    pose = made.joints(one)[made.clips[one].length // 2].copy()

    def spoil(clip: Arrays) -> None:
        if next(turn) == other:
            clip["joints"][len(clip["joints"]) // 2] = pose

    change(store, spoil)


def _absent(clip: Arrays) -> None:
    clip["joints"][:, 1], clip["hands"][:, 2:], clip["glimpses"][:, 2:] = 0, np.nan, 0


def _millimetres(clip: Arrays) -> None:
    clip["joints"] *= 1000


def _exchanged(clip: Arrays) -> None:
    other = {"left": "right", "right": "left"}
    names = [" ".join(other.get(word, word) for word in j.split()) for j in KINECT_V2.joints]
    clip["joints"][:] = clip["joints"][:, :, [KINECT_V2.index(name) for name in names]]
    for name in ("hands", "glimpses"):
        clip[name][:] = clip[name][:, [1, 0, 3, 2]]


def _random_weights(clip: Arrays) -> None:
    """As measured: whatever a random network sees, its features are nearly the same."""
    there = np.isfinite(clip["hands"]).all(-1)
    clip["glimpses"][there] = 1 + clip["glimpses"][there] / 50


def _shifted(clip: Arrays) -> None:
    clip["glimpses"][:] = np.roll(clip["glimpses"], SHIFT, 0)


def _changed(spoil: Callable[[Arrays], None]) -> Callable[[Path], None]:
    return lambda store: change(store, spoil)


# by the heading of the page's branch that is to find it
IN_STORE: dict[str, Callable[[Path], None]] = {
    "The labels are shuffled": shuffle_labels,
    "Test people are in training": _split("cross-subject", _test_people_train),
    "A test camera is in training": _split("cross-view", _camera_1_trains),
    "Clips are empty": _empty,
    "A recording is on both sides": _twice,
    "The second person is always absent": _changed(_absent),
    "The joints are in millimetres": _changed(_millimetres),
    "Left and right are exchanged": _changed(_exchanged),
    "The glimpse sensor's weights are random": _changed(_random_weights),
    "The features are of other frames": _changed(_shifted),
}


SIZES = laptop(
    pose_widths=(4, 8, 64), dropout=0.1, glimpse_projection=None, glimpse_dropout=0.0, hidden=32,
    step_features=32, spatial_hidden=16, temporal_hidden=16,
)  # fmt: skip
RECIPE = TrainConfig(
    pose_epochs=40, rgb_epochs=16, batch=16, rate=3e-3, schedule="one-cycle", keep="last"
)


def train(store: Path, run: Path, *options: object, row: str = "A", **recipe: object) -> Path:
    """A small run that calls itself the paper's, by the page's command."""
    with MonkeyPatch.context() as patch:
        patch.setitem(CONFIGS, "paper", lambda: SIZES)
        patch.setitem(RECIPES, "paper", replace(RECIPE, **recipe))
        how = ("--row", row, "--config", "paper", "--recipe", "paper", "--device", "cpu")
        call("train", store, *how, *options, "--out", run)
    return run


def _another_protocol(store: Path, sound: Path, run: Path) -> None:
    shutil.copytree(sound, run)
    for name in ("config.json", "record.json"):
        write_json(run / name, read_json(run / name) | {"protocol": "cross-view"})


def _dead(head: str) -> Callable[[Path, Path, Path], None]:
    def plant(store: Path, sound: Path, run: Path) -> None:
        shutil.copytree(sound, run)
        weights = load_file(run / "model.safetensors")
        dead = {name: t * 0 if name.startswith(head) else t for name, t in weights.items()}
        save_file(dead, run / "model.safetensors")

    return plant


IN_RUN: dict[str, Callable[[Path, Path, Path], object]] = {
    "It is another protocol": _another_protocol,
    "The learning rate is too high": lambda store, _, run: train(
        store, run, "--rate-share", 100, pose_epochs=10
    ),
    "The learning rate is too low": lambda store, _, run: train(
        store, run, "--rate-share", 0.003, pose_epochs=10
    ),
    "There were too few epochs": lambda store, _, run: train(
        store, run, pose_epochs=16, schedule="constant"
    ),
    "The pose stream is dead": _dead("pose_head"),
    "The RGB stream is dead": _dead("rgb_head"),
}

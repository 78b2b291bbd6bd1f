"""What the chapters stand on, made on first use and found again: dataset, store, trained models.

Everything lies under the data folder. Names carry the fingerprint of the settings, so a changed
setting makes a new thing and never meets an old one. Two processes that want the same thing at once
wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from pcsta.checkpoint import load
from pcsta.common import single_thread, training_pool
from pcsta.config import RECIPES, laptop, needs_pose
from pcsta.data import Clip, Dataset, data_root, open_dataset
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import prepare, sensor_for, store_path
from pcsta.data.shard import Crops
from pcsta.data.store import Store
from pcsta.files import fingerprint, read_json
from pcsta.glimpse import GlimpseSensor
from pcsta.training import train
from pcsta.two_stream import TwoStream
from pcsta_book import synthetic
from pcsta_book.experiments.baselines import row


@contextmanager
def alone(name: str) -> Iterator[None]:
    folder = data_root() / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / name):
        yield


@lru_cache
def dataset() -> Dataset:
    """The embedded dataset: synthetic clips in NTU's file layout, with planted truth."""
    root = data_root() / "synthetic"
    with alone("synthetic"):
        if not synthetic.is_made(root):
            synthetic.make(root)
    return open_dataset("synthetic", root)


@lru_cache
def sensor(crops: Crops = "hands") -> GlimpseSensor:
    """f_g of the laptop configuration: EfficientNet-Lite0 on 64-pixel crops, or on whole frames."""
    return sensor_for(crops)


@lru_cache
def store(crops: Crops = "hands") -> Store:
    """The embedded dataset prepared: poses and glimpse features of every frame.

    crops: of the hands; or of the whole frame, which the baselines "frame" and "frame-mean" read
    """
    data, f_g = dataset(), sensor(crops)
    path = store_path(data, f_g, data_root() / "prepared", crops)
    return prepare(data, path, f_g, crops=crops)


def folder(letter: str, seed: int = 0, protocol: str = "cross-subject") -> Path:
    """Where `run` keeps a row: another folder for every change of what it is made from."""
    config, recipe = row(letter, laptop()), RECIPES["laptop"]
    settings = {"model": config.to_dict(), "recipe": asdict(recipe), "protocol": protocol,
                "seed": seed, "store": fingerprint(store(config.crops).settings)}  # fmt: skip
    return data_root() / "models" / f"{letter}-{fingerprint(settings)}"


@lru_cache
def run(letter: str = "K", seed: int = 0, protocol: str = "cross-subject") -> Path:
    """The folder of a trained row of Table 6, or of a baseline, at laptop size.

    All rows share one pose stream.
    """
    config, recipe = row(letter, laptop()), RECIPES["laptop"]
    path = folder(letter, seed, protocol)
    pose = run("A", seed, protocol) if letter != "A" and needs_pose(config) else None
    with alone(path.name), single_thread():
        return train(
            store(config.crops), config, recipe, path, protocol, seed, "cpu", pose_from=pose
        )


def model(letter: str = "K", seed: int = 0) -> tuple[TwoStream, dict[str, Any]]:
    """A trained model in evaluation mode and the record of its training.

    letter: row of Table 6 (A, B, C, E, G, H, I, K), "G-unconditioned", "K-unconditioned", or a
            baseline (pcsta_book.experiments.baselines)
    """
    folder = run(letter, seed)
    return load(folder), read_json(folder / "record.json")


def first_test_clip(action: str) -> Clip:
    """The first cross-subject test clip of an action, in order of name, without a tracking fault."""
    data, prepared = dataset(), store()
    for i in prepared.split("cross-subject")[1]:
        stored = prepared.clips[i]
        if stored.name.endswith(action) and not stored.faults:
            return data.read(stored.name)
    raise LookupError(f"no test clip of {action} without a tracking fault")


@lru_cache
def running_clip() -> Clip:
    """The book's running example: one person drinks (A001), chosen by rule and not by beauty."""
    return first_test_clip("A001")


@lru_cache
def running_pair() -> Clip:
    """The running example for two people: one gives the other an object (A056)."""
    return first_test_clip("A056")


def frames(clip: Clip) -> np.ndarray:
    """All images of a clip: (T, H, W, 3) uint8."""
    return np.stack([image for _, image in clip_frames(clip)])


ROWS = ("B", "E", "K", "K-unconditioned")  # that chapters compare, beside A


def everything(processes: int | None = None) -> None:
    """Make all that the chapters use, so that none of them waits; models side by side."""
    store()
    run("A")  # every other row takes over its pose stream
    missing = [letter for letter in ROWS if not (folder(letter) / "record.json").exists()]
    if missing:
        with training_pool(processes or min(os.cpu_count() or 1, len(missing))) as pool:
            list(pool.map(run, missing))

"""What the chapters stand on, made on first use and found again: dataset, store, trained models.

Everything lies under the data folder. Names carry the fingerprint of the settings, so a changed
setting makes a new thing and never meets an old one. Two processes that want the same thing at once
wait for each other.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from pcsta.checkpoint import load
from pcsta.common import single_thread
from pcsta.config import RECIPES, laptop, needs_pose, row
from pcsta.data import Clip, Dataset, data_root, open_dataset
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import prepare, sensor_for, store_path
from pcsta.data.store import Store
from pcsta.files import fingerprint, read_json
from pcsta.glimpse import GlimpseSensor
from pcsta.training import train
from pcsta.two_stream import TwoStream
from pcsta_book import synthetic
from pcsta_book.pools import pool

PROTOCOL, SEED = "cross-subject", 0  # of the chapters' models
RECIPE = RECIPES["laptop"]


def alone(name: str) -> FileLock:
    folder = data_root() / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / name)


@lru_cache
def dataset() -> Dataset:
    """The embedded dataset: synthetic clips in NTU's file layout, with planted truth."""
    root = data_root() / "synthetic"
    with alone("synthetic"):
        if not synthetic.is_made(root):
            synthetic.make(root)
    return open_dataset("synthetic", root)


@lru_cache
def sensor() -> GlimpseSensor:
    """f_g of the laptop configuration: EfficientNet-Lite0 on 64-pixel crops."""
    return sensor_for("hands")


@lru_cache
def store() -> Store:
    """The embedded dataset prepared: poses and glimpse features of every frame."""
    path = store_path(dataset(), sensor(), data_root() / "prepared")
    return prepare(dataset(), path, sensor())


def folder(letter: str) -> Path:
    """Where `run` keeps a row: another folder for every change of what it is made from."""
    settings = {
        "model": row(letter, laptop()).to_dict(), "recipe": asdict(RECIPE), "protocol": PROTOCOL,
        "seed": SEED, "store": fingerprint(store().settings),
    }  # fmt: skip
    return data_root() / "models" / f"{letter}-{fingerprint(settings)}"


@lru_cache
def run(letter: str = "K") -> Path:
    """The folder of a trained row of Table 6, at laptop size. All rows share one pose stream."""
    config, path = row(letter, laptop()), folder(letter)
    pose = run("A") if letter != "A" and needs_pose(config) else None
    with alone(path.name), single_thread():
        return train(store(), config, RECIPE, path, PROTOCOL, SEED, "cpu", pose)


def model(letter: str = "K") -> tuple[TwoStream, dict[str, Any]]:
    """A trained model in evaluation mode and the record of its training.

    letter: row of Table 6 (A, B, C, E, G, H, I, K), "G-unconditioned" or "K-unconditioned"
    """
    return load(run(letter)), read_json(run(letter) / "record.json")


def first_test_clip(action: str) -> Clip:
    """The first cross-subject test clip of an action, in order of name, without a tracking fault."""
    for i in store().split(PROTOCOL)[1]:
        stored = store().clips[i]
        if stored.name.endswith(action) and not stored.faults:
            return dataset().read(stored.name)
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


def everything() -> None:
    """Make all that the chapters use, so that none of them waits; models side by side."""
    run("A")  # every other row takes over its pose stream
    missing = [letter for letter in ROWS if not (folder(letter) / "record.json").exists()]
    if missing:
        with pool(min(os.cpu_count() or 1, len(missing))) as trainers:
            list(trainers.map(run, missing))

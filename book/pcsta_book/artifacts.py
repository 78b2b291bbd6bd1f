"""What the chapters stand on, made on first use and found again: dataset, store, trained models.

Everything lies under the data folder. Names carry the fingerprint of the settings, so a changed
setting makes a new thing and never meets an old one. Two processes that want the same thing at once
wait for each other.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from pcsta.checkpoint import load
from pcsta.common import cores, single_thread
from pcsta.config import RECIPES, laptop, needs_pose, row
from pcsta.data import Clip, Dataset, Truth, data_root, open_dataset
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import prepare, sensor_for, store_path
from pcsta.data.store import Store
from pcsta.files import fingerprint, read_json
from pcsta.glimpse import GlimpseSensor
from pcsta.training import train
from pcsta.two_stream import TwoStream
from pcsta_book import synthetic
from pcsta_book.experiments import records
from pcsta_book.experiments.variants import VARIANTS
from pcsta_book.pools import pool

PROTOCOL, RECIPE = "cross-subject", RECIPES["laptop"]  # of the chapters' models
ROWS = ("B", "E", "K", "K-unconditioned")  # that chapters compare, beside A


def alone(name: str) -> FileLock:
    folder = data_root() / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / name)


@lru_cache
def dataset() -> Dataset:
    """The embedded dataset: synthetic clips in NTU's file layout, with planted truth."""
    root = data_root() / "synthetic"
    with alone("synthetic"):
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


@lru_cache
def seed() -> int:
    """Of all the chapters' models: the `median_seed` of the five in the record of the paper's tables.

    One for all rows, since they share one pose stream. Its score is the loss on validation clips; a
    fused row counts by the two streams whose logits it adds.
    """
    trained = {name for row in ("A", *ROWS) for name in VARIANTS[row].adds or (row,)}
    return records.median_seed(records.read("tables-synthetic"), sorted(trained), PROTOCOL)


def folder(letter: str) -> Path:
    """Where `run` keeps a row: another folder for every change of what it is made from."""
    settings = {
        "model": row(letter, laptop()).to_dict(), "recipe": asdict(RECIPE), "protocol": PROTOCOL,
        "seed": seed(), "store": fingerprint(store().settings),
    }  # fmt: skip
    return data_root() / "models" / f"{letter}-{fingerprint(settings)}"


@lru_cache
def run(letter: str = "K") -> Path:
    """The folder of a trained row of Table 6, at laptop size. All rows share one pose stream."""
    config, path = row(letter, laptop()), folder(letter)
    pose = run("A") if letter != "A" and needs_pose(config) else None
    with alone(path.name), single_thread():
        return train(store(), config, RECIPE, path, PROTOCOL, seed(), "cpu", pose)


def model(letter: str = "K") -> tuple[TwoStream, dict[str, Any]]:
    """A trained model in evaluation mode and the record of its training.

    letter: row of Table 6 (A, B, C, E, G, H, I, K), or a row of Table 5 such as "K-unconditioned"
    """
    return load(run(letter)), read_json(run(letter) / "record.json")


def test_clips(action: str) -> Iterator[Clip]:
    """Cross-subject test clips of an action without a tracking fault, in order of name."""
    for i in store().split(PROTOCOL)[1]:
        stored = store().clips[i]
        if stored.name.endswith(action) and not stored.faults:
            yield dataset().read(stored.name)


def first_test_clip(action: str) -> Clip:
    """The first of `test_clips`. Raises LookupError where there is none."""
    for clip in test_clips(action):
        return clip
    raise LookupError(f"no test clip of {action} without a tracking fault")


def distractions(truth: Truth) -> int:
    """In how many frames, added over hands, a hand holds what tells nothing.

    That is any object in a hand that never decides, and in the others what no hand holds while it
    decides.
    """
    told = np.isin(truth.objects, truth.objects[truth.deciding]) & truth.deciding.any(0)
    return int(((truth.objects != "") & ~told).sum())


def cleanest(clips: Iterable[Clip], people: int) -> Clip:
    """The clip that is cleanest to the eye: fewest `distractions`, the first of equals.

    Only clips count in which the hands of so many people are tracked from first to last, and no
    others, and in which as many hands decide alone: of two people first one hand, then another.
    The rule reads the truth and never a model's answer. Raises LookupError where no clip is like that.
    """
    found = []
    for clip in clips:
        truth, there = clip.truth, np.isfinite(clip.hands).all(-1)  # (T, 4)
        if truth is None or not there.any(0).sum() == there.all(0).sum() == 2 * people:
            continue
        alone = truth.deciding[truth.deciding.sum(1) == 1]
        if alone.any(0).sum() == people:
            found.append((distractions(truth), clip))
    if not found:
        raise LookupError(f"no clip with {people} hands that decide alone, all tracked throughout")
    return min(found, key=lambda one: one[0])[1]


@lru_cache
def running_clip() -> Clip:
    """The book's running example: one person drinks (A001), the `cleanest` test clip."""
    return cleanest(test_clips("A001"), people=1)


@lru_cache
def running_pair() -> Clip:
    """The running example for two people: one gives the other an object (A056), the `cleanest`."""
    return cleanest(test_clips("A056"), people=2)


def frames(clip: Clip) -> np.ndarray:
    """All images of a clip: (T, H, W, 3) uint8."""
    return np.stack([image for _, image in clip_frames(clip)])


def everything(beside: Iterable[Callable[[], object]] = ()) -> None:
    """Make all that the chapters use: models side by side, and `beside` on a core that waits."""
    # A first, whose pose stream others take over; B beside it, which takes none
    missing = [letter for letter in ("A", *ROWS) if not (folder(letter) / "record.json").exists()]
    if missing:
        jobs: list[Callable[[], object]] = [*(partial(run, letter) for letter in missing), *beside]
        with pool(min(cores(), len(jobs))) as workers:
            list(workers.map(operator.call, jobs))

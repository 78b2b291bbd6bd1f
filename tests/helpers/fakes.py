"""Small made-up data for tests: a store with a signal, and clips."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pcsta.config import ModelConfig, laptop
from pcsta.data.shard import Settings, StoredClip
from pcsta.data.store import Store
from pcsta.data.store_writer import StoreWriter
from pcsta.skeletons import KINECT_V2, SBU, conversion

CLASSES = ("rest", "raise")
BLOCK = 10  # clips a shard: most stores have several


@contextmanager
def cores(count: int):
    """As on a machine of so many cores: with one, nothing is computed in other processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.sched_getaffinity", lambda _: range(count), raising=False)
        yield


def settings(clips: int, features: int = 6, **changes) -> Settings:
    names = [f"clip-{i:03d}" for i in range(clips)]
    half = clips // 2
    return {
        "dataset": "fake", "samples": clips, "skeleton": "kinect_v2", "classes": list(CLASSES),
        "crop_size": 8, "image_width": 240, "sensor_name": None, "sensor": None, "glimpse_features": features,
        "splits": {"cross-subject": {"train": names[:half], "test": names[half:]}},
        **changes,
    }  # fmt: skip


def clip_arrays(i: int, features: int = 6, length: int = 24, seed: int = 0) -> dict:
    """One clip: class 1 raises the left hand and holds feature 0 in it during frames 8..15."""
    rng = np.random.default_rng([seed, i])
    joints = rng.normal(0, 0.01, (length, 2, 25, 3)).astype(np.float32)
    joints[:, 0] += rng.normal(0, 0.3, (25, 3)).astype(np.float32)
    joints[:, 1] = 0  # nobody there
    glimpses = np.abs(rng.normal(1, 0.1, (length, 4, features)))
    hands = np.full((length, 4, 2), np.nan, np.float32)
    hands[:, :2] = 50
    glimpses[:, 2:] = 0
    deciding = np.zeros((length, 4))
    deciding[8:16, 0] = 1
    if i % 2:
        joints[8:16, 0, 7, 1] += 0.5
        glimpses[8:16, 0, :1] += 3
    return {"joints": joints, "hands": hands, "deciding": deciding, "glimpses": glimpses}


def row(i: int, length: int = 24, start: int = 0) -> StoredClip:
    return StoredClip(f"clip-{i:03d}", i % 2, str(i % 5), 1, 1, start, length)


def make_store(path: Path, clips: int = 24, features: int = 6, **changes) -> Store:
    """A store on disk; with `crop_size=None` one of whole frames, the first hand's glimpse."""
    with StoreWriter(path, settings(clips, features, **changes), BLOCK) as writer:
        for i in writer.claim():
            arrays = clip_arrays(i, features)
            if changes.get("crop_size", 8) is None:
                arrays["glimpses"] = arrays["glimpses"][:, :1]
            writer.add(row(i), **arrays)
    return Store(path)


def plan_of(store: Store) -> SimpleNamespace:
    """What `pcsta.options.Plan` is, of a store that is already there."""
    return SimpleNamespace(
        settings=store.settings,
        usable={clip.name: clip.label for clip in store.clips},
        data=SimpleNamespace(protocols=tuple(store.settings["splits"])),
        store=lambda *_: store,
    )


def sbu_store(path, clips=16, features=6, sensor=None):
    """The fakes' clips as SBU would have them: 15 joints, three classes."""
    stated = settings(clips, features, skeleton="sbu", classes=["a", "b", "c"], sensor=sensor)
    with StoreWriter(path, stated, BLOCK) as writer:
        for i in writer.claim():
            arrays = clip_arrays(i, features)
            arrays["joints"] = conversion(KINECT_V2, SBU) @ arrays["joints"]
            writer.add(row(i), **arrays)
    return Store(path)


def tiny(**changes) -> ModelConfig:
    """The model at a size that trains in a second."""
    sizes = {
        "classes": 2, "pose_widths": (4, 4, 8), "glimpse_features": 6, "glimpse_projection": 4,
        "hidden": 8, "step_features": 8, "spatial_hidden": 4, "temporal_hidden": 4,
    }  # fmt: skip
    return laptop(**(sizes | changes))

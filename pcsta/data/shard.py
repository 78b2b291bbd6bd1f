"""What a store is made of: its settings, and shards of a few dozen clips.

    settings.json     what made this store: dataset, glimpse sensor, crop size, classes, splits
    shards/000032/    samples 32 to 63 of the dataset, in order of name
      index.jsonl     one line a sample: the fields of StoredClip, `start` counted in this shard
      joints.npy      (F, 2, J, 3) float32   poses of all its clips, one after the other
      hands.npy       (F, 4, 2) float32      hand pixels, NaN where absent
      deciding.npy    (F, 4) int8            whether each hand decides: 1, 0; -1 where no truth is known
      glimpses.npy    (F, N, D) float16      features of the N = 4 hands, zero where absent; or, where
                      the settings say a crop size of null, of the N = 1 whole frame

`store_writer` makes it: a shard is written beside its place, renamed when whole, and never changed.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np

from pcsta.conforms import conforms
from pcsta.files import fingerprint, read_json, write_json
from pcsta.skeletons import SKELETONS

Crops = Literal["hands", "frame"]
GLIMPSES: dict[Crops, int] = {"hands": 4, "frame": 1}  # N
AGAIN = "run the same `pcsta prepare` again, which mends it"
ANEW = "delete this folder and make it again with the same `pcsta prepare`"
HEADER = 128  # bytes before the numbers in the files of np.save


class Sides(TypedDict):
    """Names of the samples of a protocol."""

    train: list[str]
    test: list[str]


class Settings(TypedDict):
    """All that decides a store's content; the rules of its reader (`Dataset.reads`) join them."""

    dataset: str
    samples: int
    names: NotRequired[str]  # hash of the samples' names
    made: NotRequired[str | None]  # hash of the description of a dataset that was made
    skeleton: str
    classes: list[str]
    crop_size: int | str | None  # `dataset.CropSize`; None: the whole frame
    image_width: int
    sensor_name: str | None
    sensor: str | None  # fingerprint of f_g
    glimpse_features: int  # D, 0 for poses alone
    splits: dict[str, Sides]
    complete: NotRequired[bool]  # tested clips that cannot be read are errors, see `Dataset`


class Source(TypedDict):
    """A file when it was read; of a folder of images their number, all bytes, the newest."""

    files: int
    size: int  # bytes
    modified: int  # nanoseconds since 1970
    digest: str  # of the bytes


@dataclass(frozen=True)
class StoredClip:
    """One line of the index: a clip's place in the store and what its file name says.

    skipped:  why it cannot be used; it then has no frames, and is none of `Store.clips`
    passing:  the reason may pass without a change of its files (a disk that was away)
    sources:  "skeleton", and "video" where there are glimpses, as far as these files were there
    settings: `settings_hash` of its store; older ones do not tell
    """

    name: str
    label: int
    subject: str
    camera: int
    replication: int
    start: int = 0
    length: int = 0
    repairs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    skipped: str | None = None
    passing: bool = False
    sources: dict[str, Source] = field(default_factory=dict, hash=False)
    settings: str = ""


class StoreError(ValueError):
    """A store that is missing, unfinished or damaged; the message says what to do."""


def crops_of(settings: Settings) -> Crops:
    return "frame" if settings["crop_size"] is None else "hands"


def shards(path: Path) -> list[Path]:
    """Those of the store at `path` that are there, by their first sample."""
    return sorted(p for p in (path / "shards").glob("*") if p.name.isdigit())


def hash_names(names: Iterable[str]) -> str:
    """That of a store's samples, in their order: `Settings` keep it."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def settings_hash(settings: Settings) -> str:
    """A hash of all settings but the samples and their sides, which frames do not depend on."""
    of_samples = ("samples", "names", "splits", "complete")
    return fingerprint({name: value for name, value in settings.items() if name not in of_samples})


def write_settings(path: Path, settings: Settings) -> None:
    """Into the store at `path`, with a hash that tells whether they were edited."""
    write_json(path / "settings.json", {**settings, "hash": fingerprint(settings)})


def read_settings(path: Path) -> Settings:
    """What made the store at `path`. Raises StoreError where there is none, an older form, an edited one."""
    if (path / "index.jsonl").exists():
        raise StoreError(f"{path} is of an older form, without shards: {ANEW}")
    if not (path / "settings.json").exists():
        raise StoreError(f"{path} holds no prepared data: `pcsta prepare` makes it, or see --store")
    settings: Any = None
    with suppress(ValueError, AttributeError):
        settings = read_json(path / "settings.json")
        told = settings.pop("hash", None)  # older stores have none
        settings = settings if told in (None, fingerprint(settings)) else None
    whole = conforms(settings, Settings) and settings["splits"] and settings["image_width"] > 0
    if not whole or settings["skeleton"] not in SKELETONS or settings["glimpse_features"] < 0:
        raise StoreError(f"{path / 'settings.json'} is damaged or was edited: {ANEW}")
    return settings


def read_shard(shard: Path, settings: Settings) -> list[StoredClip]:
    """The lines of a shard. Raises StoreError where they, or the arrays, are missing or damaged."""
    lines = _read_index(shard / "index.jsonl")
    if fault := _damage(shard, lines, settings):
        raise StoreError(f"{fault}; {AGAIN}")
    return lines


def _read_index(path: Path) -> list[StoredClip]:
    try:
        *lines, end = path.read_text("utf-8").split("\n")
        if end:
            raise ValueError("its last line is cut")
        found, frames = [], 0
        for values in map(json.loads, lines):
            if not conforms(values, StoredClip):
                raise ValueError("a line does not describe a sample")
            tuples = {name: tuple(values[name]) for name in ("repairs", "faults")}
            found.append(StoredClip(**values | tuples))
            if (found[-1].length < 1) != (found[-1].skipped is not None):
                raise ValueError(f"{found[-1].name} has {found[-1].length} frames")
            if found[-1].start != frames:
                raise ValueError(f"{found[-1].name} does not begin at frame {frames}")
            frames += found[-1].length
        return found
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}); {AGAIN}") from error


def empty_arrays(settings: Settings) -> dict[str, np.ndarray]:
    """The arrays of a shard without frames: what they hold for each frame, and its type."""
    N, D = GLIMPSES[crops_of(settings)], settings["glimpse_features"]
    J = len(SKELETONS[settings["skeleton"]])
    return {
        "joints": np.empty((0, 2, J, 3), np.float32),
        "hands": np.empty((0, 4, 2), np.float32),
        "deciding": np.empty((0, 4), np.int8),
        **({"glimpses": np.empty((0, N, D), np.float16)} if D else {}),
    }


def _damage(shard: Path, lines: Sequence[StoredClip], settings: Settings) -> str:
    """Which file of a shard is missing, or does not hold what its index says; "" where none is."""
    frames = sum(line.length for line in lines)
    if any(line.label not in range(len(settings["classes"])) for line in lines):
        return f"{shard / 'index.jsonl'} has the label of no class"
    if not {line.settings for line in lines} <= {"", settings_hash(settings)}:
        told = shard.parents[1] / "settings.json"
        return f"{shard} was made with other settings than {told} holds"
    for name, empty in empty_arrays(settings).items():
        file = shard / f"{name}.npy"
        whole = HEADER + frames * empty.itemsize * prod(empty.shape[1:])
        size = file.stat().st_size if file.exists() else 0
        if size != whole:
            return f"{file} has {size:,} bytes, whole it has {whole:,}"
        shape, kind = (frames, *empty.shape[1:]), np.lib.format.dtype_to_descr(empty.dtype)
        start, said = BytesIO(), {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(start, said)
        with file.open("rb") as opened:
            if opened.read(HEADER) != start.getvalue():
                return f"{file} is no array of {kind} of the shape {shape}, as its index says"
    return ""

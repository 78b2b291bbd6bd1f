"""Store: prepared clips on disk in shards, each written once, and read as one row of frames.

    settings.json     what made this store: dataset, glimpse sensor, crop size, classes, splits
    shards/000032/    samples 32 to 63 of the dataset, in order of name
      index.jsonl     one line a sample: the fields of StoredClip, `start` counted in this shard
      joints.npy      (F, 2, J, 3) float32   poses of all its clips, one after the other
      hands.npy       (F, 4, 2) float32      hand pixels, NaN where absent
      active.npy      (F,) int8              planted hand: 0..3, -1 in no interval, -2 no truth known
      glimpses.npy    (F, N, D) float16      features of the N = 4 hands, zero where absent; or, where
                      the settings say a crop size of null, of the N = 1 whole frame

`store_writer` makes it: a shard is written beside its place, renamed when whole, and never changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NotRequired, SupportsIndex, TypedDict

import numpy as np
from jaxtyping import Bool, Float, Int

from pcsta.files import read_json
from pcsta.skeletons import SKELETONS, Skeleton

Crops = Literal["hands", "frame"]
GLIMPSES: dict[Crops, int] = {"hands": 4, "frame": 1}  # N


class Settings(TypedDict):
    """All that decides a store's content; the rules of its reader (`Dataset.reads`) join them."""

    dataset: str
    samples: int
    names: NotRequired[str]  # hash of the samples' names
    made: NotRequired[str | None]  # hash of the description of a dataset that was made
    skeleton: str
    classes: list[str]
    crop_size: int | None  # None: the whole frame
    image_width: int
    sensor_name: str | None
    sensor: str | None  # fingerprint of f_g
    glimpse_features: int  # D, 0 for poses alone
    splits: dict[str, dict[Literal["train", "test"], list[str]]]


class Source(TypedDict):
    """A file when it was read; of a folder of images their number, all bytes, the newest."""

    files: int
    size: int  # bytes
    modified: int  # nanoseconds since 1970


@dataclass(frozen=True)
class StoredClip:
    """One line of the index: a clip's place in the store and what its file name says.

    skipped:  why it cannot be used; it then has no frames, and is none of `Store.clips`
    sources:  "skeleton" and "video", as far as these files were there
    """

    name: str
    label: int
    subject: str
    camera: int
    replication: int
    start: int = 0
    length: int = 0
    video: str | None = None
    repairs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    skipped: str | None = None
    sources: dict[str, Source] = field(default_factory=dict, hash=False)


class StoreError(ValueError):
    """A store that is missing, unfinished or damaged; the message says what to do."""


class Store:
    """Read access to a prepared dataset. Arrays open lazily, so workers share no file handle.

    unfinished:  open what is whole of a store that is still filled; `missing` counts the rest

    samples: all lines of the index; `clips`, with their `labels`, are those that are not skipped
    glimpse_features: D, 0 for a store of poses alone       crops: what the glimpses show
    """

    def __init__(self, path: Path | str, unfinished: bool = False):
        self.path = Path(path)
        self.settings = read_settings(self.path)
        self._shards = sorted(p for p in (self.path / "shards").glob("*") if p.name.isdigit())
        self.samples: list[StoredClip] = []
        starts = [0]
        for shard in self._shards:
            lines = _read_index(shard / "index.jsonl")
            self.samples += [replace(s, start=starts[-1] + s.start) for s in lines]
            starts.append(starts[-1] + sum(s.length for s in lines))
        self._starts = np.array(starts)  # (shards + 1,) frames before each
        self.missing = self.settings["samples"] - len(self.samples)
        if self.missing and not unfinished:
            raise StoreError(
                f"{self.path} is unfinished ({self.missing} clips to go); "
                "run the same `pcsta prepare` again and it continues"
            )
        self.clips = [s for s in self.samples if s.skipped is None]
        self.skipped = {s.name: s.skipped for s in self.samples if s.skipped is not None}
        self.labels = np.array([clip.label for clip in self.clips], np.int64)
        self.frames_total = starts[-1]
        self.classes: tuple[str, ...] = tuple(self.settings["classes"])
        self.skeleton: Skeleton = SKELETONS[self.settings["skeleton"]]
        self.glimpse_features = self.settings["glimpse_features"]
        self.crops = crops_of(self.settings)
        self._position = {clip.name: i for i, clip in enumerate(self.clips)}
        self._arrays: dict[tuple[str, int], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self)} clips, {self.frames_total} frames)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}  # each process maps its own

    def index(self, name: str) -> int:
        """Position of a clip by its sample name. Raises KeyError."""
        return self._position[name]

    def _array(self, name: str, shard: int) -> np.ndarray:
        """An array of one shard, mapped into memory."""
        if (name, shard) not in self._arrays:
            if name == "glimpses" and not self.glimpse_features:
                raise StoreError(f"{self.path} holds poses alone (prepared without a sensor)")
            file = self._shards[shard] / f"{name}.npy"
            array = _memory_map(file)
            if len(array) != self._starts[shard + 1] - self._starts[shard]:
                raise StoreError(f"{file} is damaged: delete its folder and prepare again")
            self._arrays[name, shard] = array
        return self._arrays[name, shard]

    def take(self, name: str, rows: Int[np.ndarray, "*rows"]) -> np.ndarray:
        """Frames of an array by their numbers in the whole store: `clips[i].start` and on.

        name: joints, hands, active or glimpses
        Raises IndexError for a frame that is not there, StoreError for glimpses of poses alone.
        """
        flat = np.ravel(rows)
        if flat.size and not 0 <= flat.min() <= flat.max() < self.frames_total:
            raise IndexError(f"{self.path} has frames 0 to {self.frames_total - 1}")
        shards = np.searchsorted(self._starts, flat, side="right") - 1
        local = flat - self._starts[shards]
        like = self._array(name, 0)
        values = np.empty((flat.size, *like.shape[1:]), like.dtype)
        # one read for each run of rows in one shard: a batch of clips is a few long runs
        runs = [0, *(np.flatnonzero(np.diff(shards)) + 1).tolist(), flat.size]
        for start, stop in pairwise(runs) if flat.size else ():
            array = self._array(name, int(shards[start]))
            # all rows are there; without "clip" numpy would go through a second buffer
            array.take(local[start:stop], 0, values[start:stop], "clip")
        return np.reshape(values, (*np.shape(rows), *like.shape[1:]))

    def _clip(self, name: str, i: SupportsIndex) -> np.ndarray:
        """All frames of a clip, which lie in one shard: nothing is copied."""
        clip = self.clips[i]
        shard = int(np.searchsorted(self._starts, clip.start, side="right")) - 1
        start = clip.start - self._starts[shard]
        return np.asarray(self._array(name, shard)[start : start + clip.length])

    def joints(self, i: SupportsIndex) -> Float[np.ndarray, "T 2 J 3"]:
        return self._clip("joints", i)

    def hands(self, i: SupportsIndex) -> Float[np.ndarray, "T 4 2"]:
        return self._clip("hands", i)

    def present(self, i: SupportsIndex) -> Bool[np.ndarray, "T 4"]:
        """Which hands are tracked."""
        return np.asarray(np.isfinite(self.hands(i)).all(-1))

    def active(self, i: SupportsIndex) -> Int[np.ndarray, "T"]:
        return self._clip("active", i)

    def glimpses(self, i: SupportsIndex) -> Float[np.ndarray, "T N D"]:
        return self._clip("glimpses", i)

    def split(self, protocol: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of (training, test) clips.

        `outer/inner` stays inside the training clips of the protocol `outer`: those that `inner`
        tests are the test there, and the others train.
        Raises StoreError naming the protocols there are.
        """
        train, test = split_names(self.settings, protocol)
        return self._positions(train), self._positions(test)

    def _positions(self, names: Iterable[str]) -> Int[np.ndarray, "n"]:
        """Where these clips stand; those that were skipped stand nowhere."""
        return np.array([self._position[n] for n in names if n in self._position], int)


def split_names(settings: Settings, protocol: str) -> tuple[list[str], list[str]]:
    """Names of the (training, test) samples of a protocol, as `Store.split`; some may be skipped."""
    splits = settings["splits"]
    outer, _, inner = protocol.partition("/")
    for name in (outer, inner or outer):
        if name not in splits:
            raise StoreError(f"no protocol {name!r} for this dataset; it has {', '.join(splits)}")
    train, test = splits[outer]["train"], splits[inner or outer]["test"]
    if inner:
        held = set(test)
        train, test = [n for n in train if n not in held], [n for n in train if n in held]
    return list(train), list(test)


def crops_of(settings: Settings) -> Crops:
    return "frame" if settings["crop_size"] is None else "hands"


def read_settings(path: Path) -> Settings:
    """What made the store at `path`. Raises StoreError where there is none, or an older form."""
    if (path / "index.jsonl").exists():
        raise StoreError(
            f"{path} is of an older form, without shards: delete this folder and make it again with "
            "the same `pcsta prepare`"
        )
    if not (path / "settings.json").exists():
        raise StoreError(f"{path} holds no prepared data; make it with `pcsta prepare`")
    settings: Settings = read_json(path / "settings.json")
    return settings


def _read_index(path: Path) -> list[StoredClip]:
    lines = map(json.loads, path.read_text("utf-8").split("\n")[:-1])
    tuples = ("repairs", "faults")
    return [StoredClip(**line | {name: tuple(line[name]) for name in tuples}) for line in lines]


def _memory_map(path: Path) -> np.ndarray:
    """An .npy file, mapped. numpy's own map keeps its file open: thousands of shards forbid that."""
    import torch  # late: `pcsta --help` comes by here and does without

    array = np.load(path, mmap_mode="r")
    size = path.stat().st_size
    data = torch.from_file(str(path), size=size, dtype=torch.uint8).numpy()
    data.flags.writeable = False
    return np.asarray(data[array.offset :].view(array.dtype).reshape(array.shape))

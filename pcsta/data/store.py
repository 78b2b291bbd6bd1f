"""Store: prepared clips on disk, in shards (see `shard`), read as one row of frames."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from pcsta.data import shard
from pcsta.data.shard import AGAIN, Settings, StoredClip, StoreError
from pcsta.files import fingerprint
from pcsta.skeletons import SKELETONS, Skeleton


class Store:
    """Read access to a prepared dataset. Arrays open lazily, so workers share no file handle.

    unfinished:  open what is whole of a store that is still filled; `missing` counts the rest

    samples: all lines of the index; `clips`, with their `labels`, are those that are not skipped
    glimpse_features: D, 0 for a store of poses alone       crops: what the glimpses show
    """

    def __init__(self, path: Path | str, unfinished: bool = False):
        self.path = Path(path)
        self.settings = shard.read_settings(self.path)
        self._shards = shard.shards(self.path)
        self.samples: list[StoredClip] = []
        starts = [0]
        for part in self._shards:
            lines = shard.read_shard(part, self.settings)
            if not len(self.samples) <= int(part.name) <= self.settings["samples"] - len(lines):
                do = f"delete that folder, and {AGAIN}"
                raise StoreError(f"{part} is no part of this store: {do}")
            self.samples += [replace(s, start=starts[-1] + s.start) for s in lines]
            starts.append(starts[-1] + sum(s.length for s in lines))
        self._starts = np.array(starts)  # (shards + 1,) frames before each
        self.missing = self.settings["samples"] - len(self.samples)
        if self.missing and not unfinished:
            left = f"{self.path} is unfinished ({self.missing} clips to go)"
            raise StoreError(f"{left}; run the same `pcsta prepare` again and it continues")
        names = shard.hash_names(s.name for s in self.samples)
        if not self.missing and names != self.settings.get("names", names):
            raise StoreError(f"{self.path} has shards of other samples than its own; {AGAIN}")
        self.clips = [s for s in self.samples if s.skipped is None]
        self.skipped = {s.name: s.skipped for s in self.samples if s.skipped is not None}
        self.labels = np.array([clip.label for clip in self.clips], np.int64)
        self.frames_total = starts[-1]
        self.classes: tuple[str, ...] = tuple(self.settings["classes"])
        self.skeleton: Skeleton = SKELETONS[self.settings["skeleton"]]
        self.glimpse_features = self.settings["glimpse_features"]
        self.crops = shard.crops_of(self.settings)
        self._position = {clip.name: i for i, clip in enumerate(self.clips)}
        self._arrays: dict[tuple[str, int], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self)} clips, {self.frames_total} frames)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}  # each process maps its own

    @cached_property
    def fingerprint(self) -> str:
        """Of the settings and of all that was read: the same wherever and whenever it was read."""
        read = [
            (s.name, s.skipped is None, [f["digest"] for f in s.sources.values()])
            for s in self.samples
        ]
        return fingerprint([self.settings, read])

    def index(self, name: str) -> int:
        """Position of a clip by its sample name. Raises KeyError."""
        return self._position[name]

    def _array(self, name: str, number: int) -> np.ndarray:
        """An array of one shard, mapped into memory."""
        if (name, number) not in self._arrays:
            if name == "glimpses" and not self.glimpse_features:
                raise StoreError(f"{self.path} holds poses alone (prepared without a sensor)")
            import torch  # late: `pcsta --help` comes by here and does without

            file = self._shards[number] / f"{name}.npy"
            like = shard.empty_arrays(self.settings)[name]
            # numpy's own map keeps its file open: thousands of shards forbid that
            data = torch.from_file(str(file), size=file.stat().st_size, dtype=torch.uint8).numpy()
            data.flags.writeable = False
            numbers = data[shard.HEADER :].view(like.dtype)
            self._arrays[name, number] = numbers.reshape(-1, *like.shape[1:])
        return self._arrays[name, number]

    def take(self, name: str, rows: Int[np.ndarray, "*rows"]) -> np.ndarray:
        """Frames of an array by their numbers in the whole store: `clips[i].start` and on.

        name: joints, hands, deciding or glimpses
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
        number = int(np.searchsorted(self._starts, clip.start, side="right")) - 1
        start = clip.start - self._starts[number]
        return np.asarray(self._array(name, number)[start : start + clip.length])

    def joints(self, i: SupportsIndex) -> Float[np.ndarray, "T 2 J 3"]:
        return self._clip("joints", i)

    def hands(self, i: SupportsIndex) -> Float[np.ndarray, "T 4 2"]:
        return self._clip("hands", i)

    def present(self, i: SupportsIndex) -> Bool[np.ndarray, "T 4"]:
        """Which hands are tracked."""
        return np.asarray(np.isfinite(self.hands(i)).all(-1))

    def deciding(self, i: SupportsIndex) -> Int8[np.ndarray, "T 4"]:
        """Which hands decide the class, 1 or 0 as in `Truth`; -1 where no truth is known."""
        return self._clip("deciding", i)

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

    def unread(self, protocol: str) -> list[StoredClip]:
        """Test clips that count although they could not be read: where a protocol names every clip."""
        tested = split_names(self.settings, protocol)[1] if self.settings.get("complete") else []
        return [clip for clip in self.samples if clip.skipped is not None and clip.name in tested]

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

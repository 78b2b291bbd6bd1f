"""Store: prepared clips on disk, memory-mapped, in the order in which training reads them.

    settings.json   what made this store: dataset, glimpse sensor, crop size, classes, splits
    index.jsonl     one line a clip (name, label, ..., start, length), or a line that says why not
    joints.npy      (F, 2, J, 3) float32   poses of all clips, one after the other
    hands.npy       (F, 4, 2) float32      hand pixels, NaN where absent
    active.npy      (F,) int8              planted hand: 0..3, -1 in no interval, -2 no truth known
    glimpses.npy    (F, N, D) float16      features of the N = 4 hands, zero where absent; or, where
                    the settings say a crop size of null, of the N = 1 whole frame

The files only ever grow, and a clip counts once its line stands in the index.  So whatever stops
the writer, power cut and full disk included, the next one continues after the last whole clip.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from io import RawIOBase
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from pcsta.files import fingerprint, read_json, write_json
from pcsta.skeletons import SKELETONS, Skeleton

Crops = Literal["hands", "frame"]
GLIMPSES: dict[Crops, int] = {"hands": 4, "frame": 1}  # N

_HEADER = 128  # bytes; room for any shape, so the header can be rewritten in place


@dataclass(frozen=True)
class StoredClip:
    """One clip's place in the store and what its file name says."""

    name: str
    label: int
    subject: str
    camera: int
    replication: int
    start: int
    length: int
    video: str | None = None
    repairs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class StoreError(RuntimeError):
    """A store that is missing, unfinished or damaged; the message says what to do."""


class Store:
    """Read access to a prepared dataset. Arrays open lazily, so workers share no file handle."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        if not (self.path / "settings.json").exists():
            raise StoreError(f"{self.path} holds no prepared data; make it with `pcsta prepare`")
        self.settings: dict[str, Any] = read_json(self.path / "settings.json")
        lines = _read_index(self.path)
        self.clips = [_stored(line) for line in lines if "skipped" not in line]
        self.skipped = {line["name"]: line["skipped"] for line in lines if "skipped" in line}
        missing = self.settings["samples"] - len(lines)
        if missing:
            raise StoreError(
                f"{self.path} is unfinished ({missing} clips to go); "
                "run the same `pcsta prepare` again and it continues"
            )
        self.classes: tuple[str, ...] = tuple(self.settings["classes"])
        self.skeleton: Skeleton = SKELETONS[self.settings["skeleton"]]
        self._position = {clip.name: i for i, clip in enumerate(self.clips)}

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}: {len(self)} clips, {self.frames_total} frames)"

    def __getstate__(self) -> dict[str, Any]:
        arrays = ("all_joints", "all_hands", "all_active", "all_glimpses")
        return {k: v for k, v in self.__dict__.items() if k not in arrays}

    def index(self, name: str) -> int:
        """Position of a clip by its sample name. Raises KeyError."""
        return self._position[name]

    @property
    def frames_total(self) -> int:
        return sum(clip.length for clip in self.clips)

    @property
    def glimpse_features(self) -> int:
        """D, or 0 for a store of poses alone."""
        return int(self.settings["glimpse_features"])

    @property
    def crops(self) -> Crops:
        """What the glimpses show: hands, or the whole frame."""
        return _crops(self.settings)

    @property
    def labels(self) -> Int64[np.ndarray, "clips"]:
        return np.array([clip.label for clip in self.clips], np.int64)

    @cached_property
    def all_joints(self) -> np.ndarray:
        return np.load(self.path / "joints.npy", mmap_mode="r")

    @cached_property
    def all_hands(self) -> np.ndarray:
        return np.load(self.path / "hands.npy", mmap_mode="r")

    @cached_property
    def all_active(self) -> np.ndarray:
        return np.load(self.path / "active.npy", mmap_mode="r")

    @cached_property
    def all_glimpses(self) -> np.ndarray:
        if not self.glimpse_features:
            raise StoreError(f"{self.path} holds poses alone (no video was given to its glimpses)")
        return np.load(self.path / "glimpses.npy", mmap_mode="r")

    def take(self, name: str, rows: Int[np.ndarray, "*rows"]) -> np.ndarray:
        """Frames of an array by their numbers in the whole store: `clips[i].start` and on.

        name: joints, hands, active or glimpses
        """
        return np.asarray(getattr(self, f"all_{name}")[rows])

    def _rows(self, i: SupportsIndex) -> slice:
        return slice(self.clips[i].start, self.clips[i].start + self.clips[i].length)

    def joints(self, i: SupportsIndex) -> Float[np.ndarray, "T 2 J 3"]:
        return np.asarray(self.all_joints[self._rows(i)])

    def hands(self, i: SupportsIndex) -> Float[np.ndarray, "T 4 2"]:
        return np.asarray(self.all_hands[self._rows(i)])

    def present(self, i: SupportsIndex) -> Bool[np.ndarray, "T 4"]:
        """Which hands are tracked."""
        return np.isfinite(self.hands(i)).all(-1)

    def active(self, i: SupportsIndex) -> Int[np.ndarray, "T"]:
        return np.asarray(self.all_active[self._rows(i)])

    def glimpses(self, i: SupportsIndex) -> Float[np.ndarray, "T N D"]:
        return np.asarray(self.all_glimpses[self._rows(i)])

    def split(self, protocol: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions of (training, test) clips.

        `outer/inner` stays inside the training clips of the protocol `outer`: those that `inner`
        tests are the test there, and the others train.
        Raises StoreError naming the protocols there are.
        """
        splits = self.settings["splits"]
        outer, _, inner = protocol.partition("/")
        for name in (outer, inner or outer):
            if name not in splits:
                raise StoreError(
                    f"no protocol {name!r} for this dataset; it has {', '.join(splits)}"
                )
        train, test = splits[outer]["train"], splits[inner or outer]["test"]
        if inner:
            held = set(test)
            train, test = [n for n in train if n not in held], [n for n in train if n in held]
        return self._positions(train), self._positions(test)

    def _positions(self, names: Iterable[str]) -> Int[np.ndarray, "n"]:
        """Where these clips stand; those that were skipped stand nowhere."""
        return np.array([self._position[n] for n in names if n in self._position], int)


class StoreWriter:
    """Append clips to a store, atomically, continuing what an earlier writer left.

    Raises StoreError if `path` holds a store made with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any]):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if (path / "settings.json").exists():
            if fingerprint(read_json(path / "settings.json")) != fingerprint(settings):
                raise StoreError(f"{path} was prepared with other settings; choose another folder")
        else:
            write_json(path / "settings.json", settings)
        joints = len(SKELETONS[settings["skeleton"]])
        features = settings["glimpse_features"]
        self.shapes: dict[str, tuple[tuple[int, ...], type]] = {
            "joints": ((2, joints, 3), np.float32),
            "hands": ((4, 2), np.float32),
            "active": ((), np.int8),
            "glimpses": ((GLIMPSES[_crops(settings)], features), np.float16),
        }
        if not features:
            del self.shapes["glimpses"]
        lines = _read_index(path)
        self.seen = {line["name"] for line in lines}
        kept = [line for line in lines if "skipped" not in line]
        self.frames = kept[-1]["start"] + kept[-1]["length"] if kept else 0
        self._files: dict[str, RawIOBase] = {}
        for name in self.shapes:
            file = path / f"{name}.npy"
            self._files[name] = file.open("r+b" if file.exists() else "w+b", buffering=0)
        self._index = (path / "index.jsonl").open("ab", buffering=0)
        # cut what a dead writer began: half a line, half a clip
        self._index.truncate(sum(len(_encode(line)) for line in lines))
        self._cut()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *error: object) -> None:
        for file in (*self._files.values(), self._index):
            file.close()

    def _end(self, name: str) -> int:
        shape, kind = self.shapes[name]
        return _HEADER + self.frames * int(np.prod(shape)) * np.dtype(kind).itemsize

    def _cut(self) -> None:
        """Bring every file back to the last whole clip, and its header with it."""
        for name, file in self._files.items():
            shape, kind = self.shapes[name]
            file.truncate(self._end(name))
            file.seek(0)
            _write(file, _npy_header((self.frames, *shape), np.dtype(kind)))

    def add(
        self,
        clip: dict[str, Any],
        joints: np.ndarray,
        hands: np.ndarray,
        active: np.ndarray,
        glimpses: np.ndarray | None = None,
    ) -> None:
        """Append one clip: `clip` names it (StoredClip's fields but start and length).

        Raises OSError when the disk is full; the store then stands as before the call.
        """
        arrays = {"joints": joints, "hands": hands, "active": active, "glimpses": glimpses}
        line = {**clip, "start": self.frames, "length": len(joints)}
        index_end = os.fstat(self._index.fileno()).st_size
        try:
            for name, file in self._files.items():
                shape, kind = self.shapes[name]
                array: np.ndarray = np.ascontiguousarray(arrays[name], kind)
                if array.shape != (len(joints), *shape):
                    raise ValueError(
                        f"{clip['name']}: {name} is {array.shape}, not {(len(joints), *shape)}"
                    )
                file.seek(self._end(name))
                _write(file, array.tobytes())
            _write(self._index, _encode(line))
        except (OSError, ValueError):
            self._index.truncate(index_end)
            self._cut()
            raise
        self.frames += len(joints)
        self.seen.add(clip["name"])

    def skip(self, name: str, reason: str) -> None:
        """Record that a clip cannot be used, and why."""
        _write(self._index, _encode({"name": name, "skipped": reason}))
        self.seen.add(name)

    def finish(self) -> None:
        """Write the final shapes into the headers."""
        self._cut()


def _crops(settings: dict[str, Any]) -> Crops:
    return "frame" if settings["crop_size"] is None else "hands"


def _write(file: RawIOBase, data: bytes) -> None:
    """Write all of `data`, unbuffered: a full disk is an OSError here, not at some later close."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _npy_header(shape: tuple[int, ...], kind: np.dtype) -> bytes:
    """A version 1.0 .npy header padded to exactly `_HEADER` bytes."""
    text = repr({"descr": kind.str, "fortran_order": False, "shape": shape})
    body = text.ljust(_HEADER - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + body.encode("latin1")


def _encode(line: dict[str, Any]) -> bytes:
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def _read_index(path: Path) -> list[dict[str, Any]]:
    """Whole lines of the index; a half-written last line does not count."""
    file = path / "index.jsonl"
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


def _stored(line: dict[str, Any]) -> StoredClip:
    values = {**line, "repairs": tuple(line["repairs"]), "faults": tuple(line["faults"])}
    return StoredClip(**values)


def describe(clip: Any) -> dict[str, Any]:
    """The fields of StoredClip that come from a Clip."""
    return {
        "name": clip.name,
        "label": clip.label,
        "subject": clip.subject,
        "camera": clip.camera,
        "replication": clip.replication,
        "video": str(clip.video) if clip.video else None,
        "repairs": list(clip.repairs),
        "faults": list(clip.truth.faults) if clip.truth else [],
    }

"""Writing a store, shard by shard, beside any number of other processes and machines.

A shard is written beside its place and renamed when it is whole. So whatever stops a writer, power
cut and full disk included, costs at most the shards that it was filling. A lock goes with each of
these, so that nobody makes what another is making; the locks of a killed writer are free again.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from filelock import FileLock

from pcsta.data.shard import (
    Settings,
    StoredClip,
    StoreError,
    empty_arrays,
    read_settings,
    settings_hash,
    write_settings,
)
from pcsta.files import fingerprint, hold, refuse_others

BLOCK = 32  # samples a shard; all writers of a store must agree on it

Part = tuple[int, int]  # (i, n): every nth shard from the ith, counted from 1


class StoreWriter:
    """Fill the shards of a store that are not whole yet.

    with StoreWriter(path, settings) as writer:
        for i in writer.claim():  # numbers of samples
            writer.add(StoredClip(...), joints=..., hands=..., deciding=..., glimpses=...)

    block: samples a shard
    renew: shards to make anew, by their first sample: when the one was `written` that is there now
    Raises StoreError if `path` holds a store of an older form or other settings; as `refuse_others`.
    """

    def __init__(self, path: Path, settings: Settings, block: int = BLOCK):
        self.path, self.settings, self.block = path, settings, block
        self.samples = settings["samples"]
        self.renew: dict[int, int] = {}
        if not any((path / name).exists() for name in ("settings.json", "index.jsonl")):
            refuse_others(path, "shards", "settings.json")
            (path / "shards").mkdir(parents=True, exist_ok=True)
            lock = hold(path / ".lock")
            if not (path / "settings.json").exists():
                write_settings(path, settings)
            lock.release()
        if fingerprint(read_settings(path)) != fingerprint(settings):
            raise StoreError(f"{path} was prepared with other settings; choose another folder")
        self._empty, self._hash = empty_arrays(settings), settings_hash(settings)
        self._locks: dict[int, FileLock] = {}  # of the claimed shards, by their first sample
        self._rows: list[tuple[StoredClip, dict[str, np.ndarray]]] = []  # of the first of them

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *error: object) -> None:
        for lock in self._locks.values():
            lock.release()

    def _shard(self, first: int) -> Path:
        return self.path / "shards" / f"{first:06d}"

    def _whole(self, first: int) -> bool:
        """Whether a shard is there, and is not one of those to make anew."""
        there = self._shard(first).exists()
        return there and self.renew.get(first) != written(self._shard(first))

    def missing(self, part: Part = (1, 1)) -> list[range]:
        """Samples of each shard of this part that is to be made. ValueError if there is no such part."""
        i, n = part
        if not 1 <= i <= n:
            raise ValueError(f"there is no part {i} of {n}")
        starts = range(0, self.samples, self.block)[i - 1 :: n]
        blocks = (range(self.samples)[first : first + self.block] for first in starts)
        return [block for block in blocks if not self._whole(block[0])]

    def claim(self, part: Part = (1, 1), wait: bool = True) -> Iterator[int]:
        """Numbers of the samples to `add`, in this order; waits for a shard that another fills, or not.

        May run ahead of `add`. All writers claim in rising order, so none waits in a circle.
        """
        for block in self.missing(part):
            try:
                lock = hold(self._shard(block[0]).with_suffix(".lock"), wait)
            except BlockingIOError:
                continue
            self._locks[block[0]] = lock
            if self._whole(block[0]):
                self._release(block[0])
            else:
                yield from block

    def _release(self, first: int) -> None:
        lock = self._locks.pop(first)
        lock.release()
        if self._whole(first):  # whoever waits for this lock finds nothing left to do
            with suppress(OSError):  # Windows keeps it while somebody waits
                Path(lock.lock_file).unlink()

    def add(self, clip: StoredClip, **arrays: np.ndarray) -> None:
        """The next claimed sample; the last one of a shard writes it.

        clip:    where its frames start is found here
        arrays:  `clip.length` frames each; none of a skipped sample
        Raises ValueError for wrong shapes, and OSError (disk full), which costs this shard alone.
        """
        for name, empty in self._empty.items() if clip.skipped is None else ():
            expected = (clip.length, *empty.shape[1:])
            if arrays[name].shape != expected:
                raise ValueError(f"{clip.name}: {name} is {arrays[name].shape}, not {expected}")
        start = sum(stored.length for stored, _ in self._rows)
        self._rows.append((replace(clip, start=start, settings=self._hash), arrays))
        first = next(iter(self._locks))
        if len(self._rows) == min(self.block, self.samples - first):
            self._write_shard(first)

    def _write_shard(self, first: int) -> None:
        shard, host = self._shard(first), platform.node()
        for left in shard.parent.glob(f"{shard.name}.{host}-*"):  # by a writer that was killed
            shutil.rmtree(left, ignore_errors=True)
        part = shard.with_name(f"{shard.name}.{host}-{os.getpid()}.part")
        old = part.with_suffix(".old")
        rows, self._rows = self._rows, []
        try:
            part.mkdir()
            for name, empty in self._empty.items():
                pieces = [arrays[name] for clip, arrays in rows if clip.skipped is None]
                file = BytesIO()
                np.save(file, np.concatenate([empty, *pieces], dtype=empty.dtype, casting="unsafe"))
                _write(part / f"{name}.npy", file.getbuffer())
            lines = (json.dumps(asdict(clip), ensure_ascii=False) + "\n" for clip, _ in rows)
            _write(part / "index.jsonl", "".join(lines).encode())
            if shard.exists() and not self._whole(first):
                shard.rename(old)
            part.rename(shard)
        except OSError as error:
            if not self._whole(first):  # else another was first, where locks do not reach
                # a full disk does not say where
                raise OSError(error.errno, error.strerror, str(self.path)) from error
        finally:
            for left in (part, old):
                shutil.rmtree(left, ignore_errors=True)
            self._release(first)


def written(shard: Path) -> int:
    """When a shard was written, in nanoseconds; 0 where its index is missing."""
    index = shard / "index.jsonl"
    return index.stat().st_mtime_ns if index.exists() else 0


def _write(path: Path, data: bytes | memoryview) -> None:
    """Down to the disk: after a power cut a renamed shard must not turn out empty."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

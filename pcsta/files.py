"""Files: written so that nothing half-written stays behind, and told apart by what is in them."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whoever only reads does without
    from filelock import FileLock

PATIENCE = 3  # seconds that a process waits for another before it says so


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` only when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        # a full disk does not say where
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def hold(path: Path, wait: bool = True) -> FileLock:
    """Acquire the lock file `path`, which names its holder; without `wait`, BlockingIOError."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE if wait else 0)
    except Timeout:
        holder = "another process"
        with suppress(OSError):
            holder = path.read_text("utf-8").strip() or holder
        if not wait:
            do = "wait until it has ended, or choose another folder"
            raise BlockingIOError(f"{holder} is at work in {path.parent}: {do}") from None
        print(f"waiting for {holder}, at work in {path.parent}", file=sys.stderr)
        lock.acquire()
        print(f"{holder} has ended: going on", file=sys.stderr)
    with suppress(OSError):  # Windows locks the text as well
        path.write_text(f"process {os.getpid()} on {platform.node()}\n", "utf-8")
    return lock


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process at a time in the folder of the lock file; the next gets BlockingIOError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = hold(path, wait=False)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps it while somebody looks
            path.unlink()
        lock.release()


def write_json(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", "utf-8")


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Lines that have the columns of the last one, under their names."""
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[-1]))
        writer.writeheader()
        writer.writerows(lines)


def refuse_others(folder: Path, *own: str) -> None:
    """Raise ValueError where a folder that is to be filled holds more than these and hidden files."""
    if others := [path.name for path in folder.glob("[!.]*") if path.name not in own]:
        raise ValueError(f"{folder} holds other files, such as {min(others)}: name another --out")


def read_json(path: Path, do: str = "put it back, or delete its folder and make it again") -> Any:
    """Raises ValueError, naming the file and what to do, when it is no JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # also for bytes that are no text
        raise ValueError(f"{path} is damaged, or no JSON ({error}); {do}") from None


def fingerprint(value: Any, digits: int = 10) -> str:
    """Short hash of anything that JSON can write; equal settings give equal fingerprints."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]

"""Files: written so that nothing half-written stays behind, and told apart by what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` only when the block succeeds.

    The temporary name is hidden, and keeps the suffix, by which some writers know the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file alone. Raises BlockingIOError, saying `what`, while another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise BlockingIOError(f"{what}; wait for it, or stop it") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def write_json(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Raises ValueError, naming the file, when it is no JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:  # also for bytes that are no text
        raise ValueError(f"{path} is damaged, or no JSON ({error}); put it back, or delete its "
                         "folder and make it again") from None  # fmt: skip


def fingerprint(value: Any, digits: int = 10) -> str:
    """Short hash of anything that JSON can write; equal settings give equal fingerprints."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def git_commit() -> str:
    """The commit of the working tree, with + where files of the package differ from it."""

    def git(*words: str) -> str:
        here = Path(__file__).parent
        return subprocess.check_output(
            ["git", *words], cwd=here, text=True, stderr=subprocess.DEVNULL
        ).strip()

    try:
        changed = git("status", "--porcelain", "-uno", "--", ".")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a git checkout"

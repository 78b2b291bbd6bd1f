"""Run the chapters: each once for each state of the code, as many beside each other as there are cores.

An executed notebook is kept under the data folder, in a folder for the state of both packages, by the
hash of its own code; its metadata holds how long it took and how much memory it held. Sphinx runs
nothing: `Executed` hands it what was kept, or a page as text where nothing is there yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from myst_nb.core.execute.base import NotebookClientBase
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from pcsta.data import data_root
from pcsta.files import atomic, read_json, write_json
from pcsta_book.places import BOOK, ROOT

TIMEOUT = 300  # seconds a cell
QUIET = ["--log-level=ERROR"]  # a kernel would warn of its own way to talk
KINDS = (".py", ".toml", ".txt", ".json")
SITE = ("site", "cli.py", "places.py")  # of pcsta_book: no chapter's output comes from there


class ChapterError(RuntimeError):
    """A cell of a chapter failed; the message says which, and holds its traceback."""


# --- which notebooks there are, and where their outputs are kept ----------------------------------
def notebooks(book: Path = BOOK) -> list[Path]:
    """The chapters and pages with code that the table of contents lists, in its order."""
    listed = re.findall(r"(?:file|root): (\S+)", (book / "_toc.yml").read_text("utf-8"))
    paths = (book / f"{name}{kind}" for name in listed for kind in (".ipynb", ".md"))
    return [path for path in paths if path.exists() and is_notebook(path)]


def is_notebook(path: Path) -> bool:
    return path.suffix == ".ipynb" or is_myst_markdown_notebook(path.read_text("utf-8"))


def read(path: Path) -> NotebookNode:
    """A chapter, or a page of Markdown with code cells, as a notebook."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        return nbformat.reads(text, 4)
    return read_myst_markdown_notebook(text)


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@cache
def source_fingerprint() -> str:
    """Changes with all that a chapter can import or read: packages, records, Python, torch."""
    digest = hashlib.sha256(f"{sys.version} {version('torch')}".encode())
    for path in sorted(
        p for top in ("pcsta", "book/pcsta_book", "book/results") for p in (ROOT / top).rglob("*.*")
    ):
        place = path.relative_to(ROOT)
        site = place.parts[1:2] == ("pcsta_book",) and place.parts[2] in SITE
        if path.suffix in KINDS and not (site and path.name != "playground.py"):
            digest.update(place.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def kept(path: Path) -> Path:
    """Where the executed form of a chapter lies, or will lie."""
    code = "\0".join(cell.source for cell in _code(read(path)))
    digest = hashlib.sha256(code.encode()).hexdigest()[:16]
    return data_root() / "book-cache" / source_fingerprint() / f"{path.stem}-{digest}.ipynb"


# --- running them ---------------------------------------------------------------------------------
def in_own_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end, also where an event loop runs already (a notebook, a browser's driver)."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def run_all(
    paths: Iterable[Path], done: Callable[[Path], None] = lambda _: None, processes: int = 0
) -> None:
    """Run those that have not run yet, the longest first.

    done:      called after each
    processes: kernels beside each other; 0 is one a core

    Raises ChapterError, once all have run, that says which failed and where.
    """
    waiting = [path for path in paths if not kept(path).exists()]
    if not waiting:
        return
    folder = kept(waiting[0]).parent
    for old in folder.parent.glob("*"):  # outputs of an earlier state of the code
        if old.is_dir() and old != folder:
            shutil.rmtree(old, ignore_errors=True)
    known = folder.parent / "seconds.json"
    seconds: dict[str, float] = read_json(known) if known.exists() else {}
    gate = asyncio.Semaphore(processes or os.cpu_count() or 1)

    async def one(path: Path) -> None:
        async with gate:
            seconds[path.stem] = await run(path)
            done(path)

    waiting.sort(key=lambda path: -seconds.get(path.stem, len(path.read_bytes()) / 1e4))
    outcomes = await asyncio.gather(*map(one, waiting), return_exceptions=True)
    write_json(known, seconds)
    if failed := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
        raise ChapterError("\n\n".join(map(str, failed))) from failed[0]


async def run(path: Path) -> float:
    """Run one chapter in its own folder and keep what came out. Returns its seconds."""
    notebook = read(path)
    name = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    client = _Client(
        notebook, timeout=TIMEOUT, kernel_name=name, extra_arguments=QUIET,
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    began = time.perf_counter()
    try:
        await client.async_execute()
    except CellExecutionError as error:
        raise ChapterError(f"{path.name}: {error}") from None
    seconds = time.perf_counter() - began
    notebook.metadata["pcsta"] = {"seconds": round(seconds, 2), "memory": client.memory}
    with atomic(kept(path)) as temporary:
        nbformat.write(notebook, temporary)
    return seconds


class _Client(NotebookClient):
    """Reads a kernel's peak of memory before it is shut down."""

    memory: int | None = None

    async def _async_cleanup_kernel(self) -> None:
        if self.km is not None:
            self.memory = peak_memory(getattr(self.km.provisioner, "pid", None))
        await super()._async_cleanup_kernel()


def peak_memory(pid: int | None) -> int | None:
    """The most memory that a running process has held, in bytes; None where nobody counts it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


# --- handing them to Sphinx -----------------------------------------------------------------------
class Executed(NotebookClientBase):
    """What myst-nb asks for a page's outputs: they are those that were kept."""

    def start_client(self) -> None:
        self.notebook.metadata.setdefault(
            "language_info", {"name": "python", "pygments_lexer": "ipython3"}
        )
        if self.path is None or not kept(self.path).exists():
            return
        ran = nbformat.read(kept(self.path), 4)
        for cell, executed in zip(_code(self.notebook), _code(ran), strict=True):
            cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
        if "widgets" in ran.metadata:
            self.notebook.metadata["widgets"] = ran.metadata["widgets"]
        told = ran.metadata["pcsta"]
        metadata: dict[str, Any] = {
            "mtime": kept(self.path).stat().st_mtime, "runtime": told["seconds"],
            "memory": told["memory"], "method": "kept", "succeeded": True, "error": None,
            "traceback": None,
        }  # fmt: skip
        self.exec_metadata = metadata  # type: ignore[assignment]  # myst-nb's has no memory


def create_client(
    notebook: NotebookNode, source: str, config: Any, log: Any, _: Any = None
) -> Executed:
    """In place of `myst_nb.sphinx_.create_client`."""
    return Executed(notebook, Path(source), config, log)

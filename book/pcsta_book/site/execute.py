"""Run the chapters: each once for each state of the code, as many beside each other as there are cores.

An executed notebook is kept under the data folder, in a folder for the state of both packages, by the
hash of its own code; its metadata holds how long it took and how much memory it held. Sphinx runs
nothing: `Executed` hands it what was kept, or a page as text where nothing is there yet.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from myst_nb.core.execute.base import NotebookClientBase
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from pcsta.common import cores
from pcsta.data import data_root
from pcsta.files import atomic, read_json, write_json
from pcsta_book.site import state
from pcsta_book.site.contents import read

TIMEOUT = 300  # seconds a cell
QUIET = ["--log-level=ERROR"]  # a kernel would warn of its own way to talk
# Pictures go into the page, even where the shell has set another backend.
INLINE = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


class ChapterError(RuntimeError):
    """A cell of a chapter failed; the message says which, and holds its traceback."""


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kept(path: Path) -> Path:
    """Where the executed form of a chapter lies, or will lie."""
    code = "\0".join(cell.source for cell in _code(read(path)))
    digest = sha256(code.encode()).hexdigest()[:16]
    return data_root() / "book-cache" / state.of_code() / f"{path.stem}-{digest}.ipynb"


def executed(path: Path) -> NotebookNode | None:
    """The executed form of a chapter; None before it has run, or once its file is damaged."""
    try:
        return nbformat.read(kept(path), 4)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError):  # each kind of damage has its own
        print(f"{kept(path)} is damaged: {path.stem} runs again", flush=True)
        kept(path).unlink(missing_ok=True)
        return None


def told(path: Path) -> dict[str, Any] | None:
    """`seconds` and `memory` (bytes or None) of a chapter's run; None before it has run."""
    ran = executed(path)
    return None if ran is None else ran.metadata["pcsta"]


# --- running them ---------------------------------------------------------------------------------
def run_all(paths: Iterable[Path], done: Callable[[Path], None] = lambda _: None) -> None:
    """Run those that have not run yet, the longest first, one a core; call `done` after each.

    Raises ChapterError, once all have run, that says which failed and where.
    """
    waiting = [path for path in paths if executed(path) is None]
    if not waiting:
        return
    folder = kept(waiting[0]).parent
    for old in folder.parent.glob("*"):  # outputs of an earlier state of the code
        if old.is_dir() and old != folder:
            shutil.rmtree(old, ignore_errors=True)
    known = folder.parent / "seconds.json"
    seconds: dict[str, float] = {}
    with suppress(FileNotFoundError, ValueError):  # it only orders them
        seconds = read_json(known)
    waiting.sort(key=lambda path: -seconds.get(path.stem, len(path.read_bytes()) / 1e4))
    with ThreadPoolExecutor(cores()) as pool:
        running = {pool.submit(run, path): path for path in waiting}
        for one in as_completed(running):
            if one.exception() is None:
                seconds[running[one].stem] = one.result()
                done(running[one])
    write_json(known, seconds)
    if failed := [str(error) for one in running if (error := one.exception())]:
        raise ChapterError("\n\n".join(failed))


def run(path: Path) -> float:
    """Run one chapter in its own folder and keep what came out. Returns its seconds."""
    notebook = read(path)
    client = _Client(
        notebook, timeout=TIMEOUT, kernel_name="python3", extra_arguments=QUIET,
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    began = time.perf_counter()
    try:
        client.execute(env=os.environ | INLINE)
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
        ran = self.path and executed(self.path)
        if not ran:
            return
        for cell, its in zip(_code(self.notebook), _code(ran), strict=True):
            cell.outputs, cell.execution_count = its.outputs, its.execution_count
        if "widgets" in ran.metadata:
            self.notebook.metadata["widgets"] = ran.metadata["widgets"]


def create_client(
    notebook: NotebookNode, source: str, config: Any, log: Any, _: Any = None
) -> Executed:
    """In place of `myst_nb.sphinx_.create_client`."""
    return Executed(notebook, Path(source), config, log)

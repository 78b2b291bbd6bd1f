"""Build the book: make what the chapters need, run them, render the pages.

`python -m pcsta_book.site.build` does all of it, and while it does, pages fill in as their chapters are
done.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from pcsta_book import artifacts
from pcsta_book.places import BOOK, PAGES
from pcsta_book.site import execute, playground
from pcsta_book.site.contents import notebooks
from pcsta_book.site.progress import STEPS, Progress

REST = 45  # seconds between two renderings, which cost a core ten
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no `python -m` form


class BookError(RuntimeError):
    """The pages gave a warning; the text above says which."""


def main() -> None:
    """What `pcsta book` does beside serving. Raises BookError or ChapterError when it is not clean."""
    progress = Progress()
    *things, chapters, pages = STEPS
    makers: list[Callable[[], object]] = [
        artifacts.dataset, artifacts.store,
        lambda: artifacts.everything(playground.drawings()), playground.folder,
    ]  # fmt: skip
    # text can be read while all else is being made
    text = None if (PAGES / "index.html").exists() else start_sphinx(BOOK)
    try:
        for thing, make in zip(things, makers, strict=True):
            with progress.making(thing):
                make()
    finally:
        if text is not None:
            finish_sphinx(text, BOOK)
    with progress.making(chapters):
        _fill_in(progress)
    with progress.making(pages):
        build()
    progress.finish()
    print(f"The book is built: {PAGES / 'index.html'}", flush=True)


def build(book: Path = BOOK) -> Path:
    """Run the chapters that have changed and build the pages that have; warnings are errors.

    book: folder with _config.yml, _toc.yml and the chapters

    Returns the folder of the pages. Raises ChapterError or BookError when one is not clean.
    """
    execute.run_all(notebooks(book))
    return finish_sphinx(start_sphinx(book), book)


def _fill_in(progress: Progress) -> None:
    """Run the chapters; those that are done appear on their pages while others run."""
    fresh: list[str] = []

    def done(path: Path) -> None:
        fresh.append(path.stem)
        print(f"  {path.stem} has run", flush=True)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(execute.run_all, notebooks(), done)
        while wait([running], REST).not_done:
            if fresh:
                names = list(fresh)
                fresh.clear()
                finish_sphinx(start_sphinx(BOOK), BOOK)
                progress.filled(names)
    running.result()


def start_sphinx(book: Path) -> subprocess.Popen[bytes]:
    """Begin to render the pages that have changed, from what has been run so far."""
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", "-q", str(book), "-W", "--keep-going"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def finish_sphinx(sphinx: subprocess.Popen[bytes], book: Path) -> Path:
    """Wait for the pages and return their folder. Raises BookError when they gave a warning."""
    made = book / "_build"
    if sphinx.wait() or not (made / "html" / "index.html").exists():
        # Sphinx warns of a page only while it reads it: without its memory it will warn again
        shutil.rmtree(made / ".doctrees", ignore_errors=True)
        raise BookError("the book was not built cleanly: see the warnings and errors above")
    return made / "html"


if __name__ == "__main__":
    try:
        main()
    except (BookError, execute.ChapterError) as error:
        sys.exit(f"pcsta: {error}")

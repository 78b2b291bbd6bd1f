"""Build the book: make what the chapters need, run them, render the pages.

`python -m pcsta_book.site.build` does all of it, and while it does, pages fill in as their chapters are
done.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from pcsta_book import artifacts
from pcsta_book.places import BOOK, PAGES
from pcsta_book.site import execute, playground
from pcsta_book.site.progress import STEPS, Progress

REST = 45  # seconds between two renderings, which cost a core ten
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no `python -m` form


class BookError(RuntimeError):
    """A chapter failed, or the pages gave a warning; the text above says which."""


def main() -> None:
    """What `pcsta book` does beside serving. Raises BookError or ChapterError when it is not clean."""
    progress = Progress()
    data, seen, models, game, chapters, pages = STEPS
    # text can be read while all else is being made
    text = None if (PAGES / "index.html").exists() else start_sphinx(BOOK)
    try:
        with progress.making(data):
            artifacts.dataset()
        with progress.making(seen):
            artifacts.store()
        with progress.making(models):
            artifacts.everything()
        with progress.making(game):
            playground.folder()
    finally:
        if text is not None:
            finish_sphinx(text, BOOK / "_build")
    with progress.making(chapters):
        execute.in_own_loop(_fill_in(progress))
    with progress.making(pages):
        build()
    progress.finish()
    print(f"The book is built: {PAGES / 'index.html'}", flush=True)


def build(book: Path = BOOK, output: Path | None = None) -> Path:
    """Run the chapters that have changed and build the pages that have; warnings are errors.

    book:   folder with _config.yml, _toc.yml and the chapters
    output: where `_build` is made; by default in `book`

    Returns the folder of the pages. Raises BookError when a chapter or a page is not clean.
    """
    try:
        execute.in_own_loop(execute.run_all(execute.notebooks(book)))
    except execute.ChapterError as error:
        raise BookError(f"the book in {book} was not built cleanly: {error}") from None
    made = (output or book) / "_build"
    finish_sphinx(start_sphinx(book, output), made)
    return made / "html"


async def _fill_in(progress: Progress) -> None:
    """Run the chapters; those that are done appear on their pages while others run."""
    fresh: list[str] = []

    def done(path: Path) -> None:
        fresh.append(path.stem)
        print(f"  {path.stem} has run", flush=True)

    running = asyncio.create_task(execute.run_all(execute.notebooks(), done))
    while not running.done():
        await asyncio.wait({running}, timeout=REST)
        if fresh and not running.done():
            names = list(fresh)
            fresh.clear()
            sphinx = start_sphinx(BOOK)
            while sphinx.poll() is None:
                await asyncio.sleep(0.2)
            finish_sphinx(sphinx, BOOK / "_build")
            progress.ready += names
    running.result()


def start_sphinx(book: Path, output: Path | None = None) -> subprocess.Popen[bytes]:
    """Begin to render the pages that have changed, from what has been run so far."""
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", "-q", str(book), "-W", "--keep-going"]
    if output is not None:
        command += ["--path-output", str(output)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def finish_sphinx(sphinx: subprocess.Popen[bytes], made: Path) -> None:
    """Wait for the pages. Raises BookError when they gave a warning."""
    if sphinx.wait() or not (made / "html" / "index.html").exists():
        # Sphinx warns of a page only while it reads it: without its memory it will warn again
        shutil.rmtree(made / ".doctrees", ignore_errors=True)
        raise BookError("the book was not built cleanly: see the warnings and errors above")


if __name__ == "__main__":
    try:
        main()
    except (BookError, execute.ChapterError) as error:
        sys.exit(f"pcsta: {error}")

"""What is being made, for the reader who waits: a page that renews itself, and a mark when all is done."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib.metadata import version
from pathlib import Path

from pcsta.files import atomic, write_json
from pcsta_book.places import BOOK, PAGES, ROOT

# Steps of a first build, and their seconds on two quiet cores.
STEPS = {
    "the embedded dataset: 648 short films": 100,
    "what the glimpse sensor sees in them": 75,
    "five small models": 70,
    "the playground": 25,
    "the chapters, each run from its first to its last cell": 130,
    "the pages": 15,
}
MARK = PAGES.parent / "made"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><title>The book is being made</title>
<body style="font:18px/1.6 sans-serif;max-width:34em;margin:2em auto;padding:0 1em">
<h1>The book is being made</h1><p>{said}</p><ol>{steps}</ol>
<p>A first build takes about {minutes} minutes on two cores, and much less the next time. {read}</p>
</body></html>
"""


def state() -> str:
    """Changes with every file that the book is made of, and with Python's and torch's version."""
    digest = hashlib.sha256(f"{sys.version} {version('torch')}".encode())
    kinds = {
        ".py",
        ".ipynb",
        ".md",
        ".yml",
        ".bib",
        ".json",
        ".toml",
        ".txt",
        ".css",
        ".js",
        ".html",
    }
    digest.update((ROOT / "pyproject.toml").read_bytes())
    for top in (ROOT / "pcsta", BOOK, ROOT / ".github"):
        for path in sorted(top.rglob("*")):
            inner = path.relative_to(top).parts
            if path.suffix in kinds and not {"_build", "__pycache__"} & set(inner):
                digest.update("/".join(inner).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def up_to_date() -> bool:
    """Whether the pages are those of the files as they are now."""
    return MARK.exists() and (PAGES / "index.html").exists() and MARK.read_text() == state()


class Progress:
    """Tells what is being made, in `making.html` and `making.json` beside the pages, and in words."""

    def __init__(self, pages: Path = PAGES) -> None:
        self.pages, self.began = pages, time.perf_counter()
        self.step = ""
        self.state = state()  # of the beginning: what is changed meanwhile is made next time
        self.ready: list[str] = []  # pages that have filled in

    @contextmanager
    def making(self, step: str) -> Iterator[None]:
        """Announce one of STEPS."""
        self.step, began = step, time.perf_counter()
        self.write()
        over = threading.Event()

        def renew() -> None:
            while not over.wait(5):
                self.write()

        clock = threading.Thread(target=renew, daemon=True)
        clock.start()
        try:
            yield
        finally:
            over.set()
            clock.join()
        print(f"{step}: {time.perf_counter() - began:.0f} s", flush=True)

    def write(self) -> None:
        """Bring the page up to date."""
        names = list(STEPS)
        at = names.index(self.step)
        steps = "".join(
            f"<li>{'&#10003; ' if i < at else '<b>now:</b> ' if i == at else ''}{escape(name)}</li>"
            for i, name in enumerate(names)
        )
        spent = round(time.perf_counter() - self.began)
        text = PAGE.format(
            said=f"So far it has taken {spent // 60} min {spent % 60} s.",
            steps=steps,
            minutes=round(sum(STEPS.values()) / 60),
            read='The pages can be <a href="index.html">read as text</a> already.'
            if (self.pages / "index.html").exists()
            else "The pages can be read as text in half a minute.",
        )
        with atomic(self.pages / "making.html") as temporary:
            temporary.write_text(text, "utf-8")
        write_json(self.pages / "making.json", {"step": self.step, "ready": self.ready})

    def finish(self) -> None:
        """All is made: what told of the making goes."""
        for name in ("making.html", "making.json"):
            (self.pages / name).unlink(missing_ok=True)
        with atomic(MARK) as temporary:
            temporary.write_text(self.state)

"""What is being made, for the reader who waits: a file, the page of it, and a mark when all is done."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pcsta.files import atomic, read_json, write_json
from pcsta_book import assets
from pcsta_book.places import PAGES
from pcsta_book.site import state

# Steps of a first build, and their seconds on two quiet cores.
STEPS = {
    "the embedded dataset: 792 short films": 130,
    "what the glimpse sensor sees in them": 70,
    "five small models": 200,
    "the playground": 25,
    "the chapters, each run from its first to its last cell": 190,
    "the pages": 10,
}
MARK = PAGES.parent / "made"


def up_to_date() -> bool:
    """Whether the pages are those of the files as they are now."""
    return MARK.exists() and (PAGES / "index.html").exists() and MARK.read_text() == state.of_book()


def complete() -> bool:
    """Whether the page "See yourself" has what it loads, which is made after all pages stand."""
    here = PAGES / "see-yourself"
    fetched = any(here.glob("estimator/" + 64 * "?"))  # a file called by its hash is written last
    return fetched and (here / "about.json").exists()


class Progress:
    """Tells what is being made, in `making.json` beside the pages, and in words."""

    def __init__(self, pages: Path = PAGES) -> None:
        self.file, self.began = pages / "making.json", time.time()
        self.state = state.of_book()  # of the beginning: what is changed meanwhile is made next
        self.step = ""
        self.ready: list[str] = []  # pages that have filled in

    @contextmanager
    def making(self, step: str) -> Iterator[None]:
        """Announce one of STEPS."""
        self.step, began = step, time.perf_counter()
        self.filled()
        yield
        print(f"{step}: {time.perf_counter() - began:.0f} s", flush=True)

    def filled(self, names: Iterable[str] = ()) -> None:
        """Tell that these pages have filled in."""
        self.ready += names
        write_json(self.file, {"step": self.step, "ready": self.ready, "began": self.began})

    def finish(self) -> None:
        """All is made."""
        self.file.unlink(missing_ok=True)
        with atomic(MARK) as temporary:
            temporary.write_text(self.state)


def page(pages: Path) -> str:
    """What is being made, as a page that renews itself and in the end leads to the book."""
    readable, file = (pages / "index.html").exists(), pages / "making.json"
    if not file.exists():
        return assets.html(
            "site/making.html", making=False, refresh="0; url=index.html" if readable else 1
        )
    told, steps = read_json(file), list(STEPS)
    return assets.html(
        "site/making.html", making=True, refresh=3, readable=readable,
        seconds=round(time.time() - told["began"]), steps=steps, at=steps.index(told["step"]),
        minutes=round(sum(STEPS.values()) / 60),
    )  # fmt: skip

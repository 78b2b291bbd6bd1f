"""What the book is made of, as hashes: what has changed is made again."""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pcsta_book.places import BOOK, ROOT

MADE = (".", "_build", "__pycache__")  # begins the names of what is not source


def of_book() -> str:
    """Changes with every file of the repository that a page can show."""
    return digest([ROOT / "pyproject.toml", *files(ROOT / "pcsta", BOOK, ROOT / ".github")])


@cache
def of_code() -> str:
    """Changes with all that a chapter can import or read: both packages and the records.

    No chapter's output comes from what serves the book, but for those of two pages.
    """
    package = BOOK / "pcsta_book"
    serves = {package / "cli.py", package / "places.py", *files(package / "site")}
    serves -= {package / "site" / page for page in ("playground.py", "see_yourself.py")}
    return digest(set(files(ROOT / "pcsta", package, BOOK / "results")) - serves)


def digest(paths: Iterable[Path]) -> str:
    """Changes with these files, their names, Python's version and torch's."""
    found = hashlib.sha256(f"{sys.version} {version('torch')}".encode())
    for path in sorted(paths):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def files(*folders: Path) -> Iterator[Path]:
    """The files in some folders and below, but for what is made there."""
    for folder in folders:
        for path in folder.rglob("*"):
            inner = path.relative_to(folder).parts
            if path.is_file() and not any(part.startswith(MADE) for part in inner):
                yield path

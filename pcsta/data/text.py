"""Text files of numbers: read whole, parsed in one call, and named line by line when wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pcsta.data.dataset import DataError

AGAIN = "The file is damaged or of another format: fetch it again, or leave the sample out"


def damaged(
    problem: str, path: Path, line: int | None = None, frame: int | None = None
) -> DataError:
    """What to raise for a file whose text is wrong: frames count from 0, lines from 1."""
    return DataError(problem, path=path, frame=frame, line=line, advice=AGAIN)


def read_lines(path: Path) -> list[str]:
    """Lines of a file, blank ones at the end left out. DataError when missing, empty, no text."""
    try:
        text = path.read_text("ascii").rstrip()
    except OSError as error:
        problem = f"cannot read it ({error.strerror})"
        raise DataError(problem, path=path, advice="Check the path") from None
    except UnicodeDecodeError as error:
        raise damaged(f"byte {error.start} is no text", path) from None
    if not text:
        raise damaged("the file is empty", path)
    if "#" in text:  # "-1.#IND": how Windows' C library wrote a number that is none
        text = re.sub(r"-?1\.#\w+", "nan", text)
    return text.splitlines()


def whole_number(text: str, what: str, path: Path, line: int, frame: int | None = None) -> int:
    """A count or an id, exactly (a float holds 15 digits). DataError when it is neither."""
    if not text.strip().isdecimal():
        found = f"found {text.strip()[:40]!r}"
        raise damaged(f"{what} should be a whole number, {found}", path, line, frame)
    return int(text)


def parse_table(
    rows: list[str],
    width: int,
    path: Path,
    place: Callable[[int], tuple[int | None, int]],
    delimiter: str | None = None,
) -> Float32[np.ndarray, "rows width"]:
    """Rows of `width` numbers (nan and inf are numbers), all in one call of numpy's reader.

    place: (frame, line) of a row, asked only when some row is wrong: DataError names that one.
    """
    if not rows:
        return np.zeros((0, width), np.float32)
    with suppress(ValueError):
        values = np.loadtxt(rows, np.float32, comments=None, delimiter=delimiter, ndmin=2)
        if values.shape == (len(rows), width):
            return values
    for row, text in enumerate(rows):
        fields = text.split(delimiter)
        wrong = [field.strip() for field in fields if not _is_number(field)]
        if len(fields) != width:
            problem = f"should hold {width} numbers, found {len(fields)} fields"
        elif wrong:
            problem = f"{wrong[0]!r} is not a number"
        else:
            continue
        frame, line = place(row)
        raise damaged(problem, path, line, frame)
    raise damaged(f"its rows are no table of {width} numbers", path)


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False


class FrameLines:
    """The lines of a file that states its number of frames first, taken from top to bottom.

    at:             lines taken so far: the number, from 1, of the last one
    frames, places: (n,) frame and line of every row of numbers so far

    Raises DataError where the file ends before its last frame, or goes on after it.
    """

    def __init__(self, path: Path, lines: list[str], length: int):
        self.path, self.lines, self.length = path, lines, length
        self.at, self.frame = 1, 0
        self.rows: list[str] = []
        self.frames: list[int] = []
        self.places: list[int] = []

    def __iter__(self) -> Iterator[int]:
        """The number of each frame, from 0; its lines are to be taken before the next."""
        for frame in range(self.length):
            self.frame = frame
            yield frame
        if self.at < len(self.lines):
            problem = f"the file goes on after the {self.length} frames that its first line states"
            raise damaged(problem, self.path, self.at + 1, self.length)

    def take(self, count: int = 1) -> list[str]:
        """The next lines."""
        if self.at + count > len(self.lines):
            stated = f"the {self.length} that its first line states"
            problem = f"the file ends in frame {self.frame} of {stated}"
            raise damaged(problem, self.path, len(self.lines), self.frame)
        self.at += count
        return self.lines[self.at - count : self.at]

    def count(self, what: str) -> int:
        """The next line, a whole number."""
        return whole_number(self.take()[0], what, self.path, self.at, self.frame)

    def take_rows(self, count: int) -> None:
        """The next lines, which hold the numbers: `table` reads those of all frames in one call."""
        self.places += range(self.at + 1, self.at + 1 + count)
        self.frames += [self.frame] * count
        self.rows += self.take(count)

    def table(self, width: int) -> Float32[np.ndarray, "n width"]:
        """All rows of numbers, `width` in each."""
        return parse_table(
            self.rows, width, self.path, lambda row: (self.frames[row], self.places[row])
        )

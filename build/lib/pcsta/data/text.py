"""Text files of numbers: read whole, parsed in one call, and named line by line when wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pcsta.data.dataset import DataError

AGAIN = "The file is damaged or of another format: fetch it again, or leave the sample out"


def read_lines(path: Path) -> list[str]:
    """Lines of a file, blank ones at the end left out. DataError when missing, empty, no text."""
    try:
        text = path.read_text("ascii").rstrip()
    except OSError as error:
        problem = f"cannot read it ({error.strerror})"
        raise DataError(problem, path=path, advice="Check the path") from None
    except UnicodeDecodeError as error:
        raise DataError(f"byte {error.start} is no text", path=path, advice=AGAIN) from None
    if not text:
        raise DataError("the file is empty", path=path, advice=AGAIN)
    if "#" in text:  # "-1.#IND": how Windows' C library wrote a number that is none
        text = re.sub(r"-?1\.#\w+", "nan", text)
    return text.splitlines()


def whole_number(text: str, what: str, path: Path, line: int, frame: int | None = None) -> int:
    """A count or an id, exactly (a float holds 15 digits). DataError when it is neither."""
    if not text.strip().isdecimal():
        problem = f"{what} should be a whole number, found {text.strip()[:40]!r}"
        raise DataError(problem, path=path, frame=frame, line=line, advice=AGAIN)
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
        raise DataError(problem, path=path, frame=frame, line=line, advice=AGAIN)
    raise DataError(f"its rows are no table of {width} numbers", path=path, advice=AGAIN)


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False

"""Text files of numbers: read whole, parsed in one call, and named line by line when wrong."""

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import orjson
from jaxtyping import Float32

from pcsta.data.dataset import DataError

AGAIN = "The file is damaged or of another format: fetch it again, or leave the sample out"
POINTS = "Write the file again with decimal points"
# How the C libraries of Windows write a number that is none, up to 2013 and since
NO_NUMBER = re.compile(r"-?(?:1\.#\w+|nan\(\w+\))", re.IGNORECASE)
DOTNET = {ord("∞"): "inf", ord("−"): "-"}  # how .NET writes infinity, and minus in some languages
DIGITS = 20  # of a count or an id: Kinect's ids have 64 bits


def damaged(
    problem: str, path: Path, line: int | None = None, frame: int | None = None, advice: str = AGAIN
) -> DataError:
    """What to raise for a file whose text is wrong: frames count from 0, lines from 1."""
    return DataError(problem, path, advice, frame=frame, line=line)


def decode(data: bytes) -> str:
    """Text in UTF-8 or, if it begins so, UTF-16. Raises UnicodeDecodeError for any other."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig")


def read_lines(path: Path) -> list[str]:
    """Lines of a text, without blank ones at its end. DataError if missing, empty or no text."""
    try:
        text = decode(path.read_bytes()).rstrip()
    except OSError as error:
        raise DataError(f"cannot read it ({error.strerror})", path, "Check the path") from None
    except UnicodeDecodeError as error:
        raise damaged(f"byte {error.start} is no text", path) from None
    if not text:
        raise damaged("the file is empty", path)
    if not text.isascii():
        text = text.translate(DOTNET)
    if "#" in text or "(" in text:
        text = NO_NUMBER.sub("nan", text)
    return text.splitlines()


def whole_number(text: str, what: str, path: Path, line: int, frame: int | None = None) -> int:
    """A count or an id, exactly (a float holds 15 digits). DataError when it is neither."""
    text = text.strip()
    if not text.isdecimal() or len(text) > DIGITS:
        raise damaged(f"{what} should be a whole number, found {text[:40]!r}", path, line, frame)
    return int(text)


def parse_table(
    rows: list[str],
    width: int,
    path: Path,
    place: Callable[[int], tuple[int | None, int]],
    delimiter: str | None = None,
) -> Float32[np.ndarray, "rows width"]:
    """Rows of `width` numbers (nan and inf are numbers), all in one call.

    place: (frame, line) of a row, asked only when some row is wrong: DataError names that one.
    """
    if not rows:
        return np.zeros((0, width), np.float32)
    for read in (_as_json, _as_text):
        with suppress(ValueError):
            values = read(rows, delimiter)
            if values.shape == (len(rows), width):
                return values
    for row, text in enumerate(rows):
        fields = text.split(delimiter)
        wrong = [field.strip() for field in fields if not _is_number(field)]
        advice = AGAIN
        if len(fields) != width:
            problem = f"should hold {width} numbers, found {len(fields)} fields"
            if delimiter == "," and len(fields) == 2 * width - 1:  # the first is a whole number
                problem, advice = f"{problem}: its numbers have decimal commas", POINTS
        elif wrong:
            problem = f"{wrong[0]!r} is not a number"
            if re.fullmatch(r"[-+]?\d*,\d+(e[-+]?\d+)?", wrong[0], re.IGNORECASE):
                problem, advice = f"{problem}: it has a decimal comma", POINTS
        else:
            continue
        frame, line = place(row)
        raise damaged(problem, path, line, frame, advice)
    raise damaged(f"its rows are no table of {width} numbers", path)


def _as_json(rows: list[str], delimiter: str | None) -> Float32[np.ndarray, "rows width"]:
    """Numbers as JSON writes them, which most files hold, in half the time. ValueError for others."""
    between = delimiter or " "
    text = between.join(rows)
    other = text.encode().translate(None, b"0123456789+-.eE" + between.encode())
    if other or len({row.count(between) for row in rows}) > 1:  # other: null, for one, is JSON
        raise ValueError("no table, or more than numbers")
    with np.errstate(over="ignore"):  # 1e99 is infinite in float32
        values = orjson.loads(f"[{text.replace(between, ',')}]")
        return np.array(values, np.float32).reshape(len(rows), -1)


def _as_text(rows: list[str], delimiter: str | None) -> Float32[np.ndarray, "rows width"]:
    """Numbers in any form that numpy's reader knows. ValueError for others, and for no table."""
    return np.loadtxt(rows, np.float32, comments=None, delimiter=delimiter, ndmin=2)


def _is_number(text: str) -> bool:
    """As numpy's reader sees it: Python's float knows other digits, and 1_000, as well."""
    with suppress(ValueError):
        float(text)
        return text.isascii() and "_" not in text
    return False


class FrameLines:
    """The lines of a file that states its number of frames first, taken from top to bottom.

    block:  rows of numbers of one body
    length: the number of frames, which the first line states as `stated`
    at:     lines taken so far: the number, from 1, of the last one
    frames: frame of every body so far
    Raises DataError where the file ends before its last frame, or goes on after it.
    """

    def __init__(self, path: Path, lines: list[str], stated: str, block: int):
        self.path, self.lines, self.block = path, lines, block
        self.length = whole_number(stated, "the number of frames", path, 1)
        if self.length == 0:
            raise damaged("the file states 0 frames", path, 1)
        self.at, self.frame = 1, 0
        self.frames: list[int] = []
        self._rows: list[str] = []
        self._starts: list[int] = []  # line of each body's first row

    def __iter__(self) -> Iterator[int]:
        """The number of each frame, from 0; its lines are to be taken before the next."""
        for frame in range(self.length):
            self.frame = frame
            yield frame
        if self.at < len(self.lines):
            problem = f"the file goes on after the {self.length} frames that its first line states"
            raise damaged(problem, self.path, self.at + 1, self.length)

    def wrong(self, problem: str) -> DataError:
        """What to raise for the line that was taken last."""
        return damaged(problem, self.path, self.at, self.frame)

    def take(self, lines: int = 1) -> list[str]:
        """The next lines."""
        if self.at + lines > len(self.lines):
            stated = f"the {self.length} that its first line states"
            problem = f"the file ends in frame {self.frame} of {stated}"
            raise damaged(problem, self.path, len(self.lines), self.frame)
        self.at += lines
        return self.lines[self.at - lines : self.at]

    def count(self, what: str) -> int:
        """The next line, a whole number."""
        return whole_number(self.take()[0], what, self.path, self.at, self.frame)

    def take_body(self) -> None:
        """The next `block` lines, which hold numbers: `table` reads those of all frames at once."""
        self._starts.append(self.at + 1)
        self.frames.append(self.frame)
        self._rows += self.take(self.block)

    def table(self, width: int) -> Float32[np.ndarray, "n block width"]:
        """The numbers of all bodies, `width` in each row."""

        def place(row: int) -> tuple[int, int]:
            body, within = divmod(row, self.block)
            return self.frames[body], self._starts[body] + within

        table = parse_table(self._rows, width, self.path, place)
        return table.reshape(-1, self.block, width)

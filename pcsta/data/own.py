"""Your own recordings: a folder with one table, and the files that it names.

    recordings.csv    skeleton,video,action,subject,side
                      clips/ann-01.skeleton,clips/ann-01.mp4,pour,ann,train
                      clips/bob-01.skeleton,,stir,bob,test

Paths are relative to the table, or absolute. `video` may be empty: that clip serves the pose stream
alone. `side` may be left out altogether: then every second person trains, in order of name.
Skeletons are in NTU's text; `pcsta.data.ntu.write_skeleton` writes it. The table is UTF-8, or
UTF-16 with its mark; cells are separated by commas, semicolons or tabs.
"""

import csv
import errno
import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from unicodedata import normalize

from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.finder import Found
from pcsta.data.ntu import read_skeleton
from pcsta.data.text import damaged, decode
from pcsta.data.tracks import Tracks
from pcsta.data.video import video_info, video_size
from pcsta.skeletons import KINECT_V2

TABLE = "recordings.csv"
NEEDED = ("skeleton", "action", "subject")
PERHAPS = ("video", "side")
SIDES = ("train", "test")
CROP_SHARE = 1 / 30  # side of a crop as a share of the image's width; NTU's 50 of 1920 is 1 / 38

Row = dict[str, str]


class OwnRecordings(Dataset):
    """Recordings of your own: classes are the actions in the table, in order of name.

    root: holds `recordings.csv`

    The one protocol is cross-subject, and nobody may be on both sides. Raises DataError, naming the
    line, for a table that cannot be used. A file that is not there makes its sample unusable.
    """

    name = "own"
    skeleton = KINECT_V2
    protocols = ("cross-subject",)
    layout = f"{TABLE} and the files that it names"

    def __init__(self, root: Path | str):
        super().__init__(root)
        self.table = self.root / TABLE
        self._rows = _read(self.table)
        self.classes = tuple(sorted({row["action"] for row in self._rows.values()}))
        self._side = _sides(self.table, self._rows)
        self._first_video, self._size = self._first_good_video()
        self.crop_size = round(CROP_SHARE * self._size[0])
        self.reads = {"table": hashlib.sha256(self.table.read_bytes()).hexdigest()[:16]}

    def _path(self, row: Row, column: str) -> Path | None:
        return self.root / row[column].replace("\\", "/") if row.get(column) else None

    def _first_good_video(self) -> tuple[Path | None, tuple[int, int]]:
        """In order of the samples' names, with its size; the damaged ones cost their own samples."""
        for _, skeleton, video, _ in sorted(self._files()):
            if video is not None and skeleton is not None and skeleton.exists():
                with suppress(DataError):
                    return video, video_info(video).size
        return None, (1920, 1080)

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """Of the sample's video, upright. Raises DataError when the videos have several sizes."""
        size = video_size(sample.video, self._size)
        if size != self._size:
            here, first = ("{} x {}".format(*each) for each in (size, self._size))
            problem = f"its images are {here} pixels, those of {self._first_video} are {first}"
            advice = "Bring all videos, and the pixels in their skeletons, to one size"
            raise DataError(problem, sample.video, advice)
        return size

    def _files(self) -> Iterator[Found]:
        for name, row in self._rows.items():
            yield Found(name, self._path(row, "skeleton"), self._path(row, "video"))

    def identify(self, name: str, skeleton_file: Path, video: Path | None) -> Sample | str | None:
        row = self._rows[name]
        for path, what in ((skeleton_file, "skeleton"), (video, "video")):
            if path is not None and not (path.is_file() or path.is_dir()):  # a pipe never ends
                return f"the table names a {what} that is not there: {path}, line {row['line']}"
        label = self.classes.index(row["action"])
        return Sample(name, skeleton_file, video, label, row["subject"], action=row["action"])

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return self._side[sample.subject] == "train"

    def tracks(self, path: Path) -> Tracks:
        return read_skeleton(path).tracks


def _text(table: Path) -> str:
    try:
        text = decode(table.read_bytes())
    except OSError as error:
        advice = (
            f"Make it from films, `pcsta pose FILMS --out {table.parent}`, or write the columns skeleton, "
            "action, subject, and perhaps video and side; --root names its folder"
        )
        raise DataError(f"cannot read it ({error.strerror})", table, advice) from None
    except UnicodeDecodeError as error:
        # any of a dozen code pages would give letters here, and one of them the right ones
        problem = "its letters are not in UTF-8 but in the code page of one country"
        advice = "Save it again as `CSV UTF-8` (Excel: the list below the file's name)"
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(problem, table, advice, line=line) from None
    before, zero, _ = text.partition("\0")
    if zero:
        advice = "Save it again as `CSV UTF-8`"
        raise damaged("a zero byte is no text", table, before.count("\n") + 1, advice=advice)
    return text


def _lines(table: Path) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of the lines that hold something: spreadsheets end with empty ones."""
    text = _text(table)
    reader = csv.reader(
        io.StringIO(text, newline=None), delimiter=max(",;\t", key=text.partition("\n")[0].count),
        skipinitialspace=True, strict=True,
    )  # fmt: skip
    begins = 1  # the line where cells begin that have not ended
    try:
        for line in reader:
            cells = [cell.strip() for cell in line]
            if any(cells):
                yield reader.line_num, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        problem = f"its quotes do not match ({error})"
        raise DataError(problem, table, "Write each quote twice, or none", line=begins) from None


def _read(table: Path) -> dict[str, Row]:
    """Sample name -> its row and, under "line", its line in the table."""
    lines = _lines(table)
    head, columns = next(lines, (1, []))
    columns = [column.lower() for column in columns]
    if missing := [column for column in NEEDED if column not in columns]:
        problem = f"no column {', '.join(missing)}; it has: {', '.join(columns) or 'none'}"
        advice = "The first line names the columns, with commas, semicolons or tabs between them"
        raise DataError(problem, table, advice, line=head)
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        raise DataError(f"two columns {twice[0]}", table, "Take one out", line=head)
    if other := sorted({*columns} - {"", *NEEDED, *PERHAPS}):
        said = f"only {', '.join((*NEEDED, *PERHAPS))} are read, not {', '.join(other)}"
        warnings.warn(f"{table}, line {head}: {said}", stacklevel=1)
    rows: dict[str, Row] = {}
    first: dict[tuple[str, str], Row] = {}
    for line, cells in lines:
        if any(cells[len(columns) :]):
            problem = f"{len(cells)} cells under {len(columns)} columns"
            advice = 'Put "" around a cell that has a comma in it'
            raise DataError(problem, table, advice, line=line)
        row = dict(zip_longest(columns, cells[: len(columns)], fillvalue="")) | {"line": str(line)}
        if empty := [column for column in NEEDED if not row[column]]:
            advice = "Fill the cell, or take the line out"
            raise DataError(f"no {' and no '.join(empty)}", table, advice, line=line)
        for column in ("skeleton", "video"):
            try:
                os.stat(table.parent / row.get(column, "").replace("\\", "/"))
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    problem = f"{column} has a longer name than this disk takes"
                    raise DataError(
                        problem, table, "Name a file that is there", line=line
                    ) from None
        row |= {c: normalize("NFC", row[c]) for c in ("action", "subject")}  # é is one sign or two
        row["name"] = Path(row["skeleton"].replace("\\", "/")).stem
        for column in ("name", "action", "subject"):
            # Ann and ann would be two people, one on either side of the split
            before = first.setdefault((column, row[column].casefold()), row)
            problem = f"{column} {row[column]!r} is {before[column]!r} in line {before['line']}"
            if column == "name" and before is not row:
                advice = "Name the skeleton files so that no two are alike, also in other folders"
                raise DataError(f"a second recording: {problem}", table, advice, line=line)
            if before[column] != row[column]:
                raise DataError(problem, table, "Spell it in one way", line=line)
        rows[row["name"]] = row
    if not rows:
        raise DataError("it names no recording", table, "One line a recording")
    return rows


def _sides(table: Path, rows: dict[str, Row]) -> dict[str, str]:
    """Subject -> "train" or "test"."""
    chosen: dict[str, str] = {}
    for row in rows.values():
        subject, side, line = row["subject"], row.get("side", ""), int(row["line"])
        if "side" in row and side not in SIDES:
            advice = "It is train or test; without the column every second person trains"
            raise DataError(f"side is {side!r}", table, advice, line=line)
        if chosen.setdefault(subject, side) != side:
            advice = "A network that has seen a person in training is not tested on them"
            advice += ": put all recordings of a person on one side"
            raise DataError(f"{subject} is on both sides of the split", table, advice, line=line)
    if not any(chosen.values()):
        chosen = {subject: SIDES[i % 2] for i, subject in enumerate(sorted(chosen))}
    if set(chosen.values()) != set(SIDES):
        people = f"{len(chosen)} {'person' if len(chosen) == 1 else 'people'}"
        problem = f"{people} ({', '.join(sorted(chosen))}), and all on one side of the split"
        advice = "Record at least two people: one to train on and one to test on"
        raise DataError(problem, table, advice)
    return chosen

"""Your own recordings: a folder with one table, and the files that it names.

    recordings.csv    skeleton,video,action,subject,side
                      clips/ann-01.skeleton,clips/ann-01.mp4,pour,ann,train
                      clips/bob-01.skeleton,,stir,bob,test

Paths are relative to the table. `video` may be empty: that clip serves the pose stream alone. `side`
may be left out altogether: then every second person trains, in order of name. Skeletons are in NTU's
text; `pcsta.data.ntu.write_skeleton` writes it.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from pcsta.data import ntu
from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.finder import Found
from pcsta.data.tracks import Tracks
from pcsta.data.video import video_info
from pcsta.skeletons import KINECT_V2

TABLE = "recordings.csv"
NEEDED = ("skeleton", "action", "subject")
SIDES = ("train", "test")
CROP_SHARE = 1 / 30  # side of a crop as a share of the image's width; NTU's 50 of 1920 is 1 / 38

Row = dict[str, str]


class OwnRecordings(Dataset):
    """Recordings of your own: classes are the actions in the table, in order of name.

    root: holds `recordings.csv`

    The one protocol is cross-subject, and nobody may be on both sides: a network that knows the test
    people from training is not tested. Raises DataError, naming the line, for a table that cannot be
    used. A skeleton file that is not there makes its sample unusable.
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
        videos = (self._path(row, "video") for row in self._rows.values())
        self._first_video = next((v for v in videos if v and v.exists()), None)
        self._size = (1920, 1080) if self._first_video is None else _size(self._first_video)
        self.crop_size = round(CROP_SHARE * self._size[0])
        self.reads = {"table": self._fingerprint()}

    def _path(self, row: Row, column: str) -> Path | None:
        return self.root / row[column] if row.get(column) else None

    def _fingerprint(self) -> str:
        """Of the table and of the sizes of its files: a store made of others must not be reused."""
        found = hashlib.sha256(self.table.read_bytes())
        for row in self._rows.values():
            for path in (self._path(row, "skeleton"), self._path(row, "video")):
                if path and path.exists():
                    found.update(f"{path.stat().st_size},".encode())
        return found.hexdigest()[:16]

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """Of the sample's video. Raises DataError when the videos have several sizes."""
        if sample.video is None:
            return self._size
        size = _size(sample.video)
        if size != self._size:
            (w, h), (width, height) = size, self._size
            raise DataError(
                f"its images are {w} x {h} pixels, those of {self._first_video} are {width} x {height}",
                path=sample.video,
                advice="Bring all videos, and the pixels in their skeletons, to one size",
            )
        return size

    def _files(self) -> Iterator[Found]:
        for name, row in self._rows.items():
            yield Found(name, self._path(row, "skeleton"), self._path(row, "video"))

    def identify(self, name: str, skeleton_file: Path, video: Path | None) -> Sample | str | None:
        for path, what in ((skeleton_file, "skeleton"), (video, "video")):
            if path is not None and not path.exists():
                return f"the table names a {what} file that is not there"
        row = self._rows[name]
        label = self.classes.index(row["action"])
        return Sample(name, skeleton_file, video, label, row["subject"], action=row["action"])

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return self._side[sample.subject] == "train"

    def tracks(self, path: Path) -> Tracks:
        return ntu.tracks(path)


def _size(video: Path) -> tuple[int, int]:
    return video_info(video).size


def _wrong(table: Path, problem: str, advice: str, line: int | None = None) -> DataError:
    return DataError(problem, path=table, line=line, advice=advice)


def _read(table: Path) -> dict[str, Row]:
    """Sample name -> its row and, under "line", its line in the table."""
    try:
        text = table.read_text("utf-8-sig")  # spreadsheets begin a file with a mark
    except OSError as error:
        columns = f"{', '.join(NEEDED)}, video and, if you choose the split, side"
        problem = f"cannot read it ({error.strerror})"
        raise _wrong(table, problem, f"Write a table with the columns {columns}") from None
    reader = csv.DictReader(text.splitlines())
    found = reader.fieldnames or ()
    if missing := [column for column in NEEDED if column not in found]:
        problem = f"no column {', '.join(missing)}; it has: {', '.join(found) or 'none'}"
        raise _wrong(
            table, problem, "The first line names the columns, with commas between them", 1
        )
    rows: dict[str, Row] = {}
    for cells in reader:
        row = {column: (value or "").strip() for column, value in cells.items() if column}
        row["line"] = str(reader.line_num)
        if empty := [column for column in NEEDED if not row[column]]:
            advice = "Fill the cell, or take the line out"
            raise _wrong(table, f"no {' and no '.join(empty)}", advice, reader.line_num)
        name = Path(row["skeleton"]).stem
        if name in rows:
            problem = f"a second recording {name!r}, the first is in line {rows[name]['line']}"
            advice = "Name the skeleton files so that no two are alike, also in other folders"
            raise _wrong(table, problem, advice, reader.line_num)
        rows[name] = row
    if not rows:
        raise _wrong(table, "it names no recording", "One line a recording")
    return rows


def _sides(table: Path, rows: dict[str, Row]) -> dict[str, str]:
    """Subject -> "train" or "test"."""
    chosen: dict[str, str] = {}
    for row in rows.values():
        subject, side, line = row["subject"], row.get("side", ""), int(row["line"])
        if "side" in row and side not in SIDES:
            advice = "It is train or test; without the column every second person trains"
            raise _wrong(table, f"side is {side!r}", advice, line)
        if chosen.setdefault(subject, side) != side:
            advice = "A network that has seen a person in training is not tested on them"
            advice += ": put all recordings of a person on one side"
            raise _wrong(table, f"{subject} is on both sides of the split", advice, line)
    if not any(chosen.values()):
        chosen = {subject: SIDES[i % 2] for i, subject in enumerate(sorted(chosen))}
    if set(chosen.values()) != set(SIDES):
        people = f"{len(chosen)} {'person' if len(chosen) == 1 else 'people'}"
        problem = f"{people} ({', '.join(sorted(chosen))}), and all on one side of the split"
        advice = "Record at least two people: one to train on and one to test on"
        raise _wrong(table, problem, advice)
    return chosen

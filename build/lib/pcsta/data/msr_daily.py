"""MSR Daily Activity 3D: 16 activities, 10 subjects, twice each, Kinect v1.

Two forms of skeleton text are read:

- original: `frames 20`; per frame the number of rows (0, 40 or 80), then two rows per joint:
  `x y z confidence` in metres and `u v depth confidence` with u, v as fractions of the image;
- converted: one line per joint, `frame joint x y z`. It has no image positions: they are projected
  with the sensor's nominal focal length, so crops may miss a hand by some pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pcsta.data.bodies import Body, Tracks
from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.splits import MSR_TRAIN_SUBJECTS
from pcsta.data.text import AGAIN, parse_table, read_lines, whole_number
from pcsta.skeletons import KINECT_V1

CLASSES = (
    "drink", "eat", "read book", "call cellphone", "write on paper", "use laptop",
    "use vacuum cleaner", "cheer up", "sit still", "toss paper", "play game",
    "lie down on sofa", "walk", "play guitar", "stand up", "sit down",
)  # fmt: skip

IMAGE = (640, 480)
FOCAL = 571.26  # pixels at 640 x 480, nominal for Kinect v1's skeleton space
JOINTS = len(KINECT_V1)
NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)")


def sample_name(path: Path) -> str:
    """`a01_s01_e01` for `a01_s01_e01_skeleton.txt` or `a01_s01_e01_skeleton3D.txt`."""
    return path.stem.partition("_skeleton")[0]


def read_skeleton(path: Path) -> Tracks:
    """Bodies of a skeleton file of either form; a body's id is its place in the frame, from 1.

    Raises DataError with file, frame and line.
    """
    lines = read_lines(path)
    fields = len(lines[0].split())
    if fields == 2:
        return Tracks(*_original(path, lines))
    if fields == 5:
        note = "image positions projected with the nominal focal length: the file has none"
        return Tracks(*_converted(path, lines), notes=(note,))
    raise DataError(
        "the first line should be `frames joints` (original form) or `frame joint x y z` "
        f"(converted form), found {fields} fields",
        path=path, frame=0, line=1, advice=AGAIN,
    )  # fmt: skip


def _original(path: Path, lines: list[str]) -> tuple[list[Body], int]:
    head = lines[0].split()
    length = whole_number(head[0], "the number of frames", path, 1)
    joints = whole_number(head[1], "the number of joints", path, 1)
    if joints != JOINTS:
        raise DataError(
            f"a skeleton should have {JOINTS} joints, found {joints}",
            path=path, line=1, advice=AGAIN,
        )  # fmt: skip
    size = 2 * JOINTS  # rows per body
    rows: list[str] = []
    places: list[tuple[int, int, int]] = []  # frame, body, first line (from 1) of each block
    at = 1
    for frame in range(length):
        count = (
            whole_number(lines[at], "the number of rows", path, at + 1, frame)
            if at < len(lines)
            else 0
        )
        if at >= len(lines) or at + 1 + count > len(lines):
            raise DataError(
                f"the file ends in frame {frame} of the {length} that its first line states",
                path=path, frame=frame, line=len(lines), advice=AGAIN,
            )  # fmt: skip
        if count % size:
            raise DataError(
                f"a frame should have a multiple of {size} rows, found {count}",
                path=path, frame=frame, line=at + 1, advice=AGAIN,
            )  # fmt: skip
        places += [(frame, body, at + 2 + body * size) for body in range(count // size)]
        rows += lines[at + 1 : at + 1 + count]
        at += 1 + count
    if at < len(lines):
        raise DataError(
            f"the file goes on after the {length} frames that its first line states",
            path=path, frame=length, line=at + 1, advice=AGAIN,
        )  # fmt: skip
    table = parse_table(
        rows, 4, path, lambda row: (places[row // size][0], places[row // size][2] + row % size)
    )
    blocks = table.reshape(-1, JOINTS, 2, 4)
    world, image = blocks[:, :, 0, :3], blocks[:, :, 1, :2] * np.array(IMAGE, np.float32)
    return _bodies([(frame, body) for frame, body, _ in places], world, image), length


def _converted(path: Path, lines: list[str]) -> tuple[list[Body], int]:
    """One skeleton per frame; frames and joints count from 0 or from 1, frames may be missing."""
    table = parse_table(lines, 5, path, lambda row: (None, row + 1))
    if len(table) % JOINTS:
        raise DataError(
            f"a frame should have {JOINTS} lines, but {len(table)} is no multiple of it",
            path=path, line=len(lines), advice=AGAIN,
        )  # fmt: skip
    blocks = table.reshape(-1, JOINTS, 5)
    frames, order = blocks[:, 0, 0], blocks[..., 1]
    wrong = (blocks[..., 0] != frames[:, None]) | (order - order[:, :1] != np.arange(JOINTS))
    wrong[1:, 0] |= np.diff(frames) <= 0
    if wrong.any():
        row = int(np.flatnonzero(wrong.ravel())[0])
        raise DataError(
            f"lines should count joints 1 to {JOINTS} within rising frames",
            path=path, frame=row // JOINTS, line=row + 1, advice=AGAIN,
        )  # fmt: skip
    world = blocks[..., 2:]
    depth = np.where(world[..., 2:] > 0, world[..., 2:], np.nan)
    centre = np.array(IMAGE, np.float32) / 2
    image = (centre + FOCAL * world[..., :2] * (1, -1) / depth).astype(np.float32)
    numbers = (frames - frames[0]).astype(int).tolist()
    return _bodies([(frame, 0) for frame in numbers], world, image), numbers[-1] + 1


def _bodies(
    places: list[tuple[int, int]],
    world: Float[np.ndarray, "n 20 3"],
    image: Float[np.ndarray, "n 20 2"],
) -> list[Body]:
    """Blocks gathered by their place in the frame; an all-zero block is nobody."""
    seen = np.nan_to_num(world).any((1, 2))
    where = np.array(places, np.int64).reshape(-1, 2)
    found = []
    for body in range(where[:, 1].max(initial=-1) + 1):
        rows = np.flatnonzero(seen & (where[:, 1] == body))
        if rows.size:
            found.append(Body((body + 1,), where[rows, 0], world[rows], image[rows]))
    return found


class MSRDaily(Dataset):
    """MSR Daily Activity 3D: `a01_s01_e01_skeleton.txt` and `…_rgb.avi`, anywhere under `root`."""

    name = "msr-daily"
    skeleton = KINECT_V1
    classes = CLASSES
    protocols = ("cross-subject",)
    crop_size = 100
    layout = "aAA_sSS_eEE_skeleton.txt and aAA_sSS_eEE_rgb.avi"

    def _files(self) -> Iterator[tuple[str, Path | None, Path | None]]:
        videos = {p.stem.removesuffix("_rgb"): p for p in self.root.rglob("*_rgb.avi")}
        # a converted file has a longer name than the original beside it, which wins
        found = sorted(self.root.rglob("*_skeleton*.txt"), key=lambda p: (-len(p.name), p.name))
        skeletons = {sample_name(p): p for p in found}
        for name in skeletons.keys() | videos.keys():
            yield name, skeletons.get(name), videos.get(name)

    def identify(self, name: str, skeleton_file: Path, video: Path | None) -> Sample | str | None:
        match = NAME.fullmatch(name)
        if not match:
            return "not a name of the form aAA_sSS_eEE_skeleton.txt"
        action, subject, take = map(int, match.groups())
        if not 1 <= action <= len(CLASSES):
            return "not one of the 16 activities"
        return Sample(
            name=name, label=action - 1, subject=str(subject), camera=0, replication=take,
            skeleton_file=skeleton_file, video=video, action=CLASSES[action - 1],
        )  # fmt: skip

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return int(sample.subject) in MSR_TRAIN_SUBJECTS

    def tracks(self, path: Path) -> Tracks:
        return read_skeleton(path)

"""MSR Daily Activity 3D: 16 activities, 10 subjects, twice each, Kinect v1.

Two forms of skeleton text are read:

- original: `frames 20`; per frame the number of rows (0, 40 or 80), then two rows per joint:
  `x y z confidence` in metres and `u v depth confidence` with u, v as fractions of the image;
- converted: one line per joint, `frame joint x y z`. It has no image positions: they are projected
  with the sensor's nominal focal length, so crops may miss a hand by some pixels.
"""

import re
from pathlib import Path

import numpy as np

from pcsta.data.dataset import KINECT_V1_IMAGE, Dataset, Sample
from pcsta.data.finder import FILM, Names
from pcsta.data.splits import MSR_TRAIN_SUBJECTS
from pcsta.data.text import FrameLines, damaged, parse_table, read_lines, whole_number
from pcsta.data.tracks import Tracks, gather
from pcsta.skeletons import KINECT_V1

CLASSES = (
    "drink", "eat", "read book", "call cellphone", "write on paper", "use laptop",
    "use vacuum cleaner", "cheer up", "sit still", "toss paper", "play game",
    "lie down on sofa", "walk", "play guitar", "stand up", "sit down",
)  # fmt: skip

LONGEST = 100_000  # frames, an hour: a number beyond it is damage, and would fill the memory
FOCAL = 571.26  # pixels at 640 x 480, nominal for Kinect v1's skeleton space
JOINTS = len(KINECT_V1)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # found after all sums
def read_skeleton(path: Path) -> Tracks:
    """Bodies of either form; ids are places in the frame, from 1. DataError says what is wrong."""
    lines = read_lines(path)
    fields = len(lines[0].split())
    if fields == 2:
        return _original(path, lines)
    if fields == 5:
        return _converted(path, lines)
    forms = "`frames joints` (original form) or `frame joint x y z` (converted form)"
    raise damaged(f"the first line should be {forms}, found {fields} fields", path, 1, 0)


def _original(path: Path, lines: list[str]) -> Tracks:
    length, stated = lines[0].split()
    joints = whole_number(stated, "the number of joints", path, 1)
    if joints != JOINTS:
        raise damaged(f"a skeleton should have {JOINTS} joints, found {joints}", path, 1)
    size = 2 * JOINTS  # rows per body
    text = FrameLines(path, lines, length, size)
    ids: list[int] = []
    for _ in text:
        count = text.count("the number of rows")
        if count % size:
            raise text.wrong(f"a frame should have a multiple of {size} rows, found {count}")
        for place in range(count // size):
            ids.append(place + 1)
            text.take_body()
    blocks = text.table(4).reshape(-1, JOINTS, 2, 4)
    world, image = blocks[:, :, 0, :3], blocks[:, :, 1, :2] * np.array(KINECT_V1_IMAGE, np.float32)
    return gather(ids, np.array(text.frames, int), world, image, text.length)


def _converted(path: Path, lines: list[str]) -> Tracks:
    """One skeleton per frame; frames and joints count from 0 or from 1, frames may be missing."""
    table = parse_table(lines, 5, path, lambda row: (None, row + 1))
    if len(table) % JOINTS:
        problem = f"a frame should have {JOINTS} lines, but {len(table)} is no multiple of it"
        raise damaged(problem, path, len(lines))
    blocks = table.reshape(-1, JOINTS, 5)
    frames, order = blocks[:, 0, 0] - blocks[0, 0, 0], blocks[..., 1]
    wrong = (blocks[..., 0] != blocks[:, :1, 0]) | (order - order[:, :1] != np.arange(JOINTS))
    wrong[:, 0] |= ~((frames < LONGEST) & (np.diff(frames, prepend=-1) > 0) & (frames % 1 == 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong.ravel())[0])
        problem = f"lines should count joints 1 to {JOINTS} within rising frames"
        raise damaged(problem, path, row + 1, row // JOINTS)
    world = blocks[..., 2:]
    depth = np.where(world[..., 2:] > 0, world[..., 2:], np.nan)
    centre = np.array(KINECT_V1_IMAGE, np.float32) / 2
    image = (centre + FOCAL * world[..., :2] * (1, -1) / depth).astype(np.float32)
    numbers = frames.astype(int)
    projected = "image positions projected with the nominal focal length: the file has none"
    return gather([1] * len(numbers), numbers, world, image, int(numbers[-1]) + 1, [projected])


class MSRDaily(Dataset):
    """MSR Daily Activity 3D: `a01_s01_e01_skeleton.txt` and `…_rgb.avi`, anywhere under `root`."""

    name = "msr-daily"
    skeleton = KINECT_V1
    classes = CLASSES
    protocols = ("cross-subject",)
    crop_size = 100
    layout = "aAA_sSS_eEE_skeleton.txt and aAA_sSS_eEE_rgb.avi"
    names = Names(
        re.compile(
            r".*/(?P<name>[^/]*?)_(?:(?P<skeleton>skeleton\.txt)|(?P<converted>skeleton[^/]+\.txt)|"
            rf"(?P<video>rgb\.{FILM})|depth\.\w+)", re.I
        ),
        re.compile(r"a(?P<action>\d\d)_s(?P<subject>\d\d)_e(?P<replication>\d\d)"),
        "aAA_sSS_eEE_skeleton.txt",
        spell=str.lower,
    )  # fmt: skip

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return int(sample.subject) in MSR_TRAIN_SUBJECTS

    def tracks(self, path: Path) -> Tracks:
        return read_skeleton(path)

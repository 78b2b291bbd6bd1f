"""SBU Kinect Interaction: two people, 15 joints, 282 sequences, five folds.

A `skeleton_pos.txt` has one row per frame: its number, then x, y, z of the 15 joints of person A and
of person B. x and y are fractions of a frame of 2560 x 1920 mm, z is a fraction too: `metres` undoes
that. X then grows to the image's left, which gives the same handedness as NTU's mirrored images.

Image positions are taken as (640 x, 480 y). As the fractions are metric (bones keep their length to
1 % while people walk in depth), a hand at the image's edge is off by some pixels unless it is about
2.3 m away, where 2560 mm fill the sensor's view.

The dataset's documentation calls A the left person; that holds in 158 of the 282 sequences. What is
documented is restored: person 1 is who stands on the left (the book's page on real skeletons says its worth).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pcsta.data.bodies import People, left_first
from pcsta.data.dataset import KINECT_V1_IMAGE, Dataset, Sample
from pcsta.data.finder import Names
from pcsta.data.splits import SBU_FOLDS
from pcsta.data.text import damaged, parse_table, read_lines
from pcsta.data.tracks import Tracks, gather
from pcsta.skeletons import SBU

CLASSES = (
    "approaching", "departing", "kicking", "pushing", "shaking hands", "hugging", "exchanging",
    "punching",
)  # fmt: skip


def metres(fractions: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """The file's x, y, z in metres: X left of the image's centre, Y above it, Z from the camera."""
    scale = np.array((-2.560, -1.920, 10 / 7.8125), np.float32)
    origin = np.array((1.280, 0.960, 0), np.float32)
    return np.asarray(origin + scale * fractions, np.float32)


@np.errstate(over="ignore", invalid="ignore")  # absurd numbers are found after all sums
def read_skeleton(path: Path) -> Tracks:
    """Bodies 1 and 2 (A, B; absent where all zero), pixels at (640 x, 480 y). Raises DataError."""
    lines = read_lines(path)
    width = 1 + 2 * len(SBU) * 3
    table = parse_table(lines, width, path, lambda row: (row, row + 1), delimiter=",")
    length = len(lines)
    steps = np.diff(table[:, 0].astype(float), prepend=-1.0)
    if (backwards := np.flatnonzero(~((steps > 0) & (steps < np.inf)))).size:
        row = int(backwards[0])
        raise damaged("frame numbers should rise", path, row + 1, row)
    skipped = int((steps[1:] - 1).sum())
    notes = [f"frame numbers skip {skipped} frames: rows taken as consecutive"] if skipped else []
    fractions = table[:, 1:].reshape(-1, len(SBU), 3)  # (T * 2, J, 3)
    joints = metres(fractions)
    joints[~fractions.any(-1)] = 0
    pixels = fractions[..., :2] * np.array(KINECT_V1_IMAGE, np.float32)
    frames = np.repeat(np.arange(length), 2)
    return gather((1, 2) * length, frames, joints, pixels, length, notes)


class SBUInteraction(Dataset):
    """Folders such as `s01s02/01/001` under `root`: `skeleton_pos.txt`, and images as its video."""

    name = "sbu"
    skeleton = SBU
    classes = CLASSES
    protocols = tuple(f"fold-{k + 1}" for k in range(len(SBU_FOLDS)))
    crop_size = 100
    reads: Mapping[str, str] = {"person 1": "left"}
    layout = "folders such as s01s02/01/001 with skeleton_pos.txt (and rgb_*.png)"
    names = Names(
        re.compile(
            r".*/(?P<name>[^/]+/[^/]+/[^/]+)/(?:(?P<skeleton>skeleton_pos\.txt)|"
            r"(?P<images>rgb[^/]*\.(?:png|jpg))|depth[^/]*\.png)", re.I
        ),
        re.compile(r"(?P<subject>s\d\ds\d\d)_(?P<action>\d\d)_(?P<replication>\d\d\d)"),
        "sXXsYY_AA_NNN (from sXXsYY/AA/NNN/skeleton_pos.txt)",
        spell=lambda place: place.lower().replace("/", "_"),
    )  # fmt: skip

    def _label(self, name: str, action: str, subject: str) -> int | str | None:
        if not any(subject in fold for fold in SBU_FOLDS):
            return "a pair of subjects that is in no fold"
        return super()._label(name, action, subject)

    def _trains(self, sample: Sample, protocol: str) -> bool:
        return sample.subject not in SBU_FOLDS[self.protocols.index(protocol)]

    def tracks(self, path: Path) -> Tracks:
        return read_skeleton(path)

    def _people(self, tracks: Tracks) -> People:
        return left_first(tracks.bodies, tracks.length, self.skeleton)

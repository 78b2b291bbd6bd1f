"""NTU RGB+D and NTU RGB+D 120: skeleton text, names, and the protocols of both.

A `.skeleton` file is text: the number of frames; per frame the number of bodies; per body a line of
10 fields that starts with its id, the number of joints (25), and 12 numbers per joint:
x y z (metres), depthX depthY, colorX colorY, a quaternion, the tracking state (2 tracked,
1 inferred, 0 not tracked).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, Integer

from pcsta.conforms import conforms
from pcsta.data.clip import Clip
from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.finder import FILM, Names
from pcsta.data.splits import NTU120_TRAIN_SUBJECTS, NTU_TRAIN_CAMERAS, NTU_TRAIN_SUBJECTS
from pcsta.data.text import FrameLines, read_lines, whole_number
from pcsta.data.tracks import Body, Tracks, gather
from pcsta.data.truth import read_truth
from pcsta.data.video import video_size
from pcsta.files import atomic, read_json
from pcsta.skeletons import KINECT_V2

ACTION_NAMES = tuple(Path(__file__).with_name("ntu_actions.txt").read_text("ascii").splitlines())
# The 535 samples, 302 of them in the first 17 setups, whose skeletons the dataset's authors call
# missing or incomplete (https://github.com/shahroudy/NTURGB-D).
MISSING = frozenset(Path(__file__).with_name("ntu_missing.txt").read_text("ascii").split())

NAME = re.compile(
    r"S\d{3}C(?P<camera>\d{3})P(?P<subject>\d{3})R(?P<replication>\d{3})A(?P<action>\d{3})"
)
OWN = "dataset.json"  # of a dataset that shares NTU's layout
JOINTS, FIELDS, HEADER_FIELDS = len(KINECT_V2), 12, 10


@dataclass(frozen=True, eq=False)
class Recording:
    """A skeleton file as it stands: one row per body and frame, in the file's order.

    length: T, number of frames
    ids:    n body ids (Python integers: 17 digits do not fit a float)
    frames: (n,) frame of each row, from 0
    values: (n, 25, 12) the numbers of each joint, see the module's text
    """

    length: int
    ids: tuple[int, ...]
    frames: Int64[np.ndarray, "n"]
    values: Float32[np.ndarray, "n 25 12"]

    @property
    def bodies(self) -> list[Body]:
        """The rows gathered by id, in order of first appearance."""
        return self.tracks.bodies

    @property
    def tracks(self) -> Tracks:
        """The bodies, and the share of joints that were seen, not inferred."""
        joints, pixels, states = self.values[..., 0:3], self.values[..., 5:7], self.values[..., -1]
        tracked = float((states == 2).mean()) if states.size else None
        return gather(self.ids, self.frames, joints, pixels, self.length, tracked=tracked)


def read_skeleton(path: Path | str) -> Recording:
    """Parse a `.skeleton` file. Raises DataError naming file, frame and line of what is wrong."""
    path = Path(path)
    lines = read_lines(path)
    text = FrameLines(path, lines, lines[0], JOINTS)
    ids: list[int] = []
    for frame in text:
        for _ in range(text.count("the number of bodies")):
            header = text.take()[0].split()
            if len(header) != HEADER_FIELDS:
                problem = f"a body's line should have {HEADER_FIELDS} fields, found {len(header)}"
                raise text.wrong(problem)
            ids.append(whole_number(header[0], "a body id", path, text.at, frame))
            if (joints := text.count("the number of joints")) != JOINTS:
                raise text.wrong(f"a body should have {JOINTS} joints, found {joints}")
            text.take_body()
    return Recording(text.length, tuple(ids), np.array(text.frames, np.int64), text.table(FIELDS))


# x y z depthX depthY colorX colorY, an orientation that nobody reads, the tracking state; and of a
# body its id, edges, hand states, lean x y, tracking state
_JOINT = "%.{0}f %.{0}f %.{0}f %.{1}f %.{1}f %.1f %.1f 0 0 0 0 %d\n"
_BODY = "%d 0 1 1 1 1 0 %.{0}f %.{0}f 2\n25\n"
_BASE, _SHOULDERS = KINECT_V2.index("spine base"), KINECT_V2.index("spine shoulder")


def skeleton_text(
    ids: Integer[np.ndarray, "T P"],
    present: Bool[np.ndarray, "T P"],
    joints: Float[np.ndarray, "T P 25 3"],
    depth: Float[np.ndarray, "T P 25 2"],
    colour: Float[np.ndarray, "T P 25 2"],
    states: Integer[np.ndarray, "T P 25"],
    decimals: int = 4,
) -> str:
    """The text of a `.skeleton` file, which `read_skeleton` reads: P bodies in every frame.

    ids:      bodyID, whole numbers       present:  which bodies a frame lists
    joints:   metres, camera space        depth, colour:  pixels of the two images
    states:   2 tracked, 1 inferred, 0 not tracked
    decimals: of metres; three fewer of depth pixels
    """
    body_line, joint_line = (line.format(decimals, decimals - 3) for line in (_BODY, _JOINT))
    numbers = np.concatenate([joints, depth, colour, states[..., None]], -1)  # (T, P, 25, 8)
    lean = np.clip((joints[..., _SHOULDERS, :] - joints[..., _BASE, :])[..., [0, 2]], -1, 1)
    lines = [f"{len(joints)}\n"]
    for t in range(len(joints)):
        here = np.flatnonzero(present[t])
        lines.append(f"{len(here)}\n")
        for body in here:
            lines.append(body_line % (ids[t, body], *lean[t, body]))
            lines.append(joint_line * JOINTS % tuple(numbers[t, body].ravel()))
    return "".join(lines)


def write_skeleton(
    path: Path | str,
    joints: Float[np.ndarray, "T P J 3"],
    pixels: Float[np.ndarray, "T P K 2"],
    states: Integer[np.ndarray, "T P 25"] | None = None,
) -> Path:
    """Write a `.skeleton` file of your own and return its path.

    joints: metres in camera space: x right, y up, z away from the camera; an absent person all zero
    pixels: (x, y) in the colour image, origin top-left; NaN where unknown
    states: 2 tracked, 1 inferred, 0 not tracked; tracked by default

    Joints are in the order of `KINECT_V2`; see `pcsta.skeletons.means` for those of another sensor.
    Raises ValueError for other shapes, and for joints that are not finite.
    """
    joints, pixels = np.asarray(joints, float), np.asarray(pixels, float)
    body = (JOINTS, 3)
    if joints.ndim != 4 or joints.shape[2:] != body or pixels.shape != (*joints.shape[:3], 2):
        raise ValueError(
            f"joints should be (frames, people, {JOINTS}, 3) and pixels (frames, people, {JOINTS}, 2), "
            f"not {joints.shape} and {pixels.shape}"
        )
    if not np.isfinite(joints).all():
        t, person, joint, _ = np.argwhere(~np.isfinite(joints))[0]
        which = f"{KINECT_V2.joints[joint]} of person {person + 1} is not a number in frame {t}"
        raise ValueError(f"{which}: fill it, or set the whole person to zero there")
    path = Path(path)
    ids = np.broadcast_to(np.arange(1, joints.shape[1] + 1), joints.shape[:2])
    states = np.full(joints.shape[:3], 2) if states is None else np.asarray(states)
    present = np.asarray(joints.any((2, 3)))
    text = skeleton_text(ids, present, joints, np.zeros_like(pixels), pixels, states)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="ascii", newline="\n")
    return path


def _described(path: Path) -> dict[str, Any]:
    """What `dataset.json` says, if it is there. Raises DataError when it is damaged."""
    if not path.exists():
        return {}
    advice = "make the dataset again, or take the file away if these are NTU's own recordings"
    own = read_json(path, advice)
    try:
        actions = own.get("actions", (1,))
        classes = own.get("classes") or [ACTION_NAMES[a - 1] for a in actions]
        sizes = [own.get("crop_size", 1), *own["image_size"], *actions]
        named = re.fullmatch(r"[\w-]+", own.get("name", "ntu"))  # stores are called after it
        whole = named and len(own["image_size"]) == 2 and conforms(sizes, list[int])
        whole = whole and all(n in range(1, 10**4) for n in sizes) and conforms(classes, list[str])
        whole = whole and len({*actions}) == len(actions) == len({*classes}) == len(classes) > 0
        whole = whole and all(map(str.isprintable, classes))
    except (AttributeError, IndexError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DataError("does not describe a dataset in NTU's layout", path, advice)
    return {**own, "named": dict(zip(own.get("actions", ()), classes, strict=False))}


class NTU(Dataset):
    """NTU RGB+D: 60 actions, 40 subjects, 3 cameras, Kinect v2.

    root: holds `nturgb+d_skeletons/` and, for the RGB stream, `nturgb+d_rgb/`, with or without
          folders in them

    A dataset of other films in NTU's layout says what is its own in `dataset.json`: its name, which
    actions it holds (labelled 0, 1, ... in that order) and how it names them, the size of its images
    and of its crops. The embedded dataset does.

    Samples of NTU RGB+D 120 may lie in the same folders; they are left out here. Samples whose
    skeletons the dataset's authors call missing or incomplete are unusable.
    """

    name, title = "ntu", "NTU RGB+D"
    numbers = range(1, 61)  # of its actions
    skeleton = KINECT_V2
    protocols: tuple[str, ...] = ("cross-subject", "cross-view")
    layout = "nturgb+d_skeletons/SsssCcccPpppRrrrAaaa.skeleton and nturgb+d_rgb/…_rgb.avi"
    names = Names(
        re.compile(
            rf".*/(?:{OWN}|(?P<name>[^/]+)(?:(?P<skeleton>\.skeleton)|(?P<video>_rgb\.{FILM})))",
            re.I,
        ),
        NAME,
        "SsssCcccPpppRrrrAaaa",
        spell=lambda name: name.upper() if NAME.fullmatch(name.upper()) else name,
        skip=re.compile(r"\.|nturgb\+d_(truth|depth|ir)", re.I),
    )

    def __init__(self, root: Path | str):
        super().__init__(root)
        own = _described(self.root / OWN)
        self.name = own.get("name", self.name)
        self.actions = tuple(own.get("actions") or self.numbers)
        named = dict(enumerate(ACTION_NAMES, 1)) | own.get("named", {})
        self.classes = tuple(named[a] for a in self.actions)
        self.crop_size = own.get("crop_size", 50)
        self._size: tuple[int, int] | None = tuple(own["image_size"]) if own else None

    def image_size(self, sample: Sample) -> tuple[int, int]:
        """NTU's is 1920 x 1080. That of a file under another name is its video's."""
        size = self._size or (1920, 1080)
        own = self._size is None and not NAME.fullmatch(sample.name)
        return video_size(sample.video, size) if own else size

    def _label(self, name: str, action: str, subject: str) -> int | str | None:
        if (number := int(action)) not in self.actions:
            also = "; the dataset ntu-120 has it" if number in NTU120.numbers else ""
            told = f"not one of {self.title}'s {len(self.numbers)} actions{also}"
            return None if number in self.numbers else told
        if name in MISSING:
            return "skeleton missing or incomplete (the authors' list)"
        return self.actions.index(number)

    def _trains(self, sample: Sample, protocol: str) -> bool:
        if protocol == "cross-view":
            return sample.camera in NTU_TRAIN_CAMERAS
        return int(sample.subject) in NTU_TRAIN_SUBJECTS

    def tracks(self, path: Path) -> Tracks:
        return read_skeleton(path).tracks

    def read(self, sample: Sample | str) -> Clip:
        clip = super().read(sample)
        truth = self.root / "nturgb+d_truth" / f"{clip.name}.json"
        if not truth.exists():
            return clip
        return replace(clip, truth=read_truth(truth, clip.hands))


class NTU120(NTU):
    """NTU RGB+D 120: 120 actions, 106 subjects, 32 setups; the first 60 actions are `NTU`'s.

    Liu et al. (2019). Half of the subjects train, or the setups of even number.
    """

    name, title = "ntu-120", "NTU RGB+D 120"
    numbers = range(1, 121)
    protocols = ("cross-subject-120", "cross-setup")

    def _trains(self, sample: Sample, protocol: str) -> bool:
        if protocol == "cross-setup":
            return int(sample.name[1:4]) % 2 == 0
        return int(sample.subject) in NTU120_TRAIN_SUBJECTS

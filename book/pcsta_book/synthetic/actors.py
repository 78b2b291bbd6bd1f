"""Who acts: twelve subjects with their own bones, clothes and hair, and how a body takes a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pcsta.skeletons import KINECT_V2
from pcsta_book import assets
from pcsta_book.synthetic.actions import SIDES

TRAIN = (1, 2, 4, 5, 8, 9, 13, 14)  # trained on by NTU's cross-subject protocol
TEST = (3, 6, 7, 10)
SUBJECTS = tuple(sorted(TRAIN + TEST))

Colour = Sequence[int]  # red, green, blue
_DATA = assets.table("synthetic/actors.toml")
# How much of a foot's step a joint takes part in; all else goes with the trunk.
_SHARE_OF_FOOT = {"hip": 0.0, "knee": 0.5, "ankle": 1.0, "foot": 1.0}
_UPPER_ARM, _FOREARM, _HAND, _TIP = 0.275, 0.24, 0.075, 0.08


@dataclass(frozen=True)
class Subject:
    """Looks and bones of one person, always the same for the same id."""

    number: int
    height: float
    width: float
    arm: float
    skin: Colour
    hair: Colour
    hairstyle: str
    shirt: Colour
    long_sleeves: bool
    trousers: Colour
    shoes: Colour

    @property
    def scale(self) -> float:
        """Height against the standing body of 1.72 m."""
        return self.height / 1.72

    @classmethod
    def create(cls, number: int) -> Subject:
        rng, looks = np.random.default_rng([2017, number]), _DATA["looks"]
        place = SUBJECTS.index(number) if number in SUBJECTS else number

        def pick(part: str) -> Any:
            return looks[part][int(rng.integers(len(looks[part])))]

        def in_turn(part: str) -> Any:
            return looks[part][place % len(looks[part])]

        return cls(
            number=number, height=rng.uniform(1.58, 1.86), width=rng.uniform(0.92, 1.12),
            arm=rng.uniform(0.96, 1.06), skin=pick("skin"), hair=pick("hair"),
            hairstyle=in_turn("hairstyle"), shirt=in_turn("shirt"),
            long_sleeves=bool(rng.random() < 0.5), trousers=pick("trousers"), shoes=pick("shoes"),
        )  # fmt: skip

    def joint(self, name: str, side: int | None = None) -> np.ndarray:
        """Where a joint is when the body stands at the origin: (right, up, forward), metres."""
        right, up, forward = _DATA["standing"][name]
        sign = 0 if side is None else 2 * side - 1
        return np.array([sign * right * self.width, up, forward]) * self.scale


@dataclass(frozen=True)
class Motion:
    """Everything that moves, over T frames; metres are (right, up, forward) of the body's own frame."""

    hands: Float[np.ndarray, "T 2 3"]  # left and right, metres
    lean: Float[np.ndarray, "T"]  # radians of the upper body
    twist: Float[np.ndarray, "T"]
    roll: Float[np.ndarray, "T"]
    turn: Float[np.ndarray, "T"]  # radians of the head to the side
    nod: Float[np.ndarray, "T"]  # and forward
    elbows: Float[np.ndarray, "T 2"]  # 0 hangs, 1 is as high as the shoulder
    shift: Float[np.ndarray, "T 3"]  # metres by which the trunk moves
    feet: Float[np.ndarray, "T 2 3"]  # and each foot


def pose(
    subject: Subject, motion: Motion, place: tuple[float, float], facing: float
) -> Float[np.ndarray, "T 25 3"]:
    """Joints in the room (metres; x right, y up, z away from camera 1) for every frame.

    place:  (x, z) on the floor;  facing: radians, 0 looks at camera 1, positive to its right.
    A hand that is asked for out of reach stops where the arm ends.
    """
    frames = len(motion.lean)
    body = np.zeros((frames, 25, 3))
    trunk = Trunk(subject, motion.lean, motion.twist, motion.roll, motion.nod)
    for part in ("spine base", "spine middle", "spine shoulder", "neck", "head"):
        body[:, KINECT_V2.index(part)] = trunk.joint(part)
    for side, name in enumerate(SIDES):
        shoulder = trunk.joint("shoulder", side)
        parts = _arm(subject, shoulder, motion.hands[:, side], side, motion.elbows[:, side])
        step = motion.feet[:, side] - motion.shift
        for part, share in _SHARE_OF_FOOT.items():
            parts[part] = subject.joint(part, side) + share * step
        for part, where in parts.items():
            body[:, KINECT_V2.index(f"{name} {part}")] = where
    body += motion.shift[:, None]
    return to_room(body, place, facing)


_NODS = {"head": 1.0, "neck": 0.35}  # how much of the nod a joint takes part in


@dataclass(frozen=True)
class Trunk:
    """The upper body, turned about the hip; all angles (T,), radians, as in `Motion`."""

    subject: Subject
    lean: np.ndarray
    twist: np.ndarray
    roll: np.ndarray
    nod: np.ndarray

    def joint(self, name: str, side: int | None = None) -> Float[np.ndarray, "T 3"]:
        """Where a joint is in every frame, as long as the body does not step aside."""
        hip, throat = self.subject.joint("spine base"), self.subject.joint("spine shoulder")
        arm = self.subject.joint(name, side) - hip
        joint = hip + _rotation(self.lean, self.twist, self.roll) @ arm
        neck = np.linalg.norm(self.subject.joint("head") - throat) * _NODS.get(name, 0.0)
        bow = np.stack([0 * self.nod, np.cos(self.nod) - 1, np.sin(self.nod)], -1)
        return np.asarray(joint + neck * bow)


def to_room(body: np.ndarray, place: tuple[float, float], facing: float) -> np.ndarray:
    """(right, up, forward) of a body's own frame -> room."""
    c, s = np.cos(facing), np.sin(facing)
    right, up, forward = np.moveaxis(body, -1, 0)
    x, z = c * right + s * forward + place[0], s * right - c * forward + place[1]
    return np.stack([x, up, z], -1)


def to_body(point: np.ndarray, place: tuple[float, float], facing: float) -> np.ndarray:
    """The inverse of `to_room`."""
    c, s = np.cos(facing), np.sin(facing)
    x, up, z = np.moveaxis(point, -1, 0)
    x, z = x - place[0], z - place[1]
    return np.stack([c * x + s * z, up, s * x - c * z], -1)


def _rotation(lean: np.ndarray, twist: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Upper body: forward lean, twist around the spine, sideways roll -> (T, 3, 3)."""
    forward, around, sideways = np.tile(np.eye(3), (3, len(lean), 1, 1))
    turns = ((forward, lean, (2, 1)), (around, twist, (0, 2)), (sideways, roll, (1, 0)))
    for matrix, angle, (i, j) in turns:
        matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
        matrix[:, i, j] = np.sin(angle)
        matrix[:, j, i] = -np.sin(angle)
    return np.asarray(sideways @ forward @ around)


def _arm(
    subject: Subject, shoulder: np.ndarray, target: np.ndarray, side: int, raised: np.ndarray
) -> dict[str, np.ndarray]:
    """Two-bone inverse kinematics: the six joints of an arm, each (T, 3)."""
    scale = subject.arm * subject.height / 1.72
    upper, lower, outward = _UPPER_ARM * scale, (_FOREARM + _HAND) * scale, 2.0 * side - 1
    along, distance = _unit(target - shoulder)
    distance = np.clip(distance, 0.2 * scale, 0.99 * (upper + lower))
    hand = shoulder + along * distance
    x = (upper**2 - lower**2 + distance**2) / (2 * distance)  # from shoulder to the elbow's foot
    bend = np.sqrt(np.maximum(upper**2 - x**2, 0))
    # elbows point down, out and a little back; raised ones out
    low, high = np.array([0.35 * outward, -1.0, -0.45]), np.array([1.2 * outward, 0.25, -0.15])
    hint = low + np.clip(raised, 0, 1)[:, None] * (high - low)
    out, _ = _unit(hint - along * (along * hint).sum(-1, keepdims=True))
    elbow = shoulder + along * x + out * bend
    forearm, _ = _unit(hand - elbow)
    inward, _ = _unit(np.cross(forearm, np.array([0.0, 0.0, 1.0]) + 0.3 * forearm) * outward)
    thumb = 0.35 * forearm + 0.8 * np.array([0, 0.6, 0.4]) + 0.2 * inward
    return {
        "shoulder": shoulder,
        "elbow": elbow,
        "wrist": hand - forearm * _HAND * scale,
        "hand": hand,
        "hand tip": hand + forearm * _TIP * scale,
        "thumb": hand + thumb * 0.055 * scale,
    }


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions and lengths."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-6), length

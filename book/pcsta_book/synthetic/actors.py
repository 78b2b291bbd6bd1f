"""Who acts: twelve subjects with their own bones, clothes and hair, and how a body takes a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcsta.skeletons import KINECT_V2

TRAIN = (1, 2, 4, 5, 8, 9, 13, 14)  # trained on by NTU's cross-subject protocol
TEST = (3, 6, 7, 10)
SUBJECTS = tuple(sorted(TRAIN + TEST))

Colour = tuple[int, int, int]  # red, green, blue
_SKIN = ((241, 204, 178), (224, 176, 142), (198, 145, 108), (158, 108, 78), (116, 76, 54))
_HAIR = ((44, 36, 34), (84, 58, 42), (128, 84, 50), (186, 146, 92), (150, 150, 152), (120, 56, 38))
_SHIRT = (
    (96, 128, 148), (176, 108, 92), (120, 142, 110), (206, 178, 122), (112, 104, 142),
    (190, 196, 200), (72, 96, 116), (196, 140, 132), (88, 122, 118), (156, 128, 104),
    (132, 88, 104), (224, 214, 196),
)  # fmt: skip
_TROUSERS = ((58, 66, 84), (84, 80, 78), (108, 98, 84), (48, 52, 58), (70, 84, 106))
_SHOES = ((62, 48, 42), (228, 226, 220), (44, 46, 52), (122, 78, 54))

# A standing body 1.72 m tall: (to the actor's right, up, forward) in metres.
_STANDING = {
    "spine base": (0, 0.93, 0), "spine middle": (0, 1.15, 0), "spine shoulder": (0, 1.39, 0),
    "neck": (0, 1.46, 0), "head": (0, 1.60, 0.02),
    "shoulder": (0.175, 1.36, 0), "hip": (0.085, 0.90, 0), "knee": (0.10, 0.50, 0.03),
    "ankle": (0.11, 0.09, -0.02), "foot": (0.13, 0.03, 0.11),
}  # fmt: skip
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
        rng = np.random.default_rng([2017, number])
        place = SUBJECTS.index(number) if number in SUBJECTS else number

        def pick(palette: tuple[Colour, ...]) -> Colour:
            return palette[int(rng.integers(len(palette)))]

        return cls(
            number=number,
            height=rng.uniform(1.58, 1.86),
            width=rng.uniform(0.92, 1.12),
            arm=rng.uniform(0.96, 1.06),
            skin=pick(_SKIN),
            hair=pick(_HAIR),
            hairstyle=("short", "long", "bun", "short", "bob")[place % 5],
            shirt=_SHIRT[place % len(_SHIRT)],
            long_sleeves=bool(rng.random() < 0.5),
            trousers=pick(_TROUSERS),
            shoes=pick(_SHOES),
        )

    def joint(self, name: str, side: int | None = None) -> np.ndarray:
        """Where a joint is when the body stands at the origin: (right, up, forward), metres."""
        right, up, forward = _STANDING[name]
        sign = 0 if side is None else 2 * side - 1
        return np.array([sign * right * self.width, up, forward]) * self.scale


@dataclass(frozen=True)
class Motion:
    """Everything that moves, over T frames.

    hands: (T, 2, 3) left and right hand, metres: (right, up, forward) of the body's own frame
    lean, twist, roll: (T,) radians of the upper body; turn: (T,) radians of the head
    shift: (T, 3) metres (right, up, forward) by which the trunk moves; feet: (T, 2, 3) each foot
    """

    hands: Float[np.ndarray, "T 2 3"]
    lean: Float[np.ndarray, "T"]
    twist: Float[np.ndarray, "T"]
    roll: Float[np.ndarray, "T"]
    turn: Float[np.ndarray, "T"]
    shift: Float[np.ndarray, "T 3"]
    feet: Float[np.ndarray, "T 2 3"]


def pose(
    subject: Subject, motion: Motion, place: tuple[float, float], facing: float
) -> Float[np.ndarray, "T 25 3"]:
    """Joints in the room (metres; x right, y up, z away from camera 1) for every frame.

    place:  (x, z) on the floor;  facing: radians, 0 looks at camera 1, positive to its right.
    A hand that is asked for out of reach stops where the arm ends.
    """
    frames = len(motion.lean)
    body = np.zeros((frames, 25, 3))
    hip = subject.joint("spine base")
    rotation = _rotation(motion.lean, motion.twist, motion.roll)  # (T, 3, 3)

    def upper(joint: np.ndarray) -> np.ndarray:
        return np.asarray(hip + np.einsum("tij,j->ti", rotation, joint - hip))

    for part in ("spine base", "spine middle", "spine shoulder", "neck", "head"):
        body[:, KINECT_V2.index(part)] = upper(subject.joint(part))
    for side, name in enumerate(("left", "right")):
        shoulder = upper(subject.joint("shoulder", side))
        parts = _arm(subject, shoulder, motion.hands[:, side], side)
        step = motion.feet[:, side] - motion.shift
        for part, share in _SHARE_OF_FOOT.items():
            parts[part] = subject.joint(part, side) + share * step
        for part, where in parts.items():
            body[:, KINECT_V2.index(f"{name} {part}")] = where
    body += motion.shift[:, None]
    return to_room(body, place, facing)


def to_room(body: np.ndarray, place: tuple[float, float], facing: float) -> np.ndarray:
    """(right, up, forward) of a body's own frame -> room."""
    c, s = np.cos(facing), np.sin(facing)
    right, up, forward = np.moveaxis(body, -1, 0)
    x, z = c * right + s * forward + place[0], s * right - c * forward + place[1]
    return np.stack([x, up, z], -1)


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
    subject: Subject, shoulder: np.ndarray, target: np.ndarray, side: int
) -> dict[str, np.ndarray]:
    """Two-bone inverse kinematics: the six joints of an arm, each (T, 3)."""
    scale = subject.arm * subject.height / 1.72
    upper, lower, outward = _UPPER_ARM * scale, (_FOREARM + _HAND) * scale, 2.0 * side - 1
    along, distance = _unit(target - shoulder)
    distance = np.clip(distance, 0.2 * scale, 0.99 * (upper + lower))
    hand = shoulder + along * distance
    x = (upper**2 - lower**2 + distance**2) / (2 * distance)  # from shoulder to the elbow's foot
    bend = np.sqrt(np.maximum(upper**2 - x**2, 0))
    hint = np.array([0.35 * outward, -1.0, -0.45])  # elbows point down, out and a little back
    out, _ = _unit(hint - along * (along @ hint)[:, None])
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

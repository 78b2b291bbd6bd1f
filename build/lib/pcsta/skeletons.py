"""Skeletons: joint names, bones, hands and root of each sensor, and the maps between them.

A skeleton is a tree. Its bones are stored as parent -> children *in drawing order* (legs, then
head, then left arm, then right arm; left before right), because the order of the children decides
the tour of section 3.1.  Joint indices are 0-based; NTU's files and the paper count from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Skeleton:
    """A tree of named joints.

    name:      key in `SKELETONS`
    joints:    J names, in the order of the dataset's files
    children:  joint name -> names of its children, seen from `root`
    root:      the "middle of the spine", origin of the body-centred coordinates (section 5)
    hands:     names of the left and of the right hand joint (the actor's own left and right)
    """

    name: str
    joints: tuple[str, ...]
    children: Mapping[str, tuple[str, ...]]
    root: str
    hands: tuple[str, str]

    def __len__(self) -> int:
        return len(self.joints)

    def __hash__(self) -> int:
        return hash(self.name)

    def index(self, joint: str) -> int:
        """Column of a joint. Raises ValueError for a name this skeleton does not have."""
        if joint not in self.joints:
            raise ValueError(
                f"{self.name} has no joint {joint!r}; it has: {', '.join(self.joints)}"
            )
        return self.joints.index(joint)

    @property
    def root_index(self) -> int:
        return self.index(self.root)

    @property
    def hand_indices(self) -> tuple[int, int]:
        """Columns of (left hand, right hand)."""
        left, right = self.hands
        return self.index(left), self.index(right)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """The J - 1 bones as (parent, child), parents before their children's own bones."""
        found, reached = [], [self.root_index]
        for parent in reached:  # grows as it goes
            children = self.child_indices(parent)
            found += [(parent, child) for child in children]
            reached += children
        return tuple(found)

    def child_indices(self, joint: int) -> tuple[int, ...]:
        """Children of a joint, in drawing order."""
        return tuple(self.index(c) for c in self.children.get(self.joints[joint], ()))


_SIDES = ("left", "right")


def _limbs(*joints: str) -> dict[str, tuple[str, ...]]:
    """On each side, every joint -> the next one."""
    return {f"{side} {a}": (f"{side} {b}",) for side in _SIDES for a, b in pairwise(joints)}


KINECT_V2 = Skeleton(
    name="kinect_v2",
    joints=(
        "spine base", "spine middle", "neck", "head",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
        "spine shoulder", "left hand tip", "left thumb", "right hand tip", "right thumb",
    ),
    children={
        "spine middle": ("spine base", "spine shoulder"),
        "spine base": ("left hip", "right hip"),
        "spine shoulder": ("neck", "left shoulder", "right shoulder"),
        "neck": ("head",),
        **_limbs("hip", "knee", "ankle", "foot"),
        **_limbs("shoulder", "elbow", "wrist", "hand"),
        "left hand": ("left hand tip", "left thumb"),
        "right hand": ("right hand tip", "right thumb"),
    },
    root="spine middle",
    hands=("left hand", "right hand"),
)  # fmt: skip

KINECT_V1 = Skeleton(
    name="kinect_v1",
    joints=(
        "hip centre", "spine", "shoulder centre", "head",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
    ),
    children={
        "spine": ("hip centre", "shoulder centre"),
        "hip centre": ("left hip", "right hip"),
        "shoulder centre": ("head", "left shoulder", "right shoulder"),
        **_limbs("hip", "knee", "ankle", "foot"),
        **_limbs("shoulder", "elbow", "wrist", "hand"),
    },
    root="spine",
    hands=("left hand", "right hand"),
)  # fmt: skip

SBU = Skeleton(
    name="sbu",
    joints=(
        "head", "neck", "torso",
        "left shoulder", "left elbow", "left hand",
        "right shoulder", "right elbow", "right hand",
        "left hip", "left knee", "left foot",
        "right hip", "right knee", "right foot",
    ),
    children={
        "torso": ("left hip", "right hip", "neck"),
        "neck": ("head", "left shoulder", "right shoulder"),
        **_limbs("hip", "knee", "foot"),
        **_limbs("shoulder", "elbow", "hand"),
    },
    root="torso",
    hands=("left hand", "right hand"),
)  # fmt: skip

SKELETONS: Mapping[str, Skeleton] = {s.name: s for s in (KINECT_V2, KINECT_V1, SBU)}


# How each joint of a target is made from a source: the mean of the joints named here; a joint that is
# not named is the joint of the same name.  So no joint is invented, only repeated or averaged.
#
# Names alone mislead where sensors define a joint differently.  SBU's joints come from another
# tracker (NITE) than the Kinects' own: in its files the neck is the middle of the shoulders, the
# torso is the middle of shoulders and hips, and the foot lies at the ankle (the shin is as long as
# the thigh).  Kinect v2's neck lies 11 cm above the shoulders, its foot 5 cm beyond the ankle.
_SHOULDERS, _HIPS = ("left shoulder", "right shoulder"), ("left hip", "right hip")
_KINECT_TO_SBU = {
    "neck": _SHOULDERS, "torso": (*_SHOULDERS, *_HIPS), **_limbs("foot", "ankle"),
}  # fmt: skip
_SBU_TO_KINECT = _limbs("wrist", "hand") | _limbs("ankle", "foot")
_FINGERS = _limbs("hand tip", "hand") | _limbs("thumb", "hand")
_ALIASES: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("kinect_v2", "kinect_v1"): {
        "hip centre": ("spine base",),
        "spine": ("spine middle",),
        "shoulder centre": ("spine shoulder",),
    },
    ("kinect_v1", "kinect_v2"): {
        "spine base": ("hip centre",),
        "spine middle": ("spine",),
        "spine shoulder": ("shoulder centre",),
        "neck": ("shoulder centre", "head"),
        **_FINGERS,
    },
    ("kinect_v2", "sbu"): _KINECT_TO_SBU,
    ("kinect_v1", "sbu"): _KINECT_TO_SBU,
    ("sbu", "kinect_v2"): {
        "spine base": _HIPS,
        "spine middle": ("torso",),
        "spine shoulder": ("neck",),
        "neck": ("neck", "head"),
        **_SBU_TO_KINECT,
        **_FINGERS,
    },
    ("sbu", "kinect_v1"): {
        "hip centre": _HIPS,
        "spine": ("torso",),
        "shoulder centre": ("neck",),
        **_SBU_TO_KINECT,
    },
}


def conversion(source: Skeleton, target: Skeleton) -> np.ndarray:
    """Matrix that writes every joint of `target` as a mean of joints of `source` (section 5).

    The paper transfers from NTU to two datasets whose "skeleton definitions are different and were
    adapted"; this is the adaptation. Axes and units are the readers' and alike: metres, y up, z away
    from the camera.

    Returns (J_target, J_source) float32 as `means` does. Raises KeyError when no map is defined.
    """
    same = source.name == target.name
    if not same and (source.name, target.name) not in _ALIASES:
        raise KeyError(f"no map from skeleton {source.name} to {target.name}")
    return means(source.joints, target, {} if same else _ALIASES[source.name, target.name])


def means(
    joints: Sequence[str], target: Skeleton, parts: Mapping[str, tuple[str, ...]]
) -> np.ndarray:
    """Matrix that writes every joint of `target` as a mean of the joints that a sensor reports.

    joints: names of the sensor's joints, in its order
    parts:  joint of `target` -> the sensor's joints whose mean it is; a joint that is not named is
            the sensor's joint of the same name

    Returns (J_target, J_source) float32, rows sum to 1: ``target = means @ source``.
    An absent person (all zero) stays all zero. Raises ValueError for a name that the sensor lacks.
    """
    matrix = np.zeros((len(target), len(joints)), np.float32)
    for row, joint in enumerate(target.joints):
        sources = parts.get(joint, (joint,))
        for part in sources:
            if part not in joints:
                raise ValueError(
                    f"{joint!r} of {target.name} needs {part!r}, and the sensor has: "
                    f"{', '.join(joints)}"
                )
            matrix[row, list(joints).index(part)] += 1 / len(sources)
    return matrix

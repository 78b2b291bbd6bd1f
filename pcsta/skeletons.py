"""Skeletons: joint names, bones, hands and root of each sensor, and the maps between them.

A skeleton is a tree. `skeletons.toml` holds those of the datasets, and how the joints of one are made
from another's. Joint indices are 0-based; NTU's files and the paper count from 1.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
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

    def index(self, joint: str) -> int:
        """Column of a joint. Raises ValueError for a name this skeleton does not have."""
        if joint not in self.joints:
            raise ValueError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
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


_DATA: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text("utf-8")
)


def _skeleton(name: str) -> Skeleton:
    data, children = _DATA[name], dict[str, tuple[str, ...]]()
    for chain in data["bones"]:
        for parent, child in pairwise(chain):
            children[parent] = (*children.get(parent, ()), child)
    left, right = data["hands"]
    return Skeleton(name, tuple(data["joints"]), children, data["root"], (left, right))


ESTIMATED: Mapping[str, list[str]] = _DATA.pop("estimated")  # joints that estimators report
SKELETONS: Mapping[str, Skeleton] = {name: _skeleton(name) for name in _DATA}
KINECT_V2, KINECT_V1, SBU = (SKELETONS[name] for name in ("kinect_v2", "kinect_v1", "sbu"))


def conversion(source: Skeleton, target: Skeleton) -> np.ndarray:
    """Matrix that writes every joint of `target` as a mean of joints of `source` (section 5).

    The paper transfers from NTU to two datasets whose "skeleton definitions are different and were
    adapted"; this is the adaptation. Axes and units are the readers' and alike: metres, y up, z away
    from the camera.

    Returns (J_target, J_source) float32 as `means` does. Raises KeyError when no map is defined.
    """
    if source.name == target.name:
        return means(source.joints, target, {})
    maps = _DATA.get(target.name, {}).get("from", {})
    if source.name not in maps:
        raise KeyError(f"no map from skeleton {source.name} to {target.name}")
    return means(source.joints, target, maps[source.name])


def means(
    joints: Sequence[str],
    target: Skeleton,
    parts: Mapping[str, Sequence[str] | Mapping[str, float]],
) -> np.ndarray:
    """Matrix that writes every joint of `target` as a mean of the joints that a sensor reports.

    joints: names of the sensor's joints, in its order
    parts:  joint of `target` -> the sensor's joints whose mean it is, or their weights, which sum to 1;
            a joint that is not named is the sensor's joint of the same name

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
            weight = sources[part] if isinstance(sources, Mapping) else 1 / len(sources)
            matrix[row, list(joints).index(part)] += weight
    return matrix


def from_estimate(layout: str) -> np.ndarray:
    """Matrix that writes Kinect v2's joints as means of those of a layout in `ESTIMATED`, as `means`.

    Raises ValueError for a layout that is not known.
    """
    if layout not in ESTIMATED:
        raise ValueError(f"no layout {layout!r} of joints; known are {', '.join(ESTIMATED)}")
    maps = _DATA[KINECT_V2.name]["from"]
    return means(ESTIMATED[layout], KINECT_V2, maps["estimated"] | maps.get(layout, {}))

"""Clip: the one record that every dataset yields."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from pcsta.skeletons import Skeleton

PEOPLE = 2
HANDS = ("left 1", "right 1", "left 2", "right 2")  # the order of hands everywhere


@dataclass(frozen=True)
class Truth:
    """What only a synthetic clip can tell: where the information is.

    deciding: (T, 4) which hands, in the order of HANDS, decide the class in this frame; often none
    objects:  (T, 4) name of what each hand holds in each frame, "" where it is empty
    faults:   names of the tracking faults written into the skeleton file
    """

    deciding: Bool[np.ndarray, "T 4"]
    objects: np.ndarray
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Clip:
    """One recorded action.

    name:        sample name, e.g. "S001C001P001R001A001"
    joints:      (T, 2, J, 3) float32, metres, camera space (x right, y up, z away from the camera
                 for Kinect); an absent person is all zero
    pixels:      (T, 2, J, 2) float32, (x, y) in the colour image, origin top-left; NaN where absent
    label:       class index, 0-based, into the dataset's `classes`; -1 when unknown
    subject:     the performer's id as text ("1", or "s01s02" for an SBU pair)
    camera, replication: as in the file name, 0 when the dataset has none
    image_size:  (width, height) of the colour image that `pixels` refer to
    video:       path of the colour video, or None
    repairs:     one sentence per repair or body choice that the reader made
    """

    name: str
    joints: Float[np.ndarray, "T 2 J 3"]
    pixels: Float[np.ndarray, "T 2 J 2"]
    skeleton: Skeleton
    label: int
    subject: str
    camera: int = 0
    replication: int = 0
    action: str = ""
    image_size: tuple[int, int] = (1920, 1080)
    video: Path | None = None
    truth: Truth | None = None
    repairs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def present(self) -> Bool[np.ndarray, "T 2"]:
        """Whether each person is tracked in each frame."""
        return np.asarray(self.joints.any(axis=(2, 3)))

    @property
    def hands(self) -> Float[np.ndarray, "T 4 2"]:
        """Pixels of the four hands: left 1, right 1, left 2, right 2; NaN where absent."""
        return self.pixels[:, :, self.skeleton.hand_indices].reshape(len(self), len(HANDS), 2)

"""Poses that were estimated in plain video, written as a skeleton file that the readers read.

A sensor measures distance; film does not. Each rule is a few lines below:

- Joints are means of the estimator's (`skeletons.toml`); one is known where more than half of its
  parts are.
- A joint that is lost for at most FLICKER frames is interpolated. One that is lost for longer is
  unknown there, and where all of a person's are, nobody is there.
- The tracking state keeps the confidence: 2 from SURE on, 1 below it or interpolated, 0 unknown.
- Size: a torso is TORSO metres long, or the shoulders SHOULDERS wide, whichever looks larger; the
  median over the clip. A person of whom neither is ever seen is left out.
- Place: a camera whose focal length is the image's longer side sees a person of that size. There is
  one distance for each person and clip: who walks to the camera comes no nearer.
- Without joints in metres, those of the image are scaled to that size and all lie in one plane.
"""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pcsta.data.bodies import FLICKER
from pcsta.data.ntu import write_skeleton
from pcsta.skeletons import ESTIMATED, KINECT_V2, from_estimate

LAYOUTS = {len(joints): name for name, joints in ESTIMATED.items()}  # by number of joints
SURE = 0.5  # confidence from which a joint counts as seen
# metres from the middle of the shoulders to that of the hips, and from shoulder to shoulder
TORSO, SHOULDERS = 0.5, 0.35
DISTANCE = (1.0, 8.0)  # metres within which people stand: the readers take more than 10 for a fault


class Pose(NamedTuple):
    """What an estimator says of one image, or of T: as `write_estimated` takes it."""

    image: Float[np.ndarray, "*T P K 3"]
    world: Float[np.ndarray, "*T P K 3"] | None


def write_estimated(
    path: Path | str,
    image: Float[np.ndarray, "T P K 3"],
    world: Float[np.ndarray, "T P K 3"] | None,
    size: tuple[int, int],
) -> Path:
    """Write a `.skeleton` file of estimated poses and return its path.

    image:  x, y in pixels of the upright image, origin top-left, and confidence in [0, 1]; NaN, or
            confidence 0, where a joint or a person was not found
    world:  metres, x right, y down, z away from the camera, from any origin (MediaPipe: between the
            hips); None for 2D
    size:   (width, height) of the upright image

    A file in which nobody is found has all its frames and no body. Raises ValueError for a number K
    of joints that no layout has.
    """
    if (K := image.shape[2]) not in LAYOUTS:
        raise ValueError(f"no layout has {K} joints; known are {', '.join(map(str, LAYOUTS))}")
    parts = from_estimate(LAYOUTS[K])  # (25, K)
    bodies = np.pad(image[..., :2], [(0, 0)] * 3 + [(0, 1)]) if world is None else world
    places = np.concatenate([image[..., :2], bodies], -1)  # (T, P, K, 5)
    seen = np.isfinite(places).all(-1) & (image[..., 2] > 0)
    share = seen @ parts.T  # (T, P, 25) of each joint's parts, how many are known
    weights = np.abs(parts)  # hands beyond the wrist have a negative one, of the elbow
    sure = np.where(seen, image[..., 2], 0) @ weights.T / weights.sum(1)
    joints = parts @ np.where(seen[..., None], places, 0) / share.clip(1e-9)[..., None]
    joints[share <= 0.5] = np.nan
    sure[share <= 0.5] = 0
    _bridge(joints)
    pixels, known = joints[..., :2], ~np.isnan(joints[..., 0])
    metres = _placed(pixels, joints[..., 2:] * (1, -1, 1), known, size, flat=world is None)
    return write_skeleton(path, metres, pixels, np.where(sure >= SURE, 2, known))


def _bridge(joints: Float[np.ndarray, "T P J C"]) -> None:
    """Fill gaps of at most FLICKER frames of each joint, from both sides."""
    for person, joint in np.ndindex(joints.shape[1:3]):
        track = joints[:, person, joint]
        for a, b in pairwise(np.flatnonzero(~np.isnan(track[:, 0])).tolist()):
            if 1 < b - a <= FLICKER + 1:
                weight = np.arange(1, b - a)[:, None] / (b - a)
                track[a + 1 : b] = (1 - weight) * track[a] + weight * track[b]


def _placed(
    pixels: Float[np.ndarray, "T P J 2"],
    bodies: Float[np.ndarray, "T P J 3"],
    known: Bool[np.ndarray, "T P J"],
    size: tuple[int, int],
    flat: bool,
) -> Float[np.ndarray, "T P J 3"]:
    """Joints in camera space, zero where unknown. Those of `bodies`, y up, are pixels where `flat`."""

    def apart(first: str, second: str) -> Float[np.ndarray, "T P"]:
        step = pixels[:, :, KINECT_V2.index(first)] - pixels[:, :, KINECT_V2.index(second)]
        return np.linalg.norm(step, axis=-1)

    def centre(places: np.ndarray) -> Float[np.ndarray, "T P 1 C"]:
        total = np.where(known[..., None], places, 0).sum(2, keepdims=True)
        return np.asarray(total / known.sum(2).clip(1)[..., None, None])

    torso = apart("spine shoulder", "spine base") / TORSO  # pixels a metre
    looks = np.fmax(torso, apart("left shoulder", "right shoulder") / SHOULDERS)  # (T, P)
    looks[~(looks > 0)] = np.nan
    somebody = np.asarray(~np.isnan(looks).all(0))  # (P,)
    scale = np.ones(len(somebody))
    scale[somebody] = np.nanmedian(looks[:, somebody], axis=0)
    distance = np.clip(max(size) / scale, *DISTANCE)[:, None]
    place = (centre(pixels) - np.divide(size, 2)) * (1, -1) / max(size)  # as the camera sees it
    metres = bodies / scale[:, None, None] if flat else bodies
    metres = metres - centre(metres)
    metres[..., :2] += place * distance[..., None]
    metres[..., 2] += distance
    return np.where((known & somebody[:, None])[..., None], metres, 0)

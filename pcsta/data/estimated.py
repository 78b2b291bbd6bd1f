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
  one distance for the whole clip: who walks to the camera comes no nearer.
- Without joints in metres, those of the image are scaled to that size and all lie in one plane.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from pcsta.data.bodies import FLICKER
from pcsta.data.ntu import write_skeleton
from pcsta.skeletons import KINECT_V2, from_estimate

SURE = 0.5  # confidence from which a joint counts as seen
TORSO, SHOULDERS = (
    0.5,
    0.35,
)  # metres from the middle of the shoulders to that of the hips; between them
DISTANCE = (1.0, 8.0)  # metres within which people stand: the readers take more than 10 for a fault
UP = (1, -1)  # images count y downwards


def write_estimated(
    path: Path | str,
    image: Float[np.ndarray, "T P K 3"],
    world: Float[np.ndarray, "T P K 3"] | None,
    layout: str,
    size: tuple[int, int],
) -> Path:
    """Write a `.skeleton` file of estimated poses and return its path.

    image:  x, y in pixels of the upright image, origin top-left, and confidence in [0, 1]; NaN, or
            confidence 0, where a joint or a person was not found
    world:  metres, x right, y down, z away from the camera, from any origin (MediaPipe: between the
            hips); None for 2D
    layout: name of the K joints in `skeletons.ESTIMATED`
    size:   (width, height) of the upright image

    A file in which nobody is found has all its frames and no body. Raises ValueError for an unknown
    layout, and for another number of joints.
    """
    parts = from_estimate(layout)  # (25, K)
    if image.shape[2] != parts.shape[1]:
        raise ValueError(f"{layout} has {parts.shape[1]} joints, not {image.shape[2]}")
    places = image[..., :2] if world is None else np.concatenate([image[..., :2], world], -1)
    seen = np.isfinite(places).all(-1) & (image[..., 2] > 0)
    share = seen @ parts.T  # (T, P, 25) of each joint's parts, how many are known
    sure = np.where(seen, image[..., 2], 0) @ parts.T
    joints = parts @ np.where(seen[..., None], places, 0) / share.clip(1e-9)[..., None]
    joints[share <= 0.5] = np.nan
    sure[share <= 0.5] = 0
    _bridge(joints)
    known = ~np.isnan(joints[..., 0])
    states = np.where(sure >= SURE, 2, known)
    pixels = joints[..., :2]
    metres = _placed(
        pixels, joints[..., 2:] * (*UP, 1) if joints.shape[-1] > 2 else None, known, size
    )
    return write_skeleton(path, metres, pixels, states)


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
    bodies: Float[np.ndarray, "T P J 3"] | None,
    known: Bool[np.ndarray, "T P J"],
    size: tuple[int, int],
) -> Float[np.ndarray, "T P J 3"]:
    """Joints in camera space, zero where unknown.

    bodies: metres, y up, from any origin; None for the image's own plane
    """

    def apart(first: str, second: str) -> Float[np.ndarray, "T P"]:
        step = pixels[:, :, KINECT_V2.index(first)] - pixels[:, :, KINECT_V2.index(second)]
        return np.linalg.norm(step, axis=-1)

    def middle(places: np.ndarray) -> np.ndarray:
        total = np.where(known[:, p, :, None], places, 0).sum(1, keepdims=True)
        return np.asarray(total / known[:, p].sum(1).clip(1)[:, None, None])  # (T, 1, C)

    torso = apart("spine shoulder", "spine base") / TORSO  # pixels a metre
    looks = np.fmax(torso, apart("left shoulder", "right shoulder") / SHOULDERS)
    metres, focal = np.zeros((*known.shape, 3)), max(size)
    for p in range(known.shape[1]):
        if not (there := looks[:, p][looks[:, p] > 0]).size:
            continue
        scale = np.median(there)
        distance = np.clip(focal / scale, *DISTANCE)
        place = (middle(pixels[:, p]) - np.divide(size, 2)) * UP * distance / focal
        body = (
            np.pad(pixels[:, p] * UP / scale, [(0, 0), (0, 0), (0, 1)])
            if bodies is None
            else bodies[:, p]
        )
        body = (
            body - middle(body) + np.pad(place, [(0, 0), (0, 0), (0, 1)], constant_values=distance)
        )
        metres[:, p] = np.where(known[:, p, :, None], body, 0)
    return metres

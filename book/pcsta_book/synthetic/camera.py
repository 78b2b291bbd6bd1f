"""Where the camera stands, and how a point becomes a pixel.

The Kinect's pictures are mirrored: the left hand of someone who faces the camera is on the left of
the picture, and x grows to the right.  The room is described in that mirrored frame throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

WIDTH, HEIGHT, FOCAL = 960, 540, 530.0  # half of NTU's 1920 x 1080 in each direction
DEPTH_CENTRE, DEPTH_FOCAL = (256.0, 212.0), 365.0  # the 512 x 424 depth camera
YAW = {1: 0.0, 2: -45.0, 3: 45.0}  # degrees around the actors, as NTU's three cameras


@dataclass(frozen=True)
class Camera:
    """yaw, pitch in radians; height and distance (to the middle of the stage) in metres."""

    yaw: float
    pitch: float
    height: float
    distance: float
    shift: float

    @classmethod
    def place(cls, rng: Generator, number: int) -> Camera:
        """One of the three cameras, put up a little differently in every clip."""
        yaw = np.deg2rad(YAW[number] + rng.uniform(-6, 6))
        pitch = np.deg2rad(rng.uniform(3, 7))
        return cls(yaw, pitch, rng.uniform(1.3, 1.5), rng.uniform(2.7, 3.3), rng.uniform(-0.2, 0.2))

    def view(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Room (metres; x right, y up from the floor, z away) -> camera space (x right, y up, z away)."""
        x, y, z = np.moveaxis(points, -1, 0)
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        x, z = c * x + s * z + self.shift, c * z - s * x + self.distance
        y = y - self.height
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        return np.stack([x, c * y + s * z, c * z - s * y], -1)


def colour_pixels(points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
    """Camera space -> (x, y) in the 960 x 540 colour image, origin top-left."""
    return _project(points, (WIDTH / 2, HEIGHT / 2), FOCAL)


def depth_pixels(points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
    """Camera space -> (x, y) in the 512 x 424 depth image."""
    return _project(points, DEPTH_CENTRE, DEPTH_FOCAL)


def _project(
    points: Float[np.ndarray, "*n 3"], centre: tuple[float, float], focal: float
) -> Float[np.ndarray, "*n 2"]:
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([centre[0] + focal * x / z, centre[1] - focal * y / z], -1)

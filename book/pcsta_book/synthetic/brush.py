"""Soft-edged shapes in sub-pixel positions, on OpenCV."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Colour = Sequence[float]  # red, green, blue
Image = UInt8[np.ndarray, "H W C"]
# what numpy calls ArrayLike, in a form that can be checked while tests run
Points = np.ndarray | Sequence[Any] | float
LIGHT = np.array([-0.7, -0.7])  # where light comes from in the picture: the upper left
HERE = (0.0, 0.0)
_SHIFT = 5  # OpenCV takes integers with this many fractional bits
_CIRCLE = np.exp(1j * np.linspace(0, np.pi, 9))


@dataclass
class Brush:
    """Paints on an image, BGR.

    Positions are pixels (x, y); radii and offsets `by` are metres, y downwards, of `metre` pixels
    each (1: everything is pixels). light < 1 darkens a colour, > 1 makes it paler. On an image of
    four channels a shape is opaque, and one whose colour is None cuts a hole.
    """

    image: Image
    metre: float = 1.0

    def move(self, at: Points, by: Points) -> Float[np.ndarray, "*n 2"]:
        """A position, or several, moved by metres."""
        return np.asarray(at) + self.metre * np.asarray(by)

    def polygon(
        self, points: Points, colour: Colour, light: float = 1, by: Points = HERE, rounds: int = 0
    ) -> None:
        """Filled, through points (n, 2), its corners cut `rounds` times."""
        self._fill(_smooth(self.move(points, by), rounds), colour, light)

    def _fill(self, outline: np.ndarray, colour: Colour, light: float) -> None:
        cv2.fillPoly(self.image, [_fixed(outline)], bgr(colour, light), cv2.LINE_AA, _SHIFT)

    def box(self, corners: Points, colour: Colour, light: float = 1) -> None:
        """An upright rectangle between two opposite corners (2, 2)."""
        (x0, y0), (x1, y1) = np.asarray(corners)
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, light)

    def ellipse(
        self,
        at: Points,
        radii: Points,
        colour: Colour | None,
        light: float = 1,
        by: Points = HERE,
        angle: float = 0,
    ) -> None:
        """Filled, with half axes `radii`, turned by `angle` degrees clockwise."""
        (x, y), (a, b) = _fixed(self.move(at, by)), _fixed(self.metre * np.asarray(radii))
        centre, axes = (int(x), int(y)), (max(int(a), 1), max(int(b), 1))
        filled, tone = -1, bgr(colour, light)
        cv2.ellipse(self.image, centre, axes, angle, 0, 360, tone, filled, cv2.LINE_AA, _SHIFT)

    def stroke(self, points: Points, colour: Colour, light: float = 1, width: int = 1) -> None:
        """A line through points (n, 2), `width` whole pixels thick."""
        line = [_fixed(points)]
        cv2.polylines(self.image, line, False, bgr(colour, light), width, cv2.LINE_AA, _SHIFT)

    def capsule(
        self, ends: Points, radii: Points, colour: Colour, light: float = 1, by: Points = HERE
    ) -> None:
        """Two circles about `ends` (2, 2), and what lies between them."""
        a, b = (complex(*end) for end in self.move(ends, by).tolist())
        radius_a, radius_b = (self.metre * np.asarray(radii)).tolist()
        turn = -1j * ((b - a) / abs(b - a) if abs(b - a) > 1e-6 else 1)
        outline = np.concatenate([b + radius_b * turn * _CIRCLE, a - radius_a * turn * _CIRCLE])
        self._fill(outline.view(float).reshape(-1, 2), colour, light)

    def limb(self, ends: Points, radii: Points, colour: Colour, shade: float = 1) -> None:
        """A round limb: dark edge, body, and a paler strip towards the light."""
        radii = np.asarray(radii)
        for size, light, by in ((1.0, 0.74, 0.0), (0.84, 0.92, 0.16), (0.50, 1.04, 0.34)):
            tone = min(1.0, light * shade)
            self.capsule(ends, radii * size, colour, tone, LIGHT * by * radii.min())


def overlap(
    image: Image, x: int, y: int, width: int, height: int
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The part of an image under a patch that may stick out, and the patch's own part that is seen."""
    part = image[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    top, left = max(-y, 0), max(-x, 0)
    return part, (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))


def bgr(colour: Colour | None, light: float = 1.0) -> tuple[float, float, float, float]:
    """OpenCV's order of a colour, and its opacity."""
    if colour is None:
        return 0, 0, 0, 0
    r, g, b = colour
    if light > 1:
        r, g, b = (c + (255 - c) * (light - 1) for c in (r, g, b))
        light = 1
    return b * light, g * light, r * light, 255


def _fixed(points: Points) -> np.ndarray:
    return np.rint(np.asarray(points, np.float64) * (1 << _SHIFT)).astype(np.int32)


def _smooth(points: np.ndarray, rounds: int) -> np.ndarray:
    """Chaikin's corner cutting of a closed outline (n, 2)."""
    for _ in range(rounds):
        after = np.concatenate([points[1:], points[:1]])
        corners = np.hstack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after])
        points = corners.reshape(-1, 2)
    return points

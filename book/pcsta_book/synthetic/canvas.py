"""Soft-edged shapes in sub-pixel positions, on OpenCV.

Positions are pixels (x, y), colours (red, green, blue); light < 1 darkens, > 1 moves to white. On an
image of four channels a shape is opaque, and one whose colour is None cuts a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Colour = Sequence[float]
Image = UInt8[np.ndarray, "H W C"]
# what numpy calls ArrayLike, in a form that can be checked while tests run
Points = np.ndarray | Sequence[Any] | float
_SHIFT = 5  # OpenCV takes integers with this many fractional bits
_CIRCLE = np.exp(1j * np.linspace(0, np.pi, 9))


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
    return np.round(np.asarray(points, np.float64) * (1 << _SHIFT)).astype(np.int32)


def polygon(image: Image, points: Points, colour: Colour, light: float = 1.0) -> None:
    """Filled polygon through points (n, 2)."""
    cv2.fillPoly(image, [_fixed(points)], bgr(colour, light), cv2.LINE_AA, _SHIFT)


def ellipse(
    image: Image,
    centre: Points,
    radii: Points,
    colour: Colour | None,
    light: float = 1.0,
    angle: float = 0.0,
) -> None:
    """Filled ellipse with half axes `radii`, turned by `angle` degrees clockwise."""
    (x, y), (a, b) = _fixed(centre), _fixed(radii)
    at, axes = (int(x), int(y)), (max(int(a), 1), max(int(b), 1))
    cv2.ellipse(image, at, axes, angle, 0, 360, bgr(colour, light), -1, cv2.LINE_AA, _SHIFT)


def stroke(image: Image, points: Points, width: int, colour: Colour, light: float = 1.0) -> None:
    """Line through points (n, 2), `width` whole pixels thick."""
    line = [_fixed(points)]
    cv2.polylines(image, line, False, bgr(colour, light), width, cv2.LINE_AA, _SHIFT)


def capsule(
    image: Image,
    a: Float[np.ndarray, "2"],
    b: Float[np.ndarray, "2"],
    radius_a: float,
    radius_b: float,
    colour: Colour,
    light: float = 1.0,
) -> None:
    """A limb: two circles and what lies between them."""
    za, zb = complex(*a), complex(*b)
    along = zb - za
    along = along / abs(along) if abs(along) > 1e-6 else 1 + 0j
    turn = -1j * along
    outline = np.concatenate([zb + radius_b * turn * _CIRCLE, za - radius_a * turn * _CIRCLE])
    polygon(image, np.stack([outline.real, outline.imag], -1), colour, light)


def smooth(points: Points, rounds: int = 2) -> Float[np.ndarray, "m 2"]:
    """Chaikin's corner cutting of a closed outline (n, 2)."""
    points = np.asarray(points, np.float64)
    for _ in range(rounds):
        after = np.roll(points, -1, 0)
        corners = [0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after]
        points = np.stack(corners, 1).reshape(-1, 2)
    return points


def box(x0: float, y0: float, x1: float, y1: float) -> Float[np.ndarray, "4 2"]:
    """The corners of an upright rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)

"""Soft-edged shapes in sub-pixel positions, on OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_SHIFT = 5  # OpenCV takes integers with this many fractional bits
_CIRCLE = np.exp(1j * np.linspace(0, np.pi, 9))


def bgr(colour, light: float = 1.0) -> tuple[float, float, float]:
    """OpenCV's order of a (red, green, blue); light < 1 darkens, > 1 moves to white."""
    r, g, b = colour
    if light > 1:
        r, g, b = (c + (255 - c) * (light - 1) for c in (r, g, b))
        light = 1
    return (b * light, g * light, r * light)


def _fixed(points) -> np.ndarray:
    return np.round(np.asarray(points, np.float64) * (1 << _SHIFT)).astype(np.int32)


def polygon(image: UInt8[np.ndarray, "H W C"], points: Float[np.ndarray, "n 2"], colour) -> None:
    """Filled polygon through points (x, y) in pixels; colour as `bgr` gives it."""
    cv2.fillPoly(image, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)


def ellipse(image, centre, radii, colour, angle: float = 0.0) -> None:
    """Filled ellipse with half axes `radii`, turned by `angle` degrees clockwise."""
    (x, y), (a, b) = _fixed(centre), _fixed(radii)
    axes = (max(int(a), 1), max(int(b), 1))
    cv2.ellipse(image, (int(x), int(y)), axes, angle, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)


def stroke(image, points, width: int, colour) -> None:
    """Line through points, `width` whole pixels thick."""
    cv2.polylines(image, [_fixed(points)], False, colour, width, cv2.LINE_AA, _SHIFT)


def capsule(image, a, b, radius_a, radius_b, colour) -> None:
    """A limb: two circles and what lies between them."""
    za, zb = complex(*a), complex(*b)
    along = zb - za
    along = along / abs(along) if abs(along) > 1e-6 else 1 + 0j
    turn = -1j * along
    outline = np.concatenate([zb + radius_b * turn * _CIRCLE, za - radius_a * turn * _CIRCLE])
    polygon(image, np.stack([outline.real, outline.imag], -1), colour)


def smooth(points: Float[np.ndarray, "n 2"], rounds: int = 2) -> Float[np.ndarray, "m 2"]:
    """Chaikin's corner cutting of a closed outline."""
    for _ in range(rounds):
        after = np.roll(points, -1, 0)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], 1).reshape(
            -1, 2
        )
    return points

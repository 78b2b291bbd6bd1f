"""Paints shapes that are sized in metres on one person's picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic import canvas
from pcsta_book.synthetic.canvas import Colour, Image, Points

LIGHT = np.array([-0.7, -0.7])  # where light comes from in the picture: the upper left
Point = Float[np.ndarray, "2"]
HERE = (0.0, 0.0)


class Brush:
    """Positions are pixels (x, y); radii, widths and offsets `by` are metres, y downwards.

    colour is (red, green, blue); light < 1 darkens it, > 1 makes it paler.
    """

    def __init__(self, image: Image, metre: float):
        self.image, self.metre = image, metre

    def move(self, at: Points, by: Points) -> Float[np.ndarray, "*n 2"]:
        """A position, or several, moved by metres."""
        return np.asarray(at) + self.metre * np.asarray(by)

    def ellipse(
        self, at: Point, radii: Points, colour: Colour, light: float = 1, by: Points = HERE
    ) -> None:
        radii = self.metre * np.asarray(radii)
        canvas.ellipse(self.image, self.move(at, by), radii, colour, light)

    def capsule(
        self,
        a: Point,
        b: Point,
        radius_a: float,
        radius_b: float,
        colour: Colour,
        light: float = 1.0,
        by: Points = HERE,
    ) -> None:
        a, b, m = self.move(a, by), self.move(b, by), self.metre
        canvas.capsule(self.image, a, b, radius_a * m, radius_b * m, colour, light)

    def polygon(
        self,
        points: Points,
        colour: Colour,
        light: float = 1,
        by: Points = HERE,
        rounds: int = 0,
    ) -> None:
        """Through points (n, 2) in pixels, its corners cut `rounds` times."""
        outline = canvas.smooth(self.move(points, by), rounds)
        canvas.polygon(self.image, outline, colour, light)

    def stroke(self, points: Points, colour: Colour, light: float = 1.0) -> None:
        canvas.stroke(self.image, points, 1, colour, light)

    def limb(
        self, a: Point, b: Point, radius_a: float, radius_b: float, colour: Colour, shade: float = 1
    ) -> None:
        """A round limb: dark edge, body, and a paler strip towards the light."""
        thin = min(radius_a, radius_b)
        for size, light, by in ((1.0, 0.74, 0.0), (0.84, 0.92, 0.16), (0.50, 1.04, 0.34)):
            tone = min(1.0, light * shade)
            self.capsule(a, b, radius_a * size, radius_b * size, colour, tone, LIGHT * by * thin)

    def finger(self, a: Point, b: Point, radius_a: float, radius_b: float, skin: Colour) -> None:
        """A dark edge and a pale middle."""
        self.capsule(a, b, radius_a, radius_b, skin, 0.74)
        a, b = a + LIGHT * 0.6, b + LIGHT * 0.6  # pixels: fingers are about two wide
        self.capsule(a, b, 0.78 * radius_a, 0.78 * radius_b, skin)

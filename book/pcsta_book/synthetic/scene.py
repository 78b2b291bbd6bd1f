"""The room behind the actors: a muted wall, a wooden floor and some furniture, drawn once a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import UInt8

from pcsta_book.synthetic.camera import FOCAL, HEIGHT, WIDTH, Camera
from pcsta_book.synthetic.canvas import Colour, Image, bgr, box, ellipse, polygon, smooth, stroke

_WALLS = ((198, 204, 200), (206, 198, 186), (188, 196, 206), (200, 192, 196), (190, 200, 188))
_FLOORS = ((168, 142, 116), (150, 128, 108), (176, 156, 132), (136, 122, 112))
_RUGS = ((152, 120, 112), (112, 128, 136), (140, 138, 118), (126, 116, 134))


@dataclass(frozen=True)
class Place:
    """A piece of furniture's: on `image`, its foot at pixel (x, floor), `metre` pixels a metre."""

    image: Image
    rng: np.random.Generator
    x: float
    floor: float
    metre: float
    wall: Colour

    def at(self, right: float, up: float) -> tuple[float, float]:
        """The pixel of a point, in metres from the foot."""
        return self.x + right * self.metre, self.floor - up * self.metre

    def polygon(self, points: list[tuple[float, float]], colour: Colour, light: float = 1) -> None:
        polygon(self.image, [self.at(*point) for point in points], colour, light)

    def box(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, light: float = 1
    ) -> None:
        polygon(self.image, box(*self.at(left, top), *self.at(right, bottom)), colour, light)


def background(rng: np.random.Generator, camera: Camera) -> UInt8[np.ndarray, "540 960 3"]:
    """An empty room as this camera sees it, BGR."""
    depth = camera.distance + 1.5
    floor_y = _row(camera, depth)
    horizon = HEIGHT / 2 - FOCAL * np.tan(camera.pitch)
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    floor = _FLOORS[int(rng.integers(len(_FLOORS)))]
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = bgr(wall)[:3]
    _floor(image, rng, floor, floor_y, horizon)
    metre = FOCAL / depth
    _furniture(image, rng, floor_y, metre, wall)
    polygon(image, box(0, floor_y - 0.11 * metre, WIDTH, floor_y), (236, 232, 224))
    polygon(image, box(0, floor_y - 1.5, WIDTH, floor_y + 2), floor, 0.62)
    _rug(image, rng, camera)
    return _light(image, rng)


def _row(camera: Camera, depth: float) -> float:
    """Row of the floor at a depth (metres)."""
    c, s = np.cos(camera.pitch), np.sin(camera.pitch)
    y, z = -camera.height, depth
    return float(HEIGHT / 2 - FOCAL * (c * y + s * z) / (c * z - s * y))


def _floor(
    image: Image, rng: np.random.Generator, colour: Colour, top: float, horizon: float
) -> None:
    polygon(image, box(0, top, WIDTH, HEIGHT), colour)
    vanish = np.array([WIDTH / 2 + rng.uniform(-160, 160), horizon])
    edges = np.linspace(-2200, WIDTH + 2200, 46)
    for left, right in pairwise(edges):
        ends = np.array([(left, HEIGHT), (right, HEIGHT)])
        tops = vanish + (ends - vanish) * (top - horizon) / (HEIGHT - horizon)
        polygon(image, [tops[0], tops[1], ends[1], ends[0]], colour, rng.uniform(0.93, 1.06))
        stroke(image, [tops[0], ends[0]], 1, colour, 0.86)


def _rug(image: Image, rng: np.random.Generator, camera: Camera) -> None:
    colour = _RUGS[int(rng.integers(len(_RUGS)))]
    near, far = _row(camera, camera.distance - 0.55), _row(camera, camera.distance + 0.75)
    middle = WIDTH / 2 + FOCAL * camera.shift / camera.distance, (near + far) / 2
    radii = np.array([1.45 * FOCAL / camera.distance, (near - far) / 2])
    for grow, light in ((1.0, 0.9), (0.95, 1.12), (0.91, 0.98)):
        ellipse(image, middle, radii * grow, colour, light)


def _furniture(
    image: Image, rng: np.random.Generator, floor_y: float, metre: float, wall: Colour
) -> None:
    """Four pieces along the wall. Never anything that a hand may hold."""
    x = rng.uniform(60, 150)
    pieces = rng.permutation(["window", "picture", "plant", "lamp", "pictures", "sideboard"])[:4]
    for name, share in zip(pieces, (0, 0.30, 0.62, 0.88), strict=True):
        centre = x + share * (WIDTH - 120) + rng.uniform(-25, 25)
        _PIECES[name](Place(image, rng, centre, floor_y, metre, wall))


def _window(p: Place) -> None:
    x, w, white = p.x, 0.62 * p.metre, (240, 238, 232)
    (_, top), (_, bottom) = p.at(0, 2.25), p.at(0, 0.95)
    polygon(p.image, box(x - w - 6, top - 6, x + w + 6, bottom + 6), white)
    high, low = np.array((206, 220, 228)), np.array((232, 236, 230))  # the sky
    for i, (above, below) in enumerate(pairwise(np.linspace(top, bottom, 13))):
        colour = (high + (low - high) * i / 11).tolist()
        polygon(p.image, box(x - w, above, x + w, below), colour)
    hills = [(-0.62, 1.25), (-0.31, 1.40), (0, 1.28), (0.31, 1.36), (0.62, 1.24), (0.62, 0.95)]
    p.polygon([*hills, (-0.62, 0.95)], (176, 194, 180))
    stroke(p.image, [(x, top), (x, bottom)], 4, white)
    stroke(p.image, [p.at(-0.62, 1.62), p.at(0.62, 1.62)], 4, white)
    for side in (-1, 1):
        inner, outer = x + side * w * 0.78, x + side * (w + 0.26 * p.metre)
        (_, top), (_, bottom) = p.at(0, 2.4), p.at(0, 0.55)
        curtain = [(inner, top), (outer, top), (outer, bottom), (x + side * w * 0.94, bottom)]
        polygon(p.image, curtain, p.wall, 1.25)
        fold = (inner + outer) / 2
        stroke(p.image, [(fold, top), (fold + side * 4, bottom)], 2, p.wall, 1.1)


def _frame(p: Place, middle: float, top: float, bottom: float, half: float) -> None:
    """A picture on the wall; metres right of the place and above the floor, half a width."""
    x0, y0 = p.at(middle - half, top)
    x1, y1 = p.at(middle + half, bottom)
    polygon(p.image, box(x0 + 3, y0 + 4, x1 + 5, y1 + 6), p.wall, 0.86)
    polygon(p.image, box(x0, y0, x1, y1), (112, 96, 82))
    polygon(p.image, box(x0 + 4, y0 + 4, x1 - 4, y1 - 4), (238, 234, 224))
    sky, land = p.rng.integers(120, 200, 3).tolist(), p.rng.integers(110, 180, 3).tolist()
    polygon(p.image, box(x0 + 14, y0 + 14, x1 - 14, y1 - 14), sky)
    w, horizon = (x1 - x0) / 2, (y0 + y1) / 2
    polygon(p.image, box(x0 + 14, horizon + 4, x1 - 14, y1 - 14), land)
    sun = (x0 + x1) / 2 + w * 0.2, horizon - 4
    ellipse(p.image, sun, ((w - 14) * 0.3, (w - 14) * 0.3), (236, 214, 170))


def _picture(p: Place) -> None:
    _frame(p, 0, 2.15, 1.25, 0.36)


def _pictures(p: Place) -> None:
    for i in (-1, 1):
        _frame(p, i * 0.29, 2.0 - 0.06 * i, 1.42 - 0.06 * i, 0.22)


def _plant(p: Place) -> None:
    ellipse(p.image, (p.x, p.floor + 4), (0.26 * p.metre, 0.05 * p.metre), (120, 104, 90))
    root = np.array(p.at(0, 0.40))
    for angle in np.linspace(-1.25, 1.25, 11) + p.rng.normal(0, 0.08, 11):
        tip = np.array(p.at(0.62 * np.sin(angle), 0.42 + 0.95 * np.cos(angle * 0.72)))
        along = tip - root
        out = np.array([-along[1], along[0]]) * 0.11
        leaf = smooth([root, root + 0.45 * along + out, tip, root + 0.5 * along - out])
        polygon(p.image, leaf, (104, 132, 104), p.rng.uniform(0.85, 1.2))
    p.polygon([(-0.2, 0.46), (0.2, 0.46), (0.15, 0), (-0.15, 0)], (206, 190, 172))
    p.polygon([(0.06, 0.46), (0.2, 0.46), (0.15, 0), (0.05, 0)], (186, 170, 152))


def _lamp(p: Place) -> None:
    dark = (92, 86, 84)
    ellipse(p.image, (p.x, p.floor + 2), (0.2 * p.metre, 0.04 * p.metre), dark)
    stroke(p.image, [p.at(0, 0), p.at(0, 1.5)], 4, dark)
    ellipse(p.image, p.at(0, 1.62), (0.42 * p.metre, 0.38 * p.metre), p.wall, 1.2)
    p.polygon([(-0.16, 1.85), (0.16, 1.85), (0.25, 1.45), (-0.25, 1.45)], (244, 228, 196))


def _sideboard(p: Place) -> None:
    colour, m = (146, 118, 96), p.metre
    p.box(-0.72, 0.72, 0.72, 0.10, colour)
    p.box(-0.75, 0.77, 0.75, 0.72, colour, 1.2)
    for x in (-0.47, 0, 0.47):
        p.box(x - 0.21, 0.66, x + 0.21, 0.16, colour, 1.1)
        ellipse(p.image, p.at(x + 0.15, 0.42), (3, 3), colour, 0.6)
    for x in (-0.6, 0.6):
        (x0, y0), (_, y1) = p.at(x, 0.10), p.at(x, 0)
        polygon(p.image, box(x0 - 4, y0, x0 + 4, y1), colour, 0.7)
    ellipse(p.image, p.at(-0.38, 0.90), (0.09 * m, 0.14 * m), (150, 164, 168))
    ellipse(p.image, p.at(-0.38, 1.03), (0.045 * m, 0.02 * m), (120, 134, 138))


_PIECES: dict[str, Callable[[Place], None]] = {
    "window": _window, "picture": _picture, "pictures": _pictures, "plant": _plant,
    "lamp": _lamp, "sideboard": _sideboard,
}  # fmt: skip


def _light(image: Image, rng: np.random.Generator) -> Image:
    """Soft light from the upper left, darker corners."""
    y, x = np.mgrid[0:HEIGHT:4, 0:WIDTH:4].astype(np.float32)
    cx, cy = WIDTH * rng.uniform(0.3, 0.45), HEIGHT * 0.3
    fall = ((x - cx) / WIDTH) ** 2 + ((y - cy) / HEIGHT) ** 2
    gain = cv2.resize(1.07 - 0.30 * fall, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(image, (0, 0), 1.1)  # the room is a little out of focus
    return np.asarray(np.clip(soft * gain[..., None], 0, 255), np.uint8)

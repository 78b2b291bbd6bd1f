"""The room behind the actors: a muted wall, a wooden floor and some furniture, drawn once a clip."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.random import Generator

from pcsta_book.synthetic.brush import Brush, Colour, Image, bgr
from pcsta_book.synthetic.camera import FOCAL, HEIGHT, WIDTH, Camera

_WALLS = ((198, 204, 200), (206, 198, 186), (188, 196, 206), (200, 192, 196), (190, 200, 188))
_FLOORS = ((168, 142, 116), (150, 128, 108), (176, 156, 132), (136, 122, 112))
_RUGS = ((152, 120, 112), (112, 128, 136), (140, 138, 118), (126, 116, 134))


def background(rng: Generator, camera: Camera) -> UInt8[np.ndarray, "540 960 3"]:
    """An empty room as this camera sees it, BGR."""
    depth = camera.distance + 1.5
    floor_y, metre = _row(camera, depth), FOCAL / depth
    horizon = HEIGHT / 2 - FOCAL * np.tan(camera.pitch)
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    floor = _FLOORS[int(rng.integers(len(_FLOORS)))]
    brush = Brush(np.full((HEIGHT, WIDTH, 3), bgr(wall)[:3], np.uint8))
    _floor(brush, rng, floor, floor_y, horizon)
    _furniture(brush.image, rng, floor_y, metre, wall)
    brush.box([(0, floor_y - 0.11 * metre), (WIDTH, floor_y)], (236, 232, 224))
    brush.box([(0, floor_y - 1.5), (WIDTH, floor_y + 2)], floor, 0.62)
    _rug(brush, rng, camera)
    return _light(brush.image, rng)


def _row(camera: Camera, depth: float) -> float:
    """Row of the floor at a depth (metres)."""
    c, s = np.cos(camera.pitch), np.sin(camera.pitch)
    y, z = -camera.height, depth
    return float(HEIGHT / 2 - FOCAL * (c * y + s * z) / (c * z - s * y))


def _floor(brush: Brush, rng: Generator, colour: Colour, top: float, horizon: float) -> None:
    brush.box([(0, top), (WIDTH, HEIGHT)], colour)
    vanish = np.array([WIDTH / 2 + rng.uniform(-160, 160), horizon])
    for left, right in pairwise(np.linspace(-2200, WIDTH + 2200, 46)):
        ends = np.array([(left, HEIGHT), (right, HEIGHT)])
        tops = vanish + (ends - vanish) * (top - horizon) / (HEIGHT - horizon)
        brush.polygon([*tops, *ends[::-1]], colour, rng.uniform(0.93, 1.06))
        brush.stroke([tops[0], ends[0]], colour, 0.86)


def _rug(brush: Brush, rng: Generator, camera: Camera) -> None:
    colour = _RUGS[int(rng.integers(len(_RUGS)))]
    near, far = _row(camera, camera.distance - 0.55), _row(camera, camera.distance + 0.75)
    middle = WIDTH / 2 + FOCAL * camera.shift / camera.distance, (near + far) / 2
    radii = np.array([1.45 * FOCAL / camera.distance, (near - far) / 2])
    for grow, light in ((1.0, 0.9), (0.95, 1.12), (0.91, 0.98)):
        brush.ellipse(middle, radii * grow, colour, light)


def _furniture(image: Image, rng: Generator, floor_y: float, metre: float, wall: Colour) -> None:
    """Four pieces along the wall. Never anything that a hand may hold."""
    x = rng.uniform(60, 150)
    known = np.array([_window, _picture, _plant, _lamp, _pictures, _sideboard], object)
    for draw, share in zip(rng.permutation(known)[:4], (0, 0.30, 0.62, 0.88), strict=True):
        foot = x + share * (WIDTH - 120) + rng.uniform(-25, 25), floor_y
        draw(Place(image, metre, foot=foot, wall=wall, rng=rng))


@dataclass(kw_only=True)
class Place(Brush):
    """Where a piece of furniture stands: its foot is at this pixel, before this wall."""

    foot: tuple[float, float]
    wall: Colour
    rng: Generator

    def at(self, *points: tuple[float, float]) -> np.ndarray:
        """Pixels (n, 2) of points (right, up), in metres from the foot."""
        return np.array(self.foot) + self.metre * (np.array(points) * (1, -1))


def _window(p: Place) -> None:
    white, high, low = (240, 238, 232), np.array((206, 220, 228)), np.array((232, 236, 230))
    (left, top), (right, bottom) = p.at((-0.62, 2.25), (0.62, 0.95))
    p.box([(left - 6, top - 6), (right + 6, bottom + 6)], white)
    for i, (above, below) in enumerate(pairwise(np.linspace(top, bottom, 13))):  # the sky
        p.box([(left, above), (right, below)], (high + (low - high) * i / 11).tolist())
    hills = (-0.62, 1.25), (-0.31, 1.40), (0, 1.28), (0.31, 1.36), (0.62, 1.24), (0.62, 0.95)
    p.polygon(p.at(*hills, (-0.62, 0.95)), (176, 194, 180))
    p.stroke(p.at((0, 2.25), (0, 0.95)), white, width=4)
    p.stroke(p.at((-0.62, 1.62), (0.62, 1.62)), white, width=4)
    (x, top), (_, bottom) = p.at((0, 2.4), (0, 0.55))
    w = 0.62 * p.metre
    for side in (-1, 1):
        inner, outer = x + side * w * 0.78, x + side * (w + 0.26 * p.metre)
        curtain = [(inner, top), (outer, top), (outer, bottom), (x + side * w * 0.94, bottom)]
        p.polygon(curtain, p.wall, 1.25)
        fold = (inner + outer) / 2
        p.stroke([(fold, top), (fold + side * 4, bottom)], p.wall, 1.1, width=2)


def _frame(p: Place, middle: float, top: float, bottom: float, half: float) -> None:
    """A picture on the wall; metres right of the place and above the floor, half a width."""
    a, b = p.at((middle - half, top), (middle + half, bottom))
    p.box([np.add(a, (3, 4)), np.add(b, (5, 6))], p.wall, 0.86)  # its shadow
    p.box([a, b], (112, 96, 82))
    p.box([a + 4, b - 4], (238, 234, 224))
    sky, land = p.rng.integers(120, 200, 3).tolist(), p.rng.integers(110, 180, 3).tolist()
    p.box([a + 14, b - 14], sky)
    (x, horizon), (w, _) = (a + b) / 2, (b - a) / 2
    p.box([(a[0] + 14, horizon + 4), b - 14], land)
    radius = (w - 14) * 0.3 / p.metre
    p.ellipse((x + w * 0.2, horizon - 4), (radius, radius), (236, 214, 170))


def _picture(p: Place) -> None:
    _frame(p, 0, 2.15, 1.25, 0.36)


def _pictures(p: Place) -> None:
    for i in (-1, 1):
        _frame(p, i * 0.29, 2.0 - 0.06 * i, 1.42 - 0.06 * i, 0.22)


def _plant(p: Place) -> None:
    x, floor = p.foot
    p.ellipse((x, floor + 4), (0.26, 0.05), (120, 104, 90))
    (root,) = p.at((0, 0.40))
    for angle in np.linspace(-1.25, 1.25, 11) + p.rng.normal(0, 0.08, 11):
        (tip,) = p.at((0.62 * np.sin(angle), 0.42 + 0.95 * np.cos(angle * 0.72)))
        along = tip - root
        out = np.array([-along[1], along[0]]) * 0.11
        leaf = [root, root + 0.45 * along + out, tip, root + 0.5 * along - out]
        p.polygon(leaf, (104, 132, 104), p.rng.uniform(0.85, 1.2), rounds=2)
    p.polygon(p.at((-0.2, 0.46), (0.2, 0.46), (0.15, 0), (-0.15, 0)), (206, 190, 172))
    p.polygon(p.at((0.06, 0.46), (0.2, 0.46), (0.15, 0), (0.05, 0)), (186, 170, 152))


def _lamp(p: Place) -> None:
    dark, (x, floor) = (92, 86, 84), p.foot
    p.ellipse((x, floor + 2), (0.2, 0.04), dark)
    p.stroke(p.at((0, 0), (0, 1.5)), dark, width=4)
    p.ellipse(p.foot, (0.42, 0.38), p.wall, 1.2, by=(0, -1.62))
    shade = (-0.16, 1.85), (0.16, 1.85), (0.25, 1.45), (-0.25, 1.45)
    p.polygon(p.at(*shade), (244, 228, 196))


def _sideboard(p: Place) -> None:
    wood = (146, 118, 96)
    p.box(p.at((-0.72, 0.72), (0.72, 0.10)), wood)
    p.box(p.at((-0.75, 0.77), (0.75, 0.72)), wood, 1.2)
    for x in (-0.47, 0, 0.47):
        p.box(p.at((x - 0.21, 0.66), (x + 0.21, 0.16)), wood, 1.1)
        p.ellipse(p.foot, (3 / p.metre, 3 / p.metre), wood, 0.6, by=(x + 0.15, -0.42))
    for x in (-0.6, 0.6):
        top, bottom = p.at((x, 0.10), (x, 0))
        p.box([top - (4, 0), np.add(bottom, (4, 0))], wood, 0.7)
    p.ellipse(p.foot, (0.09, 0.14), (150, 164, 168), by=(-0.38, -0.90))  # a vase
    p.ellipse(p.foot, (0.045, 0.02), (120, 134, 138), by=(-0.38, -1.03))


def _light(image: Image, rng: Generator) -> Image:
    """Soft light from the upper left, darker corners."""
    y, x = np.mgrid[0:HEIGHT:4, 0:WIDTH:4].astype(np.float32)
    cx, cy = WIDTH * rng.uniform(0.3, 0.45), HEIGHT * 0.3
    fall = ((x - cx) / WIDTH) ** 2 + ((y - cy) / HEIGHT) ** 2
    gain = cv2.resize(1.07 - 0.30 * fall, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(image, (0, 0), 1.1)  # the room is a little out of focus
    return np.asarray(np.clip(soft * gain[..., None], 0, 255), np.uint8)

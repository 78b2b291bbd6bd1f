"""The room behind the actors: a muted wall, a wooden floor and some furniture, drawn once a take."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import UInt8

from pcsta_book.synthetic.camera import FOCAL, HEIGHT, WIDTH, Camera
from pcsta_book.synthetic.canvas import bgr, ellipse, polygon, smooth, stroke

_WALLS = ((198, 204, 200), (206, 198, 186), (188, 196, 206), (200, 192, 196), (190, 200, 188))
_FLOORS = ((168, 142, 116), (150, 128, 108), (176, 156, 132), (136, 122, 112))
_RUGS = ((152, 120, 112), (112, 128, 136), (140, 138, 118), (126, 116, 134))


def background(rng: np.random.Generator, camera: Camera) -> UInt8[np.ndarray, "540 960 3"]:
    """An empty room as this camera sees it, BGR."""
    depth = camera.distance + 1.5
    floor_y = _row(camera, depth)
    horizon = HEIGHT / 2 - FOCAL * np.tan(camera.pitch)
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    floor = _FLOORS[int(rng.integers(len(_FLOORS)))]
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = bgr(wall)
    _floor(image, rng, floor, floor_y, horizon)
    scale = FOCAL / depth
    _decor(image, rng, floor_y, scale, wall)
    polygon(image, _box(0, floor_y - 0.11 * scale, WIDTH, floor_y), bgr((236, 232, 224)))
    polygon(image, _box(0, floor_y - 1.5, WIDTH, floor_y + 2), bgr(floor, 0.62))
    _rug(image, rng, camera)
    return _light(image, rng)


def _row(camera: Camera, depth: float) -> float:
    """Row of the floor at a depth (metres)."""
    c, s = np.cos(camera.pitch), np.sin(camera.pitch)
    y, z = -camera.height, depth
    return HEIGHT / 2 - FOCAL * (c * y + s * z) / (c * z - s * y)


def _box(x0, y0, x1, y1) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def _floor(image, rng, colour, top, horizon):
    polygon(image, _box(0, top, WIDTH, HEIGHT), bgr(colour))
    vanish = np.array([WIDTH / 2 + rng.uniform(-160, 160), horizon])
    edges = np.linspace(-2200, WIDTH + 2200, 46)
    for left, right in pairwise(edges):
        ends = np.array([(left, HEIGHT), (right, HEIGHT)])
        tops = vanish + (ends - vanish) * (top - horizon) / (HEIGHT - horizon)
        shade = rng.uniform(0.93, 1.06)
        polygon(image, np.array([tops[0], tops[1], ends[1], ends[0]]), bgr(colour, shade))
        stroke(image, [tops[0], ends[0]], 1, bgr(colour, 0.86))


def _rug(image, rng, camera):
    colour = _RUGS[int(rng.integers(len(_RUGS)))]
    near, far = _row(camera, camera.distance - 0.55), _row(camera, camera.distance + 0.75)
    middle, half = (
        WIDTH / 2 + FOCAL * camera.shift / camera.distance,
        1.45 * FOCAL / camera.distance,
    )
    for grow, light in ((1.0, 0.9), (0.95, 1.12), (0.91, 0.98)):
        ellipse(
            image,
            (middle, (near + far) / 2),
            (half * grow, (near - far) / 2 * grow),
            bgr(colour, light),
        )


def _decor(image, rng, floor_y, m, wall):
    """Furniture on the wall; m: pixels per metre there. Never anything that a hand may hold."""

    def up(metres):
        return floor_y - metres * m

    x = rng.uniform(60, 150)
    pieces = list(rng.permutation(["window", "picture", "plant", "lamp", "pictures", "sideboard"]))[
        :4
    ]
    for name, centre in zip(
        pieces, x + np.array([0, 0.30, 0.62, 0.88]) * (WIDTH - 120), strict=True
    ):
        _PIECES[name](image, rng, centre + rng.uniform(-25, 25), up, m, wall)


def _window(image, rng, x, up, m, wall):
    w = 0.62 * m
    polygon(image, _box(x - w - 6, up(2.25) - 6, x + w + 6, up(0.95) + 6), bgr((240, 238, 232)))
    sky = np.array((206, 220, 228)), np.array((232, 236, 230))
    rows = np.linspace(up(2.25), up(0.95), 13)
    for i in range(12):
        polygon(
            image,
            _box(x - w, rows[i], x + w, rows[i + 1]),
            bgr(tuple(sky[0] + (sky[1] - sky[0]) * i / 11)),
        )
    hills = np.array(
        [
            (x - w, up(1.25)),
            (x - w / 2, up(1.40)),
            (x, up(1.28)),
            (x + w / 2, up(1.36)),
            (x + w, up(1.24)),
            (x + w, up(0.95)),
            (x - w, up(0.95)),
        ]
    )
    polygon(image, hills, bgr((176, 194, 180)))
    stroke(image, [(x, up(2.25)), (x, up(0.95))], 4, bgr((240, 238, 232)))
    stroke(image, [(x - w, up(1.62)), (x + w, up(1.62))], 4, bgr((240, 238, 232)))
    for side in (-1, 1):
        inner, outer = x + side * w * 0.78, x + side * (w + 0.26 * m)
        polygon(
            image,
            np.array(
                [
                    (inner, up(2.4)),
                    (outer, up(2.4)),
                    (outer, up(0.55)),
                    (x + side * w * 0.94, up(0.55)),
                ]
            ),
            bgr(wall, 1.25),
        )
        stroke(
            image,
            [((inner + outer) / 2, up(2.4)), ((inner + outer) / 2 + side * 4, up(0.55))],
            2,
            bgr(wall, 1.1),
        )


def _frame(image, x, y0, y1, w, rng, wall):
    polygon(image, _box(x - w + 3, y0 + 4, x + w + 5, y1 + 6), bgr(wall, 0.86))
    polygon(image, _box(x - w, y0, x + w, y1), bgr((112, 96, 82)))
    polygon(image, _box(x - w + 4, y0 + 4, x + w - 4, y1 - 4), bgr((238, 234, 224)))
    a, b = rng.integers(120, 200, 3), rng.integers(110, 180, 3)
    inner = _box(x - w + 14, y0 + 14, x + w - 14, y1 - 14)
    polygon(image, inner, bgr(tuple(a)))
    middle = (y0 + y1) / 2
    polygon(image, _box(x - w + 14, middle + 4, x + w - 14, y1 - 14), bgr(tuple(b)))
    ellipse(
        image, (x + w * 0.2, middle - 4), ((w - 14) * 0.3, (w - 14) * 0.3), bgr((236, 214, 170))
    )


def _picture(image, rng, x, up, m, wall):
    _frame(image, x, up(2.15), up(1.25), 0.36 * m, rng, wall)


def _pictures(image, rng, x, up, m, wall):
    for i, w in ((-1, 0.22), (1, 0.22)):
        _frame(image, x + i * 0.29 * m, up(2.0 - 0.06 * i), up(1.42 - 0.06 * i), w * m, rng, wall)


def _plant(image, rng, x, up, m, wall):
    ellipse(image, (x, up(0) + 4), (0.26 * m, 0.05 * m), bgr((120, 104, 90)))
    for angle in np.linspace(-1.25, 1.25, 11) + rng.normal(0, 0.08, 11):
        tip = np.array([x + 0.62 * m * np.sin(angle), up(0.42 + 0.95 * np.cos(angle * 0.72))])
        root = np.array([x, up(0.40)])
        along = tip - root
        out = np.array([-along[1], along[0]]) * 0.11
        leaf = np.array([root, root + 0.45 * along + out, tip, root + 0.5 * along - out])
        polygon(image, smooth(leaf), bgr((104, 132, 104), rng.uniform(0.85, 1.2)))
    polygon(
        image,
        np.array(
            [
                (x - 0.2 * m, up(0.46)),
                (x + 0.2 * m, up(0.46)),
                (x + 0.15 * m, up(0)),
                (x - 0.15 * m, up(0)),
            ]
        ),
        bgr((206, 190, 172)),
    )
    polygon(
        image,
        np.array(
            [
                (x + 0.06 * m, up(0.46)),
                (x + 0.2 * m, up(0.46)),
                (x + 0.15 * m, up(0)),
                (x + 0.05 * m, up(0)),
            ]
        ),
        bgr((186, 170, 152)),
    )


def _lamp(image, rng, x, up, m, wall):
    ellipse(image, (x, up(0) + 2), (0.2 * m, 0.04 * m), bgr((92, 86, 84)))
    stroke(image, [(x, up(0)), (x, up(1.5))], 4, bgr((92, 86, 84)))
    ellipse(image, (x, up(1.62)), (0.42 * m, 0.38 * m), bgr(wall, 1.2))
    polygon(
        image,
        np.array(
            [
                (x - 0.16 * m, up(1.85)),
                (x + 0.16 * m, up(1.85)),
                (x + 0.25 * m, up(1.45)),
                (x - 0.25 * m, up(1.45)),
            ]
        ),
        bgr((244, 228, 196)),
    )


def _sideboard(image, rng, x, up, m, wall):
    colour = (146, 118, 96)
    polygon(image, _box(x - 0.72 * m, up(0.72), x + 0.72 * m, up(0.10)), bgr(colour))
    polygon(image, _box(x - 0.75 * m, up(0.77), x + 0.75 * m, up(0.72)), bgr(colour, 1.2))
    for i in (-1, 0, 1):
        polygon(
            image,
            _box(x + i * 0.47 * m - 0.21 * m, up(0.66), x + i * 0.47 * m + 0.21 * m, up(0.16)),
            bgr(colour, 1.1),
        )
        ellipse(image, (x + i * 0.47 * m + 0.15 * m, up(0.42)), (3, 3), bgr(colour, 0.6))
    for i in (-0.6, 0.6):
        polygon(image, _box(x + i * m - 4, up(0.10), x + i * m + 4, up(0)), bgr(colour, 0.7))
    ellipse(image, (x - 0.38 * m, up(0.90)), (0.09 * m, 0.14 * m), bgr((150, 164, 168)))
    ellipse(image, (x - 0.38 * m, up(1.03)), (0.045 * m, 0.02 * m), bgr((120, 134, 138)))


_PIECES = {
    "window": _window, "picture": _picture, "pictures": _pictures, "plant": _plant,
    "lamp": _lamp, "sideboard": _sideboard,
}  # fmt: skip


def _light(image, rng):
    """Soft light from the upper left, darker corners."""
    y, x = np.mgrid[0:HEIGHT:4, 0:WIDTH:4].astype(np.float32)
    cx, cy = WIDTH * rng.uniform(0.3, 0.45), HEIGHT * 0.3
    fall = ((x - cx) / WIDTH) ** 2 + ((y - cy) / HEIGHT) ** 2
    gain = cv2.resize(1.07 - 0.30 * fall, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(image, (0, 0), 1.1)  # the room is a little out of focus
    return np.clip(soft * gain[..., None], 0, 255).astype(np.uint8)

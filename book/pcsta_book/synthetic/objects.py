"""What hands hold: eight small pictures, each recognisable in a crop of 32 pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pcsta_book.synthetic.canvas import Colour, Image, box, ellipse, polygon, smooth, stroke

COLOURS = ((196, 72, 62), (58, 104, 158), (226, 176, 66), (74, 138, 96))
_DRAWN, _KEPT = 512, 64  # drawn large, kept small: soft edges


@dataclass(frozen=True)
class Sprite:
    """image: (64, 64, 4) premultiplied BGRA; size: metres of an edge; grip: (x, y) in 0..1 of the
    point that lies in the palm; tilt: degrees by which it leans with the hand, at most."""

    image: UInt8[np.ndarray, "64 64 4"]
    size: float
    grip: tuple[float, float]
    tilt: float


def _rounded(x0: float, y0: float, x1: float, y1: float, r: float) -> Float[np.ndarray, "28 2"]:
    """The outline of a rectangle whose corners are arcs."""
    corners = [
        (x1 - r, y0 + r, -90),
        (x1 - r, y1 - r, 0),
        (x0 + r, y1 - r, 90),
        (x0 + r, y0 + r, 180),
    ]
    angles = np.deg2rad(np.linspace(0, 90, 7))
    return np.array([
        (x + r * np.cos(a + np.deg2rad(s)), y + r * np.sin(a + np.deg2rad(s)))
        for x, y, s in corners for a in angles
    ])  # fmt: skip


# Each painter fills a 512 x 512 canvas; light comes from the upper left.
def _cup(c: Image, colour: Colour) -> None:
    ellipse(c, (368, 275), (88, 92), colour, 0.8)
    ellipse(c, (368, 275), (52, 56), None)
    body = [(92, 120), (360, 120), (340, 420), (300, 450), (152, 450), (112, 420)]
    polygon(c, smooth(body, 1), colour)
    polygon(c, [(290, 130), (360, 120), (340, 420), (300, 450), (262, 450)], colour, 0.78)
    polygon(c, [(126, 150), (160, 150), (170, 420), (148, 420)], colour, 1.4)
    polygon(c, [(98, 230), (354, 230), (350, 300), (102, 300)], (246, 242, 232))
    ellipse(c, (226, 122), (136, 42), (246, 242, 232))
    ellipse(c, (226, 126), (112, 30), (92, 58, 38))


def _apple(c: Image, colour: Colour) -> None:
    red = colour if colour in (COLOURS[0], COLOURS[3]) else (204, 58, 48)
    ellipse(c, (200, 290), (130, 150), red, 0.78)
    ellipse(c, (312, 290), (130, 150), red, 0.78)
    ellipse(c, (196, 280), (118, 138), red)
    ellipse(c, (300, 280), (118, 138), red)
    ellipse(c, (160, 238), (34, 52), red, 1.45, angle=20)
    ellipse(c, (256, 160), (52, 20), red, 0.78)
    stroke(c, [(256, 168), (262, 120), (280, 70)], 22, (86, 58, 38))
    polygon(c, smooth([(270, 124), (320, 56), (410, 60), (350, 128)]), (96, 156, 74))


def _toothbrush(c: Image, colour: Colour) -> None:
    polygon(c, _rounded(40, 252, 476, 292, 20), colour)
    polygon(c, _rounded(40, 252, 476, 268, 8), colour, 1.45)
    for i in range(6):
        polygon(c, box(338 + 23 * i, 160, 356 + 23 * i, 254), (248, 250, 250))
    polygon(c, box(334, 214, 476, 226), (110, 190, 220))
    paste = [(330, 166), (352, 118), (400, 140), (440, 112), (480, 166)]
    polygon(c, smooth(paste), (120, 206, 226))


def _comb(c: Image, colour: Colour) -> None:
    ambers: dict[Colour, Colour] = {COLOURS[0]: (122, 58, 44), COLOURS[2]: (206, 144, 58)}
    amber = ambers.get(colour, (44, 40, 44))
    for i in range(11):
        polygon(c, box(52 + 38 * i, 220, 72 + 38 * i, 380), amber, 1.1)
    polygon(c, _rounded(28, 132, 484, 240, 44), amber)
    polygon(c, _rounded(60, 148, 452, 170, 10), amber, 1.35)


def _phone(c: Image, colour: Colour) -> None:
    polygon(c, _rounded(138, 30, 374, 482, 40), (32, 34, 40))
    for i in range(24):
        shade = np.array(colour) * (1 - i / 24) + np.array((226, 236, 244)) * (i / 24)
        polygon(c, box(158, 74 + 15 * i, 354, 90 + 15 * i), shade.tolist())
    for x in (190, 256, 322):
        for y in (150, 230, 310):
            polygon(c, _rounded(x - 20, y - 20, x + 20, y + 20, 9), (250, 250, 252))
    ellipse(c, (256, 456), (14, 14), (120, 124, 132))
    ellipse(c, (256, 52), (26, 6), (90, 94, 102))


def _book(c: Image, colour: Colour) -> None:
    polygon(c, [(10, 120), (256, 168), (502, 120), (502, 424), (256, 466), (10, 424)], colour)
    polygon(c, [(34, 98), (256, 152), (256, 440), (34, 398)], (250, 245, 232))
    polygon(c, [(478, 98), (256, 152), (256, 440), (478, 398)], (232, 224, 206))
    polygon(c, [(256, 152), (290, 144), (290, 434), (256, 440)], (206, 196, 176))
    for i in range(7):
        y = 150 + 34 * i
        stroke(c, [(62, y), (226, y + 38)], 10, (138, 132, 126))
        stroke(c, [(306, y + 34), (450, y)], 10, (122, 116, 110))


def _notepad(c: Image, colour: Colour) -> None:
    polygon(c, box(84, 74, 400, 476), (188, 186, 176))
    polygon(c, box(72, 66, 390, 466), (255, 250, 205))
    polygon(c, box(72, 66, 390, 122), colour, 0.9)
    for i in range(6):
        y = 172 + 46 * i
        stroke(c, [(104, y), (358 - 60 * (i % 2), y)], 8, (116, 138, 176))
    polygon(c, [(236, 384), (440, 96), (482, 126), (280, 414)], (34, 44, 92))
    polygon(c, [(236, 384), (280, 414), (222, 446)], (236, 206, 160))
    polygon(c, [(420, 124), (440, 96), (482, 126), (462, 154)], (210, 70, 60))


def _parcel(c: Image, colour: Colour) -> None:
    browns: dict[Colour, Colour] = {COLOURS[0]: (186, 140, 92), COLOURS[3]: (196, 152, 104)}
    wrap = browns.get(colour, colour)
    ribbon = (240, 226, 200) if wrap == colour else (190, 52, 52)
    polygon(c, box(62, 186, 450, 472), wrap)
    polygon(c, box(340, 186, 450, 472), wrap, 0.84)
    polygon(c, box(40, 132, 472, 206), wrap, 1.18)
    polygon(c, box(222, 132, 290, 472), ribbon)
    for side in (-1, 1):
        loop = 256 + side * np.array([0, 40, 130, 110])
        polygon(c, smooth(np.stack([loop, [132, 40, 44, 122]], 1)), ribbon, 0.92)
        ellipse(c, (256 + side * 80, 86), (26, 18), ribbon, 0.66)
    ellipse(c, (256, 122), (30, 26), ribbon, 0.8)


_PAINTERS: dict[str, tuple[Callable[[Image, Colour], None], float, tuple[float, float], float]] = {
    "cup": (_cup, 0.17, (0.45, 0.58), 15.0),
    "apple": (_apple, 0.135, (0.50, 0.60), 25.0),
    "toothbrush": (_toothbrush, 0.185, (0.42, 0.54), 60.0),
    "comb": (_comb, 0.175, (0.46, 0.42), 60.0),
    "phone": (_phone, 0.165, (0.50, 0.58), 30.0),
    "book": (_book, 0.185, (0.50, 0.66), 12.0),
    "notepad": (_notepad, 0.165, (0.48, 0.66), 18.0),
    "parcel": (_parcel, 0.165, (0.50, 0.66), 8.0),
}


@cache
def sprite(name: str, colour: int) -> Sprite:
    """Picture of one object in one of four colours. Raises KeyError for a name not in OBJECTS."""
    painter, size, grip, tilt = _PAINTERS[name]
    canvas = np.zeros((_DRAWN, _DRAWN, 4), np.uint8)
    painter(canvas, COLOURS[colour])
    small = cv2.resize(canvas, (_KEPT, _KEPT), interpolation=cv2.INTER_AREA)
    return Sprite(small, size, grip, tilt)


def stamp(
    image: np.ndarray, held: Sprite, at: np.ndarray, scale: float, angle: float, flip: bool
) -> None:
    """Put a sprite's grip on pixel `at` (x, y); scale: pixels per metre; angle: degrees clockwise."""
    k = held.size * scale / _KEPT
    radius = int(np.ceil(0.8 * k * _KEPT)) + 1
    x0, y0 = int(at[0]) - radius, int(at[1]) - radius
    a = np.deg2rad(angle)
    turn = k * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if flip:
        turn = turn @ np.diag([-1.0, 1.0])
    move = np.asarray(at) - (x0, y0) - turn @ (np.array(held.grip) * _KEPT)
    size = (2 * radius, 2 * radius)
    affine = np.hstack([turn, move[:, None]])
    picture = cv2.warpAffine(held.image, affine, size, flags=cv2.INTER_LINEAR)
    top, left = max(0, -y0), max(0, -x0)
    place = image[max(y0, 0) : y0 + 2 * radius, max(x0, 0) : x0 + 2 * radius]
    if place.size == 0:
        return
    picture = picture[top : top + place.shape[0], left : left + place.shape[1]].astype(np.uint16)
    place[:] = picture[..., :3] + (place * (255 - picture[..., 3:]) + 127) // 255

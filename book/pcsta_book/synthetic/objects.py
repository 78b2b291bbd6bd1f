"""What hands hold: the small pictures of `objects.toml`, each recognisable in a crop of 32 pixels."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from pcsta_book import assets
from pcsta_book.synthetic.brush import Brush, bgr, overlap

_DATA: dict[str, dict[str, Any]] = assets.table("synthetic/objects.toml")
_DRAWN, _KEPT = 512, 48  # drawn large, kept small: soft edges
_OUTLINE, _INK = 15, (30.0, 26.0, 28.0)  # what sets a thing off from clothes, skin and wall


@dataclass(frozen=True)
class Sprite:
    """image: (48, 48, 4) premultiplied BGRA; size, grip and tilt as in `objects.toml`."""

    image: UInt8[np.ndarray, "48 48 4"]
    size: float
    grip: tuple[float, float]
    tilt: float


@cache
def sprite(name: str, colour: int) -> Sprite:
    """Picture of one object in one of four colours. Raises KeyError for a name that is not there."""
    thing = _DATA[name]
    brush = Brush(np.zeros((_DRAWN, _DRAWN, 4), np.uint8))
    colours = {"hole": None, "trim": thing["trim"][colour] if "trim" in thing else None}
    for shape in thing["shapes"]:
        given = shape.get("colour")
        tone = colours[given] if isinstance(given, str) else given or thing["colours"][colour]
        _draw(brush, shape, tone)
    small = cv2.resize(_outlined(brush.image), (_KEPT, _KEPT), interpolation=cv2.INTER_AREA)
    return Sprite(small, thing["size"], tuple(thing["grip"]), thing["tilt"])


def _outlined(image: np.ndarray) -> np.ndarray:
    """The same picture upon its own shape, grown by a dark edge."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _OUTLINE + 1,) * 2)
    edge = cv2.dilate(image[..., 3], disc)[..., None] > 127
    ink = np.where(edge, np.array(bgr(_INK), np.uint8), np.uint8(0))
    return np.where(image[..., 3:] > 127, image, ink)


def _draw(brush: Brush, shape: dict[str, Any], colour: Any) -> None:
    kind, count, light = shape["kind"], shape.get("count", 1), shape.get("light", 1)
    for i in range(count):
        at = np.array(shape["at"], float) + i * np.array(shape.get("step", (0, 0)))
        tone = colour
        if "fade" in shape:
            tone = (
                np.array(colour) * (1 - i / count) + np.array(shape["fade"]) * (i / count)
            ).tolist()
        if kind == "ellipse":
            brush.ellipse(at, shape["radii"], tone, light, angle=shape.get("angle", 0))
        elif kind == "line":
            brush.stroke(at, tone, light, shape["width"])
        elif kind == "polygon":
            brush.polygon(at, tone, light, rounds=shape.get("smooth", 0))
        elif "round" in shape:
            brush.polygon(_rounded(at, shape["round"]), tone, light)
        else:
            brush.box(at, tone, light)


def _rounded(corners: np.ndarray, r: float) -> np.ndarray:
    """The outline of a box (2, 2) whose corners are arcs."""
    (x0, y0), (x1, y1) = corners[0] + r, corners[1] - r
    arcs = []
    for x, y, start in ((x1, y0, -90), (x1, y1, 0), (x0, y1, 90), (x0, y0, 180)):
        angles = np.deg2rad(np.linspace(0, 90, 7)) + np.deg2rad(start)
        arcs.append(np.stack([x + r * np.cos(angles), y + r * np.sin(angles)], -1))
    return np.concatenate(arcs)


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
    place, seen = overlap(image, x0, y0, *size)
    picture = picture[seen].astype(np.uint16)
    place[:] = picture[..., :3] + (place * (255 - picture[..., 3:]) + 127) // 255

"""Skeleton, hand boxes and attention painted straight onto video frames.

One painter serves the figures, the players and the video that `pcsta predict --overlay` writes.
Pictures are (H, W, 3) uint8; positions are pixels (x, y) of the colour image, origin top-left.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from pcsta.data.clip import HANDS, Clip
from pcsta_book.figures.style import HAND_COLOURS, INFORMATIVE, INK, PERSON_COLOURS

FINER = 2  # Pillow draws no soft edges: paint at twice the size, then shrink
LETTERS = 17  # pixels at a width of 720: still legible on a phone
STRIP = 72  # pixels high
PAPER = (250, 250, 250)

Picture = UInt8[np.ndarray, "H W 3"]
Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), size)


def blank(clip: Clip) -> Picture:
    """An empty picture in the shape of the clip's colour image, for clips without a video."""
    width, height = clip.image_size
    return np.full((height, width, 3), 60, np.uint8)


def people_window(clip: Clip) -> Rectangle:
    """The part of the colour image where a clip's people move, and some room; at least 4:3 wide."""
    width, height = clip.image_size
    seen = clip.pixels[np.isfinite(clip.pixels).all(axis=-1)]  # (n, 2)
    if len(seen) == 0:
        return 0.0, 0.0, float(width), float(height)
    room = 0.04 * width
    low, high = seen.min(axis=0) - room, seen.max(axis=0) + room
    tall = min(float(high[1] - low[1]), float(height))
    wide = min(max(float(high[0] - low[0]), tall * 4 / 3), float(width))
    left = min(max(float(low[0] + high[0] - wide) / 2, 0.0), width - wide)
    top = min(max(float(low[1]), 0.0), height - tall)
    return left, top, left + wide, top + tall


def paint(
    image: Picture,
    clip: Clip,
    t: int,
    weights: Float[np.ndarray, "N"] | None = None,
    *,
    width: int = 720,
    crop_size: int | Int[np.ndarray, "4"] | None = None,
    window: Rectangle | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The image of frame `t` with its bones and the boxes of its hands.

    image:     the colour image, of any size; `clip.pixels` are scaled to it
    weights:   (4,) spatial attention p_t: the more weight, the thicker the box, and its number
               stands beside it; None draws four equal boxes
    width:     of the returned picture, pixels
    crop_size: side of the boxes, or of each, in pixels of the colour image; by default 1/30 of its
               width, the crop of the embedded dataset
    window:    part of the colour image to show, (left, top, right, bottom); all of it by default

    Returns (h, width, 3) uint8. Absent people and hands are not drawn; what lies in a box is left
    as it is, since that is what the model sees.
    Raises IndexError when the clip has no frame `t`.
    """
    if not 0 <= t < len(clip):
        raise IndexError(f"{clip.name} has frames 0 to {len(clip) - 1}, not {t}")
    left, top, right, bottom = window or (0, 0, *clip.image_size)
    fine = width * FINER
    scale = fine / (right - left)  # of `clip.pixels`
    shrunk = image.shape[1] / clip.image_size[0]  # a video may be smaller than its skeleton says
    canvas = Image.fromarray(image).resize(
        (fine, round((bottom - top) * scale)),
        box=(left * shrunk, top * shrunk, right * shrunk, bottom * shrunk),
    )
    untouched = canvas.copy()
    draw = ImageDraw.Draw(canvas)
    unit = fine / 720  # keeps strokes and letters alike at every width

    _bones(draw, (clip.pixels[t] - (left, top)) * scale, clip, unit)
    hands = (clip.hands[t] - (left, top)) * scale  # (4, 2)
    side = clip.image_size[0] / 30 if crop_size is None else crop_size
    halves = np.broadcast_to(side, len(HANDS)) * scale / 2  # (4,)
    there = np.isfinite(hands).all(axis=-1)
    for (x, y), half in zip(hands[there], halves[there], strict=True):
        box = (round(x - half), round(y - half), round(x + half), round(y + half))
        canvas.paste(untouched.crop(box), box)
    _boxes(draw, hands, halves, weights, unit)
    return np.asarray(canvas.reduce(FINER))


def _bones(
    draw: ImageDraw.ImageDraw, pixels: Float[np.ndarray, "P J 2"], clip: Clip, unit: float
) -> None:
    for person, colour in enumerate(PERSON_COLOURS):
        for halo in (True, False):  # a dark edge keeps light bones visible on light clothes
            for parent, child in clip.skeleton.bones:
                line = pixels[person, [parent, child]]
                if np.isfinite(line).all():
                    stroke = (2.6 if halo else 1.4) * unit
                    draw.line(line.ravel().tolist(), INK if halo else colour, round(stroke))


def _boxes(
    draw: ImageDraw.ImageDraw,
    hands: Float[np.ndarray, "N 2"],
    halves: Float[np.ndarray, "N"],
    weights: Float[np.ndarray, "N"] | None,
    unit: float,
) -> None:
    present = [hand for hand in range(len(HANDS)) if np.isfinite(hands[hand]).all()]
    taken = []  # rectangles that no label may cover
    for hand in present:
        stroke = round((1.8 if weights is None else 1 + 6 * float(weights[hand])) * unit)
        (x, y), out = hands[hand].tolist(), float(halves[hand]) + stroke
        taken.append((x - out, y - out, x + out, y + out))
        draw.rectangle(taken[-1], outline=HAND_COLOURS[hand], width=stroke)
    if weights is None:
        return
    font, pad = _font(round(LETTERS * unit)), 4 * unit
    for hand, (x0, y0, x1, y1) in zip(present, tuple(taken), strict=True):
        text = f"{HANDS[hand]}  {float(weights[hand]):.2f}"
        wide, high = draw.textbbox((0, 0), text, font)[2] + 2 * pad, (LETTERS + 5) * unit
        outward = [x0 - wide, x1] if x0 < hands[hand ^ 1, 0] else [x1, x0 - wide]
        places = [(x, y) for x in outward for y in (y0, y1 - high)]  # beside the box,
        places += [(x, y) for y in (y0 - high, y1) for x in (x0, x1 - wide)]  # above, below
        rectangles = [(x, y, x + wide, y + high) for x, y in places if 0 <= x <= 720 * unit - wide]
        place = min(rectangles, key=lambda r: sum(_overlap(r, other) for other in taken))
        taken.append(place)
        draw.rectangle(place, HAND_COLOURS[hand])
        draw.text((place[0] + pad, place[1] + high / 2), text, "white", font, anchor="lm")


def _overlap(a: Rectangle, b: Rectangle) -> float:
    """The area that two rectangles (left, top, right, bottom) share."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0.0) * max(high, 0.0)


def temporal_strip(
    temporal_attention: Float[np.ndarray, "T"],
    now: int,
    width: int = 720,
    informative: np.ndarray | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """A bar for each step's p'_t, the current step dark; (72, width, 3) uint8.

    informative: (T,) bool, the steps in which a hand decides; they get a yellow ground.
    """
    fine, tall = width * FINER, STRIP * FINER
    unit = fine / 720
    canvas = Image.new("RGB", (fine, tall), PAPER)
    draw = ImageDraw.Draw(canvas)
    head = (LETTERS + 8) * unit  # room for the line of text
    steps = len(temporal_attention)
    step, top = fine / steps, max(float(np.max(temporal_attention)), 1 / steps)
    for t, weight in enumerate(temporal_attention):
        if informative is not None and informative[t]:
            draw.rectangle((t * step, head, (t + 1) * step, tall), INFORMATIVE)
        bar = max((tall - head) * float(weight) / top, unit)
        place = (t * step + unit, tall - bar, (t + 1) * step - unit, tall)
        draw.rectangle(place, INK if t == now else "#8899AA")
    text = f"p' at step {now}: {float(temporal_attention[now]):.2f}"  # counted as the slider does
    draw.text((4 * unit, head / 2), text, INK, _font(round(LETTERS * unit)), anchor="lm")
    return np.asarray(canvas.reduce(FINER))


def class_bars(top: Sequence[tuple[str, float]], width: int = 720) -> UInt8[np.ndarray, "h w 3"]:
    """A line for each class with its probability and a bar of that length, most probable first."""
    unit, fine = width * FINER / 720, width * FINER
    line = (LETTERS + 8) * unit
    canvas = Image.new("RGB", (fine, round(len(top) * line)), PAPER)
    draw, font = ImageDraw.Draw(canvas), _font(round(LETTERS * unit))
    for place, (name, probability) in enumerate(top):
        y = place * line
        draw.rectangle((0, y + unit, fine * probability, y + line - unit), "#C9D3DC")
        text = f"{100 * probability:.0f} %  {name}"
        draw.text((4 * unit, y + line / 2), text, INK, font, anchor="lm")
    return np.asarray(canvas.reduce(FINER))


def attention_picture(
    image: Picture,
    clip: Clip,
    t: int,
    weights: Float[np.ndarray, "N"] | None,
    temporal_attention: Float[np.ndarray, "T"] | None,
    step: int,
    informative: np.ndarray | None = None,
    **painting: Any,
) -> UInt8[np.ndarray, "h w 3"]:
    """Frame `t` with its weighted hands above the bar of temporal attention at `step`.

    painting: what else `paint` takes

    Where a model has no spatial or no temporal attention (None), that part is left out.
    """
    picture = paint(image, clip, t, weights, **painting)
    if temporal_attention is None:
        return picture
    strip = temporal_strip(temporal_attention, step, picture.shape[1], informative)
    return np.concatenate([picture, strip])

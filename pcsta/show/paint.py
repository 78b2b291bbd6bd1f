"""Skeleton, hand boxes and attention painted straight onto video frames.

One painter serves the figures, the players and the video that `pcsta predict --overlay` writes.
Pictures are (H, W, 3) uint8; positions are pixels (x, y) of the colour image, origin top-left.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from pcsta.data.clip import HANDS, Clip
from pcsta.show.style import HAND_COLOURS, INFORMATIVE, INK, PERSON_COLOURS

FINER = 2  # Pillow draws no soft edges: paint at twice the size, then shrink
PAPER = (250, 250, 250)

Picture = UInt8[np.ndarray, "H W 3"]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), size)


def blank(clip: Clip) -> Picture:
    """An empty picture in the shape of the clip's colour image, for clips without a video."""
    width, height = clip.image_size
    return np.full((height, width, 3), 60, np.uint8)


def paint(
    image: Picture,
    clip: Clip,
    t: int,
    weights: Float[np.ndarray, "N"] | None = None,
    *,
    width: int = 720,
    crop_size: int | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The image of frame `t` with its bones and the boxes of its hands.

    image:     the colour image, of any size; `clip.pixels` are scaled to it
    weights:   (4,) spatial attention p_t: the more weight, the thicker the box, and its number
               stands beside it; None draws four equal boxes
    width:     of the returned picture, pixels
    crop_size: side of the boxes in pixels of the colour image; by default 1/30 of its width, the
               crop of the embedded dataset

    Returns (h, width, 3) uint8. Absent people and hands are not drawn.
    Raises IndexError when the clip has no frame `t`.
    """
    if not 0 <= t < len(clip):
        raise IndexError(f"{clip.name} has frames 0 to {len(clip) - 1}, not {t}")
    fine = width * FINER
    scale = fine / clip.image_size[0]
    canvas = Image.fromarray(image).resize((fine, round(fine * image.shape[0] / image.shape[1])))
    draw = ImageDraw.Draw(canvas)
    unit = fine / 720  # keeps strokes and letters alike at every width

    _bones(draw, clip.pixels[t] * scale, clip, unit)
    half = (crop_size or clip.image_size[0] / 30) * scale / 2
    _boxes(draw, clip.hands[t] * scale, half, weights, unit)
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
    half: float,
    weights: Float[np.ndarray, "N"] | None,
    unit: float,
) -> None:
    present = [hand for hand in range(len(HANDS)) if np.isfinite(hands[hand]).all()]
    taken = []  # rectangles that no label may cover
    for hand in present:
        x, y = hands[hand].tolist()
        stroke = round((1.8 if weights is None else 1 + 6 * float(weights[hand])) * unit)
        out = half + stroke
        taken.append((x - out, y - out, x + out, y + out))
        draw.rectangle(taken[-1], outline=HAND_COLOURS[hand], width=stroke)
    if weights is None:
        return
    font, pad = _font(round(13 * unit)), 3 * unit
    for hand, (x0, y0, x1, y1) in zip(present, tuple(taken), strict=True):
        text = f"{HANDS[hand]}  {float(weights[hand]):.2f}"
        wide, high = draw.textbbox((0, 0), text, font)[2] + 2 * pad, 17 * unit
        sides = [(x0 - wide, y0), (x1, y0)]  # left of the box, right of it, above, below
        if x0 > hands[hand ^ 1, 0]:  # the person's other hand is on the left
            sides.reverse()
        sides += [(x0, y0 - high), (x0, y1), (x1 - wide, y0 - high), (x1 - wide, y1)]
        rectangles = [(x, y, x + wide, y + high) for x, y in sides]
        free = [r for r in rectangles if not any(_overlap(r, other) for other in taken)]
        place = (free or rectangles)[0]
        taken.append(place)
        draw.rectangle(place, HAND_COLOURS[hand])
        draw.text((place[0] + pad, place[1] + high / 2), text, "white", font, anchor="lm")


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two rectangles (left, top, right, bottom) share more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def temporal_strip(
    temporal_attention: Float[np.ndarray, "T"],
    now: int,
    *,
    width: int = 720,
    height: int = 64,
    informative: np.ndarray | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """A bar for each step's p'_t, the current step dark; (height, width, 3) uint8.

    informative: (T,) bool, the steps that hold the planted evidence; they get a yellow ground.
    """
    steps = len(temporal_attention)
    fine, tall = width * FINER, height * FINER
    unit = fine / 720
    canvas = Image.new("RGB", (fine, tall), PAPER)
    draw = ImageDraw.Draw(canvas)
    head = 20 * unit  # room for the line of text
    step, top = fine / steps, max(float(np.max(temporal_attention)), 1 / steps)
    for t, weight in enumerate(temporal_attention):
        x0, x1 = t * step + unit, (t + 1) * step - unit
        if informative is not None and informative[t]:
            draw.rectangle((t * step, head, (t + 1) * step, tall), INFORMATIVE)
        bar = (tall - head) * float(weight) / top
        draw.rectangle((x0, tall - max(bar, unit), x1, tall), INK if t == now else "#8899AA")
    text = (
        f"temporal attention p'   step {now + 1} of {steps}: {float(temporal_attention[now]):.2f}"
    )
    draw.text((4 * unit, head / 2), text, INK, _font(round(13 * unit)), anchor="lm")
    return np.asarray(canvas.reduce(FINER))


def attention_picture(
    image: Picture,
    clip: Clip,
    t: int,
    weights: Float[np.ndarray, "N"] | None,
    temporal_attention: Float[np.ndarray, "T"] | None,
    step: int,
    *,
    width: int = 720,
    crop_size: int | None = None,
    informative: np.ndarray | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Frame `t` with its weighted hands above the bar of temporal attention at `step`.

    Where a model has no spatial or no temporal attention (None), that part is left out.
    """
    picture = paint(image, clip, t, weights, width=width, crop_size=crop_size)
    if temporal_attention is None:
        return picture
    strip = temporal_strip(temporal_attention, step, width=width, informative=informative)
    return np.concatenate([picture, strip])

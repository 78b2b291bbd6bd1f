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
    hands = clip.hands[t] * scale  # (4, 2)
    half = (crop_size or clip.image_size[0] / 30) * scale / 2
    for hand in range(len(HANDS)):
        if np.isfinite(hands[hand]).all():
            weight = None if weights is None else float(weights[hand])
            _box(draw, hands, hand, half, weight, unit)
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


def _box(
    draw: ImageDraw.ImageDraw,
    hands: Float[np.ndarray, "N 2"],
    hand: int,
    half: float,
    weight: float | None,
    unit: float,
) -> None:
    x, y = hands[hand]
    stroke = round((1.8 if weight is None else 1 + 6 * weight) * unit)
    box = (x - half - stroke, y - half - stroke, x + half + stroke, y + half + stroke)
    draw.rectangle(box, outline=HAND_COLOURS[hand], width=stroke)
    if weight is None:
        return
    # Of a person's two hands, the one further left writes to its left, the other to its right.
    other = hands[hand ^ 1, 0]
    left = x < other or (x == other and hand % 2 == 0) or (np.isnan(other) and x > half * 6)
    anchor, at = ("rm", box[0] - 4 * unit) if left else ("lm", box[2] + 4 * unit)
    text, font = f"{HANDS[hand]}  {weight:.2f}", _font(round(13 * unit))
    around = draw.textbbox((at, y), text, font, anchor=anchor)
    pad = 2 * unit
    draw.rectangle(
        (around[0] - pad, around[1] - pad, around[2] + pad, around[3] + pad), HAND_COLOURS[hand]
    )
    draw.text((at, y), text, "white", font, anchor=anchor)


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

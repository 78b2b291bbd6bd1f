"""The side of the square around a hand: pixels, as in the paper, or a multiple of the body's own size.

The body's size is its torso as the image shows it: the distance from shoulder to hip, mean of left and
right, median over the frames of the clip; each person has their own. So a crop keeps its side
throughout a clip, and shows as much of the hand whatever the distance and the video's size. The torso
is taken because limbs foreshorten with every gesture: in poses estimated on J-HMDB, the middle half of
a clip's frames spreads over 7 % of the torso's median, and over 25 % of the forearm's.
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Int

from pcsta.data.clip import HANDS, PEOPLE, Clip
from pcsta.data.dataset import CropSize, DataError

_SPELLING = re.compile(r"(?P<pixels>[1-9]\d{0,3})|(?P<torsos>\d{1,2}(?:\.\d+)?)torso")


def parse_crop_size(text: str) -> CropSize:
    """A side as it is spelt: `50` pixels, or `0.75torso`. Raises ValueError that shows how."""
    match = _SPELLING.fullmatch(text)
    if match and match["pixels"]:
        return int(match["pixels"])
    if match and float(match["torsos"]) > 0:
        return f"{float(match['torsos']):g}torso"
    raise ValueError(
        f"the side of a crop is so many pixels, such as 50, or torsos, such as 0.75torso: not {text!r}"
    )


def crop_sides(size: CropSize, clip: Clip) -> Int[np.ndarray, "4"]:
    """The side in pixels of each hand's crop in this clip, never above the image's longer one.

    With torsos it is 0 for a person who is never there. Raises DataError for one whose hands have a
    place in the image, and whose torso has none in any frame, or no length.
    """
    if isinstance(size, int):
        return np.full(len(HANDS), size)
    torsos, longest = float(size.removesuffix("torso")), max(clip.image_size)
    sides = np.zeros((PEOPLE, 2), int)
    for person, length in enumerate(_torso_lengths(clip).T):  # (T,) of each person
        known = length[np.isfinite(length)]
        side = round(min(torsos * float(np.median(known)), longest)) if len(known) else 0
        if side < 1 and np.isfinite(clip.hands[:, 2 * person : 2 * person + 2]).all(-1).any():
            raise DataError(
                f"{clip.name}: the image shows no torso of person {person + 1}, by which crops of the "
                "hands have their size",
                advice="Give shoulders and hips places in the image, or a size in pixels (--crop-size)",
            )
        sides[person] = side
    return sides.reshape(len(HANDS))


def _torso_lengths(clip: Clip) -> np.ndarray:
    """(T, P) pixels; NaN where a shoulder or a hip has no place in the image."""
    sides = ("left", "right")
    shoulders, hips = (
        clip.pixels[:, :, [clip.skeleton.index(f"{side} {joint}") for side in sides]]
        for joint in ("shoulder", "hip")
    )  # (T, P, 2, 2)
    return np.asarray(np.linalg.norm(shoulders - hips, axis=-1).mean(-1))

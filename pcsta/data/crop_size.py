"""The side of the square around a hand: pixels, as in the paper, or a multiple of the body's own size.

The body's size is its torso in the image: from shoulder to hip, mean of left and right, median over the
clip, for each person. So a crop shows as much of a hand at any distance, and keeps its side throughout.
Limbs foreshorten with every gesture, the torso seldom.
"""

import re

import numpy as np
from jaxtyping import Int

from pcsta.data.clip import HANDS, PEOPLE, Clip
from pcsta.data.dataset import CropSize, DataError


def parse_crop_size(text: str) -> CropSize:
    """A side as it is spelt: `50` pixels, or `0.75torso`. Raises ValueError that shows how."""
    if re.fullmatch(r"[1-9][0-9]{0,3}", text):
        return int(text)
    if re.fullmatch(r"[0-9]{1,2}(\.[0-9]+)?torso", text) and (share := float(text[:-5])):
        return f"{share:g}torso"
    known = "so many pixels, such as 50, or torsos, such as 0.75torso"
    raise ValueError(f"the side of a crop is {known}: not {text!r}")


def crop_sides(size: CropSize, clip: Clip) -> Int[np.ndarray, "4"]:
    """The side in pixels of each hand's crop in a clip; in torsos at most the image's longer side.

    Zero for a person who is never there. Raises DataError for hands without a torso in the image.
    """
    if isinstance(size, int):
        return np.full(len(HANDS), size)
    at = [[clip.skeleton.index(f"{s} {j}") for s in ("left", "right")] for j in ("shoulder", "hip")]
    shoulders, hips = (clip.pixels[:, :, pair] for pair in at)  # (T, P, 2, 2)
    torsos = np.linalg.norm(shoulders - hips, axis=-1).mean(-1).T  # (P, T)
    known = [torso[np.isfinite(torso)] for torso in torsos]
    lengths = np.array([np.median(torso) if torso.size else 0 for torso in known])
    sides = np.rint((float(size[:-5]) * lengths).clip(max=max(clip.image_size))).astype(int)
    there = np.isfinite(clip.hands).all(-1).reshape(len(clip), PEOPLE, 2).any((0, 2))
    if (there & (sides < 1)).any():
        problem = f"{clip.name}: the image shows hands and no torso, which gives crops their size"
        advice = "Give shoulders and hips places in it, or crops a size in pixels (--crop-size)"
        raise DataError(problem, advice=advice)
    return sides.repeat(2)

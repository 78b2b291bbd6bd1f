"""Files in NTU's layout: skeleton text and H.264 video in AVI.  Each appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pcsta.data import ntu, video
from pcsta.files import atomic
from pcsta_book.synthetic.camera import colour_pixels, depth_pixels
from pcsta_book.synthetic.tracking import Body

FPS = 15


def skeleton_text(bodies: list[Body]) -> str:
    """The text of a .skeleton file: frame count, then per frame the bodies that are present."""
    joints = np.stack([b.joints for b in bodies], 1)  # (T, P, 25, 3)
    return ntu.skeleton_text(
        ids=np.array([b.ident for b in bodies]).T,
        present=np.stack([b.present for b in bodies], 1),
        joints=joints,
        depth=depth_pixels(joints),
        colour=colour_pixels(joints),
        states=np.stack([b.states for b in bodies], 1),
    )


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="ascii", newline="\n")


def write_video(path: Path, frames: Iterable[np.ndarray]) -> None:
    """(540, 960, 3) uint8 BGR frames -> H.264 in AVI."""
    video.write_video(path, frames, FPS, 24, "veryfast", "bgr24", g="250", bf="0")

"""Files in NTU's layout: skeleton text and H.264 video in AVI.  Each appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from pcsta.files import atomic

from .camera import HEIGHT, WIDTH, colour_pixels, depth_pixels
from .tracking import Body

FPS = 15
# x y z depthX depthY colorX colorY, orientation W X Y Z (not simulated: 0), tracking state
_JOINT = "%.4f %.4f %.4f %.1f %.1f %.1f %.1f 0 0 0 0 %d\n"
_BODY = "%d 0 1 1 1 1 0 %.4f %.4f 2\n25\n"  # bodyID, edges, hand states, lean x y, tracking state


def skeleton_text(bodies: list[Body]) -> str:
    """The text of a .skeleton file: frame count, then per frame the bodies that are present."""
    frames = len(bodies[0].present)
    columns = [
        np.concatenate(
            [b.joints, depth_pixels(b.joints), colour_pixels(b.joints), b.states[..., None]], -1
        ).reshape(frames, -1)
        for b in bodies
    ]
    lean = [np.clip(b.joints[:, 20, [0, 2]] - b.joints[:, 0, [0, 2]], -1, 1) for b in bodies]
    lines = [f"{frames}\n"]
    for t in range(frames):
        here = [i for i, b in enumerate(bodies) if b.present[t]]
        lines.append(f"{len(here)}\n")
        for i in here:
            lines.append(_BODY % (bodies[i].ident[t], *lean[i][t]))
            lines.append(_JOINT * 25 % tuple(columns[i][t]))
    return "".join(lines)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="ascii", newline="\n")


def write_video(path: Path, frames: Iterable[np.ndarray], quality: int = 24) -> None:
    """(540, 960, 3) uint8 BGR frames -> H.264 in AVI; quality is x264's crf, less is better."""
    with atomic(path) as temporary, av.open(str(temporary), "w", format="avi") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "veryfast", "crf": str(quality), "g": "250", "bf": "0"}
        for image in frames:
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

"""Small films for tests, whose frames know their number."""

from fractions import Fraction

import av
import numpy as np


def images(count, size=(64, 96)):
    """Grey frames whose level is eight times their number (from 32 on, of what is left)."""
    return [np.full((*size, 3), 8 * (i % 32), np.uint8) for i in range(count)]


def numbers(frames):
    """The number of each frame, read from its grey level; x264 is off by a level or two."""
    return [(index, round(float(image.mean()) / 8)) for index, image in frames]


def write_png(path, image):
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "rgb24"
        for packet in (*stream.encode(av.VideoFrame.from_ndarray(image)), *stream.encode()):
            container.mux(packet)


def write_phone(path, frames, times):
    """A film of a telephone held upright: frames on their side and a mark; times in 1/600 s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 600)
        for image, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    mark(path, (0, 1, -1, 0))


def mark(path, matrix):
    """Let the track of this file ask to be shown by (a, b, c, d)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix a b u c d v x y w
    assert data[at : at + 4] == (1 << 16).to_bytes(4, "big")
    a, b, c, d = (round(value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    data[at : at + 20] = a + b + bytes(4) + c + d
    path.write_bytes(data)
    return path

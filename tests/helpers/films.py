"""Small films for tests, whose frames know their number."""

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

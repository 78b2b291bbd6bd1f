"""Pictures as small files: what a page or a player carries."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from PIL import Image


def encode(picture: UInt8[np.ndarray, "H W 3"], quality: int = 80) -> bytes:
    """A picture as a WebP file, a fifth of its PNG; every current browser shows it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "webp", quality=quality)
    return file.getvalue()


def inline(picture: UInt8[np.ndarray, "H W 3"]) -> str:
    """The address of a picture that the page itself carries, for the `src` of an <img>."""
    return f"data:image/webp;base64,{base64.b64encode(encode(picture)).decode()}"


def raster(figure: Figure, dpi: float | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """A matplotlib figure as a picture; the figure is closed, so that Jupyter does not show it."""
    file = io.BytesIO()
    # bbox_inches=None: all figures of one player come out in the same size
    with plt.rc_context({"savefig.bbox": None}):
        figure.savefig(file, format="png", dpi=dpi or figure.dpi)
    plt.close(figure)
    return np.asarray(Image.open(file).convert("RGB"))

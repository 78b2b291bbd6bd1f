"""Pictures as arrays and as small files: what a page or a player carries."""

import base64
import io

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


def pixels(figure: Figure) -> UInt8[np.ndarray, "H W 3"]:
    """What a matplotlib figure shows now; the figure stays open."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()  # type: ignore[attr-defined]

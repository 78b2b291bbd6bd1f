"""Players: a slider over pictures that works in a live notebook and in the static book alike.

The browser alone moves it: `jslink` ties the slider to a `Stack` of pictures, so no kernel is
needed (`ipywidgets.interact` would call Python, and stand still on a page without one).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import ipywidgets
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from pcsta.data.clip import HANDS, Clip
from pcsta.show.paint import attention_picture, people_window
from pcsta.show.pictures import encode, raster


def player(
    frames: Sequence[UInt8[np.ndarray, "H W 3"] | Figure],
    captions: Sequence[str] | None = None,
    *,
    description: str = "step",
    alt: str = "frame",
    interval: int = 250,
    width: int = 720,
) -> ipywidgets.VBox:
    """Pictures in a row of time, with a play button and a slider.

    frames:      one picture (H, W, 3) uint8 or matplotlib figure (it gets closed) per position
    captions:    one line per picture, shown under it and part of its alternative text
    description: what the slider counts, e.g. "frame"
    alt:         what the pictures show, for readers who cannot see them
    interval:    milliseconds between two pictures while playing
    width:       largest width on the page, CSS pixels

    Raises ValueError for no frames, or for as many captions as there are not frames.
    """
    if len(frames) == 0:
        raise ValueError("a player needs at least one frame")
    if captions is None:
        captions = [f"{description} {i}" for i in range(len(frames))]
    if len(captions) != len(frames):
        raise ValueError(f"{len(frames)} frames but {len(captions)} captions")

    pictures = ipywidgets.Stack(
        [
            ipywidgets.HTML(_figure(frame, caption, alt, width))
            for frame, caption in zip(frames, captions, strict=True)
        ],
        selected_index=0,
    )
    last = len(frames) - 1
    play = ipywidgets.Play(min=0, max=last, interval=interval)
    slider = ipywidgets.IntSlider(
        min=0, max=last, description=description, layout={"flex": "1 1 300px", "width": "auto"}
    )
    ipywidgets.jslink((play, "value"), (slider, "value"))
    ipywidgets.jslink((slider, "value"), (pictures, "selected_index"))
    controls = ipywidgets.HBox([play, slider], layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox(
        [pictures, controls], layout={"max_width": f"{width}px", "width": "100%"}
    ).add_class("pcsta-player")


def _figure(frame: UInt8[np.ndarray, "H W 3"] | Figure, caption: str, alt: str, width: int) -> str:
    picture = raster(frame) if isinstance(frame, Figure) else frame
    data = base64.b64encode(encode(picture)).decode()
    return (
        '<figure style="margin:0">'
        f'<img src="data:image/webp;base64,{data}" alt="{escape(f"{alt}: {caption}", quote=True)}"'
        f' style="width:100%;max-width:{width}px">'
        f'<figcaption style="line-height:1.4">{escape(caption)}</figcaption></figure>'
    )


def attention_player(
    clip: Clip,
    frames: UInt8[np.ndarray, "T H W 3"],
    spatial_attention: Float[np.ndarray, "T N"] | None,
    temporal_attention: Float[np.ndarray, "T"] | None,
    indices: Sequence[int] | np.ndarray | None = None,
    *,
    crop_size: int | None = None,
    focus: bool = True,
    width: int = 720,
) -> ipywidgets.VBox:
    """Where the model looks, step by step: hand boxes weighted by p_t over the bar of p'.

    frames:             (T, H, W, 3) uint8, the images of the T sampled frames
    spatial_attention:  (T, 4) p_t of eq. 4, or None for a model without it
    temporal_attention: (T,) p' of eq. 7, or None for a model without it
    indices:            (T,) which frame of the clip each step is; by default 0..T-1
    crop_size:          side of the boxes, as for `paint`
    focus:              show the part of the image where the people are; False shows all of it
    width:              of the pictures, pixels

    Where the clip knows its truth, the informative steps have a yellow ground in the bar and the
    caption names the planted hand. Raises ValueError when the lengths differ.
    """
    indices = np.arange(len(frames)) if indices is None else np.asarray(indices)
    lengths = {"frames": len(frames), "indices": len(indices)}
    if spatial_attention is not None:
        lengths["spatial_attention"] = len(spatial_attention)
    if temporal_attention is not None:
        lengths["temporal_attention"] = len(temporal_attention)
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "one entry per step is needed: " + ", ".join(f"{k} {n}" for k, n in lengths.items())
        )

    active = None if clip.truth is None else clip.truth.active[indices]  # (T,)
    window = people_window(clip) if focus else None
    pictures, captions = [], []
    for step, t in enumerate(indices):
        weights = None if spatial_attention is None else np.asarray(spatial_attention[step])
        pictures.append(
            attention_picture(
                frames[step], clip, int(t), weights, temporal_attention, step,
                width=width, crop_size=crop_size, window=window,
                informative=None if active is None else active >= 0,
            )
        )  # fmt: skip
        caption = f"{clip.action or clip.name}, frame {t}"
        if weights is not None:
            caption += f"; most weight on {HANDS[int(weights.argmax())]}"
        if active is not None:
            caption += f"; planted hand: {HANDS[active[step]] if active[step] >= 0 else 'none'}"
        captions.append(caption)
    return player(
        pictures, captions, alt="video frame with skeleton, hand boxes and attention", width=width
    )

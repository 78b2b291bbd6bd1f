"""Players: a slider over pictures that works in a live notebook and in the static book alike.

The browser alone moves it: `jslink` ties the slider to a `Stack` of pictures, so no kernel is
needed (`ipywidgets.interact` would call Python, and stand still on a page without one). Paper has
no slider: every player carries some of its pictures once more, hidden on the screen, and the
book's style sheet shows these instead when a page is printed.
"""

from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
from jaxtyping import Float, UInt8

from pcsta.data.clip import HANDS, Clip
from pcsta_book import assets
from pcsta_book.figures.paint import attention_picture, people_window
from pcsta_book.figures.pictures import inline

Picture = UInt8[np.ndarray, "_ _ 3"]
Attention = tuple[Float[np.ndarray, "T N"] | None, Float[np.ndarray, "T"] | None]  # p_t, p'

STILLS = 4  # on paper


def player(
    frames: Sequence[Picture | tuple[Picture, ...]],
    captions: Sequence[str],
    *,
    description: str = "step",
    alt: str = "frame",
    titles: Sequence[str] = (),
    interval: int = 250,
    width: int = 720,
    least: int = 300,
    start: int = 0,
    stills: Sequence[int] | None = None,
) -> ipywidgets.VBox:
    """Pictures in a row of time, with a play button and a slider.

    frames:      per position one picture (H, W, 3) uint8, or a tuple of them: side by side, and
                 below each other where the page is narrow
    captions:    one line per position, shown under it and part of its alternative text
    description: what the slider counts, e.g. "frame"
    alt:         what the pictures show, for readers who cannot see them
    titles:      a heading for each picture of a tuple; part of its alternative text, too
    interval:    milliseconds between two positions while playing
    width:       largest width on the page, CSS pixels
    least:       where the widest picture of a tuple would have fewer CSS pixels than this, the
                 pictures go below each other
    start:       the position that is shown first
    stills:      the positions that stand on paper; by default four, from the first to the last

    Raises ValueError for no frames, for as many captions as there are not frames, and for titles
    that are not one per picture.
    """
    if len(frames) == 0:
        raise ValueError("a player needs at least one frame")
    if len(captions) != len(frames):
        raise ValueError(f"{len(frames)} frames but {len(captions)} captions")
    last = len(frames) - 1
    if stills is None:
        stills = np.linspace(0, last, min(STILLS, len(frames))).round().astype(int).tolist()

    figures = []
    for frame, caption in zip(frames, captions, strict=True):
        rasters = frame if isinstance(frame, tuple) else (frame,)
        if titles and len(titles) != len(rasters):
            raise ValueError(f"{len(rasters)} pictures side by side but {len(titles)} titles")
        widest = max(raster.shape[1] for raster in rasters)
        pictures = [
            {
                "title": title,
                "address": inline(raster),
                "what": ": ".join(filter(None, (title, alt, caption))),
                "width": raster.shape[1],  # each as wide as its share
                "least": least * raster.shape[1] // widest,
            }
            for title, raster in zip(titles or [""] * len(rasters), rasters, strict=True)
        ]
        figures.append(
            assets.html("figures/player.html", pictures=pictures, caption=caption, width=width)
        )
    stack = ipywidgets.Stack([ipywidgets.HTML(html) for html in figures], selected_index=start)
    play = ipywidgets.Play(value=start, min=0, max=last, interval=interval)
    room = {"flex": "1 1 300px", "width": "auto"}
    slider = ipywidgets.IntSlider(start, min=0, max=last, description=description, layout=room)
    ipywidgets.jslink((play, "value"), (slider, "value"))
    ipywidgets.jslink((slider, "value"), (stack, "selected_index"))
    controls = ipywidgets.HBox([play, slider], layout={"flex_flow": "row wrap"})
    # not displayed, so that a screen reader meets no picture twice
    paper = ipywidgets.HTML("".join(figures[i] for i in stills), layout={"display": "none"})
    return ipywidgets.VBox(
        [stack, controls, paper.add_class("pcsta-print")],
        layout={"max_width": f"{width}px", "width": "100%"},
    ).add_class("pcsta-player")


def attention_player(
    clip: Clip,
    frames: UInt8[np.ndarray, "T H W 3"],
    spatial_attention: Float[np.ndarray, "T N"] | None,
    temporal_attention: Float[np.ndarray, "T"] | None,
    indices: Sequence[int] | np.ndarray | None = None,
    width: int = 720,
) -> ipywidgets.VBox:
    """Where the model looks, step by step: hand boxes weighted by p_t over the bar of p'.

    spatial_attention:  (T, 4) p_t of eq. 4, or None for a model without it
    temporal_attention: (T,) p' of eq. 7, or None for a model without it

    The rest, and what is shown, as for `compare_attention`.
    """
    attentions = {"": (spatial_attention, temporal_attention)}
    return compare_attention(clip, frames, attentions, indices, width)


def compare_attention(
    clip: Clip,
    frames: UInt8[np.ndarray, "T H W 3"],
    attentions: Mapping[str, Attention],
    indices: Sequence[int] | np.ndarray | None = None,
    width: int = 980,
) -> ipywidgets.VBox:
    """Where several models look in the same clip, side by side under one slider.

    frames:     (T, H, W, 3) uint8, the images of the T sampled frames
    attentions: what stands over each picture -> (p_t (T, 4), p' (T,)), either None for a model
                without it; e.g. {"conditioned": (p, q), "unconditioned": (p, q)}
    indices:    (T,) which frame of the clip each step is; by default 0..T-1
    width:      of all pictures together, pixels

    Where the clip knows its truth, the informative steps have a yellow ground in the bar and the
    caption names the hands that decide. The first picture shown is the step with most temporal
    attention (of the first model that has it); paper has the first, the middle and the last step as well.
    Raises ValueError when the lengths differ.
    """
    indices = np.arange(len(frames)) if indices is None else np.asarray(indices)
    lengths = {"frames": len(frames), "indices": len(indices)}
    for name, both in attentions.items():
        for kind, weights in zip(("spatial", "temporal"), both, strict=True):
            if weights is not None:
                lengths[f"{name} {kind}_attention".lstrip()] = len(weights)
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"one entry per step is needed: {said}")
    deciding = None if clip.truth is None else clip.truth.deciding[indices]  # (T, 4)
    window = people_window(clip)
    rows: list[tuple[Picture, ...]] = []
    captions = []
    for step, t in enumerate(indices):
        caption, pictures = f"{clip.action or clip.name}, frame {t}", []
        for name, (spatial, temporal) in attentions.items():
            weights = None if spatial is None else np.asarray(spatial[step])
            pictures.append(
                attention_picture(
                    frames[step], clip, int(t), weights, temporal, step,
                    width=width // len(attentions), window=window,
                    informative=None if deciding is None else np.any(deciding, 1),
                )
            )  # fmt: skip
            if weights is not None:
                who = f"{name}: " if name else ""
                caption += f"; {who}most weight on {HANDS[int(weights.argmax())]}"
        if deciding is not None:
            hands = " and ".join(HANDS[i] for i in np.flatnonzero(deciding[step]))
            caption += f"; deciding: {hands or 'none'}"
        rows.append(tuple(pictures))
        captions.append(caption)
    peaks = [int(np.argmax(q)) for _, q in attentions.values() if q is not None]
    return player(
        rows, captions, alt="video frame with skeleton, hand boxes and attention",
        titles=[name for name in attentions if name], width=width, start=next(iter(peaks), 0),
        stills=sorted({0, len(rows) // 2, len(rows) - 1, *peaks}),
    )  # fmt: skip

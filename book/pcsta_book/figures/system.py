"""The paper's whole system as one picture, with a clip's own tensors in it (sections 3.1 to 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from pcsta.data.clip import Clip
from pcsta.glimpse import crop
from pcsta_book.figures.arrays import attention_heatmap, temporal_bar, tensor_image
from pcsta_book.figures.body import skeleton
from pcsta_book.figures.notation import symbol
from pcsta_book.figures.paint import paint, people_window
from pcsta_book.figures.style import HAND_COLOURS, INK

GROUNDS = {"pose stream": (46, "#EDF2F7"), "RGB stream": (1, "#FBF3E6")}  # bottom edge, colour
LEARNED = "#C9D9E8"
BLOCKS = 16  # of a glimpse's features, each drawn as one cell

Number = int | float
Point = tuple[Number, Number]
Place = tuple[Number, Number, Number, Number]  # left, bottom, width, height


def system(
    clip: Clip,
    image: UInt8[np.ndarray, "H W 3"],
    t: int,
    pose_tensor: Float[np.ndarray, "C T X"],
    order: Sequence[int],
    pose_features: Float[np.ndarray, "S"],
    glimpses: Float[np.ndarray, "N D"],
    spatial_attention: Float[np.ndarray, "T N"],
    temporal_attention: Float[np.ndarray, "T"],
    logits: dict[str, Float[np.ndarray, "K"]],
    crop_size: int = 32,
) -> Figure:
    """Both streams from a recording to the logits: a picture is data, a blue box is a network.

    image, t:     one frame and its number; its pose, crops and glimpses are drawn
    pose_tensor:  X of the sub-sequence; order: the joints of its path, as for `tensor_image`
    glimpses:     V_t, a row per hand
    logits:       of "pose" and of "RGB"
    crop_size:    side of the crops, pixels of the colour image; by default the embedded dataset's

    Boxes bear the number of the chapter that derives them.
    """
    figure, ax = plt.subplots(figsize=(9.2, 6.6), layout="none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, 100), ylim=(0, 72))
    ax.set_axis_off()
    for name, (bottom, colour) in GROUNDS.items():
        box = FancyBboxPatch((1, bottom), 86.5, 24.5, "round,pad=0.3", fc=colour, ec="none")
        ax.add_patch(box)
        ax.text(1.5, bottom + 22.7, name, fontsize=10, fontweight="bold", color=INK)

    # pose stream, from left to right
    skeleton(_picture(ax, (3, 49, 12, 16), f"pose {symbol('joints')}"), clip, t)
    tensor = _picture(ax, (22, 52, 20, 12), f"tensor {symbol('pose_tensor')}")
    tensor_image(tensor, pose_tensor, clip.skeleton, order)
    _network(ax, (48, 53, 9, 10), "$f_{sk}$", "chapter 4")
    tall = pose_features[: len(pose_features) // 4 * 4].reshape(-1, 4)
    _picture(ax, (63, 51, 4, 14), symbol("pose_features")).imshow(tall, cmap="Greys", aspect="auto")
    _network(ax, (76, 53, 9, 10), "linear", "chapter 4")
    _arrows(ax, 58, ((15, 22), (42, 48), (57, 63), (67, 76), (85, 89)))

    # RGB stream, from left to right
    painted = paint(image, clip, t, window=people_window(clip), width=480)
    _picture(ax, (2, 6, 14, 12), "image $I_t$").imshow(painted)
    _crops(ax, clip, t, crop(image, clip.hands[t], crop_size))
    _network(ax, (31, 7, 8, 10), "$f_g$", "chapter 5")
    shown = np.abs(glimpses[:, : glimpses.shape[1] // BLOCKS * BLOCKS])
    shown = shown.reshape(len(glimpses), BLOCKS, -1).mean(-1)
    _picture(ax, (43.5, 5, 7, 14), symbol("glimpses")).imshow(shown, cmap="Greys", aspect="auto")
    _circle(ax, (54, 12), "Σ")
    _network(ax, (57.5, 7, 7, 10), "$f_h$", "chapter 6")
    _network(ax, (66.5, 7, 7, 10), "$f_u$", "chapter 7")
    _circle(ax, (76.5, 12), "Σ")
    _network(ax, (80, 7, 7, 10), "linear", "chapter 8")
    _arrows(ax, 12, ((16, 22), (26, 31), (39, 43.5), (50.5, 52.4), (55.6, 57.5)))
    _arrows(ax, 12, ((64.5, 66.5), (73.5, 74.9), (78.1, 80), (87, 89)))

    # attention, between the streams
    _network(ax, (41, 30, 8, 9), "$f_p$", "chapter 6")
    where = _picture(ax, (52, 30.5, 9, 8), f"{symbol('spatial_attention')}: where")
    attention_heatmap(where, spatial_attention)
    _network(ax, (65, 30, 8, 9), "$f_{p'}$", "chapter 7")
    when = _picture(ax, (76, 30.5, 9, 8), f"{symbol('temporal_attention')}: when")
    temporal_bar(when, temporal_attention)
    _arrow(ax, (9, 49), (24, 24.2), "where the\nhands are", (10.5, 35))
    _arrow(ax, (65, 51), (46, 39), "$s$", (53, 45.5))
    _arrow(ax, (65, 51), (68.5, 39), "$s$", (68.2, 45.5))
    _arrows(ax, 34.5, ((49, 52), (61, 65), (73, 76)))
    _arrow(ax, (54, 30.5), (54, 13.7))
    _arrow(ax, (79, 30.5), (76.9, 13.7))
    _arrow(ax, (60, 17), (46.5, 30), "$h_{t-1}$", (58, 21.5))

    # fusion
    for name, bottom in (("pose", 51), ("RGB", 5)):
        bars = _picture(ax, (89, bottom, 9.5, 14), f"{name} logits")
        bars.barh(range(len(logits[name])), logits[name], color="#56738F")
    _circle(ax, (93.5, 35), "+")
    ax.text(97.2, 35, "chapter 8", fontsize=7, va="center", rotation=90, color=INK)
    _arrow(ax, (93.5, 51), (93.5, 36.8))
    _arrow(ax, (93.5, 22), (93.5, 33.2))
    # what was drawn by functions that label their own axes is bare here, and keeps its caption
    for picture in ax.child_axes:
        assert isinstance(picture, Axes)
        picture.set(xticks=[], yticks=[], xlabel="", ylabel="")
        picture.set_title(str(picture.get_label()), fontsize=8.5, loc="center", pad=3)
        picture.set_title("", loc="left")
        picture.spines[:].set_visible(True)
        if legend := picture.get_legend():
            legend.remove()
    return figure


def _picture(ax: Axes, place: Place, caption: str) -> Axes:
    return ax.inset_axes(place, transform=ax.transData, label=caption)


def _network(ax: Axes, place: Place, name: str, note: str) -> None:
    left, bottom, width, height = place
    box = FancyBboxPatch((left + 0.5, bottom + 0.5), width - 1, height - 1, "round,pad=0.5")
    box.set(facecolor=LEARNED, edgecolor=INK, linewidth=0.8)
    ax.add_patch(box)
    middle = left + width / 2
    ax.text(middle, bottom + 0.62 * height, name, ha="center", va="center", fontsize=11)
    ax.text(middle, bottom + 0.2 * height, note, ha="center", va="center", fontsize=7)


def _circle(ax: Axes, centre: Point, sign: str) -> None:
    ax.add_patch(Circle(centre, 1.6, facecolor="white", edgecolor=INK, linewidth=0.8))
    ax.text(*centre, sign, ha="center", va="center_baseline", fontsize=10)


def _arrows(ax: Axes, height: Number, spans: Sequence[tuple[Number, Number]]) -> None:
    """Arrows to the right, all at one height."""
    for start, stop in spans:
        _arrow(ax, (start, height), (stop, height))


def _arrow(ax: Axes, start: Point, stop: Point, text: str = "", at: Point = (0, 0)) -> None:
    style = {"arrowstyle": "-|>", "color": INK, "shrinkA": 1, "shrinkB": 1, "linewidth": 0.9}
    ax.annotate("", stop, start, arrowprops=style)
    if text:
        ax.text(*at, text, fontsize=8.5, color=INK, ha="center", va="center")


def _crops(ax: Axes, clip: Clip, t: int, crops: UInt8[np.ndarray, "N 3 h w"]) -> None:
    """The four crops, one above the other, each framed in its hand's colour; a cross for nobody's."""
    there = np.isfinite(clip.hands[t]).all(-1)  # (N,)
    for hand, (pixels, colour) in enumerate(zip(crops, HAND_COLOURS, strict=True)):
        place = _picture(ax, (22, 17.2 - 4.8 * hand, 4, 4.4), "crops" if hand == 0 else "")
        if there[hand]:
            place.imshow(np.asarray(pixels).transpose(1, 2, 0))
        else:
            place.plot([0, 1, 0.5, 0, 1], [0, 1, 0.5, 1, 0], color=colour, linewidth=0.8)
        place.spines[:].set(edgecolor=colour, linewidth=1.6)

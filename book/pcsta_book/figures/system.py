"""The paper's whole system as one picture, with a clip's own tensors in it (sections 3.1 to 3.4).

Where everything stands is written in `system.toml`.
"""

import re
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from pcsta.data.clip import HANDS, Clip
from pcsta.glimpse import crop
from pcsta_book import assets
from pcsta_book.figures.arrays import attention_heatmap, temporal_bar, tensor_image
from pcsta_book.figures.body import skeleton
from pcsta_book.figures.notation import symbol
from pcsta_book.figures.paint import paint, people_window
from pcsta_book.figures.style import HAND_COLOURS, INK, PLAIN

LEARNED = "#C9D9E8"
BLOCKS = 16  # of a glimpse's features, each drawn as one cell


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
) -> Figure:
    """Both streams from a recording to the logits: a picture is data, a blue box is a network.

    image, t:     one frame and its number; its pose, crops and glimpses are drawn
    pose_tensor:  X of the sub-sequence; order: the joints of its path, as for `tensor_image`
    glimpses:     V_t, a row per hand
    logits:       of "pose" and of "RGB"

    Boxes bear the number of the chapter that derives them.
    """
    layout = assets.table("figures/system.toml")
    figure, ax = plt.subplots(figsize=(9.2, 6.6), layout="none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, 100), ylim=(0, 72))
    ax.set_axis_off()
    _scaffold(ax, layout)
    pictures = {
        name: ax.inset_axes(one["place"], transform=ax.transData, label=name)
        for name, one in layout["pictures"].items()
    }

    skeleton(pictures["pose"], clip, t)
    tensor_image(pictures["tensor"], pose_tensor, clip.skeleton, order)
    tall = pose_features[: len(pose_features) // 4 * 4].reshape(-1, 4)
    pictures["features"].imshow(tall, cmap="Greys", aspect="auto")
    pictures["image"].imshow(paint(image, clip, t, window=people_window(clip), width=480))
    shown = np.abs(glimpses[:, : glimpses.shape[1] // BLOCKS * BLOCKS])
    shown = shown.reshape(len(glimpses), BLOCKS, -1).mean(-1)
    pictures["glimpses"].imshow(shown, cmap="Greys", aspect="auto")
    attention_heatmap(pictures["where"], spatial_attention)
    temporal_bar(pictures["when"], temporal_attention)
    for name, said in logits.items():
        pictures[f"{name} logits"].barh(range(len(said)), said, color=PLAIN)
    crops = crop(image, clip.hands[t], image.shape[1] // 30)  # the embedded dataset's size
    there = np.isfinite(clip.hands[t]).all(-1)
    for hand, colour in enumerate(HAND_COLOURS):
        picture = pictures[HANDS[hand]]
        picture.spines[:].set(edgecolor=colour, linewidth=1.6)
        if there[hand]:
            picture.imshow(crops[hand].transpose(1, 2, 0))
        else:  # a cross
            picture.plot([0, 1, 0.5, 0, 1], [0, 1, 0.5, 1, 0], color=colour, linewidth=0.8)

    # what was drawn by functions that label their own axes is bare here, and has its caption
    for name, picture in pictures.items():
        caption = layout["pictures"][name]["caption"]
        caption = re.sub(r"{(\w+)}", lambda code: symbol(code[1]), caption)
        picture.set(xticks=[], yticks=[], xlabel="", ylabel="")
        picture.set_title(caption, fontsize=8.5, loc="center", pad=3)
        picture.set_title("", loc="left")
        picture.spines[:].set_visible(True)
        if legend := picture.get_legend():
            legend.remove()
    return figure


def _scaffold(ax: Axes, layout: dict[str, Any]) -> None:
    """All that is the same for every clip: grounds, networks, sums and arrows."""
    for ground in layout["grounds"]:
        box = FancyBboxPatch((1, ground["bottom"]), 86.5, 24.5, "round,pad=0.3")
        ax.add_patch(box).set(facecolor=ground["colour"], edgecolor="none")
        top = ground["bottom"] + 22.7
        ax.text(1.5, top, ground["name"], fontsize=10, fontweight="bold", color=INK)
    for network in layout["networks"]:
        left, bottom, width, height = network["place"]
        box = FancyBboxPatch((left + 0.5, bottom + 0.5), width - 1, height - 1, "round,pad=0.5")
        ax.add_patch(box).set(facecolor=LEARNED, edgecolor=INK, linewidth=0.8)
        lines = ((0.62, network["name"], 11), (0.2, f"chapter {network['chapter']}", 7))
        for share, text, size in lines:
            x, y = left + width / 2, bottom + share * height
            ax.text(x, y, text, ha="center", va="center", fontsize=size)
    for circle in layout["circles"]:
        ax.add_patch(Circle(circle["centre"], 1.6, facecolor="white", edgecolor=INK, linewidth=0.8))
        x, y = circle["centre"]
        ax.text(x, y, circle["sign"], ha="center", va="center_baseline", fontsize=10)
    ax.text(97.2, 35, "chapter 8", fontsize=7, va="center", rotation=90, color=INK)
    style = {"arrowstyle": "-|>", "color": INK, "shrinkA": 1, "shrinkB": 1, "linewidth": 0.9}
    for row in layout["rows"]:
        for start, stop in row["spans"]:
            ax.annotate("", (stop, row["height"]), (start, row["height"]), arrowprops=style)
    for arrow in layout["arrows"]:
        ax.annotate("", arrow["stop"], arrow["start"], arrowprops=style)
    for words in layout["words"]:
        x, y = words["at"]
        ax.text(x, y, words["text"], fontsize=8.5, color=INK, ha="center", va="center")

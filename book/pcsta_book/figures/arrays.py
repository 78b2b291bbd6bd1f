"""Arrays as pictures: the pose tensor, attention over time and hands, probabilities of classes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pcsta.data.clip import PEOPLE
from pcsta.skeletons import Skeleton
from pcsta_book.figures.style import DECIDING, INFORMATIVE, INK, PLAIN, label_hands

CHANNELS = ("position", "velocity", "acceleration")


def tensor_image(
    ax: Axes,
    pose_tensor: Float[np.ndarray, "C T W"],
    skeleton: Skeleton,
    order: Sequence[int],
    channel: int = 0,
) -> None:
    """One channel of X for the first person: a row per frame, a column per joint of the path.

    pose_tensor: (3, T, 2 E 3), columns person, path entry, xyz (section 3.1)
    order:       the E joints of the path, 0-based
    channel:     0 position, 1 velocity, 2 acceleration

    x, y, z become red, green, blue; mid grey is zero, and each is scaled by its own largest
    magnitude (98th percentile), so that all three can be seen.
    """
    frames, entries = pose_tensor.shape[1], len(order)
    xyz = np.asarray(pose_tensor[channel]).reshape(frames, PEOPLE, entries, 3)[:, 0]
    largest = np.percentile(np.abs(xyz), 98, axis=(0, 1))
    ax.imshow(np.clip(0.5 + 0.5 * xyz / np.maximum(largest, 1e-6), 0, 1), aspect="auto")
    ax.set_xticks(range(entries), [skeleton.joints[j] for j in order], rotation=90, fontsize=7)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    title = f"{CHANNELS[channel]} of person 1; x red, y green, z blue"
    ax.set(ylabel="step t", title=title)


def temporal_bar(
    ax: Axes,
    temporal_attention: Float[np.ndarray, "T"],
    informative: Bool[np.ndarray, "T"] | None = None,
) -> None:
    """p' as bars over time, beside the uniform weight 1/T.

    informative: steps in which a hand decides; they get a yellow ground
    """
    steps = len(temporal_attention)
    for t in np.flatnonzero(informative if informative is not None else []):
        ax.axvspan(t - 0.5, t + 0.5, color=INFORMATIVE, linewidth=0, zorder=0)
    ax.bar(range(steps), temporal_attention, color=PLAIN, width=0.8)
    ax.axhline(1 / steps, color=INK, linewidth=0.8, linestyle="--", label="uniform, 1/T")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlim=(-0.5, steps - 0.5), xlabel="step t", ylabel="p'")
    ax.legend()


def attention_heatmap(
    ax: Axes,
    spatial_attention: Float[np.ndarray, "T N"],
    deciding: Bool[np.ndarray, "T N"] | None = None,
) -> None:
    """p_t over time (columns) and hands (rows), from white (0) to dark blue (1).

    deciding: which hands decide at each step; their cells are outlined
    """
    ax.imshow(np.asarray(spatial_attention).T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for t, hand in [] if deciding is None else np.argwhere(deciding):
        corner = t - 0.5, hand - 0.5
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=DECIDING, linewidth=2))
    label_hands(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("step t")


def answer_bars(
    axes: Sequence[Axes] | np.ndarray,
    opinions: Mapping[str, Float[np.ndarray, "C"]],
    classes: Sequence[str],
    label: int,
) -> None:
    """Probabilities of the classes, one panel for each opinion; the name of the true class is bold.

    opinions: title of a panel -> probabilities; classes below 2 % in all of them share one bar
    """
    table = np.stack(list(opinions.values()))  # (opinions, C)
    shown = [k for k in range(len(classes)) if k == label or table[:, k].max() >= 0.02]
    names = [*(classes[k] for k in shown), f"{len(classes) - len(shown)} others"]
    for ax, title, bars in zip(axes, opinions, table[:, shown], strict=True):
        ax.barh(range(len(names)), [*bars, 1 - bars.sum()], color=PLAIN)
        ax.set(title=title, xlabel="probability", xlim=(0, 1), yticks=[])
        ax.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
        ax.invert_yaxis()
    axes[0].set_yticks(range(len(names)), names)
    axes[0].get_yticklabels()[shown.index(label)].set_fontweight("bold")

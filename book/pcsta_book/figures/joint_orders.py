"""Players about joint orders: the walk that fills X, and what a unit of the network sees of a body."""

from collections.abc import Iterable, Mapping, Sequence

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from pcsta.skeletons import Skeleton
from pcsta_book.figures.arrays import tensor_image
from pcsta_book.figures.body import aside, bare, rest_pose
from pcsta_book.figures.pictures import pixels
from pcsta_book.figures.player import player
from pcsta_book.figures.style import CHOSEN, PLAIN

DPI = 150  # sharp on a phone


def walk_player(
    pose_tensor: Float[np.ndarray, "C T W"], skeleton: Skeleton, order: Sequence[int]
) -> ipywidgets.VBox:
    """The walk over the joints, step by step, beside the columns of X that it has filled so far.

    pose_tensor: (3, T, 2 E 3), as for `tensor_image`
    order:       the E joints of the path, 0-based

    Steps along a bone are solid lines, dark ones early and light ones late; jumps are dashed.
    Entries and columns count from 0, as the slider and the indices of X do.
    """
    image, (left, right, top, bottom) = _whole_tensor(pose_tensor, skeleton, order)
    columns = left + (right - left) * np.arange(len(order) + 1) / len(order)
    columns = columns.round().astype(int)
    mark = np.round(255 * np.array(to_rgb(CHOSEN))).astype(np.uint8)
    places = rest_pose(skeleton)  # (J, 2)
    bones = {frozenset(bone) for bone in skeleton.bones}
    figure, ax = _body_axes(3.0, 2.7)
    seen_joints(ax, skeleton, ())
    (here,) = ax.plot([], [], "o", color=CHOSEN, markersize=10, zorder=5)
    name = ax.text(0.02, 0.98, "", transform=ax.transAxes, va="top", fontsize=9)
    rows, captions = [], []
    for step, joint in enumerate(order):
        before = order[step - 1]
        if step and joint != before:
            side = aside(places[before], places[joint], 0.13)
            ax.plot(
                *np.stack([places[before] + side, places[joint] + side]).T,
                color=plt.get_cmap("viridis")(0.92 * step / len(order)), linewidth=2,
                linestyle="-" if frozenset((before, joint)) in bones else "--",
            )  # fmt: skip
        here.set_data(places[[joint]].T)
        name.set_text(f"{step}: {skeleton.joints[joint]}")
        filled, (start, stop) = image.copy(), columns[step : step + 2]
        filled[top:bottom, stop:right] = 255  # not walked yet
        for x in (start, stop - 1):  # the columns of this step
            filled[top:bottom, x - 1 : x + 2] = mark
        rows.append((pixels(figure), filled))
        again = " (again)" if joint in order[:step] else ""
        captions.append(
            f"entry {step}: {skeleton.joints[joint]}{again}, columns {3 * step} to {3 * step + 2}"
        )
    plt.close(figure)
    return player(
        rows, captions, description="entry", interval=500, start=len(order) // 2,
        alt="the walk over the body, and the part of X filled so far",
    )  # fmt: skip


def _whole_tensor(
    pose_tensor: np.ndarray, skeleton: Skeleton, order: Sequence[int]
) -> tuple[UInt8[np.ndarray, "H W 3"], tuple[int, int, int, int]]:
    """The positions of X as a picture, and where in it the columns lie: left, right, top, bottom."""
    figure, ax = plt.subplots(figsize=(4.4, 2.7), dpi=DPI)
    tensor_image(ax, pose_tensor, skeleton, order)
    ax.set(title="X: position of person 1", xlabel="path entry")
    ticks = range(0, len(order), 10)
    ax.set_xticks(ticks, [str(tick) for tick in ticks], rotation=0, fontsize=8)
    picture = pixels(figure)
    box = ax.get_window_extent()
    high = picture.shape[0]
    plt.close(figure)
    return picture, (round(box.x0), round(box.x1), round(high - box.y1), round(high - box.y0))


def seen_joints(ax: Axes, skeleton: Skeleton, joints: Iterable[int]) -> None:
    """A body on which some joints are marked: blue squares, and thick bones between two of them.

    joints: which of the skeleton's joints, 0-based
    """
    marked, places = set(joints), rest_pose(skeleton)
    for bone in skeleton.bones:
        colour, width = (PLAIN, 3.5) if marked.issuperset(bone) else ("lightgrey", 1.2)
        ax.plot(*places[list(bone)].T, color=colour, linewidth=width, zorder=0)
    for joint, place in enumerate(places):
        marker, colour, size = ("s", PLAIN, 8) if joint in marked else (".", "grey", 4)
        ax.plot(*place, marker, color=colour, markersize=size, zorder=1)
    bare(ax, 5.4, (-0.5, 9.5))


def receptive_field_player(
    skeleton: Skeleton,
    orders: Mapping[str, Sequence[int]],
    fields: Sequence[Mapping[str, tuple[int, int]]],
    captions: Sequence[str],
) -> ipywidgets.VBox:
    """Which joints a unit sees, growing over the body, for several orders side by side.

    orders:   what stands over each body -> the E joints of the path, 0-based
    fields:   per position of the player, for each order, the first and the last column of X that
              the unit sees, 0-based and inclusive; columns of the second person are left out
    captions: per position, e.g. "layer 2, over the left wrist"; the numbers of joints are added
    """
    rows, texts = [], []
    for field, caption in zip(fields, captions, strict=True):
        pictures, seen = [], []
        for name, order in orders.items():
            width = 3 * len(order)
            first, stop = field[name][0], min(field[name][1] + 1, width)
            joints = {order[column // 3] for column in range(first, stop)}
            figure, ax = _body_axes(3.0, 3.0)
            seen_joints(ax, skeleton, joints)
            strip = ax.inset_axes((0.03, -0.08, 0.94, 0.05))  # all columns of person 1
            strip.axvspan(first, stop, color=PLAIN, linewidth=0)
            strip.set(xlim=(0, width), xticks=[], yticks=[])
            strip.spines[:].set_visible(True)
            pictures.append(pixels(figure))
            plt.close(figure)
            seen.append(f"{name}: {len(joints)} {'joint' if len(joints) == 1 else 'joints'}")
        rows.append(tuple(pictures))
        texts.append(f"{caption}; {', '.join(seen)}")
    return player(
        rows, texts, titles=list(orders), interval=900, least=150,
        alt="a body with the joints marked that the unit sees, over the columns of X that it sees",
    )  # fmt: skip


def _body_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of this size in inches, its axes fixed so that no step moves them."""
    figure = plt.figure(figsize=(width, height), dpi=DPI, layout="none")
    return figure, figure.add_axes((0.01, 0.1, 0.98, 0.89))

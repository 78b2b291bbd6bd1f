"""Bodies: stick figures, painted frames, the tour of section 3.1 drawn on a body, and Clip's card."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes

from pcsta.data.clip import HANDS, PEOPLE, Clip
from pcsta.data.video import read_frames
from pcsta.skeletons import Skeleton
from pcsta_book import assets
from pcsta_book.figures.paint import blank, paint, people_window
from pcsta_book.figures.pictures import inline
from pcsta_book.figures.style import HAND_COLOURS, HAND_MARKERS, INK, PERSON_INKS

VIEWS = {"front": (0, 1), "side": (2, 1), "top": (0, 2)}  # coordinates across and up


def skeleton(ax: Axes, clip: Clip, t: int, view: str = "front") -> None:
    """The people of frame `t` as stick figures in metres, hands in their colours.

    view: "front" (x, y), "side" (z, y) or "top" (x, z), in camera space.
    """
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; choose one of {', '.join(VIEWS)}")
    axes = VIEWS[view]
    for person in range(PEOPLE):
        if not clip.present[t, person]:
            continue
        places = clip.joints[t, person][:, axes]  # (J, 2)
        for bone in clip.skeleton.bones:
            ax.plot(*places[list(bone)].T, color=PERSON_INKS[person], linewidth=1.8, zorder=1)
        for side, joint in enumerate(clip.skeleton.hand_indices):
            hand = 2 * person + side
            ax.scatter(
                *places[joint], color=HAND_COLOURS[hand], marker=HAND_MARKERS[hand], s=45,
                label=HANDS[hand], zorder=2,
            )  # fmt: skip
    ax.set_aspect("equal", adjustable="datalim")
    across, up = (f"{'xyz'[axis]}, metres" for axis in axes)
    ax.set(xlabel=across, ylabel=up)


def rest_pose(skeleton: Skeleton) -> Float[np.ndarray, "J 2"]:
    """(J, 2) where each joint stands in a drawing of a whole body, arbitrary units, y up."""
    body = assets.table("figures/body.toml")
    places = {joint: (0.0, y) for joint, y in body["middle"].items()}
    for part, (x, y) in body["side"].items():
        places |= {f"left {part}": (x, y), f"right {part}": (-x, y)}
    return np.array([places[joint] for joint in skeleton.joints])


def tour(ax: Axes, skeleton: Skeleton, order: Sequence[int], numbers: bool = True) -> None:
    """A joint order drawn on a body: one arrow per step, dark first, light last.

    Steps along a bone are solid and keep to their right, so that the way out and the way back
    lie side by side; steps that jump between unconnected joints are thin and dashed.
    numbers: write beside each joint at which positions of the order, from 0, it is visited.
    """
    places = rest_pose(skeleton)  # (J, 2)
    bones = {frozenset(bone) for bone in skeleton.bones}
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(order)))
    ax.scatter(*places.T, s=26, color=INK, zorder=3)
    for step, (a, b) in enumerate(pairwise(order)):
        if a == b:
            continue
        side = aside(places[a], places[b], 0.11)
        bone = frozenset((a, b)) in bones
        ax.annotate(
            "", xy=places[b] + side, xytext=places[a] + side, zorder=2,
            arrowprops={
                "arrowstyle": "-|>", "color": colours[step], "shrinkA": 2, "shrinkB": 2,
                "linewidth": 1.6 if bone else 0.8, "linestyle": "-" if bone else (0, (4, 3)),
            },
        )  # fmt: skip
    if numbers:
        for joint, (x, y) in enumerate(places):
            visits = [str(i) for i, j in enumerate(order) if j == joint]
            right = x >= 0
            # the thumbs, at the far sides, are as high as the hands: their numbers stand lower
            up = -6 if abs(x) == np.abs(places[:, 0]).max() else 6
            ax.annotate(
                " ".join(visits), (x, y), (9 if right else -9, up), textcoords="offset points",
                ha="left" if right else "right", fontsize=7, color=INK, zorder=4,
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
    bare(ax, 6.0, (-0.8, 9.8))


def aside(
    start: Float[np.ndarray, "2"], stop: Float[np.ndarray, "2"], distance: float
) -> Float[np.ndarray, "2"]:
    """What moves a step to its own right: the way out and the way back then lie side by side."""
    along = stop - start
    return distance * np.array([along[1], -along[0]]) / np.linalg.norm(along)


def bare(ax: Axes, across: float, height: tuple[float, float]) -> None:
    """Room for a body of `rest_pose` and nothing else: no axes, x from -across to across."""
    ax.set(xlim=(-across, across), ylim=height, aspect="equal")
    ax.set_axis_off()


def contact_sheet(
    clip: Clip, moments: int = 6, columns: int = 3, width: int = 640
) -> UInt8[np.ndarray, "H W 3"]:
    """Some frames of a clip in one picture, in order of time, with skeleton and hand boxes.

    moments: how many frames, from the first to the last, in lines of `columns` of them
    width:   of the picture, pixels; less by what does not divide evenly
    """
    times = _moments(clip, moments)
    images = {int(t): blank(clip) for t in times}
    if clip.video is not None and clip.video.exists():
        images |= dict(read_frames(clip.video, times))
    gap, window = 4, people_window(clip)
    each = (width - (columns - 1) * gap) // columns
    cells = [
        np.pad(paint(images[int(t)], clip, int(t), width=each, window=window),
               ((0, gap), (0, gap), (0, 0)), constant_values=255)
        for t in times
    ]  # fmt: skip
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    lines = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(lines)[:-gap, :-gap]


def _moments(clip: Clip, count: int) -> Int[np.ndarray, "n"]:
    """`count` frame numbers from the first to the last, or all of a shorter clip."""
    return np.linspace(0, len(clip) - 1, min(count, len(clip))).round().astype(int)


def card(clip: Clip, moments: int = 5) -> str:
    """HTML that shows a clip: its facts in one line and some of its frames in a row."""
    people = int(clip.present.any(axis=0).sum())
    facts = [
        clip.action or "unknown action", f"{len(clip)} frames",
        f"{people} {'person' if people == 1 else 'people'}", f"subject {clip.subject}",
        *([f"camera {clip.camera}"] if clip.camera else []),
        f"{len(clip.skeleton)} joints ({clip.skeleton.name})", *clip.repairs,
    ]  # fmt: skip
    times = _moments(clip, moments)
    strip = contact_sheet(clip, moments, len(times), 324 * len(times))
    return assets.html(
        "figures/card.html", name=clip.name, facts=facts, times=times, address=inline(strip)
    )

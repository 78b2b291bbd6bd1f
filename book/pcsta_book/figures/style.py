"""One look for every figure: a colour, a marker and a line style for each hand.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; the marker and the
line style say the same once more, for print and for the rest.
"""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib import rcsetup
from matplotlib.axes import Axes

from pcsta.data.clip import HANDS
from pcsta_book import assets

HAND_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # left 1, right 1, left 2, right 2
HAND_MARKERS = ("o", "s", "D", "^")
HAND_LINES = ("-", "--", "-.", ":")
PERSON_COLOURS = ("#FFFFFF", "#F0E442")  # bones over a video frame
PERSON_INKS = ("#333333", "#999999")  # bones on paper
INFORMATIVE = "#F7EFA0"  # the planted interval, where the truth is known
DECIDING = "#E69F00"  # around a hand that decides
INK = "#222222"
PLAIN = "#56738F"  # what is no hand and nobody
CHOSEN = "#7B3294"  # where a player or a reader stands now; the second of two


def use() -> None:
    """Give every later matplotlib figure of this process the book's look."""
    plt.style.use(assets.HERE / "figures" / "book.mplstyle")
    colours = (PLAIN, CHOSEN, "#E69F00", "#777777", "#000000")  # those of hands are for hands
    plt.rcParams["axes.prop_cycle"] = rcsetup.cycler(color=colours)


def hand_style(hand: int) -> dict[str, Any]:
    """Keywords of `Axes.plot` for one hand: its colour, marker, line style and label.

    `hand` counts as HANDS does: left 1, right 1, left 2, right 2.
    """
    look = {"color": HAND_COLOURS, "marker": HAND_MARKERS, "linestyle": HAND_LINES, "label": HANDS}
    return {name: values[hand] for name, values in look.items()}


def label_hands(ax: Axes, axis: str = "y") -> None:
    """Name the four hands on an axis whose ticks are 0..3, each in its own colour."""
    (ax.set_yticks if axis == "y" else ax.set_xticks)(range(len(HANDS)), HANDS)
    labels = ax.get_yticklabels() if axis == "y" else ax.get_xticklabels()
    for label, colour in zip(labels, HAND_COLOURS, strict=False):
        label.set(color=colour, fontweight="bold")

"""People as one picture: who covers whom, and hands that meet."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pcsta_book.synthetic.actions import SIDES
from pcsta_book.synthetic.brush import Brush
from pcsta_book.synthetic.figure import Figure

_CLASP, _SHARE = 0.12, 0.17  # metres between two hands that hold each other, or one thing
_BESIDE, _HALF = 0.40, 0.22  # metres beside a spine where arms overlap a body; half a body's width
_BEHIND = 0.03  # metres beyond a spine from which on a hand is behind it
Arm = tuple[Figure, str]


def paint_people(image: np.ndarray, figures: Sequence[Figure]) -> None:
    """Draw everybody with shadows, from far to near.

    An arm that reaches before a partner is painted after him, a hand behind him before him. Hands
    that meet come last: all of their palms and things, then the fingers that close over them.
    """
    figures = sorted(figures, key=lambda f: -f.depth.mean())
    for each in figures:
        each.cast_shadow(image)
    meetings = _meetings(figures)
    met = [arm for meeting in meetings for arm in meeting]
    arms = [
        (f, side, _turn(figures, i, side)) for i, f in enumerate(figures) for side in f.near_arms()
    ]
    for turn in range(len(figures) + 1):
        for figure, side, when in arms:
            if when == turn:
                figure.paint_forearm(image, side)
                if (figure, side) not in met:
                    figure.hands[side].paint(Brush(image, figure.metre))
        if turn < len(figures):
            body = figures[turn]
            body.paint_body(image, later=[side for figure, side in met if figure is body])
    for meeting in meetings:
        _paint_meeting(image, meeting)


def _turn(figures: list[Figure], own: int, side: str) -> int:
    """How many bodies are painted before an arm."""
    hand, turn = figures[own].place(f"{side} hand"), own + 1
    for i, other in enumerate(figures):
        if i != own and abs(hand[0] - other.place("spine middle")[0]) < _BESIDE:
            turn = min(turn, i) if other.beyond(hand) > _BEHIND else max(turn, i + 1)
    return turn


def _hidden(figures: Sequence[Figure], hand: np.ndarray) -> bool:
    """Whether somebody's body is before a hand."""
    return any(
        abs(hand[0] - f.place("spine base")[0]) < _HALF and f.beyond(hand) > _BEHIND
        for f in figures
    )


def _meetings(figures: list[Figure]) -> list[tuple[Arm, Arm]]:
    """Pairs of hands that hold each other, or of which the second holds a thing that both have."""
    found: list[tuple[Arm, Arm]] = []
    for one, other in combinations([(f, side) for f in figures for side in SIDES], 2):
        places = [f.place(f"{side} hand") for f, side in (one, other)]
        gap = np.linalg.norm(places[0] - places[1])
        holding = [bool(f.hands[side].grip.held) for f, side in (one, other)]
        near = gap < (_SHARE if any(holding) else _CLASP) and not all(holding)
        if near and not any(_hidden(figures, place) for place in places):
            found.append((other, one) if holding[0] else (one, other))
    return found


def _paint_meeting(image: np.ndarray, meeting: tuple[Arm, Arm]) -> None:
    under, over = [(f.hands[side], Brush(image, f.metre)) for f, side in meeting]
    for hand, brush in (under, over):
        hand.paint_back(brush)
    if over[0].grip.held:
        for hand, brush in (under, over):
            hand.close(brush)
    else:
        over[0].clasp(over[1])
        under[0].thumb_over(under[1])

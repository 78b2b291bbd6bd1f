"""People as one picture: who covers whom, and hands that meet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from pcsta_book.synthetic.actions import SIDES
from pcsta_book.synthetic.brush import Brush
from pcsta_book.synthetic.figure import Figure

_CLASP, _SHARE = 0.12, 0.17  # metres between two hands that hold each other, or one thing
_BESIDE = 0.40  # metres beside somebody's spine within which a hand may be covered
Arm = tuple[Figure, str]


def paint_people(image: np.ndarray, figures: Sequence[Figure]) -> None:
    """Draw everybody with shadows, from far to near.

    An arm that reaches before a partner is painted after him, a hand behind him before him. Hands
    that meet come last: all of their palms and things, then the fingers that close over them.
    """
    for each in figures:
        each.cast_shadow(image)
    figures = sorted(figures, key=lambda f: -f.depth.mean())
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
        spine = other.place(
            "spine base" if hand[1] < other.place("spine middle")[1] else "spine middle"
        )
        if i != own and abs(hand[0] - spine[0]) < _BESIDE:
            turn = min(turn, i) if hand[2] > spine[2] + 0.03 else max(turn, i + 1)
    return turn


def _meetings(figures: list[Figure]) -> list[tuple[Arm, Arm]]:
    """Pairs of hands that hold each other, or of which the second holds a thing that both have."""
    found: list[tuple[Arm, Arm]] = []
    for one, other in combinations([(f, side) for f in figures for side in SIDES], 2):
        gap = np.linalg.norm(one[0].place(f"{one[1]} hand") - other[0].place(f"{other[1]} hand"))
        holding = [bool(f.hands[side].grip.held) for f, side in (one, other)]
        if gap < (_SHARE if any(holding) else _CLASP) and not all(holding):
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

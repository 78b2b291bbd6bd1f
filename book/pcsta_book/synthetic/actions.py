"""What is done: fourteen of NTU's actions, how each moves a hand, and what every hand holds when.

Actions of one motion group move the active hand alike; only what that hand holds *during the
informative interval* tells them apart.  Every hand, active or not, follows a schedule of the same
kind, so neither a change of object nor its moment betrays which hand matters: pose does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from numpy.random import Generator

OBJECTS = ("cup", "apple", "toothbrush", "comb", "phone", "book", "notepad", "parcel")
SIDES = ("left", "right")


class Solo(NamedTuple):
    """What one person's active hand does: strokes (right, up, forward) about a spot, in metres.

    spot: (outward, up, forward) from `origin`, the head, or the floor below somebody 1.72 m tall
    """

    origin: str
    spot: tuple[float, float, float]
    stroke: tuple[float, float, float]


class Pair(NamedTuple):
    """What two people do: one reaches out at a height (metres, of somebody 1.72 m tall) and leans (radians),
    the other answers with another lean."""

    height: float
    lean: float
    answer: float


SOLOS = {
    "mouth": Solo("head", (0.06, -0.085, 0.16), (0.018, 0.014, 0.012)),
    "head": Solo("head", (0.135, -0.02, 0.05), (0.006, 0.022, 0.012)),
    "chest": Solo("floor", (0.08, 1.38, 0.46), (0.018, 0.012, 0.008)),
    "wave": Solo("floor", (0.36, 1.62, 0.16), (0.13, 0.02, 0.01)),
    "point": Solo("floor", (0.40, 1.45, 0.50), (0.008, 0.008, 0.004)),  # about there
}
PAIRS = {
    "reach": Pair(1.20, 0.14, 0.02),
    "punch": Pair(1.46, 0.17, -0.10),
    "pocket": Pair(0.92, 0.26, 0.0),
}


@dataclass(frozen=True)
class Action:
    """ntu: number in NTU's list (1..60); group: its motion; held: object of the active hand or ""."""

    ntu: int
    name: str
    group: str
    held: str = ""

    @property
    def people(self) -> int:
        return 2 if self.group in PAIRS else 1


REPERTOIRE = (
    Action(1, "drink water", "mouth", "cup"),
    Action(2, "eat meal", "mouth", "apple"),
    Action(3, "brush teeth", "mouth", "toothbrush"),
    Action(4, "brush hair", "head", "comb"),
    Action(11, "reading", "chest", "book"),
    Action(12, "writing", "chest", "notepad"),
    Action(23, "hand waving", "wave"),
    Action(28, "phone call", "head", "phone"),
    Action(29, "play with phone", "chest", "phone"),
    Action(31, "pointing to something", "point"),
    Action(50, "punch or slap", "punch"),
    Action(56, "giving object", "reach", "parcel"),
    Action(57, "touch pocket", "pocket"),
    Action(58, "shaking hands", "reach"),
)
BY_NTU = {action.ntu: action for action in REPERTOIRE}

# Chances of a schedule, the same for every hand.
INTERVAL = (0.25, 0.40)  # length of an interval, as a share of the clip
DECOY = 0.65  # outside its interval a hand shows another object, else it is empty
EMPTY = 0.15  # a distracting hand holds nothing in its interval
SAME_GROUP = 0.60  # a distraction comes from the action's own motion group, else from all objects


@dataclass(frozen=True)
class Schedule:
    """One hand's plan: `held` in frames start <= t < stop, `decoy` in all others ("" is empty)."""

    start: int
    stop: int
    held: str
    decoy: str

    def objects(self, frames: int) -> list[str]:
        """Name of what the hand holds in each frame."""
        return [self.held if self.start <= t < self.stop else self.decoy for t in range(frames)]


def interval(rng: Generator, frames: int) -> tuple[int, int]:
    """(start, stop) of 25-40 % of the clip, the start uniform over all places where it fits.

    So that no constant profile over time can cover more than about half of it.
    """
    length = round(rng.uniform(*INTERVAL) * frames)
    start = int(rng.integers(0, frames - length + 1))
    return start, start + length


def distraction(rng: Generator, action: Action) -> str:
    """An object that does not depend on the action beyond its motion group."""
    group = [a.held for a in REPERTOIRE if a.group == action.group and a.held]
    pool = group if group and rng.random() < SAME_GROUP else OBJECTS
    return str(rng.choice(pool))


def schedules(
    rng: Generator, action: Action, frames: int, actor: int, side: int
) -> list[list[Schedule]]:
    """Schedule of every hand, [actor][side]; the hand (actor, side) is the active one."""

    def schedule(active: bool) -> Schedule:
        start, stop = interval(rng, frames)
        empty, decoy = rng.random() < EMPTY, rng.random() < DECOY
        other, outside = distraction(rng, action), distraction(rng, action)
        held = "" if empty else other
        return Schedule(start, stop, action.held if active else held, outside if decoy else "")

    return [[schedule((i, j) == (actor, side)) for j in (0, 1)] for i in range(action.people)]

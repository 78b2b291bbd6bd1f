"""What is done: fourteen of NTU's actions, which hand does them and when, and what each hand holds.

Actions of one motion group move the active hand alike; only what that hand holds *during the
informative interval* tells them apart.  Every hand, active or not, follows a schedule of the same
kind, so neither a change of object nor its moment betrays which hand matters: pose does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

OBJECTS = ("cup", "apple", "toothbrush", "comb", "phone", "book", "notepad", "parcel")
SIDES = ("left", "right")


@dataclass(frozen=True)
class Action:
    """ntu: number in NTU's list (1..60); group: its motion; held: object of the active hand or ""."""

    ntu: int
    name: str
    group: str
    held: str = ""

    @property
    def people(self) -> int:
        return 2 if self.group in ("reach", "punch", "pocket") else 1


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


def interval(rng: np.random.Generator, frames: int) -> tuple[int, int]:
    """(start, stop) of 25-40 % of the clip, the start uniform over all places where it fits.

    So that no constant profile over time can cover more than about half of it.
    """
    length = round(rng.uniform(*INTERVAL) * frames)
    start = int(rng.integers(0, frames - length + 1))
    return start, start + length


def distraction(rng: np.random.Generator, action: Action) -> str:
    """An object that does not depend on the action beyond its motion group."""
    group = [a.held for a in REPERTOIRE if a.group == action.group and a.held]
    pool = group if group and rng.random() < SAME_GROUP else OBJECTS
    return str(rng.choice(pool))


def schedules(
    rng: np.random.Generator, action: Action, frames: int, actor: int, side: int
) -> list[list[Schedule]]:
    """Schedule of every hand, [actor][side]; the hand (actor, side) is the active one."""
    plans: list[list[Schedule]] = []
    for person in range(action.people):
        plans.append([])
        for hand in range(2):
            start, stop = interval(rng, frames)
            empty, decoy = rng.random() < EMPTY, rng.random() < DECOY
            other, outside = distraction(rng, action), distraction(rng, action)
            held = "" if empty else other
            if (person, hand) == (actor, side):
                held = action.held
            plans[-1].append(Schedule(start, stop, held, outside if decoy else ""))
    return plans

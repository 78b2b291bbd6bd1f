"""How it is done: hands that travel between rest and the place where their motion group happens.

Inside the informative interval the active hand is at its group's place (mouth, head, chest, ...),
its shoulder follows and the idle hand gives way; before and after it hangs at rest: this, and
nothing else, tells pose which hand matters and when.  Features of pose are learned for the class and
not for the hand, so a cue that moves little is lost on them.  All other hands rest and fidget.

Of two people the active one starts first, reaches further and leans in, so that pose tells who
matters; the other answers late.  Either may also step aside at any moment, so that the one who moves
more is not always the active one.  The reaching hand stops short of the partner's hands: no other
object enters its crop.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from pcsta_book.synthetic.actions import PAIRS, SOLOS, Action, Schedule
from pcsta_book.synthetic.actors import Motion, Subject

RAMP = 4  # frames that a hand needs to get there, and to get back
DROP = np.array([0.0, -0.03, -0.12])  # metres: the idle hand gives way
TWIST = 0.25  # radians: the shoulder follows the active hand
STEP = 0.7  # chance that one of two people steps aside
Step = tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 2 3"]]  # of the trunk, of the feet


class Performance:
    """One clip acted out: `solo` by one person, `pair` by two; plan: of the active hand."""

    def __init__(self, rng: Generator, action: Action, plan: Schedule, frames: int):
        self.rng, self.group, self.plan = rng, action.group, plan
        self.t = np.arange(frames)

    def solo(self, subject: Subject, side: int) -> Motion:
        """One person: hand `side` visits its place during the interval, the other one gives way."""
        hands, target = self._rest(subject), self._work(subject, side)
        go = self._visit(self.plan.start, self.plan.stop)
        hands[:, side] = _travel(hands[:, side], target, go)
        hands[:, 1 - side] += go[:, None] * DROP
        return self._whole(hands, twist=_follow(go, side))

    def pair(
        self, subjects: tuple[Subject, Subject], actor: int, side: int, opening: float
    ) -> list[Motion]:
        """Motions of two people who face each other, each turned by `opening` radians to the camera.

        Hand `side` of `actor` is the active one; actor 0 stands on the left.
        """
        # (right, up, forward) to the partner, who is not straight ahead of an opened body
        ahead = [np.array([np.sin(opening) * way, 0.0, np.cos(opening)]) for way in (1, -1)]
        giver = self._give(subjects[actor], side, ahead[actor])
        taker = self._answer(subjects[1 - actor], ahead[1 - actor])
        return [giver, taker] if actor == 0 else [taker, giver]

    def _work(self, subject: Subject, side: int) -> Float[np.ndarray, "T 3"]:
        """Where the active hand works, for one person's groups."""
        rng, motion = self.rng, SOLOS[self.group]
        spot = np.array(motion.spot)
        wave, size = self._beat(rng.uniform(4.5, 7.5)), rng.uniform(0.5, 1.3)
        if self.group == "wave":
            wave, size = self._beat(rng.uniform(4, 6)), rng.uniform(0.8, 1.2)
        if self.group == "point":  # anywhere at the length of the arm
            angle, up = rng.uniform(0.2, 0.9), rng.uniform(1.36, 1.55)
            spot = np.array((0.175 + 0.6 * np.sin(angle), up, 0.6 * np.cos(angle)))
        spot = spot * (2 * side - 1, 1, 1)
        at_head = motion.origin == "head"
        spot = subject.joint("head") + spot if at_head else spot * subject.scale
        spot = spot + rng.normal(0, 0.015, 3)
        return np.asarray(spot + wave[:, None] * size * np.array(motion.stroke))

    def _give(self, subject: Subject, side: int, ahead: np.ndarray) -> Motion:
        rng, plan, motion, punches = self.rng, self.plan, PAIRS[self.group], self.group == "punch"
        go = self._visit(plan.start, plan.stop, 3 if punches else RAMP)
        hands = self._rest(subject)
        reach = (0.72 * subject.scale + rng.uniform(-0.03, 0.03)) * ahead
        height = motion.height * subject.scale + rng.normal(0, 0.02)
        target = np.tile(reach + np.array((0.0, height, 0.0)), (len(self.t), 1))
        if punches:  # comes and goes
            back = 0.5 + 0.5 * np.cos(2 * np.pi * (self.t - plan.start) / rng.uniform(4.5, 6))
            target -= 0.35 * back[:, None] * reach
        else:
            target[:, 1] += 0.012 * np.sin(2 * np.pi * self.t / rng.uniform(4.5, 7.5))
        hands[:, side] = _travel(hands[:, side], target, go, arc=0.02)
        # the other arm swings back as the body leans
        hands[:, 1 - side] += go[:, None] * np.array([0.05 * (1 - 2 * side), 0.0, -0.16])
        return self._whole(hands, motion.lean * go, _follow(go, side), self._aside(ahead))

    def _answer(self, subject: Subject, ahead: np.ndarray) -> Motion:
        rng = self.rng
        late = self._visit(self.plan.start + 4, self.plan.stop - 1, 5)
        hands = self._rest(subject)
        hands[..., 2] -= 0.08
        if self.group == "reach":
            reply = np.array([0.0, rng.uniform(0.06, 0.12), rng.uniform(0.03, 0.07)])
            hands[:, int(rng.integers(2))] += late[:, None] * reply
        return self._whole(hands, PAIRS[self.group].answer * late, step=self._aside(ahead))

    def _aside(self, ahead: np.ndarray) -> Step | None:
        """A step at right angles to the line between the two, or none."""
        rng, (right, _, forward) = self.rng, ahead
        way = rng.choice([-1, 1]) * rng.uniform(0.28, 0.48) * np.array([forward, 0.0, -right])
        start, length = rng.uniform(0, len(self.t) - 8), rng.uniform(6, 10)
        first = int(rng.integers(2))
        if rng.random() > STEP:
            return None
        x = (self.t - start) / length
        feet = np.zeros((len(x), 2, 3))
        for foot, lifted in ((first, 2 * x), (1 - first, 2 * x - 1)):
            feet[:, foot] = minimum_jerk(lifted)[:, None] * way
            feet[:, foot, 1] += 0.05 * np.sin(np.pi * np.clip(lifted, 0, 1))
        return minimum_jerk(x)[:, None] * way, feet

    def _rest(self, subject: Subject) -> Float[np.ndarray, "T 2 3"]:
        """Both hands at rest beside and in front of the hips, each with one small fidget."""
        hands, rng = [], self.rng
        for outward in (-1, 1):
            place = rng.uniform((0.25, 0.86, 0.14), (0.33, 0.98, 0.24)) * (outward, 1, 1)
            idle = np.stack([self._sway(0.012, 18.0) for _ in range(3)], -1)
            where = rng.uniform(-1, 1, 3) * [0.04, 0.05, 0.05] + [outward * 0.02, 0.03, 0.02]
            start = rng.uniform(-4, len(self.t))
            fidget = self._visit(start, start + rng.uniform(2, 8))
            hands.append(place * subject.scale + idle + fidget[:, None] * where)
        return np.stack(hands, 1)

    def _whole(
        self,
        hands: np.ndarray,
        lean: np.ndarray | float = 0.0,
        twist: np.ndarray | float = 0.0,
        step: Step | None = None,
    ) -> Motion:
        """A whole body around moving hands: idle sway, `lean`, `twist` (radians), a `step` if made."""
        nothing = np.zeros(len(hands))
        shift, feet = step or (np.zeros((len(hands), 3)), np.zeros((len(hands), 2, 3)))
        weight = np.stack([self._sway(0.015, 30.0), nothing, self._sway(0.010, 30.0)], -1)
        return Motion(
            hands=hands,
            lean=self._sway(0.018) + 0.02 + lean,
            twist=self._sway(0.03) + twist,
            roll=self._sway(0.012),
            turn=self._sway(0.12),
            shift=shift + weight,
            feet=feet,
        )

    def _beat(self, period: float) -> Float[np.ndarray, "T"]:
        """A sine whose period is so many frames."""
        return np.sin(2 * np.pi * (self.t / period + self.rng.random()))

    def _sway(self, size: float, slow: float = 24.0) -> Float[np.ndarray, "T"]:
        """Idle movement: two slow sines."""
        one, other = (self._beat(slow * self.rng.uniform(0.7, 1.6)) for _ in range(2))
        return np.asarray(size * (0.65 * one + 0.35 * other))

    def _visit(self, start: float, stop: float, ramp: int = RAMP) -> Float[np.ndarray, "T"]:
        """1 in start <= t < stop, 0 far from it, smooth ramps outside on both sides."""
        there, back = (self.t - start + ramp) / ramp, (stop - 1 + ramp - self.t) / ramp
        return np.asarray(minimum_jerk(there) * minimum_jerk(back))


def minimum_jerk(x: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 over 0 <= x <= 1: the way hands move between two rests."""
    x = np.clip(x, 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x**2))


def _follow(go: np.ndarray, side: int) -> np.ndarray:
    """(T,) twist of the trunk that brings the shoulder of a hand forward as the hand goes."""
    return np.asarray(TWIST * (1 - 2 * side) * go)


def _travel(start: np.ndarray, target: np.ndarray, go: np.ndarray, arc: float = 0.10) -> np.ndarray:
    """Blend from rest to target, on a path that bows forward."""
    path: np.ndarray = start + go[:, None] * (target - start)
    path[:, 2] += arc * 4 * go * (1 - go)
    return path

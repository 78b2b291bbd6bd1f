"""How it is done: what hands, arms, head and trunk do in each motion group.

Each group has its own gesture of the whole body, alike in all people but for size and tempo: this,
and nothing else, tells pose which motion it is, which hand matters and when.  A hand comes to its
gesture from behind the body, and goes back there, because that is where it exchanges what it holds;
hands that do not matter do the same at moments of their own, and rest in between.

Two people meet at one point of the room.  Each of them may walk in before or back afterwards, so
that the one who moves more is not always the one who acts.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from pcsta_book.synthetic.actions import HIDDEN, Schedule, Timing
from pcsta_book.synthetic.actors import Motion, Subject, Trunk

RAMP = 4  # frames that a hand needs to get there, and to get back
Spot = tuple[float, float, float]  # outward, up, forward: metres, of somebody 1.72 m tall


class Gesture(NamedTuple):
    """One person's part. first, other: where the acting and the other hand go, from the floor below
    the body.  stroke: of the acting hand, back and forth, metres

    Radians: lean forward, roll towards the acting side, twist of its shoulder forward, nod of the head
    elbows: 1 is as high as the shoulder, of the acting and the other arm;  sway: of the trunk, metres
    with_head: the acting hand stays where it is to the head
    """

    first: Spot = (0.0, 0.0, 0.0)
    other: Spot = (0.0, 0.0, 0.0)
    stroke: Spot = (0.0, 0.0, 0.0)
    lean: float = 0.0
    roll: float = 0.0
    twist: float = 0.15
    nod: float = 0.0
    elbows: tuple[float, float] = (0.0, 0.0)
    sway: Spot = (0.0, 0.0, 0.0)
    with_head: bool = False


HIP, BACK = (0.27, 0.98, -0.04), (0.12, 0.98, -0.18)  # where a hand rests while the other acts
GESTURES = {
    "mouth": Gesture(
        (0.05, 1.50, 0.17), (0.18, 0.76, -0.14), (0.015, 0.012, 0.01),
        lean=-0.22, nod=-0.60, twist=0.35, elbows=(0.5, 0.0), sway=(0.0, 0.0, -0.08), with_head=True,
    ),
    "head": Gesture(
        (0.15, 1.72, -0.02), (0.34, 1.02, -0.04), (0.008, 0.03, 0.02),
        lean=0.24, roll=-0.20, nod=0.45, twist=-0.20, elbows=(1.0, 0.9), sway=(0.12, 0.0, 0.0),
        with_head=True,
    ),
    "chest": Gesture(
        (0.10, 1.32, 0.52), BACK, (0.02, 0.012, 0.008),
        lean=0.10, nod=0.60, twist=0.25, elbows=(0.2, 0.6), sway=(0.0, -0.04, -0.10),
    ),
    "wave": Gesture(
        (0.40, 1.95, 0.10), (0.55, 1.15, 0.0), (0.24, 0.03, 0.01),
        roll=-0.06, nod=-0.15, twist=0.0, sway=(0.0, 0.02, 0.08),
    ),
    # the first hand pours, or drops, from above; the second hand brings what receives it
    "pour": Gesture(
        (0.16, 1.46, 0.40), (0.04, 1.04, 0.42),
        lean=0.06, roll=0.20, twist=0.30, nod=0.30, elbows=(1.0, 0.0), sway=(0.0, 0.0, 0.08),
    ),
}  # fmt: skip
ABOVE = 0.22  # metres from the hand that gives to the one below it
OVER = (0.06, 1.24, 0.42)  # from where the first hand pours, or drops


@dataclass(frozen=True)
class Stage:
    """Where an actor stands. away: radians of the body's facing from the camera's direction
    meeting: where hands meet, in metres (right, up, forward) of the body's own frame, for two people;
    ahead: unit vector to the partner, (right, up, forward); gaze: radians of the head to look there
    """

    away: float
    meeting: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    ahead: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    gaze: float = 0.0


class Performance:
    """One actor in one clip: `solo` alone, or `first` and `second` of two."""

    def __init__(
        self, rng: Generator, group: str, when: Timing, frames: int,
        subject: Subject, plans: list[Schedule], stage: Stage,
    ):  # fmt: skip
        self.rng, self.group, self.when, self.subject = rng, group, when, subject
        self.plans, self.stage, self.t = plans, stage, np.arange(frames)
        self.size = rng.uniform(0.9, 1.1)
        self.body = self._idle()

    def solo(self, side: int) -> Motion:
        """Alone: hand `side` acts, or acts first."""
        gesture, (start, turn, stop) = GESTURES[self.group], self.when
        first, other = (self._at(spot, side, i) for i, spot in enumerate(gesture[:2]))
        whole = self._visit(start, stop, 5)
        if self.group == "pour":
            self._dip()
            over = self._at(OVER, side, 0)
            self._go(side, first, self._visit(start + 3, turn - 2, RAMP))
            self._go(side, over, self._visit(turn - 1, turn + 2, 3))
            self._go(1 - side, other, self._visit(turn + 1, stop - 2, 3))
        else:
            self._go(1 - side, other, whole)
            self._dip()
        self._pose(gesture, side, whole)
        if self.group != "pour":
            path = first + self._stroke(gesture, side) + gesture.with_head * self._bow()
            self._go(side, path, self._visit(start + 3, stop - 3))
        return Motion(**self.body)

    def first(self, side: int) -> Motion:
        """The one of two who acts, or acts first, with hand `side`."""
        (start, turn, stop), ahead = self.when, self.stage.ahead
        go = self._visit(start + 2, stop - 2)
        if self.group == "give":  # one hand on the hip, the other over the partner's
            self._go(1 - side, self._at(HIP, side, 1), go)
            self._dip()
            self._pose(Gesture(lean=0.25, twist=0.40, roll=0.15, elbows=(1.0, 0.9)), side, go)
            above = self._meeting() + np.array((0, ABOVE * self.subject.scale, 0))
            self._go(side, above, self._visit(start + 2, turn + 2, 3))
        elif self.group == "punch":  # a step, a guard, and blows that come and go
            self._go(1 - side, self._at(HIP, side, 1), go)
            self._dip()
            self._step(0.30 * go)
            beat = 0.5 - 0.5 * np.cos(2 * np.pi * (self.t - start) / self.rng.uniform(4.5, 5.5))
            blow = self._meeting() - (0.10 + 0.32 * beat)[:, None] * ahead
            self._go(side, blow, self._visit(start + 2, stop - 2, 3))
            self._pose(Gesture(lean=0.10, twist=0.45, nod=0.15, elbows=(0.8, 0.9)), side, go)
        else:  # bends to the other's breast pocket
            self._go(1 - side, self._at(BACK, side, 1), go)
            self._dip()
            self._step(0.36 * go)
            self._go(side, self._meeting(), self._visit(turn - 1, turn + 1))
            self._pose(Gesture(lean=0.50, twist=0.4, nod=0.4, elbows=(0.0, 0.9)), side, go)
        return Motion(**self.body)

    def second(self, side: int) -> Motion:
        """The partner, who answers with hand `side`."""
        start, turn, stop = self.when
        go = self._visit(start + 3, stop - 2)
        if self.group == "give":  # holds out, low, what receives it
            self._go(1 - side, self._at(BACK, side, 1), go)
            self._dip()
            self._go(side, self._meeting(), self._visit(turn + 1, stop - 2, 3))
            self._pose(Gesture(lean=-0.10, nod=0.4, twist=0.40), side, go)
        else:  # leans back, hands behind; from a blow, also steps back
            for which in (0, 1):
                self._go(side if which == 0 else 1 - side, self._at(BACK, side, which), go)
            self._dip()
            if self.group == "punch":
                self._step(-0.22 * go)
            self._pose(Gesture(lean=-0.22, nod=-0.2), side, go)
        return Motion(**self.body)

    def walk(self, motion: Motion, metres: float) -> Motion:
        """The same, but the actor comes so many metres to the gesture, or goes back after it."""
        start, _, stop = self.when
        before = start > len(self.t) - stop  # where there is more time
        time = min(start - 1 if before else len(self.t) - stop - 1, 14)
        x = (self.t - (start - 1 - time if before else stop)) / time

        def back(x: np.ndarray) -> np.ndarray:
            way = minimum_jerk(1 - x) if before else minimum_jerk(x)
            return np.asarray(-metres * way[:, None] * self.stage.ahead)

        lifts = np.clip(np.stack([2 * x, 2 * x - 1]), 0, 1)  # one foot after the other
        feet = motion.feet + np.stack([back(lift) for lift in lifts], 1)
        feet[..., 1] += 0.05 * np.sin(np.pi * lifts.T)
        return replace(motion, shift=motion.shift + back(x), feet=feet)

    def _step(self, metres: np.ndarray) -> None:
        """Body and feet go forward."""
        way = metres[:, None] * self.stage.ahead
        self.body["shift"] = self.body["shift"] + way
        self.body["feet"] = self.body["feet"] + way[:, None]

    def _meeting(self) -> Float[np.ndarray, "T 3"]:
        """Where hands meet, as seen from the body that may have moved."""
        return np.asarray(self.stage.meeting - self.body["shift"])

    def _idle(self) -> dict[str, np.ndarray]:
        """Everything of a `Motion` while nothing happens: both hands beside the hips, a slow sway."""
        hands, rng, none = [], self.rng, np.zeros(len(self.t))
        for outward in (-1, 1):
            place = rng.uniform((0.27, 0.86, 0.14), (0.33, 0.96, 0.22)) * (outward, 1, 1)
            idle = np.stack([self._sway(0.010, 18.0) for _ in range(3)], -1)
            hands.append(place * self.subject.scale + idle)
        return {
            "hands": np.stack(hands, 1),
            "lean": self._sway(0.018) + 0.02,
            "twist": self._sway(0.03),
            "roll": self._sway(0.012),
            "turn": self._sway(0.10) + self.stage.gaze,
            "nod": self._sway(0.03),
            "elbows": np.zeros((len(self.t), 2)),
            "shift": np.stack([self._sway(0.012, 30.0), none, self._sway(0.008, 30.0)], -1),
            "feet": np.zeros((len(self.t), 2, 3)),
        }

    def _dip(self) -> None:
        """Hands go behind the body, as the camera sees it, where their schedules say so."""
        away = self.stage.away
        behind = np.array([0.16 * np.sin(away), 0, -0.16 * np.cos(away)])
        for side, plan in enumerate(self.plans):
            hip = np.array([0.06 * (2 * side - 1), 0.98, 0])
            place = (hip + behind) * self.subject.scale
            for back in plan.dips:
                self._go(
                    side, place + np.zeros((len(self.t), 3)), self._visit(back - HIDDEN, back, 2)
                )

    def _go(self, side: int, target: np.ndarray, weight: np.ndarray) -> None:
        """A hand leaves its path for a target, (T, 3) in the body's frame, as far as `weight` says."""
        hand = self.body["hands"][:, side]
        self.body["hands"][:, side] = hand + weight[:, None] * (target - hand)

    def _at(self, spot: Spot, side: int, which: int) -> Float[np.ndarray, "T 3"]:
        """A spot of the acting (0) or of the other hand (1), a little elsewhere in every clip."""
        outward = (2 * side - 1) * (1 - 2 * which)
        place = np.array(spot) * (outward, 1, 1) * self.subject.scale
        return np.asarray(place + self.rng.normal(0, 0.015, 3) + np.zeros((len(self.t), 3)))

    def _bow(self) -> Float[np.ndarray, "T 3"]:
        """How far the head is from where it is when standing."""
        angles = (self.body[name] for name in ("lean", "twist", "roll", "nod"))
        return Trunk(self.subject, *angles).joint("head") - self.subject.joint("head")

    def _stroke(self, gesture: Gesture, side: int) -> Float[np.ndarray, "T 3"]:
        beat = self._beat(self.rng.uniform(4, 6))
        return np.asarray(
            beat[:, None] * self.size * np.array(gesture.stroke) * (2 * side - 1, 1, 1)
        )

    def _pose(self, gesture: Gesture, side: int, go: np.ndarray) -> None:
        """Trunk, head and elbows of a gesture, as far as `go` says."""
        go, right = self.size * go, 2 * side - 1
        self.body["lean"] = self.body["lean"] + gesture.lean * go
        self.body["nod"] = self.body["nod"] + gesture.nod * np.abs(go)
        self.body["roll"] = self.body["roll"] - right * gesture.roll * go
        self.body["twist"] = self.body["twist"] - right * gesture.twist * go
        sway = np.array(gesture.sway) * (right, 1, 1)
        self.body["shift"] = self.body["shift"] + go[:, None] * sway
        for which, height in enumerate(gesture.elbows):
            self.body["elbows"][:, side if which == 0 else 1 - side] += height * np.abs(go)

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

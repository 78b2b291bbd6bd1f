"""Two people: one acts on the other, who answers late.

The active one starts first, reaches further and leans in, so that pose tells who matters.  Either of
them may also step aside at any moment, so that the one who moves more is not always the active one.
The reaching hand stops short of the partner's hands: no other object enters its crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic import motions
from pcsta_book.synthetic.actions import GROUPS, Action, Pair, Schedule
from pcsta_book.synthetic.actors import Motion, Subject

STEP = 0.7  # chance that a person steps aside


@dataclass(frozen=True)
class Encounter:
    """Two people face each other, actor 0 on the left, each turned by `opening` radians to the camera.

    plan: of the active hand
    """

    rng: np.random.Generator
    action: Action
    plan: Schedule
    frames: int
    opening: float

    @property
    def group(self) -> Pair:
        group = GROUPS[self.action.group]
        assert isinstance(group, Pair)
        return group

    def moves(self, subjects: tuple[Subject, Subject], actor: int, side: int) -> list[Motion]:
        """Motions of both; hand `side` of `actor` is the active one."""
        giver = self._give(subjects[actor], actor, side)
        taker = self._answer(subjects[1 - actor], 1 - actor)
        return [giver, taker] if actor == 0 else [taker, giver]

    def _give(self, subject: Subject, actor: int, side: int) -> Motion:
        rng, plan, punches = self.rng, self.plan, self.action.group == "punch"
        t = np.arange(self.frames)
        go = motions.visit(self.frames, plan.start, plan.stop, 3 if punches else motions.RAMP)
        hands = motions.rest(rng, subject, self.frames)
        ahead = (0.72 * subject.scale + rng.uniform(-0.03, 0.03)) * self._ahead(actor)
        height = self.group.height * subject.scale + rng.normal(0, 0.02)
        target = np.tile(ahead + np.array((0.0, height, 0.0)), (self.frames, 1))
        if punches:  # comes and goes
            back = 0.5 + 0.5 * np.cos(2 * np.pi * (t - plan.start) / rng.uniform(4.5, 6))
            target -= 0.35 * back[:, None] * ahead
        else:
            target[:, 1] += 0.012 * np.sin(2 * np.pi * t / rng.uniform(4.5, 7.5))
        hands[:, side] = motions.travel(hands[:, side], target, go, arc=0.02)
        # the other arm swings back as the body leans
        hands[:, 1 - side] += go[:, None] * np.array([0.05 * (1 - 2 * side), 0.0, -0.16])
        step, twist = self._aside(actor), motions.follow(go, side)
        return motions.with_body(rng, hands, self.group.lean * go, twist, step)

    def _answer(self, subject: Subject, actor: int) -> Motion:
        rng = self.rng
        late = motions.visit(self.frames, self.plan.start + 4, self.plan.stop - 1, 5)
        hands = motions.rest(rng, subject, self.frames)
        hands[..., 2] -= 0.08
        if self.action.group == "reach":
            reply = np.array([0.0, rng.uniform(0.06, 0.12), rng.uniform(0.03, 0.07)])
            hands[:, int(rng.integers(2))] += late[:, None] * reply
        step = self._aside(actor)
        return motions.with_body(rng, hands, self.group.answer * late, step=step)

    def _ahead(self, actor: int) -> Float[np.ndarray, "3"]:
        """(right, up, forward) towards the partner, who is not straight ahead of an opened body."""
        return np.array([np.sin(self.opening) * (1 - 2 * actor), 0.0, np.cos(self.opening)])

    def _aside(self, actor: int) -> motions.Step | None:
        """A step at right angles to the line between the two, or none."""
        rng, frames, (right, _, forward) = self.rng, self.frames, self._ahead(actor)
        way = rng.choice([-1, 1]) * rng.uniform(0.28, 0.48) * np.array([forward, 0.0, -right])
        start, length, first = rng.uniform(0, frames - 8), rng.uniform(6, 10), int(rng.integers(2))
        if rng.random() > STEP:
            return None
        x = (np.arange(frames) - start) / length
        feet = np.zeros((frames, 2, 3))
        for foot, lifted in ((first, 2 * x), (1 - first, 2 * x - 1)):
            feet[:, foot] = motions.minimum_jerk(lifted)[:, None] * way
            feet[:, foot, 1] += 0.05 * np.sin(np.pi * np.clip(lifted, 0, 1))
        return motions.minimum_jerk(x)[:, None] * way, feet

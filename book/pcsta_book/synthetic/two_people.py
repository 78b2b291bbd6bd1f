"""Two people: one acts on the other, who answers late.

The active one starts first, reaches further and leans in, so that pose tells who matters.  Either of
them may also step aside at any moment, so that the one who moves more is not always the active one.
The reaching hand stops short of the partner's hands: no other object enters its crop.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic.actions import Action, Schedule
from pcsta_book.synthetic.actors import Motion, Subject
from pcsta_book.synthetic.motions import (
    RAMP,
    Step,
    follow,
    minimum_jerk,
    rest,
    travel,
    visit,
    with_body,
)

STEP = 0.7  # chance that a person steps aside
_HEIGHT = {"reach": 1.20, "punch": 1.46, "pocket": 0.92}  # metres, for a giver 1.72 m tall
_LEAN = {"reach": 0.14, "punch": 0.17, "pocket": 0.26}  # radians
_ANSWER = {"reach": 0.02, "punch": -0.10, "pocket": 0.0}


def pair(
    rng: np.random.Generator,
    action: Action,
    subjects: tuple[Subject, Subject],
    plan: Schedule,
    active: tuple[int, int],
    frames: int,
    opening: float,
) -> tuple[Motion, Motion]:
    """Motions of both people, who face each other, each turned by `opening` radians to the camera.

    active: (actor, side) of the hand that follows `plan`; actor 0 stands on the left.
    """
    actor, side = active
    giver = _give(rng, action, subjects[actor], plan, actor, side, frames, opening)
    taker = _answer(rng, action, subjects[1 - actor], plan, 1 - actor, frames, opening)
    return (giver, taker) if actor == 0 else (taker, giver)


def _give(
    rng: np.random.Generator,
    action: Action,
    subject: Subject,
    plan: Schedule,
    actor: int,
    side: int,
    frames: int,
    opening: float,
) -> Motion:
    scale, t = subject.height / 1.72, np.arange(frames)
    go = visit(frames, plan.start, plan.stop, 3 if action.group == "punch" else RAMP)
    hands = np.stack([rest(rng, subject, frames, s) for s in (0, 1)], 1)
    ahead = (0.72 * scale + rng.uniform(-0.03, 0.03)) * _ahead(opening, actor)
    height = _HEIGHT[action.group] * scale + rng.normal(0, 0.02)
    target = np.tile(ahead + np.array((0.0, height, 0.0)), (frames, 1))
    if action.group == "punch":  # comes and goes
        back = 0.5 + 0.5 * np.cos(2 * np.pi * (t - plan.start) / rng.uniform(4.5, 6))
        target -= 0.35 * back[:, None] * ahead
    else:
        target[:, 1] += 0.012 * np.sin(2 * np.pi * t / rng.uniform(4.5, 7.5))
    hands[:, side] = travel(hands[:, side], target, go, arc=0.02)
    # the other arm swings back as the body leans
    hands[:, 1 - side] += go[:, None] * np.array([0.05 * (1 - 2 * side), 0.0, -0.16])
    lean, step = _LEAN[action.group] * go, _aside(rng, frames, opening, actor)
    return with_body(rng, hands, lean, follow(go, side), step)


def _answer(
    rng: np.random.Generator,
    action: Action,
    subject: Subject,
    plan: Schedule,
    actor: int,
    frames: int,
    opening: float,
) -> Motion:
    late = visit(frames, plan.start + 4, plan.stop - 1, 5)
    hands = np.stack([rest(rng, subject, frames, s) for s in (0, 1)], 1)
    hands[..., 2] -= 0.08
    if action.group == "reach":
        reply = np.array([0.0, rng.uniform(0.06, 0.12), rng.uniform(0.03, 0.07)])
        hands[:, int(rng.integers(2))] += late[:, None] * reply
    step = _aside(rng, frames, opening, actor)
    return with_body(rng, hands, _ANSWER[action.group] * late, step=step)


def _ahead(opening: float, actor: int) -> Float[np.ndarray, "3"]:
    """(right, up, forward) towards the partner, who is not straight ahead of an opened body."""
    return np.array([np.sin(opening) * (1 - 2 * actor), 0.0, np.cos(opening)])


def _aside(rng: np.random.Generator, frames: int, opening: float, actor: int) -> Step | None:
    """A step at right angles to the line between the two, or none."""
    right, _, forward = _ahead(opening, actor)
    way = rng.choice([-1, 1]) * rng.uniform(0.28, 0.48) * np.array([forward, 0.0, -right])
    start, length, first = rng.uniform(0, frames - 8), rng.uniform(6, 10), int(rng.integers(2))
    if rng.random() > STEP:
        return None
    x = (np.arange(frames) - start) / length
    feet = np.zeros((frames, 2, 3))
    for foot, lifted in ((first, 2 * x), (1 - first, 2 * x - 1)):
        feet[:, foot] = minimum_jerk(lifted)[:, None] * way
        feet[:, foot, 1] += 0.05 * np.sin(np.pi * np.clip(lifted, 0, 1))
    return minimum_jerk(x)[:, None] * way, feet

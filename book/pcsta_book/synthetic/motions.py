"""How it is done: hands that travel between rest and the place where their motion group happens.

Inside the informative interval the active hand is at its group's place (mouth, head, chest, ...),
its shoulder follows and the idle hand gives way; before and after it hangs at rest: this, and
nothing else, tells pose which hand matters and when.  Features of pose are learned for the class and
not for the hand, so a cue that moves little is lost on them.  All other hands rest and fidget.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic.actions import GROUPS, Action, Schedule, Solo
from pcsta_book.synthetic.actors import Motion, Subject

DROP = np.array([0.0, -0.03, -0.12])  # metres: the idle hand gives way
TWIST = 0.25  # radians: the shoulder follows the active hand
Step = tuple[Float[np.ndarray, "T 3"], Float[np.ndarray, "T 2 3"]]  # of the trunk, of the feet
RAMP = 4  # frames that a hand needs to get there, and to get back


def minimum_jerk(x: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 over 0 <= x <= 1: the way hands move between two rests."""
    x = np.clip(x, 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x**2))


def visit(
    frames: int, start: float | int, stop: float | int, ramp: int = RAMP
) -> Float[np.ndarray, "T"]:
    """1 in start <= t < stop, 0 far from it, smooth ramps outside on both sides."""
    t = np.arange(frames)
    there, back = (t - start + ramp) / ramp, (stop - 1 + ramp - t) / ramp
    return np.asarray(minimum_jerk(there) * minimum_jerk(back))


def sway(rng: np.random.Generator, frames: int, size: float, slow: float = 24.0) -> np.ndarray:
    """(T,) idle movement: two slow sines."""
    t = np.arange(frames)
    waves = [np.sin(2 * np.pi * (t / (slow * rng.uniform(0.7, 1.6)) + rng.random())) for _ in "ab"]
    return np.asarray(size * (0.65 * waves[0] + 0.35 * waves[1]))


def rest(rng: np.random.Generator, subject: Subject, frames: int) -> Float[np.ndarray, "T 2 3"]:
    """Both hands at rest beside and in front of the hips, each with one small fidget."""

    def hand(outward: int) -> np.ndarray:
        place = rng.uniform((0.25, 0.86, 0.14), (0.33, 0.98, 0.24)) * (outward, 1, 1)
        idle = np.stack([sway(rng, frames, 0.012, 18.0) for _ in range(3)], -1)
        where = rng.uniform(-1, 1, 3) * [0.04, 0.05, 0.05] + [outward * 0.02, 0.03, 0.02]
        start = rng.uniform(-4, frames)
        fidget = visit(frames, start, start + rng.uniform(2, 8))
        return np.asarray(place * subject.scale + idle + fidget[:, None] * where)

    return np.stack([hand(-1), hand(1)], 1)


def _work(
    rng: np.random.Generator, group: str, subject: Subject, frames: int, side: int
) -> np.ndarray:
    """(T, 3) where the active hand works, for one person's groups."""
    motion, t = GROUPS[group], np.arange(frames)
    assert isinstance(motion, Solo)

    def beat(quick: float, slow: float) -> np.ndarray:
        return np.sin(2 * np.pi * (t / rng.uniform(quick, slow) + rng.random()))

    spot, wave, size = np.array(motion.spot), beat(4.5, 7.5), rng.uniform(0.5, 1.3)
    if group == "wave":
        wave, size = beat(4, 6), rng.uniform(0.8, 1.2)
    if group == "point":  # anywhere at the length of the arm
        angle, up = rng.uniform(0.2, 0.9), rng.uniform(1.36, 1.55)
        spot = np.array((0.175 + 0.6 * np.sin(angle), up, 0.6 * np.cos(angle)))
    spot = spot * (2 * side - 1, 1, 1)
    if motion.origin == "head":
        spot = subject.joint("head") + spot
    else:
        spot = spot * subject.scale
    spot = spot + rng.normal(0, 0.015, 3)
    return np.asarray(spot + wave[:, None] * size * np.array(motion.stroke))


def solo(
    rng: np.random.Generator,
    action: Action,
    subject: Subject,
    plan: Schedule,
    side: int,
    frames: int,
) -> Motion:
    """One person: hand `side` visits its place during the interval, the other one gives way."""
    hands = rest(rng, subject, frames)
    target = _work(rng, action.group, subject, frames, side)
    go = visit(frames, plan.start, plan.stop)
    hands[:, side] = travel(hands[:, side], target, go)
    hands[:, 1 - side] += go[:, None] * DROP
    return with_body(rng, hands, twist=follow(go, side))


def follow(go: np.ndarray, side: int) -> np.ndarray:
    """(T,) twist of the trunk that brings the shoulder of a hand forward as the hand goes."""
    return np.asarray(TWIST * (1 - 2 * side) * go)


def travel(start: np.ndarray, target: np.ndarray, go: np.ndarray, arc: float = 0.10) -> np.ndarray:
    """Blend from rest to target, on a path that bows forward."""
    path: np.ndarray = start + go[:, None] * (target - start)
    path[:, 2] += arc * 4 * go * (1 - go)
    return path


def with_body(
    rng: np.random.Generator,
    hands: Float[np.ndarray, "T 2 3"],
    lean: Float[np.ndarray, "T"] | float = 0.0,
    twist: Float[np.ndarray, "T"] | float = 0.0,
    step: Step | None = None,
) -> Motion:
    """A whole Motion around moving hands: idle sway, `lean` and `twist` (radians), `step` if made."""
    frames = len(hands)
    shift, feet = step or (np.zeros((frames, 3)), np.zeros((frames, 2, 3)))
    weight = [sway(rng, frames, 0.015, 30.0), np.zeros(frames), sway(rng, frames, 0.010, 30.0)]
    return Motion(
        hands=hands,
        lean=sway(rng, frames, 0.018) + 0.02 + lean,
        twist=sway(rng, frames, 0.03) + twist,
        roll=sway(rng, frames, 0.012),
        turn=sway(rng, frames, 0.12),
        shift=shift + np.stack(weight, -1),
        feet=feet,
    )

"""How it is done: hands that travel between rest and the place where their motion group happens.

Inside the informative interval the active hand is at its group's place (mouth, head, chest, ...),
its shoulder follows and the idle hand gives way; before and after it hangs at rest: this, and
nothing else, tells pose which hand matters and when.  Features of pose are learned for the class and
not for the hand, so a cue that moves little is lost on them.  All other hands rest and fidget.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic.actions import Action, Schedule
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


def rest(rng: np.random.Generator, subject: Subject, frames: int, side: int) -> np.ndarray:
    """(T, 3) a resting hand beside and in front of the hip, with one small fidget."""
    outward = 2 * side - 1
    scale = subject.height / 1.72
    place = rng.uniform((0.25, 0.86, 0.14), (0.33, 0.98, 0.24)) * (outward, 1, 1)
    idle = np.stack([sway(rng, frames, 0.012, 18.0) for _ in range(3)], -1)
    where = rng.uniform(-1, 1, 3) * [0.04, 0.05, 0.05] + [outward * 0.02, 0.03, 0.02]
    start = rng.uniform(-4, frames)
    fidget = visit(frames, start, start + rng.uniform(2, 8))
    return np.asarray(place * scale + idle + fidget[:, None] * where)


def _solo_target(
    rng: np.random.Generator, group: str, subject: Subject, frames: int, side: int
) -> np.ndarray:
    """(T, 3) where the active hand works, for one person's groups."""
    outward, scale = 2 * side - 1, subject.height / 1.72
    head, t = subject.joint("head"), np.arange(frames)

    def beat(quick: float, slow: float) -> np.ndarray:
        return np.sin(2 * np.pi * (t / rng.uniform(quick, slow) + rng.random()))

    wave, size = beat(4.5, 7.5), rng.uniform(0.5, 1.3)
    if group == "mouth":
        spot, stroke = head + np.array((outward * 0.06, -0.085, 0.16)), [0.018, 0.014, 0.012]
    elif group == "head":
        spot, stroke = head + np.array((outward * 0.135, -0.02, 0.05)), [0.006, 0.022, 0.012]
    elif group == "chest":
        spot, stroke = np.array([outward * 0.08, 1.38, 0.46]) * scale, [0.018, 0.012, 0.008]
    elif group == "wave":
        spot, stroke = np.array([outward * 0.36, 1.62, 0.16]) * scale, [0.13, 0.02, 0.01]
        wave, size = beat(4, 6), rng.uniform(0.8, 1.2)
    else:  # point
        angle = rng.uniform(0.2, 0.9)
        right, up = outward * (0.175 + 0.6 * np.sin(angle)), rng.uniform(1.36, 1.55)
        spot, stroke = np.array([right, up, 0.6 * np.cos(angle)]) * scale, [0.008, 0.008, 0.004]
    spot = spot + rng.normal(0, 0.015, 3)
    return np.asarray(spot + wave[:, None] * size * np.array(stroke))


def solo(
    rng: np.random.Generator,
    action: Action,
    subject: Subject,
    plan: Schedule,
    side: int,
    frames: int,
) -> Motion:
    """One person: hand `side` visits its place during the interval, the other one gives way."""
    hands = np.stack([rest(rng, subject, frames, s) for s in (0, 1)], 1)  # (T, 2, 3)
    target = _solo_target(rng, action.group, subject, frames, side)
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

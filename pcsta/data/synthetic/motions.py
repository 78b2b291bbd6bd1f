"""How it is done: hands that travel between rest and the place where their motion group happens.

Inside the informative interval the active hand is at its group's place (mouth, head, chest, ...),
before and after it hangs at rest: this, and nothing else, tells pose which hand matters and when.
All other hands rest and fidget.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from .actions import Action, Schedule
from .actors import Motion, Subject

RAMP = 4  # frames that a hand needs to get there, and to get back


def minimum_jerk(x: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 over 0 <= x <= 1: the way hands move between two rests."""
    x = np.clip(x, 0, 1)
    return x**3 * (10 - 15 * x + 6 * x**2)


def visit(frames: int, start: float, stop: float, ramp: float = RAMP) -> Float[np.ndarray, "T"]:
    """1 in start <= t < stop, 0 far from it, smooth ramps outside on both sides."""
    t = np.arange(frames)
    return minimum_jerk((t - start + ramp) / ramp) * minimum_jerk((stop - 1 + ramp - t) / ramp)


def sway(rng: np.random.Generator, frames: int, size: float, slow: float = 24) -> np.ndarray:
    """(T,) idle movement: two slow sines."""
    t = np.arange(frames)
    waves = [np.sin(2 * np.pi * (t / (slow * rng.uniform(0.7, 1.6)) + rng.random())) for _ in "ab"]
    return size * (0.65 * waves[0] + 0.35 * waves[1])


def rest(rng: np.random.Generator, subject: Subject, frames: int, side: int) -> np.ndarray:
    """(T, 3) a resting hand beside and in front of the hip, with one small fidget."""
    outward = 2 * side - 1
    scale = subject.height / 1.72
    place = np.array(
        [outward * rng.uniform(0.25, 0.33), rng.uniform(0.86, 0.98), rng.uniform(0.14, 0.24)]
    )
    idle = np.stack([sway(rng, frames, 0.012, 18) for _ in range(3)], -1)
    where = rng.uniform(-1, 1, 3) * [0.04, 0.05, 0.05] + [outward * 0.02, 0.03, 0.02]
    start = rng.uniform(-4, frames)
    fidget = visit(frames, start, start + rng.uniform(2, 8))
    return place * scale + idle + fidget[:, None] * where


def _solo_target(rng: np.random.Generator, group: str, subject: Subject, frames: int, side: int):
    """(T, 3) where the active hand works, for one person's groups."""
    outward, scale = 2 * side - 1, subject.height / 1.72
    head, t = subject.joint("head"), np.arange(frames)
    beat = np.sin(2 * np.pi * (t / rng.uniform(4.5, 7.5) + rng.random()))
    size = rng.uniform(0.5, 1.3)
    if group == "mouth":
        spot, stroke = head + [outward * 0.06, -0.085, 0.16], [0.018, 0.014, 0.012]
    elif group == "head":
        spot, stroke = head + [outward * 0.135, -0.02, 0.05], [0.006, 0.022, 0.012]
    elif group == "chest":
        spot, stroke = np.array([outward * 0.10, 1.27, 0.34]) * scale, [0.018, 0.012, 0.008]
    elif group == "wave":
        spot, stroke = np.array([outward * 0.36, 1.62, 0.16]) * scale, [0.13, 0.02, 0.01]
        beat, size = (
            np.sin(2 * np.pi * (t / rng.uniform(4, 6) + rng.random())),
            rng.uniform(0.8, 1.2),
        )
    else:  # point
        angle = rng.uniform(0.2, 0.9)
        spot = (
            np.array(
                [
                    outward * (0.175 + 0.6 * np.sin(angle)),
                    rng.uniform(1.36, 1.55),
                    0.6 * np.cos(angle),
                ]
            )
            * scale
        )
        stroke = [0.008, 0.008, 0.004]
    spot = spot + rng.normal(0, 0.015, 3)
    return spot + beat[:, None] * size * np.array(stroke)


def solo(
    rng: np.random.Generator,
    action: Action,
    subject: Subject,
    plan: Schedule,
    side: int,
    frames: int,
) -> Motion:
    """One person: hand `side` visits its place during the interval, the other one rests."""
    hands = np.stack([rest(rng, subject, frames, s) for s in (0, 1)], 1)  # (T, 2, 3)
    target = _solo_target(rng, action.group, subject, frames, side)
    hands[:, side] = _travel(hands[:, side], target, visit(frames, plan.start, plan.stop))
    return _with_body(rng, hands, frames)


def pair(
    rng: np.random.Generator,
    action: Action,
    subjects: tuple[Subject, Subject],
    plan: Schedule,
    actor: int,
    side: int,
    frames: int,
    gap: float,
    opening: float,
) -> tuple[Motion, Motion]:
    """Two people who face each other over `gap` metres, each turned by `opening` to the camera.

    The active one starts first, reaches further and leans in; the other one answers late and with
    a short movement, so that pose tells who matters and the two hands never share a crop.
    """
    giver, taker = subjects[actor], subjects[1 - actor]
    height = {"reach": 1.20, "punch": 1.46, "pocket": 0.92}[action.group] * giver.height / 1.72
    go = visit(frames, plan.start, plan.stop, 3 if action.group == "punch" else RAMP)
    hands = np.stack([rest(rng, giver, frames, s) for s in (0, 1)], 1)
    ahead = 0.72 * giver.height / 1.72 + rng.uniform(-0.03, 0.03)
    toward = _towards(ahead, opening, actor)
    target = np.stack(
        [
            np.full(frames, toward[0]),
            np.full(frames, height + rng.normal(0, 0.02)),
            np.full(frames, toward[1]),
        ],
        -1,
    )
    t = np.arange(frames)
    beat = 0.5 - 0.5 * np.cos(2 * np.pi * (t - plan.start) / rng.uniform(4.5, 6))
    if action.group == "punch":
        target -= 0.35 * (1 - beat)[:, None] * [toward[0], 0.0, toward[1]]
    else:
        target[:, 1] += 0.012 * np.sin(2 * np.pi * t / rng.uniform(4.5, 7.5))
    hands[:, side] = _travel(hands[:, side], target, go, arc=0.02)
    # the other arm swings back as the body leans: no object of its own in the reaching hand's crop
    hands[:, 1 - side] += go[:, None] * np.array([0.05 * (1 - 2 * side), 0.0, -0.16])
    lean = {"reach": 0.14, "punch": 0.17, "pocket": 0.20}[action.group]
    active = _with_body(rng, hands, frames, lean * go)

    hands = np.stack([rest(rng, taker, frames, s) for s in (0, 1)], 1)
    hands[..., 2] -= 0.08
    answer = visit(frames, plan.start + 4, plan.stop - 1, 5)
    if action.group == "reach":
        reply = int(rng.integers(2))
        hands[:, reply] += answer[:, None] * np.array(
            [0.0, rng.uniform(0.06, 0.12), rng.uniform(0.03, 0.07)]
        )
    back = {"reach": 0.02, "punch": -0.10, "pocket": 0.0}[action.group]
    passive = _with_body(rng, hands, frames, back * answer)
    return (active, passive) if actor == 0 else (passive, active)


def _towards(distance: float, opening: float, actor: int) -> np.ndarray:
    """(right, forward) of a point `distance` ahead on the line to the partner, who is not straight
    ahead because the body is turned to the camera by `opening`."""
    to_the_right = np.sin(opening) if actor == 0 else -np.sin(opening)
    return distance * np.array([to_the_right, np.cos(opening)])


def _travel(start: np.ndarray, target: np.ndarray, go: np.ndarray, arc: float = 0.10) -> np.ndarray:
    """Blend from rest to target, on a path that bows forward."""
    path = start + go[:, None] * (target - start)
    path[:, 2] += arc * 4 * go * (1 - go)
    return path


def _with_body(rng: np.random.Generator, hands: np.ndarray, frames: int, lean=0.0) -> Motion:
    return Motion(
        hands=hands,
        lean=sway(rng, frames, 0.018) + 0.02 + lean,
        twist=sway(rng, frames, 0.03),
        roll=sway(rng, frames, 0.012),
        turn=sway(rng, frames, 0.12),
    )

"""What the sensor makes of the actors: noisy joints, the faults that real recordings have, its file."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.random import Generator

from pcsta.data import ntu
from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic.actions import SIDES
from pcsta_book.synthetic.camera import colour_pixels, depth_pixels

NOISE, HAND_NOISE = 0.006, 0.008  # metres; the second is added for wrist, hand, tip and thumb
SHARES = {"jitter": 0.08, "lost hand": 0.08, "swapped body": 0.08, "phantom body": 0.08}
_HANDS = {  # side -> the joints of a hand
    side: [KINECT_V2.index(f"{side} {part}") for part in ("wrist", "hand", "hand tip", "thumb")]
    for side in SIDES
}


@dataclass
class Body:
    """One tracked body. ident: (T,) bodyID per frame; joints: camera space, metres;
    states: 2 tracked, 1 inferred, 0 not tracked; present: frames that list this body."""

    ident: list[int]
    joints: Float[np.ndarray, "T 25 3"]
    states: Int[np.ndarray, "T 25"]
    present: Bool[np.ndarray, "T"]


def draw_fault(rng: Generator) -> str:
    """At most one fault a clip; "" for the others."""
    chances = list(SHARES.values())
    return str(rng.choice(["", *SHARES], p=[1 - sum(chances), *chances]))


def track(rng: Generator, actors: list[np.ndarray], fault: str) -> list[Body]:
    """Bodies as a Kinect would list them, in no order that tells who is who.

    actors: true joints, (T, 25, 3) each, camera space.
    jitter: five times the noise for a third of the clip.  lost hand: one hand with its wrist, tip
    and thumb is inferred, and strays.  swapped body: two people exchange their bodyIDs (a single
    person gets a new one).  phantom body: some furniture is taken for one more person.
    """
    frames = len(actors[0])
    bodies = [_body(rng, true) for true in actors]
    start = int(rng.integers(2, frames - frames // 3))
    faulty = slice(start, start + frames // 3)
    victim = bodies[int(rng.integers(len(bodies)))]
    if fault == "jitter":
        victim.joints[faulty] += rng.normal(0, 5 * NOISE, victim.joints[faulty].shape)
    elif fault == "lost hand":
        parts = _HANDS[SIDES[int(rng.integers(2))]]
        victim.joints[faulty, parts] += _stray(rng, frames // 3)[:, None]
        victim.states[faulty, parts] = rng.integers(0, 2, (frames // 3, 1))
    elif fault == "swapped body":
        if len(bodies) == 2:
            one, two = bodies
            one.ident[start:], two.ident[start:] = two.ident[start:], one.ident[start:]
        else:
            victim.ident[start:] = [_ident(rng)] * (frames - start)
    elif fault == "phantom body":
        bodies.append(_phantom(rng, frames, faulty))
    order = rng.permutation(len(bodies))
    return [bodies[i] for i in order]


def skeleton_text(bodies: list[Body]) -> str:
    """The text of a .skeleton file: frame count, then per frame the bodies that are present."""
    joints = np.stack([b.joints for b in bodies], 1)  # (T, P, 25, 3)
    return ntu.skeleton_text(
        ids=np.array([b.ident for b in bodies]).T,
        present=np.stack([b.present for b in bodies], 1),
        joints=joints,
        decimals=3,  # millimetres keep the dataset small, and a sensor errs by more
        depth=depth_pixels(joints),
        colour=colour_pixels(joints),
        states=np.stack([b.states for b in bodies], 1),
    )


def _stray(rng: Generator, frames: int) -> Float[np.ndarray, "T 3"]:
    """Metres by which a guess is off: it is held for a while, then guessed anew."""
    held = rng.integers(3, 6)
    guesses = rng.normal(0, 0.12, (frames // held + 1, 3))
    return np.repeat(guesses, held, axis=0)[:frames]


def _ident(rng: Generator) -> int:
    return 72057594037900000 + int(rng.integers(100000))  # 17 digits: never through a float


def _body(rng: Generator, true: np.ndarray) -> Body:
    joints = true + rng.normal(0, NOISE, true.shape)
    frames, small = len(true), _HANDS["left"] + _HANDS["right"]
    joints[:, small] += rng.normal(0, HAND_NOISE, joints[:, small].shape)
    return Body([_ident(rng)] * frames, joints, np.full((frames, 25), 2), np.ones(frames, bool))


def _phantom(rng: Generator, frames: int, when: slice) -> Body:
    """A flat, nearly still heap of joints beside the stage."""
    x = rng.choice([-1, 1]) * rng.uniform(1.3, 1.8)
    centre = np.array([x, rng.uniform(-0.8, 0.0), rng.uniform(3.4, 4.2)])
    joints = centre + rng.normal(0, 1, (25, 3)) * [0.22, 0.12, 0.10]
    present = np.zeros(frames, bool)
    present[when] = True
    noisy = joints + rng.normal(0, NOISE, (frames, 25, 3))
    return Body([_ident(rng)] * frames, noisy, rng.integers(0, 2, (frames, 25)), present)

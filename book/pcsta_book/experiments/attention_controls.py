"""Attention that knows less than the model's, or more: what every score is compared with.

It has the shape of the model's own: p (C, S, T, N) for C clips of S sub-sequences, p' (C, S, T).
A score on its own says little: hands that move most decide most, and what decides in the middle of
the clip is found by anything that looks at the middle.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def derangement(n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """A random cycle through 0..n-1: nothing stays in its place (but a single thing must)."""
    order = rng.permutation(n)
    shifted = np.empty(n, int)
    shifted[order] = np.roll(order, 1)
    return shifted


def uniform(present: Bool[np.ndarray, "*S N"]) -> Float[np.ndarray, "*S N"]:
    """The same weight for every hand that is there; for all four where none is."""
    there = present | ~present.any(-1, keepdims=True)
    return np.asarray(there / there.sum(-1, keepdims=True))


def uniform_steps(q: Float[np.ndarray, "C S T"]) -> Float[np.ndarray, "C S T"]:
    """The same weight for every step."""
    return np.full_like(q, 1 / q.shape[-1])


def permuted_hands(
    p: Float[np.ndarray, "C S T N"], present: Bool[np.ndarray, "C S T N"], rng: np.random.Generator
) -> Float[np.ndarray, "C S T N"]:
    """The clip's own weights, each on another hand: as sharp and as restless, and wrong.

    One derangement a clip, of the hands that are there in most of its frames.
    """
    result = p.copy()
    for clip, there in enumerate(present.mean((1, 2)) > 0.5):
        hands = np.flatnonzero(there)
        result[clip][..., hands] = p[clip][..., hands[derangement(len(hands), rng)]]
    return result


def permuted_steps(
    q: Float[np.ndarray, "C S T"], rng: np.random.Generator
) -> Float[np.ndarray, "C S T"]:
    """The clip's own p', each weight on another step; one derangement a clip."""
    return np.stack([clip[:, derangement(q.shape[-1], rng)] for clip in q])


def other_clip(
    weights: Float[np.ndarray, "C *S"], people: Int[np.ndarray, "C"], rng: np.random.Generator
) -> Float[np.ndarray, "C *S"]:
    """Every clip gets the weights of another one with as many people; ValueError where it is alone."""
    result = weights.copy()
    for count in np.unique(people):
        rows = np.flatnonzero(people == count)
        if len(rows) < 2:
            raise ValueError(f"one clip alone has {count} people: there is no other to take from")
        result[rows] = weights[rows[derangement(len(rows), rng)]]
    return result


def planted_hands(
    deciding: Bool[np.ndarray, "C S T N"], present: Bool[np.ndarray, "C S T N"]
) -> Float[np.ndarray, "C S T N"]:
    """The oracle for p: equal weight on the hands that decide; uniform in frames where none does."""
    return uniform(np.where(np.any(deciding, -1, keepdims=True), deciding, present))


def planted_steps(deciding: Bool[np.ndarray, "C S T N"]) -> Float[np.ndarray, "C S T"]:
    """The oracle for p': equal weight on the frames in which a hand decides; on all without one."""
    return uniform(np.any(deciding, -1))


def best_constant_hand(deciding: Bool[np.ndarray, "C S T N"]) -> Float[np.ndarray, "C S T N"]:
    """All weight on one hand, the same everywhere: the one that decides most in these very frames."""
    best = np.eye(deciding.shape[-1])[deciding.sum((0, 1, 2)).argmax()]
    return np.broadcast_to(best, deciding.shape)


def best_constant_step(deciding: Bool[np.ndarray, "C S T N"]) -> Float[np.ndarray, "C S T"]:
    """All weight on one step, the same for all clips: the one in which most often a hand decides."""
    inside = deciding.any(-1)
    return np.broadcast_to(np.eye(inside.shape[-1])[inside.mean((0, 1)).argmax()], inside.shape)

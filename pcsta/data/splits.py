"""The validation split: 5 % of the training clips, for early stopping (section 5).

The paper does not say whether clips or subjects are held out. By clip is the default, as 5 % of
NTU's 20 training subjects is one person; by subject is the stricter estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np


@runtime_checkable
class Labelled(Protocol):
    """What a split looks at: a Sample, a Clip, a row of the store."""

    @property
    def label(self) -> int: ...

    @property
    def subject(self) -> str: ...


T = TypeVar("T", bound=Labelled)


def validation_split(
    samples: Sequence[T],
    fraction: float = 0.05,
    seed: int = 0,
    by: Literal["clip", "subject"] = "clip",
) -> tuple[list[T], list[T]]:
    """(train, validation), each in the order of `samples` (validation, section 5).

    The same seed gives the same split.

    clip:    round(fraction * n) clips, at least one, spread evenly over the classes
    subject: whole subjects in random order until they hold that many clips

    Raises ValueError when nothing would be left to train on.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    rng = np.random.default_rng(seed)
    wanted = max(1, round(fraction * len(samples)))
    if by == "clip":
        held = _spread_over_classes(samples, wanted, rng)
    elif by == "subject":
        held = _whole_subjects(samples, wanted, rng)
    else:
        raise ValueError(f"by is 'clip' or 'subject', not {by!r}")
    if len(held) >= len(samples):
        raise ValueError(
            f"cannot hold out validation clips by {by}: {len(samples)} clips of "
            f"{len({s.subject for s in samples})} subjects leave nothing to train on"
        )
    train = [s for i, s in enumerate(samples) if i not in held]
    return train, [s for i, s in enumerate(samples) if i in held]


def _spread_over_classes(samples: Sequence[T], wanted: int, rng: np.random.Generator) -> set[int]:
    """Every (n / wanted)-th clip of the clips shuffled and then ordered by class."""
    order = sorted(rng.permutation(len(samples)).tolist(), key=lambda i: samples[i].label)
    steps = (np.arange(wanted) + rng.random()) * len(samples) / wanted
    return {order[int(step)] for step in steps}


def _whole_subjects(samples: Sequence[T], wanted: int, rng: np.random.Generator) -> set[int]:
    held: set[int] = set()
    for subject in rng.permutation(sorted({s.subject for s in samples})).tolist():
        if len(held) >= wanted:
            break
        held |= {i for i, s in enumerate(samples) if s.subject == subject}
    return held

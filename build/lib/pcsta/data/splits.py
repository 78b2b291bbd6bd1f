"""Which clip is in the test set: the protocols of the three datasets, and the validation split.

A protocol of section 5 names who, or which camera, trains; every other clip is tested. The paper
keeps 5 % of the training clips for early stopping and does not say whether clips or subjects. By clip
is the default, as 5 % of NTU's 20 training subjects is one person; by subject is the stricter one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np

# NTU RGB+D, from Shahroudy et al. (2016): subjects of cross-subject and cameras of cross-view
# training.
NTU_TRAIN_SUBJECTS = frozenset(
    (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
)
NTU_TRAIN_CAMERAS = frozenset((2, 3))

# SBU Kinect Interaction, from its readme (Yun et al., 2012): pairs of subjects that test in a fold.
SBU_FOLDS = (
    ("s01s02", "s03s04", "s05s02", "s06s04"),
    ("s02s03", "s02s07", "s03s05", "s05s03"),
    ("s01s03", "s01s07", "s07s01", "s07s03"),
    ("s02s01", "s02s06", "s03s02", "s03s06"),
    ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03"),
)

# MSR Daily Activity 3D, from section 5 after Wang et al. (2012): subjects that train.
MSR_TRAIN_SUBJECTS = frozenset((1, 3, 5, 7, 9))


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

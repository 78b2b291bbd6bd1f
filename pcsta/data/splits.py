"""Which clip is in the test set: the protocols of the datasets, and the validation split.

A protocol of section 5 names who, or which camera, trains; every other clip is tested. The paper
keeps 5 % of the training set for early stopping and does not say whether clips or subjects. By clip
is the default, as 5 % of NTU's 20 training subjects is one person; by subject is the stricter one.
`Dataset.split` applies the protocols.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

# NTU RGB+D, from Shahroudy et al. (2016): subjects of cross-subject and cameras of cross-view
# training.
NTU_TRAIN_SUBJECTS = frozenset(
    (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
)
NTU_TRAIN_CAMERAS = frozenset((2, 3))
# NTU RGB+D 120, from Liu et al. (2019): more subjects of cross-subject training. Of cross-setup
# training are the setups of even number.
NTU120_TRAIN_SUBJECTS = NTU_TRAIN_SUBJECTS | {
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89,
    91, 92, 93, 94, 95, 97, 98, 100, 103,
}  # fmt: skip

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


def validation_split(
    labels: Int[np.ndarray, "n"],
    subjects: Sequence[str],
    fraction: float = 0.05,
    seed: int = 0,
    by: Literal["clip", "subject"] = "clip",
) -> Bool[np.ndarray, "n"]:
    """Which of n training clips are held out (validation, section 5); the seed decides.

    clip:    round(fraction * n) clips, at least one, spread evenly over the classes
    subject: whole subjects in random order until they hold that many clips
    Raises ValueError when nothing would be left to train on.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    rng, n = np.random.default_rng(seed), len(labels)
    wanted, held = max(1, round(fraction * n)), np.zeros(n, bool)
    if by == "clip":  # every (n / wanted)-th of the clips, shuffled and then ordered by class
        order = rng.permutation(n)
        order = order[np.argsort(labels[order], kind="stable")]
        held[order[((np.arange(wanted) + rng.random()) * n / wanted).astype(int)]] = True
    elif by == "subject":
        for subject in rng.permutation(sorted(set(subjects))):
            if held.sum() < wanted:
                held |= np.array(subjects) == subject
    else:
        raise ValueError(f"by is 'clip' or 'subject', not {by!r}")
    if held.all():
        there = f"{n} clips of {len(set(subjects))} subjects leave nothing to train on"
        raise ValueError(f"cannot hold out validation clips by {by}: {there}")
    return held

"""Confidence intervals for figures that hang together in groups: a bootstrap over the groups.

The frames of a clip say nearly the same thing, and so do takes of one person who does one action.
Whoever counts each of them as an observation gets an interval that is several times too narrow.
(`scipy.stats.bootstrap` draws single observations; it knows no groups.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num

RESAMPLES = 2000
LEVEL = 0.95


class Estimate(NamedTuple):
    """A figure and the ends of its confidence interval; of many figures, three arrays alike."""

    value: Float[np.ndarray, "*figures"]
    low: Float[np.ndarray, "*figures"]
    high: Float[np.ndarray, "*figures"]

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def grouped_mean(
    sums: Num[np.ndarray, "*figures C"],
    counts: Num[np.ndarray, "C"] | None = None,
    groups: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
) -> Estimate:
    """sum(sums) / sum(counts) over C units, with the percentile bootstrap interval over groups.

    sums:    what is averaged, added up within each unit; leading axes are figures of their own, all
             resampled alike, so that differences of figures may be formed beforehand
    counts:  how many observations each sum holds, by default one; ValueError where there is none
    groups:  units that are drawn together, by default each for itself
    """
    sums = np.asarray(sums, float)
    counts = np.ones(sums.shape[-1]) if counts is None else np.asarray(counts, float)
    if not counts.sum() > 0:
        raise ValueError("no observation to average")
    if groups is not None:
        _, of = np.unique(np.asarray(groups), return_inverse=True)
        member = np.eye(of.max() + 1)[of]  # (C, G)
        sums, counts = sums @ member, counts @ member
    G, rng = len(counts), np.random.default_rng(seed)
    drawn = rng.multinomial(G, np.full(G, 1 / G), RESAMPLES).astype(float)  # (R, G): how often
    observed = drawn @ counts  # (R,)
    kept = observed > 0
    means = (sums @ drawn[kept].T) / observed[kept]  # (*figures, R)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
    return Estimate(sums.sum(-1) / counts.sum(), low, high)

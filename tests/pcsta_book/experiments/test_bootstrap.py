"""The cluster bootstrap: against plain loops, and what an interval must do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pcsta_book.experiments.bootstrap import RESAMPLES, Estimate, grouped_mean


def test_the_interval_is_the_loop_over_resamples():
    rng = np.random.default_rng(0)
    sums, counts = rng.random(12) * 5, rng.integers(1, 9, 12).astype(float)
    groups = np.array(list("aabbbcddeeff"))
    names = sorted(set(groups))
    means = []
    draws = np.random.default_rng(3).multinomial(6, np.full(6, 1 / 6), RESAMPLES)
    for drawn in draws:
        top = bottom = 0.0
        for name, times in zip(names, drawn, strict=True):
            top += times * sums[groups == name].sum()
            bottom += times * counts[groups == name].sum()
        means.append(top / bottom)
    got = grouped_mean(sums, counts, groups, seed=3)
    assert got.value == pytest.approx(sums.sum() / counts.sum())
    np.testing.assert_allclose([got.low, got.high], np.quantile(means, [0.025, 0.975]))


VALUES = arrays(float, st.integers(5, 30), elements=st.floats(0, 1))


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_the_interval_holds_the_estimate(values, seed):
    got = grouped_mean(values, seed=seed)
    assert got.low - 1e-9 <= got.value <= got.high + 1e-9
    assert values.min() - 1e-9 <= got.low and got.high <= values.max() + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_more_clips_give_a_narrower_interval(seed):
    values = np.random.default_rng(seed).random(400)
    few, many = grouped_mean(values[:25]), grouped_mean(values)
    assert many.high - many.low < 0.6 * (few.high - few.low)  # a quarter, but for chance


def test_copies_within_a_group_add_no_certainty():
    values = np.random.default_rng(0).random(20)
    once = grouped_mean(values)
    copied = grouped_mean(np.repeat(values, 5), groups=np.repeat(np.arange(20), 5))
    naive = grouped_mean(np.repeat(values, 5))
    np.testing.assert_allclose(copied, once)
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


def test_figures_are_resampled_alike():
    a, b = np.random.default_rng(1).random((2, 30))
    both = grouped_mean(np.stack([a, b, a - b]))
    for k, figure in enumerate((a, b, a - b)):
        np.testing.assert_allclose([e[k] for e in both], grouped_mean(figure))
    same = grouped_mean(a - a)
    assert same == Estimate(0, 0, 0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        e = grouped_mean(1 * (rng.random(40) < 0.7), seed=trial)
        covered += e.low <= 0.7 <= e.high
    assert 0.88 <= covered / 200 <= 0.99


def test_nothing_counted_is_an_error():
    with pytest.raises(ValueError, match="no observation"):
        grouped_mean(np.zeros(3), np.zeros(3))

"""Controls of attention: against plain loops, and their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsta_book.experiments import attention_controls


def example(seed=0, clips=4, subs=2, steps=5):
    """(p, q, present, deciding): clips 0, 1 have one person; hand 3 of the last clip is never seen."""
    rng = np.random.default_rng(seed)
    there = np.ones((clips, subs, steps, 4), bool)
    there[:2, ..., 2:] = False
    there[-1, ..., 3] = False
    there[0, 0, 0] = False  # a frame in which nobody is tracked
    p = rng.random((clips, subs, steps, 4)) * there
    p /= np.maximum(p.sum(-1, keepdims=True), 1e-9)
    q = rng.random((clips, subs, steps))
    q /= q.sum(-1, keepdims=True)
    deciding = (rng.random((clips, subs, steps, 4)) < [0.6, 0.6, 0, 0]) & there
    deciding[1] = False  # a clip in which no hand decides
    return p, q, there, deciding


@given(st.integers(2, 40), st.integers(0, 1000))
def test_a_derangement_moves_everything_and_loses_nothing(n, seed):
    order = attention_controls.derangement(n, np.random.default_rng(seed))
    assert sorted(order) == list(range(n))
    assert not (order == np.arange(n)).any()


def test_uniform_is_equal_over_the_hands_that_are_there():
    _, _, there, _ = example()
    got = attention_controls.uniform(there)
    for index in np.ndindex(there.shape[:-1]):
        n = there[index].sum()
        expected = there[index] / n if n else np.full(4, 0.25)
        np.testing.assert_allclose(got[index], expected)


@given(st.integers(0, 1000))
def test_permuted_hands_stay_among_the_present_and_none_keeps_its_own(seed):
    p, _, there, _ = example(seed)
    got = attention_controls.permuted_hands(p, there, np.random.default_rng(seed))
    np.testing.assert_allclose(np.sort(got, -1), np.sort(p, -1))
    usual = there.mean((1, 2)) > 0.5
    for clip in range(len(p)):
        hands, others = np.flatnonzero(usual[clip]), np.flatnonzero(~usual[clip])
        np.testing.assert_array_equal(got[clip][..., others], p[clip][..., others])
        source = [
            [h for h in hands if np.array_equal(got[clip][..., k], p[clip][..., h])] for k in hands
        ]
        assert all(len(s) == 1 and s[0] != k for s, k in zip(source, hands, strict=True))


@given(st.integers(0, 1000))
def test_permuted_steps_move_every_step_alike_in_all_sub_sequences(seed):
    _, q, _, _ = example(seed)
    got = attention_controls.permuted_steps(q, np.random.default_rng(seed))
    assert (got != q).all()
    for clip in range(len(q)):
        order = [int(np.flatnonzero(q[clip, 0] == v)[0]) for v in got[clip, 0]]
        assert sorted(order) == list(range(q.shape[-1]))
        np.testing.assert_array_equal(got[clip], q[clip][:, order])


@given(st.integers(0, 1000))
def test_another_clips_weights_come_from_another_with_as_many_people(seed):
    p, _, _, _ = example(seed)
    people = np.array([1, 1, 2, 2])
    got = attention_controls.other_clip(p, people, np.random.default_rng(seed))
    np.testing.assert_array_equal(got, p[[1, 0, 3, 2]])
    with pytest.raises(ValueError, match="one clip alone has 2 people"):
        attention_controls.other_clip(p[:3], people[:3], np.random.default_rng(seed))


def test_the_oracle_looks_at_the_hands_that_decide_and_knows_nothing_elsewhere():
    _, _, there, deciding = example()
    p = attention_controls.planted_hands(deciding, there)
    q = attention_controls.planted_steps(deciding)
    np.testing.assert_allclose(p.sum(-1), 1)
    np.testing.assert_allclose(q.sum(-1), 1)
    flat = attention_controls.uniform(there)
    assert (deciding.sum(-1) == 2).any()
    for index in np.ndindex(q.shape):
        hands = deciding[index]
        np.testing.assert_allclose(p[index], hands / hands.sum() if hands.any() else flat[index])
    for index in np.ndindex(q.shape[:2]):
        inside = np.array([hands.any() for hands in deciding[index]])
        expected = inside / inside.sum() if inside.any() else np.full(5, 0.2)
        np.testing.assert_allclose(q[index], expected)


def test_the_best_constants_are_the_best():
    _, _, _, deciding = example(3)
    hand = attention_controls.best_constant_hand(deciding)
    step = attention_controls.best_constant_step(deciding)
    assert hand.shape == deciding.shape and step.shape == deciding.shape[:3]
    shares = [deciding[..., k].sum() for k in range(4)]
    assert (hand * deciding).sum() == max(shares)
    masses = [deciding[:, :, t].any(-1).mean() for t in range(5)]
    assert (step * deciding.any(-1)).sum(-1).mean() == pytest.approx(max(masses))

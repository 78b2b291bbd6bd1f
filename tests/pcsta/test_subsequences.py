"""Sub-sequences of 20 frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from pcsta.subsequences import frame_indices

CASES = st.fixed_dictionaries(
    {
        "length": st.integers(1, 400),
        "frames": st.integers(1, 40),
        "mode": st.sampled_from(["segments", "contiguous"]),
        "count": st.integers(1, 12),
    }
)


@given(CASES, st.none() | st.integers(0, 99))
def test_in_range_sorted_and_of_the_asked_shape(case, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    found = frame_indices(**case, rng=rng)
    assert found.shape == (case["count"], case["frames"]) and found.dtype == np.int64
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0 and found.max() < case["length"]


@given(CASES)
def test_without_rng_the_same_answer_twice(case):
    np.testing.assert_array_equal(frame_indices(**case), frame_indices(**case))


@given(st.integers(20, 400), st.integers(0, 99))
def test_segments_give_one_frame_each(length, seed):
    """Frame t comes from [t * length / 20, (t + 1) * length / 20), so the whole clip is seen."""
    found = frame_indices(length, rng=np.random.default_rng(seed), count=5)
    edges = np.arange(21) * length / 20
    assert (found >= np.floor(edges[:-1])).all() and (found <= np.ceil(edges[1:])).all()


@given(st.integers(20, 400), st.integers(0, 99))
def test_contiguous_frames_are_neighbours(length, seed):
    found = frame_indices(length, mode="contiguous", rng=np.random.default_rng(seed), count=5)
    assert (np.diff(found) == 1).all()


def test_every_start_is_drawn():
    rng = np.random.default_rng(0)
    found = frame_indices(23, mode="contiguous", rng=rng, count=200)
    assert set(found[:, 0].tolist()) == {0, 1, 2, 3}


def test_ten_at_test_are_spread_over_the_clip():
    """From its beginning to its end (sub-sequence, section 5)."""
    starts = frame_indices(100, mode="contiguous", count=10)[:, 0]
    assert starts[0] <= 8 and starts[-1] >= 72 and len(set(starts.tolist())) == 10
    ten = frame_indices(200, count=10)
    assert sorted(ten.ravel().tolist()) == list(range(200))  # together they see every frame


def test_a_short_clip_repeats_frames_and_leaves_none_out():
    for mode in ("segments", "contiguous"):
        assert set(frame_indices(7, mode=mode).ravel().tolist()) == set(range(7))
    assert frame_indices(1).tolist() == [[0] * 20]


def test_random_draws_differ_and_follow_the_seed():
    first, again = (frame_indices(300, rng=np.random.default_rng(1)) for _ in range(2))
    other = frame_indices(300, rng=np.random.default_rng(2))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(
    "case", [{"length": 0}, {"length": 9, "frames": 0}, {"length": 9, "count": 0}]
)
def test_nonsense_is_refused(case):
    with pytest.raises(ValueError, match="at least one frame"):
        frame_indices(**case)


def test_an_unknown_mode_is_refused():
    with pytest.raises((ValueError, TypeCheckError), match="segments"):
        frame_indices(9, mode="random")

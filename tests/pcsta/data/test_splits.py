"""The 5 % validation split."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from pcsta.data.splits import validation_split


@dataclass(frozen=True)
class Row:
    name: str
    label: int
    subject: str


def split(samples, *arguments, **options):
    labels, subjects = np.array([s.label for s in samples]), [s.subject for s in samples]
    held = validation_split(labels, subjects, *arguments, **options)
    return tuple([s for s, h in zip(samples, held, strict=True) if h == side] for side in (0, 1))


def rows(classes=10, subjects=8, takes=3):
    return [
        Row(f"{c}-{s}-{t}", c, str(s))
        for c in range(classes) for s in range(subjects) for t in range(takes)
    ]  # fmt: skip


@given(
    st.integers(2, 200),
    st.floats(0.01, 0.6),
    st.integers(0, 99),
    st.sampled_from(["clip", "subject"]),
)
def test_both_sides_together_are_all_clips_in_order(n, fraction, seed, by):
    samples = [Row(str(i), i % 7, str(i % 5)) for i in range(n)]
    try:
        train, validation = split(samples, fraction, seed, by)
    except ValueError:
        # nothing would be left: one subject only, or so few that the drawn ones hold all clips
        assert by == "subject" or n == 1
        return
    assert train and validation and not set(train) & set(validation)
    assert sorted(train + validation, key=samples.index) == samples
    for side in (train, validation):
        assert side == sorted(side, key=samples.index)
    if by == "clip":
        assert len(validation) == max(1, round(fraction * n))
    else:
        assert not {s.subject for s in train} & {s.subject for s in validation}


def test_five_percent_by_clip_is_spread_over_the_classes():
    """The paper's share (validation, section 5)."""
    _, validation = split(rows(classes=4, subjects=10, takes=10))  # 400 clips
    assert Counter(s.label for s in validation) == {c: 5 for c in range(4)}


def test_by_subject_holds_out_one_of_twenty():
    samples = rows(subjects=20)
    _, validation = split(samples, by="subject")
    assert len({s.subject for s in validation}) == 1 and len(validation) == 30


def test_the_seed_decides():
    samples = rows()
    assert split(samples, seed=3) == split(samples, seed=3)
    assert split(samples, seed=3)[1] != split(samples, seed=4)[1]


def test_what_cannot_be_split():
    with pytest.raises(ValueError, match="nothing to train on"):
        split(rows(1, 1, 1))
    with pytest.raises(ValueError, match="by subject"):
        split(rows(4, 1), by="subject")
    with pytest.raises(ValueError, match="between 0 and 1"):
        split(rows(), fraction=5.0)
    with pytest.raises((ValueError, TypeCheckError), match="'clip'"):
        split(rows(), by="class")

"""What chapters stand on: the rules by which clips and the seed of the models are chosen."""

from dataclasses import replace

import numpy as np
import pytest

from pcsta.data.clip import Clip, Truth
from pcsta.skeletons import KINECT_V2
from pcsta_book import artifacts
from pcsta_book.experiments import records

T = 8


def clip(name, deciding, objects=(), people=1, **changes):
    """A clip of T frames. deciding, objects: {hand: frames}, {(hand, thing): frames}"""
    pixels = np.full((T, 2, 25, 2), np.nan, np.float32)
    pixels[:, :people] = 100
    truth = Truth(np.zeros((T, 4), bool), np.full((T, 4), "", object))
    for hand, frames in deciding.items():
        truth.deciding[frames, hand] = True
    for (hand, thing), frames in dict(objects).items():
        truth.objects[frames, hand] = thing
    joints = np.zeros((T, 2, 25, 3), np.float32)
    return Clip(name, joints, pixels, KINECT_V2, 0, "3", truth=replace(truth, **changes))


EARLY, LATE, ALL = slice(0, 3), slice(4, 7), slice(None)
CUP = {(0, "cup"): ALL}


def test_what_tells_nothing_is_counted():
    assert artifacts.distractions(clip("a", {0: EARLY}, CUP).truth) == 0  # the cup before and after
    also = CUP | {(1, "cup"): EARLY}  # the same thing in a hand that never decides
    assert artifacts.distractions(clip("b", {0: EARLY}, also).truth) == 3
    other = {(0, "cup"): EARLY, (0, "book"): LATE}  # another thing in the hand that decides
    assert artifacts.distractions(clip("c", {0: EARLY}, other).truth) == 3
    passed = {(0, "parcel"): EARLY, (2, "parcel"): LATE}
    assert artifacts.distractions(clip("d", {0: EARLY, 2: LATE}, passed, 2).truth) == 0
    assert artifacts.distractions(clip("e", {0: EARLY}).truth) == 0  # an empty hand decides


def test_the_running_clip_has_the_fewest_distractions_and_is_the_first_of_equals():
    noisy = CUP | {(1, "book"): EARLY}
    clips = [clip(name, {0: EARLY}, held) for name, held in (("a", noisy), ("b", CUP), ("c", CUP))]
    assert artifacts.cleanest(clips, 1).name == "b"
    assert artifacts.cleanest(clips[:1], 1).name == "a"


def test_clips_whose_hands_are_not_all_seen_or_do_not_decide_one_after_another_do_not_count():
    lost = clip("lost", {0: EARLY}, CUP)
    lost.pixels[2, 0] = np.nan
    crowd = clip("crowd", {0: EARLY}, CUP, people=2)
    both = clip("both", {0: EARLY, 1: EARLY})  # at once, neither alone
    good = clip("good", {0: EARLY, 1: slice(1, 2)}, CUP | {(1, "book"): ALL})
    assert (
        artifacts.cleanest([lost, crowd, both, replace(good, truth=None), good], 1).name == "good"
    )
    shift = clip("shift", {0: EARLY, 3: LATE}, people=2)
    assert artifacts.cleanest([crowd, shift], 2).name == "shift"
    with pytest.raises(LookupError, match="no clip with 2 hands that decide alone"):
        artifacts.cleanest([crowd, good], 2)


def record(**losses):
    seeds = range(len(next(iter(losses.values()))))
    return {
        "seeds": [10 + seed for seed in seeds],
        "lines": {
            name: {"results": {"p": [{"seed": 10 + s, "validation_loss": row[s]} for s in seeds]}}
            for name, row in losses.items()
        },
    }


def test_the_seed_is_the_median_of_every_variant_as_far_as_one_can_be():
    one = record(A=[0.5, 0.1, 0.3, 0.9, 0.4])
    assert records.median_seed(one, ["A"], "p") == 14
    two = record(A=[5, 1, 3, 9, 4], G=[1, 2, 3, 4, 5], other=[0, 0, 0, 0, 0])
    # ranks of A: 3 0 1 4 2, of G: 0 1 2 3 4; distances from 2: 3, 3, 1, 3, 2
    assert records.median_seed(two, ["A", "G"], "p") == 12


def test_variants_that_tell_no_loss_do_not_count():
    told = record(A=[5, 1, 3])
    told["lines"]["K"] = {"results": {"p": [{"seed": s} for s in (10, 11, 12)]}}
    assert records.median_seed(told, ["A", "K"], "p") == 12
    assert records.median_seed(told, ["K"], "p") == 10

"""Planted truth read beside a clip: which slots of a tracked clip decide, and what they hold."""

import json

import numpy as np
import pytest

from pcsta.data.truth import read_truth

TOLD = {
    "hands": [[[[100, 100], [200, 100]], [[300, 100], [400, 100]]]] * 2,
    "objects": [[["cup", "cup"], ["", "comb"]], [["phone", ""], ["book", "book"]]],
    "deciding": [[[], []], [[[0, 1]], [[0, 2]]]],
    "faults": ["jitter"],
}  # two frames, two actors; both hands of the second decide in frame 0, the right one in both


@pytest.fixture
def truth(tmp_path):
    """`read_truth` of the file above with changes."""

    def read(found, **changes):
        (tmp_path / "truth.json").write_text(json.dumps(TOLD | changes))
        return read_truth(tmp_path / "truth.json", np.array(found, float))

    return read


def test_truth_follows_the_readers_order_of_people(truth):
    found = truth([[[300, 105], [405, 100], [100, 100], [200, 100]]] * 2)
    assert found.deciding.tolist() == [[True, True, False, False], [False, True, False, False]]
    assert found.objects.tolist() == [["phone", "book", "cup", ""], ["", "book", "cup", "comb"]]
    assert found.faults == ("jitter",)


def test_a_hand_may_decide_more_than_once_and_one_alone_has_two_slots(truth):
    hands = np.tile([[100, 100], [200, 100]], (5, 1, 1))
    found = truth(
        np.concatenate([hands, np.full((5, 2, 2), np.nan)], 1),
        hands=hands[:, None].tolist(), objects=[[[""] * 5] * 2], deciding=[[[[0, 1], [3, 5]], []]],
    )  # fmt: skip
    assert found.deciding[:, 0].tolist() == [True, False, False, True, True]
    assert not found.deciding[:, 1:].any()


def test_a_hand_that_tracking_lost_decides_nowhere(truth):
    found = truth([[[100, 100], [200, 100], [np.nan, np.nan], [400, 141]]] * 2)
    assert not found.deciding.any()
    assert found.objects[1].tolist() == ["cup", "comb", "", ""]


def test_hands_that_meet_stay_two(truth):
    """Hands 10 px apart, found with an error of 8 px: the nearest of each would be the same hand."""
    meet = [[[[100, 100], [200, 100]], [[210, 100], [400, 100]]]] * 2
    found = truth([[[100, 100], [208, 100], [218, 100], [400, 100]]] * 2, hands=meet)
    assert found.objects[1].tolist() == ["cup", "comb", "", "book"]
    assert found.deciding.tolist() == [[False, False, True, True], [False, False, False, True]]
    lost = truth([[[100, 100], [200, 100], [np.nan] * 2, [400, 100]]] * 2, hands=meet)
    assert lost.deciding.tolist() == [[False, False, False, True]] * 2, "not the neighbour's slot"


def test_a_wrong_truth_file_is_named(truth):
    with pytest.raises(ValueError, match=r"truth\.json: truth of 2 frames for a clip of 3"):
        truth(np.zeros((3, 4, 2)))
    for changes in ({"hands": []}, {"deciding": {"actor": 0}}, {"deciding": [[[], []]] * 3 + [[[[0, 1]]]]},
                    {"deciding": [[[[-1, 2]], []], [[], []]]}, {"deciding": [[[[0, 3]], []], [[], []]]},
                    {"faults": "jitter"}, {"faults": [None]}, {"hands": [[[[None, 1]] * 2] * 2] * 2},
                    {"objects": [[["cup", 7], ["", ""]], [["", ""]] * 2]}):  # fmt: skip
        with pytest.raises(ValueError, match=r"truth\.json: not a planted truth .*pcsta data make"):
            truth(np.zeros((2, 4, 2)), **changes)

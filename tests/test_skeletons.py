"""Skeleton trees, and the maps between them."""

import numpy as np
import pytest

from pcsta.skeletons import KINECT_V1, KINECT_V2, SBU, SKELETONS, conversion

TREES = list(SKELETONS.values())


@pytest.mark.parametrize("skeleton", TREES, ids=lambda s: s.name)
def test_bones_form_one_tree_over_all_joints(skeleton):
    children = [child for _, child in skeleton.bones]
    assert len(skeleton.bones) == len(skeleton) - 1
    assert sorted([*children, skeleton.root_index]) == list(range(len(skeleton)))
    reached = {skeleton.root_index}
    for parent, child in skeleton.bones:
        assert parent in reached  # parents come before their children's own bones
        reached.add(child)


def test_sizes_and_ids_are_the_datasets():
    assert [len(s) for s in (KINECT_V2, KINECT_V1, SBU)] == [25, 20, 15]
    # NTU's documentation counts from 1: middle spine 2, hands 8 and 12
    assert KINECT_V2.root_index == 1
    assert KINECT_V2.hand_indices == (7, 11)
    assert KINECT_V1.hand_indices == (7, 11)
    assert SBU.hand_indices == (5, 8)


@pytest.mark.parametrize("skeleton", TREES, ids=lambda s: s.name)
def test_left_and_right_are_mirror_images(skeleton):
    def mirrored(name):
        swap = {"left": "right", "right": "left"}
        return " ".join(swap.get(word, word) for word in name.split())

    names = {frozenset((skeleton.joints[a], skeleton.joints[b])) for a, b in skeleton.bones}
    assert {frozenset(map(mirrored, bone)) for bone in names} == names


def test_unknown_joint_names_the_known_ones():
    with pytest.raises(ValueError, match=r"has no joint 'tail'.*left foot"):
        SBU.index("tail")


PAIRS = [(a, b) for a in TREES for b in TREES]


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda s: s.name)
def test_conversion_averages_joints_and_keeps_absence(source, target):
    matrix = conversion(source, target)
    assert matrix.shape == (len(target), len(source))
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
    assert (matrix >= 0).all()
    assert not (matrix @ np.zeros((len(source), 3))).any()
    joints = np.random.default_rng(0).normal(size=(len(source), 3))
    for name in set(source.joints) & set(target.joints):  # a joint of the same name is itself
        np.testing.assert_allclose(
            (matrix @ joints)[target.index(name)], joints[source.index(name)], rtol=1e-5
        )


def test_conversion_without_a_map_is_an_error():
    from dataclasses import replace

    with pytest.raises(KeyError, match="no map from skeleton other to sbu"):
        conversion(replace(KINECT_V2, name="other"), SBU)

"""Skeleton trees, and the maps between them."""

import numpy as np
import pytest

from pcsta.data import open_dataset
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
    for side in ("left", "right"):  # no joint of one side is made from the other
        for name in (n for n in target.joints if n.startswith(side)):
            parts = [source.joints[i] for i in np.flatnonzero(matrix[target.index(name)])]
            assert all(part.startswith(side) for part in parts), (name, parts)
    for hand, theirs in zip(target.hand_indices, source.hand_indices, strict=True):
        assert np.flatnonzero(matrix[hand]).tolist() == [theirs]


def test_a_joint_of_the_same_name_is_itself_where_the_sensors_agree():
    to_v1 = conversion(KINECT_V2, KINECT_V1)
    for name in set(KINECT_V2.joints) & set(KINECT_V1.joints):
        assert to_v1[KINECT_V1.index(name), KINECT_V2.index(name)] == 1
    to_sbu = conversion(KINECT_V2, SBU)
    renamed = [
        name
        for name in set(KINECT_V2.joints) & set(SBU.joints)
        if to_sbu[SBU.index(name), KINECT_V2.index(name)] != 1
    ]
    assert sorted(renamed) == ["left foot", "neck", "right foot"]


@pytest.mark.real
def test_the_map_to_sbu_follows_what_sbus_files_hold(real_data):
    """SBU's neck is the middle of its shoulders, its torso the middle of shoulders and hips."""
    data = open_dataset("sbu", real_data / "sbu")
    for sample in data.samples[::10]:
        j = data.read(sample).joints  # (T, 2, 15, 3)
        shoulders = j[:, :, [3, 6]].mean(2)
        np.testing.assert_allclose(j[:, :, 1], shoulders, atol=1e-4)
        middle = (shoulders + j[:, :, [9, 12]].mean(2)) / 2
        np.testing.assert_allclose(j[:, :, 2], middle, atol=0.04)


def lengths(joints, skeleton):
    """Median lengths in metres of what a person is built of, and head above feet."""

    def between(a, b):
        gap = joints[:, skeleton.index(a)] - joints[:, skeleton.index(b)]
        return float(np.median(np.linalg.norm(gap, axis=-1)))

    feet = joints[:, [skeleton.index("left foot"), skeleton.index("right foot")], 1].mean(1)
    return {
        "thigh": between("left hip", "left knee"),
        "shin": between("left knee", "left foot"),
        "upper arm": between("left shoulder", "left elbow"),
        "forearm and hand": between("left elbow", "left hand"),
        "neck to torso": between("neck", "torso"),
        "neck to head": between("neck", "head"),
        "head above feet": float(np.median(joints[:, skeleton.index("head"), 1] - feet)),
    }


@pytest.mark.real
def test_converted_people_have_the_size_axes_and_handedness_of_sbus(real_data):
    """Real NTU files read in SBU's skeleton beside real SBU files: metres, y up, z away."""
    ntu, sbu = (open_dataset(name, real_data / name) for name in ("ntu", "sbu"))
    there = []
    for sample in sbu.samples[::7]:
        joints = sbu.read(sample).joints
        there += [joints[:, person] for person in range(2)]
    matrix = conversion(KINECT_V2, SBU)
    here = []
    for sample in ntu.samples:
        clip = ntu.read(sample)
        here.append(matrix @ clip.joints[clip.present[:, 0], 0])
        ankles = clip.joints[:, :, [14, 18]][clip.present]
        feet = clip.joints[:, :, [15, 19]][clip.present]
        forward = (feet - ankles).mean(1)  # toes point to where a person looks
        left = (clip.joints[:, :, 4] - clip.joints[:, :, 8])[clip.present]
        assert np.median(handedness(left, forward)) > 0
    for name in lengths(here[0], SBU):
        ours, theirs = (
            np.median([lengths(j, SBU)[name] for j in people]) for people in (here, there)
        )
        assert ours == pytest.approx(theirs, rel=0.25), name
    for joints in (*here, *there):
        assert 1 < np.median(joints[:, 2, 2]) < 5  # metres before the camera
        assert np.median(joints[:, 0, 1] - joints[:, 2, 1]) > 0.2  # the head is up
    facing = []
    for sample in sbu.samples:
        if sample.action in ("approaching", "shaking hands", "exchanging", "punching"):
            j = sbu.read(sample).joints
            forward = j[:, 1, 2] - j[:, 0, 2]  # they look at each other
            facing.append(np.median(handedness(j[:, 0, 3] - j[:, 0, 6], forward)) > 0)
    assert all(facing)


def handedness(left, forward):
    """Positive when left, up and forward are placed as in NTU's camera space."""
    return (np.cross(left, (0, 1, 0)) * forward * (1, 0, 1)).sum(-1)


def test_conversion_without_a_map_is_an_error():
    from dataclasses import replace

    with pytest.raises(KeyError, match="no map from skeleton other to sbu"):
        conversion(replace(KINECT_V2, name="other"), SBU)

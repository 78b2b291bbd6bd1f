"""Estimated poses as skeleton files: joints, gaps, confidence, size and place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsta.data import DataError, read_clip
from pcsta.data.estimated import write_estimated
from pcsta.data.ntu import read_skeleton
from pcsta.skeletons import ESTIMATED, KINECT_V2, from_estimate
from recordings import person, pixels

SIZE = (1920, 1080)
BLAZE = ESTIMATED["blazepose_33"]
SHOULDER, BASE = (KINECT_V2.index(f"spine {part}") for part in ("shoulder", "base"))


def estimate(layout, frames=12, at=(0.5, 0.2, 3.0), **more):
    """What an estimator of this layout would say of a made person: image, world."""
    parts = from_estimate(layout)
    joints = np.linalg.pinv(parts) @ person(frames, at, **more)  # (T, K, 3), such that means fit
    with np.errstate(invalid="ignore"):  # joints that Kinect v2 does without are not found
        image = pixels(joints)
    image = np.concatenate([image, np.full((*joints.shape[:2], 1), 0.9)], -1)
    return image[:, None], (joints - joints.mean(1, keepdims=True))[:, None] * (1, -1, 1)


def test_layouts_are_told_apart_by_their_number_of_joints():
    assert {name: len(joints) for name, joints in ESTIMATED.items()} == {
        "coco_17": 17, "body_25": 25, "halpe_26": 26, "blazepose_33": 33,
    }  # fmt: skip
    for name, joints in ESTIMATED.items():
        assert len(set(joints)) == len(joints)
        np.testing.assert_allclose(from_estimate(name).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("layout", ESTIMATED)
@pytest.mark.parametrize("flat", [False, True])
def test_every_joint_is_the_mean_of_its_parts(tmp_path, layout, flat):
    """Against a plain loop, with joints that were not found."""
    image, world = estimate(layout, 1)
    rng = np.random.default_rng(0)
    lost = rng.random(image.shape[:3]) < 0.3
    lost[..., [ESTIMATED[layout].index(f"{side} shoulder") for side in ("left", "right")]] = False
    image[lost] = np.nan
    path = write_estimated(tmp_path / "a.skeleton", image, None if flat else world, SIZE)
    (body,) = read_skeleton(path).values
    for joint, parts in zip(body, from_estimate(layout), strict=True):
        known = [k for k in np.flatnonzero(parts) if np.isfinite(image[0, 0, k, 0])]
        if (share := sum(parts[k] for k in known)) > 0.5:
            place = sum(parts[k] * image[0, 0, k, :2] for k in known) / share
            np.testing.assert_allclose(joint[5:7], place, atol=0.051)
            assert joint[:3].any()
        else:
            assert not joint[:3].any() and np.isnan(joint[5:7]).all() and joint[-1] == 0


@pytest.mark.parametrize("flat", [False, True])
def test_a_person_comes_back_in_metres_at_the_pixels(tmp_path, flat):
    image, world = estimate("blazepose_33")
    clip = read_clip(write_estimated(tmp_path / "a.skeleton", image, None if flat else world, SIZE))
    assert clip.repairs == () and clip.present[:, 0].all() and not clip.present[:, 1].any()
    joints, truth = clip.joints[:, 0], person(12, (0.5, 0.2, 3.0))
    torso = np.linalg.norm(joints[:, SHOULDER] - joints[:, BASE], axis=-1)
    assert np.median(torso) == pytest.approx(0.5, abs=0.03)
    across = joints[..., :2] - joints[:, :1, :2]
    np.testing.assert_allclose(across, (truth - truth[:, :1])[..., :2], atol=0.1)
    deep = np.ptp(joints[..., 2], axis=1)
    assert (deep < 1e-3).all() if flat else (deep > 0.1).all()
    wrist, index, pinky = (BLAZE.index(f"left {part}") for part in ("wrist", "index", "pinky"))
    np.testing.assert_allclose(
        clip.hands[:, 0], image[:, 0, [wrist, index, pinky], :2].mean(1), atol=0.06
    )


def test_the_camera_sees_the_person_where_the_image_has_it(tmp_path):
    """By the assumed camera, whose focal length is the image's longer side."""
    image, _ = estimate("coco_17")
    path = write_estimated(tmp_path / "a.skeleton", image, None, SIZE)
    clip = read_clip(path)
    x, y, z = np.moveaxis(clip.joints[:, 0], -1, 0)
    seen = np.stack([960 + 1920 * x / z, 540 - 1920 * y / z], -1)
    np.testing.assert_allclose(seen, clip.pixels[:, 0], atol=0.2)


@given(st.floats(0.02, 20), st.integers(0, 1920), st.integers(0, 1080), st.booleans())
def test_whatever_its_size_and_place_in_the_image_a_person_is_where_the_readers_look(
    tmp_path_factory, scale, x, y, flat
):
    image, world = estimate("blazepose_33", 3)
    image[..., :2] = (image - np.nanmean(image, (0, 1, 2)))[..., :2] * scale + (x, y)
    path = tmp_path_factory.mktemp("a") / "a.skeleton"
    write_estimated(path, image, None if flat else world, SIZE)
    assert not np.isnan(read_skeleton(path).tracks.bodies[0].joints).any()


@pytest.mark.parametrize("gap", [1, 5, 6])
def test_short_gaps_are_bridged_as_inferred_and_long_ones_left(tmp_path, gap):
    image, world = estimate("blazepose_33", 30)
    wrist = BLAZE.index("right wrist")
    image[10 : 10 + gap, :, wrist] = np.nan
    hands = [KINECT_V2.index(f"right {part}") for part in ("wrist", "hand")]
    image[20 : 20 + gap] = world[20 : 20 + gap] = np.nan  # nobody at all
    values = read_skeleton(write_estimated(tmp_path / "a", image, world, SIZE))
    frames = values.frames.tolist()
    assert frames == [t for t in range(30) if gap < 6 or not 20 <= t < 26]
    for t in range(10, 10 + gap):
        joint, hand = values.values[frames.index(t), hands]
        assert joint[-1] == (1 if gap < 6 else 0) and hand[-1] == 2  # two of three parts are known
        a, b = image[9, 0, wrist, :2], image[10 + gap, 0, wrist, :2]
        if gap < 6:
            np.testing.assert_allclose(joint[5:7], a + (b - a) * (t - 9) / (gap + 1), atol=0.06)


def test_confidence_becomes_the_tracking_state(tmp_path):
    image, world = estimate("blazepose_33", 3)
    image[:, :, BLAZE.index("left knee"), 2] = 0.4
    image[:, :, BLAZE.index("right knee"), 2] = 0
    path = write_estimated(tmp_path / "a.skeleton", image, world, SIZE)
    states = read_skeleton(path).values[0, :, -1]
    left, right = (KINECT_V2.index(f"{side} knee") for side in ("left", "right"))
    assert (states[left], states[right]) == (1, 0) and (np.delete(states, [left, right]) == 2).all()
    image, world = estimate("coco_17", 1)  # whose hands lie beyond the wrist: a weight above 1
    image[..., ESTIMATED["coco_17"].index("left wrist"), 2] = 0.4
    path = write_estimated(tmp_path / "b.skeleton", image, world, SIZE)
    states = read_skeleton(path).values[0, :, -1]
    assert states[[KINECT_V2.index(f"{side} wrist") for side in ("left", "right")]].tolist() == [
        1,
        2,
    ]


def test_two_people_stand_apart_and_nobody_is_no_body(tmp_path):
    (a, b), world = (estimate("coco_17", at=(x, 0, 3))[0] for x in (-0.6, 0.6)), None
    both = np.concatenate([a, b], 1)
    clip = read_clip(write_estimated(tmp_path / "two.skeleton", both, world, SIZE))
    apart = np.ptp(clip.joints[:, :, clip.skeleton.root_index, 0], axis=1)
    np.testing.assert_allclose(apart, 1.2, atol=0.15)
    path = write_estimated(tmp_path / "none.skeleton", a * np.nan, world, SIZE)
    assert read_skeleton(path).length == 12 and not read_skeleton(path).ids
    with pytest.raises(DataError, match="no body in any of its 12 frames"):
        read_clip(path)


def test_a_layout_that_is_none_and_another_number_of_joints(tmp_path):
    image, _ = estimate("coco_17", 2)
    with pytest.raises(ValueError, match="no layout 'coco_18'"):
        from_estimate("coco_18")
    with pytest.raises(ValueError, match="no layout has 16 joints; known are 17, 25, 26, 33"):
        write_estimated(tmp_path / "a", image[:, :, :16], None, SIZE)
    assert not list(tmp_path.iterdir())

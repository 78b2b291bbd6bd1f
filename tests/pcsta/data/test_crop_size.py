"""The side of a crop: pixels, or the body's own size in the image."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcsta.data import DataError
from pcsta.data.clip import Clip
from pcsta.data.crop_size import crop_sides, parse_crop_size
from pcsta.skeletons import KINECT_V1, KINECT_V2, SBU
from recordings import person, pixels


def clip_of(skeleton=KINECT_V2, people=2, frames=9):
    joints = np.zeros((frames, 2, len(skeleton), 3), np.float32)
    places = np.full((frames, 2, len(skeleton), 2), np.nan, np.float32)
    for who in range(people):
        joints[:, who] = person(frames, (who - 0.5, 0, 2.5 + who), skeleton, seed=who)
        places[:, who] = pixels(joints[:, who])
    return Clip("clip", joints, places, skeleton, 0, "1")


def torso(clip, who):
    """The median over frames of the mean of left and right shoulder to hip, in a plain loop."""
    lengths = []
    for frame in clip.pixels[:, who]:
        at = dict(zip(clip.skeleton.joints, frame, strict=True))
        sides = [at[f"{side} shoulder"] - at[f"{side} hip"] for side in ("left", "right")]
        length = sum((x**2 + y**2) ** 0.5 for x, y in sides) / 2
        lengths += [] if np.isnan(length) else [length]
    return float(np.median(lengths))


def test_one_spelling_for_a_size():
    for text, size in (("50", 50), ("0.75torso", "0.75torso"), ("0.50torso", "0.5torso")):
        assert parse_crop_size(text) == size
    for wrong in "", "0", "-5", "50px", "0.5", "torso", "0torso", "1e9torso", "nantorso", "٣":
        with pytest.raises(ValueError, match=r"such as 50, or torsos, such as 0\.75torso: not"):
            parse_crop_size(wrong)


@pytest.mark.parametrize("skeleton", [KINECT_V2, KINECT_V1, SBU], ids=lambda one: one.name)
def test_each_person_has_a_side_of_their_own_torso(skeleton):
    clip = clip_of(skeleton)
    clip.pixels[np.random.default_rng(0).random(clip.pixels.shape[:3]) < 0.1] = np.nan
    one, other = (round(0.6 * torso(clip, who)) for who in (0, 1))
    assert one > other > 20  # who stands further away is smaller
    assert crop_sides("0.6torso", clip).tolist() == [one, one, other, other]
    assert crop_sides(50, clip).tolist() == [50] * 4
    assert crop_sides("90torso", clip).tolist() == [1920] * 4  # no more than the image
    assert crop_sides("0.6torso", clip_of(skeleton, people=1))[2:].tolist() == [0, 0]


@given(st.floats(0.1, 4), st.floats(0.3, 2))
def test_the_side_grows_with_the_image(scale, torsos):
    clip = clip_of()
    large = replace(clip, pixels=clip.pixels * np.float32(scale), image_size=(9999, 9999))
    before, after = (crop_sides(f"{torsos}torso", one) for one in (clip, large))
    assert (abs(after - scale * before) <= (scale + 1) / 2 + 0.01).all()  # both are rounded


@pytest.mark.parametrize("where", [np.nan, 7], ids=["unknown", "a point"])
def test_hands_without_a_torso_are_refused(where):
    clip = clip_of()
    others = [j for j in range(25) if j not in KINECT_V2.hand_indices]
    clip.pixels[:, 1, others] = where
    with pytest.raises(DataError, match=r"clip: the image shows hands and no torso.*--crop-size"):
        crop_sides("0.6torso", clip)

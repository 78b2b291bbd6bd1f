"""The side of a crop: pixels, or the body's own size in the image."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakes import MeanColour, tiny
from pcsta import evaluation
from pcsta.batches import SubSequences
from pcsta.config import TrainConfig, row
from pcsta.data import DataError, prepare
from pcsta.data.clip import Clip
from pcsta.data.crop_size import crop_sides, parse_crop_size
from pcsta.data.ntu import NTU
from pcsta.data.pairing import clip_frames
from pcsta.data.video import write_video
from pcsta.glimpse import squeeze
from pcsta.skeletons import KINECT_V1, KINECT_V2, SBU
from pcsta.training import train
from recordings import ntu_text, person, pixels, write_ntu


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
    for t in range(len(clip)):
        sides = []
        for side in ("left", "right"):
            x0, y0 = clip.pixels[t, who, clip.skeleton.joints.index(f"{side} shoulder")]
            x1, y1 = clip.pixels[t, who, clip.skeleton.joints.index(f"{side} hip")]
            sides.append(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)
        if not np.isnan(sum(sides)):
            lengths.append(sum(sides) / 2)
    return float(np.median(lengths))


@pytest.mark.parametrize(
    "text, size",
    [
        ("50", 50),
        ("1", 1),
        ("0.75torso", "0.75torso"),
        ("1torso", "1torso"),
        ("0.50torso", "0.5torso"),
    ],
)
def test_one_spelling_for_a_size(text, size):
    assert parse_crop_size(text) == size == parse_crop_size(str(size))


@pytest.mark.parametrize(
    "text",
    ["", "0", "-5", "50px", "0.5", "torso", "0torso", "0.0torso", "1e9torso", "nantorso", "٣"],
)
def test_another_spelling_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"such as 50, or torsos, such as 0\.75torso: not"):
        parse_crop_size(text)


@pytest.mark.parametrize("skeleton", [KINECT_V2, KINECT_V1, SBU], ids=lambda one: one.name)
def test_each_person_has_a_side_of_their_own_torso(skeleton):
    clip = clip_of(skeleton)
    lost = np.random.default_rng(0).random(clip.pixels.shape[:3]) < 0.1
    clip.pixels[lost] = np.nan
    one, other = (round(0.6 * torso(clip, who)) for who in (0, 1))
    assert one > other > 20  # who stands further away is smaller
    assert crop_sides("0.6torso", clip).tolist() == [one, one, other, other]
    assert crop_sides(50, clip).tolist() == [50] * 4


@given(st.floats(0.1, 4), st.floats(0.3, 2))
def test_the_side_grows_with_the_image(scale, torsos):
    clip = clip_of()
    large = replace(clip, pixels=clip.pixels * np.float32(scale), image_size=(9999, 9999))
    before, after = (crop_sides(f"{torsos}torso", one) for one in (clip, large))
    assert (abs(after - scale * before) <= (scale + 1) / 2 + 0.01).all()  # both are rounded


def test_who_is_never_there_has_no_side_and_no_side_leaves_the_image():
    assert crop_sides("0.6torso", clip_of(people=1))[2:].tolist() == [0, 0]
    assert crop_sides("90torso", clip_of()).tolist() == [1920] * 4


@pytest.mark.parametrize("fault", ["unknown", "a point"])
def test_hands_without_a_torso_are_refused(fault):
    clip = clip_of()
    hands = clip.pixels[:, 1, list(KINECT_V2.hand_indices)].copy()
    clip.pixels[:, 1] = np.nan if fault == "unknown" else 7
    clip.pixels[:, 1, list(KINECT_V2.hand_indices)] = hands
    with pytest.raises(DataError, match=r"clip: .* no torso of person 2.* --crop-size|in pixels"):
        crop_sides("0.6torso", clip)


@pytest.fixture
def two(tmp_path):
    """NTU files of four clips with two people, at two distances."""
    image = (
        np.random.default_rng(0).integers(0, 255, (54, 96, 3), np.uint8).repeat(20, 0).repeat(20, 1)
    )
    for name in (f"S001C001P00{subject}R001A00{action}" for subject in (1, 3) for action in (1, 2)):
        bodies = [(1, 0, person(6, (-0.9, 0, 3.0), wave=0.4)), (2, 0, person(6, (1.2, 0, 4.0)))]
        write_ntu(tmp_path / "raw", name, ntu_text(6, bodies))
        write_video(tmp_path / "raw/nturgb+d_rgb" / f"{name}_rgb.avi", [image] * 6)
    data = NTU(tmp_path / "raw", actions=(1, 2))
    data.crop_size = "0.5torso"
    return data


def test_crops_are_cut_at_their_side_and_squeezed_to_the_sensors(two):
    clip = two.read(two.samples[0])
    crops, where = prepare.glimpse_crops(clip, two.crop_size, 16)
    assert crops.shape == (24, 3, 16, 16)
    expected = []
    for t, image in clip_frames(clip):
        for hand in range(4):
            side = round(0.5 * torso(clip, hand // 2))
            x, y = np.rint(clip.hands[t, hand]).astype(int) - side // 2
            cut = np.zeros((side, side, 3), np.uint8)
            for i in range(side):
                for j in range(side):
                    if 0 <= y + i < 1080 and 0 <= x + j < 1920:
                        cut[i, j] = image[y + i, x + j]
            expected.append(squeeze(cut, 16))
    np.testing.assert_array_equal(crops, expected)
    assert where.tolist() == [[t, hand] for t in range(6) for hand in range(4)]


def test_a_prediction_sees_crops_of_the_size_that_its_run_saw(two, tmp_path, monkeypatch):
    """And a store of another size is another store."""
    sensor, make = MeanColour(), prepare.prepare
    store = make(two, tmp_path / "s", sensor, 0, progress=False)
    assert store.settings["crop_size"] == "0.5torso"
    fixed = prepare.store_path(NTU(two.root, actions=(1, 2)), sensor, tmp_path)
    assert prepare.store_path(two, sensor, tmp_path) != fixed
    config = row("K", tiny(glimpse_features=3, glimpse_projection=2))
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, batch=2, validation=0.5)
    run = train(store, config, recipe, tmp_path / "run", device="cpu", progress=False)
    monkeypatch.setattr(evaluation, "sensor_for", lambda *_: sensor)
    sample = two.samples[1]
    said = evaluation.predict(run, sample.skeleton_file, sample.video, device="cpu")
    assert said.crop_sides.tolist() == crop_sides("0.5torso", two.read(sample)).tolist()
    model = evaluation.load(run, "cpu")
    batches = SubSequences(store, model.config, torch.device("cpu"))
    among = evaluation.predict_clips(model, batches, np.array([1]))
    np.testing.assert_allclose(said.prediction.logits, among.logits[0], rtol=1e-3, atol=1e-4)

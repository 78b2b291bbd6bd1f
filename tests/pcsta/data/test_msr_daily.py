"""MSR Daily Activity 3D: both text forms, NaN, two skeletons, bad files, the protocol."""

import numpy as np
import pytest

from pcsta.data import DataError, read_clip
from pcsta.data.msr_daily import CLASSES, FOCAL, MSRDaily
from pcsta.skeletons import KINECT_V1
from recordings import msr_converted, msr_text, person

JOINTS = person(12, at=(0.3, 0.1, 2.5), skeleton=KINECT_V1)
NAME = "a07_s02_e01"


def write(root, text, name=f"{NAME}_skeleton.txt"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_original_form(tmp_path):
    write(tmp_path, msr_text([[j] for j in JOINTS]))
    clip = MSRDaily(tmp_path).read(NAME)
    np.testing.assert_allclose(clip.joints[:, 0], JOINTS, atol=1e-5)
    u = 640 * (0.5 + 0.9 * JOINTS[..., 0] / JOINTS[..., 2])
    v = 480 * (0.5 - 1.2 * JOINTS[..., 1] / JOINTS[..., 2])
    np.testing.assert_allclose(clip.pixels[:, 0], np.stack([u, v], -1), atol=1e-2)
    assert (clip.label, clip.action, clip.subject) == (6, "use vacuum cleaner", "2")
    assert clip.skeleton is KINECT_V1 and clip.repairs == ()


def test_frames_without_anybody(tmp_path):
    write(tmp_path, msr_text([[j] if 4 <= t < 11 else [] for t, j in enumerate(JOINTS)]))
    clip = MSRDaily(tmp_path).read(NAME)
    assert clip.present[:, 0].tolist() == [4 <= t < 11 for t in range(12)]


def test_two_skeletons_that_change_places(tmp_path):
    """A file has no ids, only an order within the frame: nearness says who is who."""
    other = person(12, at=(-0.8, 0.1, 3), skeleton=KINECT_V1, wave=0.1)
    pairs = [
        [a, b] if t < 5 else [b, a] for t, (a, b) in enumerate(zip(JOINTS, other, strict=True))
    ]
    write(tmp_path, msr_text(pairs))
    clip = MSRDaily(tmp_path).read(NAME)
    np.testing.assert_allclose(clip.joints[:, 0], JOINTS, atol=1e-5)
    np.testing.assert_allclose(clip.joints[:, 1], other, atol=1e-5)


@pytest.mark.parametrize("text", ["nan", "-1.#IND"])
def test_nan_is_interpolated(tmp_path, text):
    lines = msr_text([[j] for j in JOINTS]).splitlines()
    row = 1 + 5 * 41 + 1 + 2 * 11  # frame 5, joint 12 of 20
    lines[row] = f"{text} {text} {text} 0"
    write(tmp_path, "\n".join(lines))
    clip = MSRDaily(tmp_path).read(NAME)
    np.testing.assert_allclose(clip.joints[5, 0, 11], JOINTS[[4, 6], 11].mean(0), atol=1e-5)
    assert "1 joint positions are not a number" in clip.repairs[0]


def test_converted_form(tmp_path):
    write(tmp_path, msr_converted(JOINTS), f"{NAME}_skeleton3D.txt")
    clip = MSRDaily(tmp_path).read(NAME)
    np.testing.assert_allclose(clip.joints[:, 0], JOINTS, atol=1e-5)
    u = 320 + FOCAL * JOINTS[..., 0] / JOINTS[..., 2]
    np.testing.assert_allclose(clip.pixels[:, 0, :, 0], u, atol=1e-2)
    assert "projected" in clip.repairs[0]


def test_converted_form_keeps_missing_frames(tmp_path):
    lines = msr_converted(JOINTS).splitlines()
    write(tmp_path, "\n".join(lines[:80] + lines[200:]), f"{NAME}_skeleton3D.txt")
    clip = MSRDaily(tmp_path).read(NAME)
    assert len(clip) == 12
    assert clip.present[:, 0].tolist() == [t < 4 or t >= 10 for t in range(12)]


def test_the_original_wins_over_a_converted_file(tmp_path):
    write(tmp_path, msr_converted(JOINTS), f"z/{NAME}_skeleton3D.txt")
    original = write(tmp_path, msr_text([[j] for j in JOINTS]), f"y/{NAME}_skeleton.txt")
    write(tmp_path, "", f"rgb/{NAME}_rgb.avi")
    sample = MSRDaily(tmp_path)[NAME]
    assert sample.skeleton_file == original and sample.video == tmp_path / f"rgb/{NAME}_rgb.avi"


GOOD = msr_text([[j] for j in JOINTS]).splitlines()
FLAT = msr_converted(JOINTS).splitlines()


@pytest.mark.parametrize(
    ("lines", "frame", "line", "words"),
    [
        ([], None, None, "empty"),
        (["12 20 3", *GOOD[1:]], 0, 1, "first line should be"),
        (["12 15", *GOOD[1:]], None, 1, "20 joints, found 15"),
        (["x 20", *GOOD[1:]], None, 1, "number of frames"),
        (GOOD[:60], 1, 60, "ends in frame 1 of the 12"),
        (GOOD[:42], 1, 42, "ends in frame 1 of the 12"),
        ([*GOOD, "40"], 12, 494, "goes on after"),
        ([GOOD[0], "39", *GOOD[2:]], 0, 2, "multiple of 40"),
        ([*GOOD[:50], GOOD[50] + " 1", *GOOD[51:]], 1, 51, "4 numbers, found 5"),
        ([*GOOD[:50], GOOD[50].replace(".", "?"), *GOOD[51:]], 1, 51, "is not a number"),
        ([GOOD[0], "40000000000", *GOOD[2:]], 0, 493, "ends in frame 0 of the 12"),
        (["1000000000 20", *GOOD[1:]], 12, 493, "ends in frame 12 of the 1000000000"),
        ([*FLAT[:-20], *(f"1000000 {j + 1} 0 0 2" for j in range(20))], 11, 221, "rising frames"),
        ([*FLAT[:-20], *(f"inf {j + 1} 0 0 2" for j in range(20))], 11, 221, "rising frames"),
        ([f"3e38 {s[2:]}" for s in FLAT[:20]] + FLAT[20:40], 1, 21, "rising frames"),
        (["0 20"], None, 1, "states 0 frames"),
        (["3 20", "0", "0", "0"], None, None, "no body in any of its 3 frames"),
        (FLAT[:-1], None, 239, "no multiple"),
        ([*FLAT[:25], FLAT[26], FLAT[25], *FLAT[27:]], 1, 26, "count joints"),
        ([*FLAT[:7], FLAT[7][:-4] + "abc", *FLAT[8:]], None, 8, "is not a number"),
    ],
)
def test_bad_files_name_frame_and_line(tmp_path, lines, frame, line, words):
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(DataError, match=words) as error:
        read_clip(path)
    assert (error.value.path, error.value.frame, error.value.line) == (path, frame, line)


def test_protocol_and_unusable(tmp_path):
    for subject in range(1, 11):
        write(tmp_path, "", f"a16_s{subject:02}_e02_skeleton.txt")
    write(tmp_path, "", "a17_s01_e01_skeleton.txt")
    write(tmp_path, "", "my_skeleton.txt")
    write(tmp_path, "", "a01_s01_e01_rgb.avi")
    dataset = MSRDaily(tmp_path)
    train, test = dataset.split("cross-subject")
    assert {dataset[n].subject for n in train} == {"1", "3", "5", "7", "9"}
    assert {dataset[n].subject for n in test} == {"2", "4", "6", "8", "10"}
    assert dataset.unusable == {
        "a17_s01_e01": "not one of the 16 actions",
        "my": "not a name of the form aAA_sSS_eEE_skeleton.txt",
        "a01_s01_e01": "video without skeleton",
    }
    assert len(CLASSES) == 16


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"aAA_sSS_eEE_skeleton\.txt"):
        _ = MSRDaily(tmp_path).samples

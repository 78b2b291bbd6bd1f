"""SBU Kinect Interaction: metres, pixels, folds, bad rows."""

import numpy as np
import pytest

from pcsta.data import DataError
from pcsta.data.sbu import SBUInteraction, metres
from pcsta.data.splits import SBU_FOLDS
from pcsta.skeletons import SBU
from recordings import person, sbu_text

A = person(12, at=(0.5, 0, 2.2), skeleton=SBU)
B = person(12, at=(-0.4, 0, 2.4), skeleton=SBU, wave=0.6)


def write(root, text, place="s01s02/05/001"):
    path = root / place / "skeleton_pos.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_documented_conversion():
    """X = 1280 - 2560 x, Y = 960 - 1920 y, Z = 10000 z / 7.8125, in millimetres."""
    x, y, z = 0.71924, 0.44192, 1.6152
    expected = np.array([1280 - 2560 * x, 960 - 1920 * y, 10000 * z / 7.8125]) / 1000
    np.testing.assert_allclose(metres(np.array([x, y, z], np.float32)), expected, rtol=1e-5)


def test_who_stands_on_the_left_is_person_1(tmp_path):
    write(tmp_path, sbu_text(A, B))
    clip = SBUInteraction(tmp_path).read("s01s02_05_001")
    np.testing.assert_allclose(clip.joints, np.stack([A, B], 1), atol=1e-4)
    x = (1.28 - A[..., 0]) / 2.56 * 640  # B moves more, and A stays first all the same
    np.testing.assert_allclose(clip.pixels[:, 0, :, 0], x, atol=1e-2)
    np.testing.assert_allclose(clip.pixels[:, 0, :, 1], (0.96 - A[..., 1]) / 1.92 * 480, atol=1e-2)
    assert (clip.action, clip.subject, clip.replication) == ("shaking hands", "s01s02", 1)
    assert clip.image_size == (640, 480) and clip.video is None

    write(tmp_path, sbu_text(B, A))
    other = SBUInteraction(tmp_path).read("s01s02_05_001")
    np.testing.assert_array_equal(other.joints, clip.joints)
    np.testing.assert_array_equal(other.hands, clip.hands)
    assert not clip.repairs and "stands on the left" in other.repairs[0]


def test_a_person_of_zeros_is_absent(tmp_path):
    rows = sbu_text(A, B).splitlines()
    fields = rows[3].split(",")
    rows[3] = ",".join(fields[:46] + ["0"] * 45)
    write(tmp_path, "\n".join(rows))
    clip = SBUInteraction(tmp_path).read("s01s02_05_001")
    assert clip.present[:, 1].tolist() == [t != 3 for t in range(12)]
    assert np.isnan(clip.hands[3, 2:]).all() and np.isfinite(clip.hands[3, :2]).all()


def test_nan_is_interpolated(tmp_path):
    rows = sbu_text(A, B).splitlines()
    fields = rows[3].split(",")
    rows[3] = ",".join([*fields[:4], "NaN", *fields[5:]])
    write(tmp_path, "\n".join(rows))
    clip = SBUInteraction(tmp_path).read("s01s02_05_001")
    np.testing.assert_allclose(clip.joints[3, 0, 1], A[[2, 4], 1].mean(0), atol=1e-4)
    assert clip.repairs == (
        "body 1: 1 joint positions are not a number",
        "body 1 (frames 0-11): 1 missing joint positions interpolated in time",
    )


def test_a_joint_of_zeros_is_missing(tmp_path):
    """Zeros in the file are a corner of the image in metres."""
    rows = sbu_text(A, B).splitlines()
    fields = rows[3].split(",")
    hand = 1 + 3 * SBU.index("left hand")
    rows[3] = ",".join([*fields[:hand], "0", "0", "0", *fields[hand + 3 :]])
    write(tmp_path, "\n".join(rows))
    clip = SBUInteraction(tmp_path).read("s01s02_05_001")
    here = SBU.index("left hand")
    np.testing.assert_allclose(clip.joints[3, 0, here], A[[2, 4], here].mean(0), atol=1e-4)
    assert clip.repairs[0] == "body 1: 1 joint positions are zero"
    assert np.isnan(clip.hands[3, 0]).all()


@pytest.mark.parametrize(
    ("change", "frame", "line", "words"),
    [
        (lambda rows: [], None, None, "empty"),
        (lambda rows: [*rows[:5], rows[5][:-60]], 5, 6, "91 numbers"),
        (lambda rows: [*rows[:4], rows[4].replace(",0", ",x0", 1)], 4, 5, "is not a number"),
        (lambda rows: [*rows, rows[2]], 12, 13, "should rise"),
        (lambda rows: [rows[0], "inf" + rows[1][3:]], 1, 2, "should rise"),
        (lambda rows: ["nan" + rows[0][3:], rows[1]], 0, 1, "should rise"),
        (lambda rows: [r.replace(".", ",") for r in rows], 0, 1, "have decimal commas. Write"),
        (lambda rows: [r.split(",")[0] + ",0" * 90 for r in rows], None, None, "no body in any"),
    ],
)
def test_bad_rows_name_frame_and_line(tmp_path, change, frame, line, words):
    path = write(tmp_path, "\n".join(change(sbu_text(A, B).splitlines())))
    with pytest.raises(DataError, match=words) as error:
        SBUInteraction(tmp_path).read("s01s02_05_001")
    assert (error.value.path, error.value.frame, error.value.line) == (path, frame, line)


def test_skipped_frame_numbers_are_said(tmp_path):
    rows = sbu_text(A, B).splitlines()
    write(tmp_path, "\n".join(rows[:5] + rows[8:]))
    clip = SBUInteraction(tmp_path).read("s01s02_05_001")
    assert len(clip) == 9 and "skip 3 frames" in clip.repairs[0]


def test_unusable_places(tmp_path):
    for place in ("s01s02/01/001", "s01s02/09/001", "s01s04/01/001", "s01s02/1/001"):
        write(tmp_path, "", place)
    dataset = SBUInteraction(tmp_path)
    assert [s.name for s in dataset] == ["s01s02_01_001"]
    assert dataset.unusable == {
        "s01s02_09_001": "not one of the 8 actions",
        "s01s04_01_001": "a pair of subjects that is in no fold",
        "s01s02_1_001": "not a name of the form sXXsYY_AA_NNN (from sXXsYY/AA/NNN/skeleton_pos.txt)",
    }


def test_the_images_of_a_sequence_are_its_video(tmp_path):
    path = write(tmp_path, sbu_text(A, B))
    (path.parent / "rgb_000180.png").touch()
    assert SBUInteraction(tmp_path)["s01s02_05_001"].video == path.parent


@pytest.mark.real
def test_the_whole_real_dataset(real_data):
    """282 sequences and 6,822 frames (section 5); five folds that cover all, once each."""
    dataset = SBUInteraction(real_data / "sbu")
    clips = [dataset.read(s) for s in dataset]
    assert len(clips) == 282 and sum(map(len, clips)) == 6822 and dataset.unusable == {}
    assert all(np.isfinite(c.joints).all() and c.present.all() for c in clips)
    tested = [name for fold in dataset.protocols for name in dataset.split(fold).test]
    assert sorted(tested) == [c.name for c in clips]
    for k, fold in enumerate(dataset.protocols):
        train, test = dataset.split(fold)
        assert {dataset[n].subject for n in test} == set(SBU_FOLDS[k])
        assert len(train) + len(test) == 282 and not set(train) & set(test)
    x = np.array([c.pixels[:, :, 2, 0].mean(0) for c in clips])
    assert (x[:, 0] < x[:, 1]).all()  # "A is the left person" ...
    exchanged = [any("stands on the left" in r for r in c.repairs) for c in clips]
    assert sum(exchanged) == 282 - 158  # ... was true of 158
    assert np.median([len(c) for c in clips]) == 23  # chapter 10 says so


@pytest.mark.real
def test_real_bones_keep_their_length(real_data):
    """Metres that were wrong in one axis would stretch a limb as it turns."""
    dataset = SBUInteraction(real_data / "sbu")
    neck, torso = SBU.index("neck"), SBU.index("torso")
    for name in ("s01s02_01_001", "s06s04_08_001"):
        joints = dataset.read(name).joints
        length = np.linalg.norm(joints[:, :, neck] - joints[:, :, torso], axis=-1)  # (T, 2)
        assert (length.std(0) < 0.02 * length.mean(0)).all()
        assert ((length > 0.15) & (length < 0.3)).all()

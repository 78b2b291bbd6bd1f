"""NTU RGB+D: the text, the faults, the protocols."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsta.data import DataError, data_root, open_dataset, read_clip
from pcsta.data.bodies import JUMP
from pcsta.data.ntu import ACTION_NAMES, MISSING, NTU, NTU120, read_skeleton
from pcsta.data.splits import NTU120_TRAIN_SUBJECTS, NTU_TRAIN_SUBJECTS
from recordings import ntu_text, person, pixels, write_ntu

ONE, TWO, THREE = 72057594037931101, 72057594037931102, 72057594037931103
NAME = "S001C001P001R001A001"


def read(tmp_path, *bodies, length=30, name=NAME):
    write_ntu(tmp_path, name, ntu_text(length, list(bodies)))
    return NTU(tmp_path).read(name)


# --- what a good file gives ---------------------------------------------------------------------


def test_joints_pixels_and_name_arrive(tmp_path):
    joints = person(30)
    clip = read(tmp_path, (ONE, 0, joints), name="S002C003P004R001A058")
    np.testing.assert_allclose(clip.joints[:, 0], joints, atol=1e-5)
    np.testing.assert_allclose(clip.pixels[:, 0], pixels(joints), atol=1e-3)
    assert not clip.joints[:, 1].any() and np.isnan(clip.pixels[:, 1]).all()
    assert clip.present.tolist() == [[True, False]] * 30
    assert (clip.subject, clip.camera, clip.replication) == ("4", 3, 1)
    assert (clip.label, clip.action) == (57, "shake hands")
    assert clip.repairs == ()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_numbers_survive_the_text(tmp_path_factory, data):
    """Counts of bodies and 17-digit ids are free; what is written is what is read."""
    length = data.draw(st.integers(1, 4))
    counts = data.draw(st.lists(st.integers(0, 6), min_size=length, max_size=length))
    ids = [72057594037930000 + i for i in range(6)]
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    values = rng.normal(0, 3, (sum(counts), 25, 12)).round(6)
    lines, row = [str(length)], 0
    for count in counts:
        lines.append(str(count))
        for body in range(count):
            lines += [f"{ids[body]} 0 1 1 1 1 0 0.1 -0.2 2", "25"]
            lines += [" ".join(f"{n:.6f}" for n in joint) for joint in values[row]]
            row += 1
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    path = tmp_path_factory.mktemp("ntu") / "a.skeleton"
    path.write_bytes((end.join(lines) + end).encode())
    recording = read_skeleton(path)
    assert recording.length == length
    np.testing.assert_allclose(recording.values, values, rtol=1e-6, atol=1e-6)
    assert np.bincount(recording.frames, minlength=length).tolist() == counts
    assert {b.ids[0] for b in recording.bodies} == set(ids[: max(counts)])


def test_ids_that_a_float_cannot_tell_apart(tmp_path):
    assert float(ONE + 1) == float(ONE + 3)
    a, b = person(30), person(30, at=(1, 0, 3))
    clip = read(tmp_path, (ONE + 1, 0, a), (ONE + 3, 0, b))
    assert clip.present.all()


# --- bad input ----------------------------------------------------------------------------------


def broken(tmp_path, change, length=3):
    """The DataError of a good file of two bodies, changed line by line."""
    text = ntu_text(length, [(ONE, 0, person(length)), (TWO, 0, person(length, at=(1, 0, 3)))])
    path = write_ntu(tmp_path, NAME, change(text))
    with pytest.raises(DataError) as error:
        NTU(tmp_path).read(NAME)
    assert error.value.path == path and str(path) in str(error.value)
    assert error.value.advice
    return error.value


def line(number, change):
    """A change of one line, counted from 1."""

    def apply(text):
        lines = text.split("\n")
        lines[number - 1] = change(lines[number - 1])
        return "\n".join(lines)

    return apply


# Frame 0 is lines 2-56: count 2, body 3-29, body 30-56; frame 1 starts at line 57.
@pytest.mark.parametrize(
    ("change", "frame", "at", "words"),
    [
        (lambda text: "", None, None, "empty"),
        (lambda text: "\n\n", None, None, "empty"),
        (lambda text: "0\n", None, 1, "0 frames"),
        (lambda text: "\n".join(text.split("\n")[:70]), 1, 70, "ends in frame 1 of the 3"),
        (lambda text: "\n".join(text.split("\n")[:56]), 1, 56, "ends in frame 1 of the 3"),
        (lambda text: text[:-25], 2, 166, "12 numbers"),
        (lambda text: text + "1\n", 3, 167, "goes on after the 3 frames"),
        (line(1, lambda _: "many"), None, 1, "number of frames"),
        (line(1, lambda _: "3 25"), None, 1, "number of frames should be a whole number"),
        (line(2, lambda _: "-2"), 0, 2, "number of bodies"),
        (line(3, lambda s: "7.2e16" + s[17:]), 0, 3, "body id"),
        (line(3, lambda s: s[:20]), 0, 3, "10 fields"),
        (line(4, lambda _: "24"), 0, 4, "25 joints, found 24"),
        (line(31, lambda _: "20"), 0, 31, "25 joints, found 20"),
        (line(10, lambda s: s.replace("200", "two")), 0, 10, "'two' is not a number"),
        (line(60, lambda s: s + " 7"), 1, 60, "12 numbers, found 13"),
        (line(60, lambda s: s[: s.rindex(" ")]), 1, 60, "12 numbers, found 11"),
        (line(10, lambda s: s.replace("200", "zw\xf6lf")), 0, 10, "'zw\xf6lf' is not a number"),
        (line(10, lambda s: s.replace("200", "1_0")), 0, 10, "'1_0' is not a number"),
        (line(10, lambda s: s.replace("200", "0,5")), 0, 10, "decimal comma. Write the file again"),
        (line(1, lambda _: 6 * "9"), 3, 166, "ends in frame 3 of the 999999 that"),
        (line(1, lambda _: 5000 * "9"), None, 1, "number of frames should be a whole number"),
        (line(2, lambda _: "1000000"), 0, 57, "a body's line should have 10 fields"),
    ],
)
def test_broken_text_names_file_frame_and_line(tmp_path, change, frame, at, words):
    error = broken(tmp_path, change)
    assert (error.frame, error.line) == (frame, at)
    assert words in str(error)


def test_an_error_survives_the_way_home_from_a_worker(tmp_path):
    error = broken(tmp_path, line(4, lambda _: "24"))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and (again.frame, again.line) == (0, 4)


def test_no_body_at_all(tmp_path):
    write_ntu(tmp_path, NAME, ntu_text(5, []))
    with pytest.raises(DataError, match=r"no body in any of its 5 frames.*Leave the sample out"):
        NTU(tmp_path).read(NAME)


def test_frames_without_bodies_are_zero(tmp_path):
    joints = person(30)
    clip = read(tmp_path, (ONE, 10, joints[10:]))
    assert clip.present[:, 0].tolist() == [t >= 10 for t in range(30)]
    assert np.isnan(clip.hands[:10]).all()


ODD = (
    "nan",
    "NaN",
    "-nan",
    "-1.#IND",
    "1.#QNAN",
    "-nan(ind)",
    "nan(snan)",
    "inf",
    "-\u221e",
    "1e400",
)


@pytest.mark.parametrize("text", ODD)
def test_joints_that_are_no_number_are_interpolated(tmp_path, text):
    lines = ntu_text(30, [(ONE, 0, person(30))]).split("\n")
    row = 1 + 10 * 28 + 3 + 11  # frame 10, joint 12: the right hand
    fields = lines[row].split()
    lines[row] = " ".join([text, *fields[1:5], text, *fields[6:]])
    write_ntu(tmp_path, NAME, "\n".join(lines))
    clip = NTU(tmp_path).read(NAME)
    assert np.isfinite(clip.joints).all()
    np.testing.assert_allclose(
        clip.joints[10, 0, 11], clip.joints[[9, 11], 0, 11].mean(0), atol=1e-5
    )
    assert np.isnan(clip.hands[10, 1]).all() and np.isfinite(clip.hands[9, 1]).all()
    assert clip.repairs == (
        f"body {ONE}: 1 joint positions are not a number",
        f"body {ONE} (frames 0-29): 1 missing joint positions interpolated in time",
        "right 1 hand has no place in the image in 1 of 30 frames: it counts as absent there",
    )


def test_nothing_but_nan_is_nobody(tmp_path):
    write_ntu(tmp_path, NAME, ntu_text(9, [(ONE, 0, np.full((9, 25, 3), np.nan))]))
    with pytest.raises(DataError, match="no body in any of its 9 frames"):
        NTU(tmp_path).read(NAME)


def test_a_joint_of_zeros_is_missing(tmp_path):
    joints = person(30)
    joints[10:15, 11] = 0  # the right hand
    lines = ntu_text(30, [(ONE, 0, np.where(joints == 0, 1e-9, joints))]).split("\n")
    lines = [
        "0 0 0 0 0 0 0 0 0 0 0 0" if row.startswith("0.000000 0.000000 0.000000") else row
        for row in lines
    ]
    write_ntu(tmp_path, NAME, "\n".join(lines))
    clip = NTU(tmp_path).read(NAME)
    way = np.linspace(joints[9, 11], joints[15, 11], 7)
    np.testing.assert_allclose(clip.joints[9:16, 0, 11], way, atol=1e-5)
    assert np.isnan(clip.hands[10:15, 1]).all() and np.isfinite(clip.hands[9, 1]).all()
    assert f"body {ONE}: 5 joint positions are zero" in clip.repairs
    assert "right 1 hand has no place in the image in 5 of 30 frames" in clip.repairs[-1]


def test_zero_is_a_place_where_coordinates_start_at_the_body(tmp_path):
    joints = person(30, at=(0, 0, 0))
    joints -= joints[:, 1:2]
    joints[:, 1] = 0
    with np.errstate(invalid="ignore"):
        clip = read(tmp_path, (ONE, 0, joints))
    np.testing.assert_allclose(clip.joints[:, 0], joints, atol=1e-5)
    assert not any("are zero" in said for said in clip.repairs)


@pytest.mark.parametrize("number", ["-3.402823e+38", "1e30", "-10.1"])
def test_a_joint_beyond_the_sensor_is_missing(tmp_path, number):
    joints = person(30)
    lines = ntu_text(30, [(ONE, 0, joints)]).split("\n")
    row = 1 + 4 * 28 + 3 + 3  # frame 4, the head
    lines[row] = " ".join([number, *lines[row].split()[1:]])
    write_ntu(tmp_path, NAME, "\n".join(lines))
    clip = NTU(tmp_path).read(NAME)
    np.testing.assert_allclose(clip.joints[4, 0, 3], joints[[3, 5], 3].mean(0), atol=1e-5)
    assert clip.repairs[0] == f"body {ONE}: 1 joint positions are more than 10 m from the sensor"


@pytest.mark.parametrize("number", ["3e38", "-10001"])
def test_a_pixel_of_no_image_is_unknown(tmp_path, number):
    text = ntu_text(30, [(ONE, 0, person(30))])
    rows = text.split("\n")
    row = 1 + 7 * 28 + 3 + 7  # frame 7, the left hand
    rows[row] = " ".join([*rows[row].split()[:5], number, "500", *rows[row].split()[7:]])
    write_ntu(tmp_path, NAME, "\n".join(rows))
    clip = NTU(tmp_path).read(NAME)
    assert np.isnan(clip.hands[7, 0]).all() and np.isfinite(clip.hands[[6, 8], 0]).all()
    assert clip.repairs == (
        "left 1 hand has no place in the image in 1 of 30 frames: it counts as absent there",
    )


def test_a_body_of_zeros_is_absent(tmp_path):
    """Case: a bystander who is listed with zeros at first must not become person 1."""
    bystander = person(30, at=(1, 0, 3.5), wave=0.05)
    bystander[:10] = np.nan
    text = ntu_text(30, [(TWO, 0, bystander), (ONE, 0, person(30))])
    rows = ["0 0 0 0 0 0 0 0 0 0 0 2" if row.startswith("nan") else row for row in text.split("\n")]
    write_ntu(tmp_path, NAME, "\n".join(rows))
    clip = NTU(tmp_path).read(NAME)
    np.testing.assert_allclose(clip.joints[:, 0], person(30), atol=1e-5)
    assert clip.present[:, 1].tolist() == [t >= 10 for t in range(30)]
    assert f"body {TWO} has no measured joint in 10 frames: absent there" in clip.repairs


def test_two_bodies_that_share_an_id_are_both_kept(tmp_path):
    one, two = person(30, wave=0.5), person(30, at=(1, 0, 3), wave=0.2)
    clip = read(tmp_path, (ONE, 0, one), (ONE, 0, two))
    np.testing.assert_allclose(clip.joints, np.stack([one, two], 1), atol=1e-5)
    assert clip.repairs == (
        f"body {ONE} is listed again in 30 frames, first in 0: kept as body {ONE + 1}",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_of_windows(tmp_path, encoding):
    joints = person(30)
    path = write_ntu(tmp_path, NAME, "")
    path.write_bytes(ntu_text(30, [(ONE, 0, joints)]).replace("\n", "\r\n").encode(encoding))
    np.testing.assert_allclose(NTU(tmp_path).read(NAME).joints[:, 0], joints, atol=1e-5)


def test_bytes_that_are_no_text(tmp_path):
    write_ntu(tmp_path, NAME, "").write_bytes(b"30\n1\n\xff\xfe")
    with pytest.raises(DataError, match="byte 5 is no text"):
        NTU(tmp_path).read(NAME)


def test_hands_outside_the_image_are_said(tmp_path):
    joints = person(30, at=(3.0, 0, 3))
    clip = read(tmp_path, (ONE, 0, joints))
    np.testing.assert_allclose(clip.pixels[:, 0], pixels(joints), atol=1e-3)  # kept as they are
    assert "left 1 hand is outside the image in 30 of 30 frames" in clip.repairs[0]


# --- the dataset --------------------------------------------------------------------------------


def test_empty_and_wrong_folders(tmp_path):
    with pytest.raises(DataError, match=r"no such folder.*nturgb\+d_skeletons.*data/README\.md"):
        _ = NTU(tmp_path / "nowhere").samples
    with pytest.raises(DataError, match="no usable ntu sample"):
        _ = NTU(tmp_path).samples
    (tmp_path / "nturgb+d_skeletons").mkdir()
    (tmp_path / "nturgb+d_skeletons" / "notes.skeleton").write_text("hello")
    reason = "1 left out, such as notes: not a name of the form SsssCcccPpppRrrrAaaa"
    with pytest.raises(DataError, match=f"no usable ntu sample in this folder; {reason}"):
        _ = NTU(tmp_path).samples


def test_unusable_samples_have_reasons(tmp_path):
    good = ntu_text(3, [(ONE, 0, person(3))])
    missing = sorted(MISSING)[0]
    for name in (NAME, missing, "S001C001P001R001A061", "walking"):
        write_ntu(tmp_path, name, good)
    (tmp_path / "nturgb+d_rgb").mkdir()
    (tmp_path / "nturgb+d_rgb" / "S001C001P001R001A002_rgb.avi").touch()
    dataset = NTU(tmp_path)
    assert [s.name for s in dataset] == [NAME]
    assert dataset.unusable == {
        missing: "skeleton missing or incomplete (the authors' list)",
        "S001C001P001R001A061": "not one of NTU RGB+D's 60 actions; the dataset ntu-120 has it",
        "walking": "not a name of the form SsssCcccPpppRrrrAaaa",
        "S001C001P001R001A002": "video without skeleton",
    }
    with pytest.raises(DataError, match="authors' list"):
        dataset.read(missing)
    with pytest.raises(DataError, match="no such file"):
        dataset.read("S009C001P001R001A001")


def test_protocols(tmp_path):
    """Every subject and camera is on the side that section 5's source [30] names."""
    for subject in range(1, 41):
        for camera in (1, 2, 3):
            write_ntu(tmp_path, f"S001C{camera:03}P{subject:03}R001A007", "")
    dataset = NTU(tmp_path)
    train, test = dataset.split("cross-subject")
    assert len(train) == len(test) == 60 and not set(train) & set(test)
    assert {int(name[9:12]) for name in train} == NTU_TRAIN_SUBJECTS
    assert {int(name[9:12]) for name in test} == set(range(1, 41)) - NTU_TRAIN_SUBJECTS
    train, test = dataset.split("cross-view")
    assert {name[5:8] for name in train} == {"002", "003"}
    assert {name[5:8] for name in test} == {"001"} and len(train) + len(test) == 120
    assert dataset.split() == dataset.split("cross-subject")
    with pytest.raises(ValueError, match="no protocol 'random'"):
        dataset.split("random")


def test_one_folder_holds_both_sets(tmp_path):
    """The 60 classes and the 120; every subject and setup on the side that Liu et al. (2019) name."""
    for subject in range(1, 107):
        setup, action = (subject % 17 + 1, 7) if subject <= 40 else (subject % 15 + 18, 61)
        write_ntu(tmp_path, f"S{setup:03}C001P{subject:03}R001A{action:03}", "")
    small, large = NTU(tmp_path), NTU120(tmp_path)
    assert (len(small), len(small.classes)) == (40, 60) and len(small.unusable) == 66
    assert (len(large), len(large.classes)) == (106, 120) and large.unusable == {}
    assert {s.action for s in large} == {"throw", "put on headphone"}
    train, test = large.split("cross-subject-120")
    assert {int(name[9:12]) for name in train} == NTU120_TRAIN_SUBJECTS
    assert len(train) == len(test) == 53
    train, test = large.split("cross-setup")
    assert {int(name[1:4]) for name in train} == set(range(2, 33, 2))
    assert {int(name[1:4]) for name in test} == set(range(1, 33, 2))
    with pytest.raises(ValueError, match="no protocol 'cross-view'; it has: cross-subject-120"):
        large.split("cross-view")


def test_published_facts():
    assert len(NTU_TRAIN_SUBJECTS) == 20 and len(NTU120_TRAIN_SUBJECTS) == 53
    assert len(MISSING) == 535 and sum(name < "S018" for name in MISSING) == 302
    assert len(ACTION_NAMES) == len(set(ACTION_NAMES)) == 120
    named = {1: "drink water", 23: "hand wave", 50: "punch or slap other person",
             58: "shake hands", 60: "walk apart from each other",
             61: "put on headphone", 120: "rock, paper, scissors"}  # fmt: skip
    assert {a: ACTION_NAMES[a - 1] for a in named} == named


def test_a_subset_of_actions_is_relabelled(tmp_path):
    for action in (1, 23, 56):
        write_ntu(tmp_path, f"S001C001P001R001A{action:03}", "")
    own = {"name": "some", "actions": [56, 1], "image_size": [96, 64]}
    (tmp_path / "dataset.json").write_text(json.dumps(own))
    dataset = NTU(tmp_path)
    assert dataset.classes == ("give object", "drink water")
    assert {s.name[-3:]: s.label for s in dataset} == {"056": 0, "001": 1}
    assert dataset.unusable == {}


def test_open_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    assert open_dataset("ntu").root == open_dataset("ntu-120").root == tmp_path / "ntu"
    with pytest.raises(DataError, match="Choose one of synthetic, ntu, ntu-120, sbu, msr-daily"):
        open_dataset("kinetics")
    with pytest.raises(DataError, match="pcsta data make"):
        open_dataset("synthetic")


def test_data_root(tmp_path, monkeypatch):
    monkeypatch.delenv("PCSTA_DATA", raising=False)
    assert data_root() == Path(__file__).parents[3] / "data"  # the repository's, in any folder
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path))
    assert data_root() == tmp_path


def test_planted_truth_beside_a_clip_is_read(tmp_path):
    joints = person(6)
    hands = pixels(joints[:, [7, 11]])  # (6, 2 sides, 2)
    truth = {
        "hands": hands[:, None].tolist(),
        "objects": [[["cup"] * 6, [""] * 6]],
        "deciding": [[[], [[2, 4]]]],
        "faults": ["jitter"],
    }
    (tmp_path / "nturgb+d_truth").mkdir()
    (tmp_path / "nturgb+d_truth" / f"{NAME}.json").write_text(json.dumps(truth))
    found = read(tmp_path, (ONE, 0, joints), length=6).truth
    assert np.argwhere(found.deciding).tolist() == [[2, 1], [3, 1]]
    assert found.objects[0].tolist() == ["cup", "", "", ""] and found.faults == ("jitter",)


def test_read_clip_of_any_name(tmp_path):
    path = tmp_path / "mine.skeleton"
    path.write_text(ntu_text(5, [(ONE, 0, person(5))]))
    clip = read_clip(path)
    assert (clip.name, clip.label, len(clip)) == ("mine", -1, 5)
    path.with_name("mine.json").write_text("{}")
    with pytest.raises(DataError, match="neither a video nor a skeleton file"):
        read_clip(path.with_name("mine.json"))


# --- real files ---------------------------------------------------------------------------------


@pytest.mark.real
def test_real_recordings(real_data):
    dataset = NTU(real_data / "ntu")
    for clip in map(dataset.read, dataset):
        assert np.isfinite(clip.joints).all()
        two = clip.label >= 49  # A050 to A060 are performed by two people
        assert clip.present[:, 0].all() and clip.present[:, 1].all() == two
        assert 2 < clip.joints[:, 0, 1, 2].min() < clip.joints[:, 0, 1, 2].max() < 5
    clip = dataset.read(NAME)
    assert len(clip) == 103 and clip.image_size == (1920, 1080) and clip.repairs == ()


@pytest.mark.real
def test_real_hug_flickers(real_data):
    """One body of this hug jumps to the other's legs and back in four frames."""
    dataset = NTU(real_data / "ntu")
    sample = dataset["S017C003P020R002A055"]

    def longest_step(spine):
        return np.linalg.norm(np.diff(spine, axis=0), axis=-1).max()

    raw = read_skeleton(sample.skeleton_file).bodies
    assert max(longest_step(body.joints[:, 1]) for body in raw) > 0.8
    clip = dataset.read(sample)
    assert longest_step(clip.joints[:, :, 1]) < JUMP
    assert any("4 missing frames interpolated" in r for r in clip.repairs)


@pytest.mark.real
def test_the_bulk_reader_reads_what_reading_line_by_line_reads(real_data):
    paths = sorted((real_data / "ntu" / "nturgb+d_skeletons").iterdir())

    for path in paths:
        rows = [s.split() for s in path.read_text().splitlines()]
        values = np.array([[float(n) for n in row] for row in rows if len(row) == 12], np.float32)
        np.testing.assert_array_equal(read_skeleton(path).values.reshape(-1, 12), values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../elsewhere"}, {"name": 7}, {"actions": []}, {"actions": [121]}, {"actions": 1},
        {"image_size": [1920]}, {"image_size": [0, 9]}, {"image_size": None}, {"crop_size": "50"},
        {"crop_size": True}, {"image_size": [960.0, 540]}, {"actions": [1, 1]}, {"classes": "ab"},
        {"classes": ["a", "a"]}, {"classes": ["a", 2]},
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_true_is_refused(tmp_path, wrong):
    """`dataset.json` names stores, labels and pixels: nothing of it is taken in silence."""
    write_ntu(tmp_path, NAME, ntu_text(30, [(ONE, 0, person(30))]))
    told = {"name": "own", "actions": [1, 2], "image_size": [960, 540], "crop_size": 32}
    (tmp_path / "dataset.json").write_text(json.dumps(told))
    assert NTU(tmp_path).image_size(NTU(tmp_path)[NAME]) == (960, 540)
    (tmp_path / "dataset.json").write_text(json.dumps(told | wrong))
    with pytest.raises(DataError, match=r"dataset\.json.*does not describe a dataset"):
        NTU(tmp_path)


def test_a_description_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "dataset.json").write_text('{"name": ')
    with pytest.raises(ValueError, match=r"dataset\.json is damaged"):
        NTU(tmp_path)

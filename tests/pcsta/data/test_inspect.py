"""`inspect` and `check`: what they count must be what was written."""

import json

import av
import numpy as np
import pytest

from pcsta.data import DataError, check, inspect
from pcsta.data.msr_daily import MSRDaily
from pcsta.data.ntu import NTU
from pcsta.data.sbu import SBUInteraction
from pcsta.data.video import write_video
from pcsta.skeletons import KINECT_V1, SBU
from recordings import msr_text, ntu_text, person, sbu_text, write_ntu

NAME = "S003C002P007R001A058"
ONE, TWO = 72057594037931101, 72057594037931103


@pytest.fixture
def facts(tmp_path):
    first = person(30)
    first[4, 3] = np.nan
    text = ntu_text(30, [(ONE, 2, first[:18]), (TWO, 10, person(15, at=(1, 0, 3.5)))])
    text = text.replace("0.1 0 0.9 0 2", "0.1 0 0.9 0 1", 99)
    return inspect.inspect_file(write_ntu(tmp_path, NAME, text))


def test_inspect_counts_what_is_there(facts):
    assert facts["format"] == "NTU RGB+D skeleton"
    assert (facts["frames"], facts["joints"], facts["nan"], facts["nan_pixels"]) == (30, 25, 1, 1)
    assert facts["people_per_frame"] == {"0": 7, "1": 13, "2": 10}
    assert facts["gaps"] == [[0, 1], [25, 29]]
    assert facts["tracked_share"] == round(1 - 99 / (33 * 25), 4)
    assert [(b["id"], b["first"], b["last"]) for b in facts["bodies"]] == [
        (str(ONE), 2, 19), (str(TWO), 10, 24),
    ]  # fmt: skip
    low, high = facts["range_metres"]["z"]
    assert 2.8 < low < 3 and 3.5 < high < 3.6
    assert (facts["label"], facts["action"]) == (57, "shake hands")
    assert (facts["subject"], facts["camera"], facts["replication"]) == ("7", 2, 1)
    assert any("not a number" in r for r in facts["repairs"])


def test_json_keeps_all_digits_of_an_id(facts):
    again = json.loads(json.dumps(facts, allow_nan=False))
    assert again == facts and again["bodies"][0]["id"] == str(ONE)


def test_the_text_says_the_same(facts):
    text = inspect.format_report(facts)
    for words in ("shake hands (label 57)", "0 in 7 frames", "0-1, 25-29", f"body {ONE}",
                  "1 joint positions", "interpolated in time"):  # fmt: skip
        assert words in text


def test_inspect_the_other_formats(tmp_path):
    path = tmp_path / "s02s03" / "06" / "002" / "skeleton_pos.txt"
    path.parent.mkdir(parents=True)
    path.write_text(sbu_text(person(9, skeleton=SBU), person(9, at=(1, 0, 3), skeleton=SBU)))
    facts = inspect.inspect_file(path)
    assert (facts["format"], facts["frames"], facts["joints"], facts["action"]) == (
        "SBU Kinect Interaction skeleton", 9, 15, "hugging",
    )  # fmt: skip
    path = tmp_path / "a13_s04_e02_skeleton.txt"
    path.write_text(msr_text([[], *([j] for j in person(8, skeleton=KINECT_V1))]))
    facts = inspect.inspect_file(path)
    assert (facts["frames"], facts["gaps"], facts["action"]) == (9, [[0, 0]], "walk")
    facts = inspect.inspect_file(
        write_video(tmp_path / "v.mp4", [np.zeros((32, 48, 3), np.uint8)] * 5)
    )
    assert (facts["frames"], facts["width"], facts["height"]) == (5, 48, 32)
    assert "48 x 32 pixels" in inspect.format_report(facts)


def test_inspect_a_file_of_a_dataset_in_ntus_layout(tmp_path):
    """The embedded dataset has a name of its own, and NTU's format."""
    own = {"name": "synthetic", "actions": [58], "image_size": [96, 64], "crop_size": 32}
    (tmp_path / "dataset.json").write_text(json.dumps(own))
    facts = inspect.inspect_file(write_ntu(tmp_path, NAME, ntu_text(9, [(ONE, 0, person(9))])))
    assert (facts["format"], facts["label"]) == ("NTU RGB+D skeleton", 0)


def test_inspect_a_recording_of_nobody(tmp_path):
    facts = inspect.inspect_file(write_ntu(tmp_path, NAME, ntu_text(4, [])))
    assert facts["bodies"] == [] and facts["gaps"] == [[0, 3]] and facts["range_metres"] is None
    assert "nobody in any frame: not usable" in inspect.format_report(facts)


def test_inspect_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(DataError, match=r"this is a folder.*pcsta check"):
        inspect.inspect_file(tmp_path)
    (tmp_path / "notes.md").write_text("# Notes")
    with pytest.raises(DataError, match=r"Known are \*\.skeleton"):
        inspect.inspect_file(tmp_path / "notes.md")
    with pytest.raises(DataError, match=r"gone\.skeleton: no such file"):
        inspect.inspect_file(tmp_path / "gone.skeleton")


SMALL = [np.zeros((32, 48, 3), np.uint8)] * 5


@pytest.mark.parametrize(
    "ending, codec", [
        ("m4v", "libx264"), ("3gp", "libx264"), ("mts", "libx264"), ("wmv", "wmv2"),
        ("mpg", "mpeg2video"), ("ts", "libx264"), ("gif", "gif"), ("mkv", "libx264"),
    ],
)  # fmt: skip
def test_inspect_takes_every_video_that_ffmpeg_reads(tmp_path, ending, codec):
    path = tmp_path / f"clip.{ending}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = 32, 48
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for image in SMALL:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    facts = inspect.inspect_file(path)
    assert (facts["frames"], facts["width"], facts["height"]) == (5, 48, 32)
    assert inspect.inspect_file(path.rename(tmp_path / "without-ending")) == facts | {
        "file": str(tmp_path / "without-ending")
    }


def test_inspect_names_a_wrong_header_and_a_turn(tmp_path):
    path = write_video(tmp_path / "v.avi", SMALL)
    data = path.read_bytes()
    at = data.index(b"strh") + 8 + 32
    path.write_bytes(data[:at] + bytes([6]) + data[at + 1 :])
    facts = inspect.inspect_file(path)
    assert (facts["frames"], facts["frames_stated"], facts["turned"]) == (5, 6, None)
    text = inspect.format_report(facts)
    assert "stated frames      6, which is wrong" in text and "turned" not in text
    silent = inspect.inspect_file(write_video(tmp_path / "v.mkv", SMALL))  # it states no number
    assert silent["frames_stated"] is None and "stated" not in inspect.format_report(silent)

    path = write_video(tmp_path / "v.mp4", SMALL)
    data = path.read_bytes()
    at = data.index(b"tkhd") + 44
    turn = b"".join(n.to_bytes(4, "big", signed=True) for n in (0, 65536, 0, -65536, 0))
    path.write_bytes(data[:at] + turn + data[at + 20 :])
    facts = inspect.inspect_file(path)
    assert (facts["width"], facts["height"]) == (32, 48)
    assert facts["turned"] == "by 90 degrees clockwise"
    text = inspect.format_report(facts)
    assert "32 x 48 pixels" in text and facts["turned"] in text and "stated" not in text


def test_inspect_knows_a_skeleton_by_its_first_line(tmp_path):
    """A table of one's own may name files as it likes."""
    path = tmp_path / "ann.txt"
    path.write_text(ntu_text(9, [(ONE, 0, person(9))]))
    facts = inspect.inspect_file(path)
    assert (facts["format"], facts["frames"], facts["name"]) == ("NTU RGB+D skeleton", 9, "ann")


@pytest.fixture
def checked(tmp_path):
    """Nine samples: two good ones, and one of each fault."""
    good = ntu_text(24, [(ONE, 0, person(24))])
    lines = good.splitlines()
    write_ntu(tmp_path, "S001C001P001R001A001", good)  # video of the same length
    write_ntu(tmp_path, "S001C002P003R001A002", ntu_text(9, [(ONE, 0, person(9))]))  # no video
    write_ntu(tmp_path, "S001C003P002R001A001", "\n".join(lines[:100]))
    write_ntu(tmp_path, "S001C003P004R001A001", "\n".join(lines[:300]))
    write_ntu(tmp_path, "S001C003P005R001A001", ntu_text(5, []))
    write_ntu(tmp_path, "S001C002P005R002A008", good)  # on the authors' list
    write_ntu(tmp_path, "S001C002P006R002A003", good)  # video too short
    write_ntu(tmp_path, "S001C003P006R001A003", good)  # video a little too short
    write_ntu(tmp_path, "S001C003P007R001A003", good)  # video damaged
    frames = [np.zeros((1080, 1920, 3), np.uint8)] * 24
    for name, length in (("S001C001P001R001A001", 24), ("S001C002P006R002A003", 20),
                         ("S001C003P006R001A003", 23), ("S009C001P001R001A001", 1)):  # fmt: skip
        write_video(tmp_path / "nturgb+d_rgb" / f"{name}_rgb.avi", frames[:length])
    (tmp_path / "nturgb+d_rgb" / "S001C003P007R001A003_rgb.avi").write_bytes(b"no video" * 99)
    return check.check_dataset(NTU(tmp_path), progress=False)


def test_check_counts_files_pairs_and_reasons(checked):
    assert checked["files"] == {"skeletons": 9, "videos": 5}
    assert checked["missing_pairs"] == {"skeleton without video": 4, "video without skeleton": 1}
    assert checked["usable"] == 5 and checked["frames"] == 24 + 9 + 24 + 24 + 24
    assert checked["shorter_than_20"] == 1
    assert {reason: found["count"] for reason, found in checked["unusable"].items()} == {
        "the file ends in frame N of the N that its first line states": 2,
        "no body in any of its N frames": 1,
        "video without skeleton": 1,
        "skeleton missing or incomplete (the authors' list)": 1,
    }
    videos = checked["videos"]
    assert {kind: found["count"] for kind, found in videos.items()} == {
        "equal": 1, "repaired": 1, "refused": 2,
    }  # fmt: skip
    assert videos["equal"]["examples"] == []
    (repaired,) = videos["repaired"]["examples"]
    assert "S001C003P006R001A003: its video has 23 frames, its skeleton 24" in repaired
    short, damaged = videos["refused"]["examples"]
    assert "S001C002P006R002A003_rgb.avi: its video has 20 frames" in short
    assert "S001C003P007R001A003_rgb.avi: FFmpeg cannot decode it" in damaged
    assert checked["splits"] == {
        "cross-subject": {"train": 1, "test": 4},
        "cross-view": {"train": 4, "test": 1},
    }
    assert checked["classes"]["drink water"] == 1 and sum(checked["classes"].values()) == 5


def test_check_as_json_and_text(checked):
    assert json.loads(json.dumps(checked)) == checked
    text = check.format_report(checked)
    for words in ("9 skeletons, 5 videos", "4 skeleton without video", "5 samples",
                  "1 equal, 1 repaired, 2 refused", "23 frames, its skeleton 24",
                  "2  the file ends in frame N", "1 to train, 4 to test"):  # fmt: skip
        assert words in text


def test_check_by_names_alone(tmp_path):
    write_ntu(tmp_path, NAME, "nonsense")
    facts = check.check_dataset(NTU(tmp_path), read=False, progress=False)
    assert facts["usable"] == 1 and "frames" not in facts
    assert "1 samples" in check.format_report(facts)


def test_check_of_an_empty_folder(tmp_path):
    for dataset in (NTU(tmp_path), SBUInteraction(tmp_path), MSRDaily(tmp_path)):
        with pytest.raises(DataError, match="no usable"):
            check.check_dataset(dataset, progress=False)


@pytest.mark.real
def test_check_real_data(real_data):
    facts = check.check_dataset(SBUInteraction(real_data / "sbu"), progress=False)
    assert (facts["usable"], facts["frames"], facts["unusable"]) == (282, 6822, {})
    assert sum(s["test"] for s in facts["splits"].values()) == 282
    facts = check.check_dataset(NTU(real_data / "ntu"), progress=False)
    assert facts["usable"] == 5 and facts["videos"]["equal"]["count"] == 1

"""Recordings of one's own: the table, the split by people, skeletons written and read again."""

import json
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from pcsta import cli
from pcsta.config import CONFIGS, RECIPES, TrainConfig
from pcsta.data import DataError, check, open_dataset
from pcsta.data.ntu import read_skeleton, write_skeleton
from pcsta.data.own import OwnRecordings
from pcsta.data.prepare import prepare, settings_of
from pcsta.data.video import write_video
from pcsta.skeletons import KINECT_V1, KINECT_V2, conversion, means
from recordings import person, pixels

HEAD = "skeleton,video,action,subject,side\n"


def write_clip(root, name, frames=24, wave=0.3, seed=0, people=1):
    joints = np.stack(
        [person(frames, (i, 0, 3), wave=wave, seed=seed + i) for i in range(people)], 1
    )
    return write_skeleton(root / f"{name}.skeleton", joints, pixels(joints))


def table(root, text):
    root.mkdir(parents=True, exist_ok=True)
    (root / "recordings.csv").write_text(text)
    return root


@pytest.fixture
def own(tmp_path):
    """Four people who stir or wave, two clips each."""
    lines = [HEAD]
    for i, name in enumerate(("ann", "bob", "cleo", "dan")):
        for action, wave in (("wave", 0.4), ("stir", 0.1)):
            write_clip(tmp_path / "clips", f"{name}-{action}", wave=wave, seed=i)
            side = "train" if i < 2 else "test"
            lines.append(f"clips/{name}-{action}.skeleton,,{action},{name},{side}\n")
    return table(tmp_path, "".join(lines))


def test_the_table_says_what_is_what(own):
    data = open_dataset("own", own)
    assert data.classes == ("stir", "wave")  # in order of name, so that a run can be repeated
    assert len(data) == 8
    clip = data.read("cleo-wave")
    assert (clip.label, clip.action, clip.subject) == (1, "wave", "cleo")
    assert clip.joints.shape == (24, 2, 25, 3) and clip.video is None
    train, test = data.split()
    assert {n.split("-")[0] for n in train} == {"ann", "bob"}
    assert {n.split("-")[0] for n in test} == {"cleo", "dan"}


def test_without_sides_every_second_person_trains(own):
    text = (own / "recordings.csv").read_text()
    table(own, "\n".join(line.rsplit(",", 1)[0] for line in text.splitlines()))
    assert {n.split("-")[0] for n in OwnRecordings(own).split().train} == {"ann", "cleo"}


@pytest.mark.parametrize(
    "lines, line, problem",
    [
        (["skeleton:action:subject"], 1, "no column skeleton"),
        ([], 1, "it has: none"),
        (["skeleton,action,subject", 'a.skeleton,"wave,ann'], 2, "quotes do not match"),
        (["skeleton,action,subject", 'a.skeleton,"wave,ann', "b.skeleton,stir,bob"], 2, "quotes do not"),
        (["skeleton,action,subject", "a.skeleton,wave, slowly,ann"], 2, "4 cells under 3 columns"),
        (["skeleton,action,subject", "a.skeleton,wave,ann", "b.skeleton,wave,Ann"], 3, "'ann' in line 2"),
        (["skeleton,action,subject", "a.skeleton,wave,ann", "b.skeleton,Wave,bob"], 3, "'wave' in line 2"),
        (["skeleton,action,subject", "a.skeleton,wave,ann", "A.skeleton,wave,bob"], 3, "a second"),
        (["skeleton,action,subject", "a.skeleton,wave,ann", "a.skeleton,wave,ann"], 3, "a second"),
        (["skeleton,action,subject", "a\0.skeleton,wave,ann"], 2, "a zero byte is no text"),
        (["skeleton,subject", "a.skeleton,ann"], 1, "no column action"),
        (["skeleton,action,subject,Action", "a.skeleton,wave,ann,stir"], 1, "two columns action"),
        (["skeleton,action,subject", "a.skeleton,,ann"], 2, "no action"),
        ([HEAD.strip(), "a.skeleton,,wave,ann,left"], 2, "side is 'left'"),
        ([HEAD.strip(), "a.skeleton,,wave,ann,train", "", "b.skeleton,,stir,ann,test"], 4, "both sides"),
        ([HEAD.strip(), "a.skeleton,,wave,ann,train", "x/a.skeleton,,stir,bob,test"], 3, "a second"),
        (["skeleton,action,subject"], None, "names no recording"),
        (["skeleton,action,subject", "a.skeleton,wave,ann"], None, "1 person"),
        ([HEAD.strip(), "a.skeleton,,wave,ann,train", "b.skeleton,,wave,bob,train"], None, "one side"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_named_by_line(tmp_path, lines, line, problem):
    with pytest.raises(DataError, match=problem) as error:
        OwnRecordings(table(tmp_path, "\n".join(lines)))
    assert error.value.line == line and error.value.advice
    assert error.value.path == tmp_path / "recordings.csv"


@pytest.mark.parametrize("column", ["skeleton", "video"])
def test_a_name_that_no_disk_takes_is_refused_by_line(own, column):
    table = own / "recordings.csv"
    head, first, *rest = table.read_text("utf-8").splitlines()
    names = head.split(",")
    cells = dict(zip(names, first.split(","), strict=False)) | {column: "clips/" + "é" * 128 + ".x"}
    long = ",".join(cells.get(name, "") for name in names)
    table.write_text("\n".join([head, first, long, *rest]), "utf-8")
    with pytest.raises(
        DataError, match=rf"recordings.csv, line 3: {column} has a longer name than this disk takes"
    ):
        open_dataset("own", own)


def test_a_column_that_nobody_reads_is_named_and_may_stay(own):
    text = (own / "recordings.csv").read_text()
    with pytest.warns(
        UserWarning, match=r"recordings.csv, line 1: only .*side are read, not sides$"
    ):
        OwnRecordings(table(own, text.replace("side", "sides", 1)))


def test_without_a_table_one_hears_what_to_write(tmp_path):
    with pytest.raises(DataError, match="skeleton, action, subject"):
        open_dataset("own", tmp_path)


def test_spreadsheets_begin_with_a_mark(own):
    path = own / "recordings.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(OwnRecordings(own)) == 8


def rewrite(own, change):
    """The table of `own` with its text changed into bytes."""
    path = own / "recordings.csv"
    path.write_bytes(change(path.read_text("utf-8")))
    return OwnRecordings(own)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: text.replace(",", ", ").encode(),
        lambda text: text.replace(HEAD, HEAD.title()).encode(),
        lambda text: (text + "\n,,,,\n \n").encode(),
        lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("clips/", "clips\\").encode(),
        lambda text: text.replace(",wave,", ',"wave",').encode(),
    ],
    ids=[
        "utf-16",
        "big-endian",
        "semicolons",
        "tabs",
        "blanks",
        "capitals",
        "empty-lines",
        "windows",
        "mac",
        "backslashes",
        "quotes",
    ],
)
def test_tables_as_spreadsheets_write_them(own, change):
    data = rewrite(own, change)
    assert len(data) == 8 and data.unusable == {}
    assert data.classes == ("stir", "wave")
    assert {n.split("-")[0] for n in data.split().train} == {"ann", "bob"}


def test_letters_of_all_languages_and_commas_in_quotes(own):
    actions = {"wave": "saluer, à bientôt", "stir": "挥手"}
    quoted = lambda text: text.replace(",wave,", f',"{actions["wave"]}",')  # noqa: E731
    data = rewrite(own, lambda text: quoted(text).replace(",stir,", ",挥手,").encode())
    assert data.classes == tuple(sorted(actions.values()))


@pytest.mark.parametrize("page, word", [("cp1252", "salué"), ("gbk", "挥手"), ("cp1251", "махать")])
def test_a_code_page_is_refused_and_its_line_named(own, page, word):
    """The bytes are letters in many code pages: one would be guessed, and classes misnamed."""
    with pytest.raises(DataError, match="not in UTF-8") as error:
        rewrite(own, lambda text: text.replace(",stir,cleo", f",{word},cleo").encode(page))
    assert error.value.line == 7 and "CSV UTF-8" in error.value.advice


def test_files_lie_anywhere_and_names_hold_no_folder(own, tmp_path_factory):
    """Reading elsewhere harms nobody; whatever a name becomes part of stays in its place."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (own / "clips" / "ann-wave.skeleton").rename(elsewhere / "ann-wave.skeleton")
    (own / "clips" / "bob-wave.skeleton").rename(own.parent / "bob-wave.skeleton")
    data = rewrite(
        own,
        lambda text: text.replace("clips/ann-wave", f"{elsewhere}/ann-wave")
        .replace("clips/bob-wave", "..\\bob-wave").encode(),
    )  # fmt: skip
    assert len(data) == 8 and len(data.read("ann-wave")) == len(data.read("bob-wave")) == 24


def test_a_damaged_first_video_costs_one_sample(own):
    def with_videos(text):
        lines = text.splitlines()
        for row in (1, 2, 3):
            images = np.zeros((24, 1080, 1920, 3), np.uint8)
            write_video(own / f"v{row}.mp4", images, preset="ultrafast")
            lines[row] = lines[row].replace(",,", f",v{row}.mp4,")
        return "\n".join(lines).encode()

    rewrite(own, with_videos)
    for row in (1, 2):  # the first of the table, and the first by name
        (own / f"v{row}.mp4").write_bytes((own / f"v{row}.mp4").read_bytes()[:200])
    data = OwnRecordings(own)
    assert data.image_size(data.samples[0]) == (1920, 1080) and data.crop_size == 64
    facts = check.check_dataset(data, progress=False)
    assert facts["usable"] == 8, "poses alone need no video"
    assert {kind: found["count"] for kind, found in facts["videos"].items()} == {
        "equal": 1, "repaired": 0, "refused": 2,
    }  # fmt: skip
    assert prepare(data, own / "poses", None, 0, progress=False).skipped == {}
    assert len(prepare(data, own / "poses", None, 0, progress=False)) == 8


def test_an_accent_is_one_sign_or_two(own):
    """A Mac writes names of files the other way: these would be two actions."""
    text = (own / "recordings.csv").read_text("utf-8").replace(",wave,", ",r\u00fchren,")
    (own / "recordings.csv").write_text(
        text.replace("r\u00fchren,ann", "ru\u0308hren,ann"), "utf-8"
    )
    assert OwnRecordings(own).classes == ("r\u00fchren", "stir")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_a_pipe_is_no_recording(own):
    """Who reads it waits for ever."""
    (own / "clips/ann-wave.skeleton").unlink()
    os.mkfifo(own / "clips/ann-wave.skeleton")
    assert list(OwnRecordings(own).unusable) == ["ann-wave"]


def test_files_that_are_not_there_are_counted_and_left_out(own):
    rows = (own / "recordings.csv").read_text()
    named = rows.replace("ann-wave.skeleton,", "ann-wave.skeleton,clips/ann-wave.mp4")
    (own / "recordings.csv").write_text(named)
    write_video(own / "clips" / "ann-wave.mp4", [np.zeros((32, 32, 3), np.uint8)] * 24)
    (own / "clips" / "ann-wave.skeleton").unlink()
    facts = check.check_dataset(OwnRecordings(own), progress=False)
    assert facts["usable"] == 7 and facts["files"] == {"skeletons": 7, "videos": 1}
    lost = facts["unusable"]["the table names a skeleton that is not there"]
    assert lost["examples"] == [f"ann-wave ({own / 'clips/ann-wave.skeleton'}, line 2)"]
    assert facts["splits"] == {"cross-subject": {"train": 3, "test": 4}}


def test_videos_have_one_size_and_the_crop_follows_it(own):
    path = own / "recordings.csv"
    lines = path.read_text().splitlines()
    for row, width in ((2, 120), (1, 120), (3, 180)):
        images = np.zeros((24, 60, width, 3), np.uint8)
        write_video(own / f"v{row}.mp4", iter(images), 15)
        lines[row] = lines[row].replace(",,", f",v{row}.mp4,")
    path.write_text("\n".join(lines))
    data = OwnRecordings(own)
    assert data.crop_size == 4
    assert data.read("ann-wave").image_size == (120, 60)
    with pytest.raises(DataError, match="180 x 60") as error:
        data.read("bob-wave")
    assert error.value.path == own / "v3.mp4"


def test_another_label_makes_another_store(own):
    """Another file does not: a store looks at its files itself."""
    before = settings_of(OwnRecordings(own), None)
    path = own / "recordings.csv"
    # the same names, sides and classes: only who does what is exchanged
    text = path.read_text().replace("ann-wave.skeleton,,wave", "ann-wave.skeleton,,stir")
    path.write_text(text.replace("ann-stir.skeleton,,stir", "ann-stir.skeleton,,wave"))
    relabelled = settings_of(OwnRecordings(own), None)
    write_clip(own / "clips", "ann-wave", frames=30)
    longer = settings_of(OwnRecordings(own), None)
    assert before["splits"] == relabelled["splits"] and before["classes"] == relabelled["classes"]
    assert before != relabelled == longer


def test_what_is_written_is_read_again(tmp_path):
    joints = np.stack([person(24), person(24, (1, 0, 3), seed=1)], 1)
    joints[10:, 1] = 0  # the second person leaves
    with np.errstate(invalid="ignore", divide="ignore"):
        image = pixels(joints)
    states = np.full(joints.shape[:3], 2)
    states[3, 0, 7] = 1
    path = write_skeleton(tmp_path / "new" / "a.skeleton", joints, image, states)
    found = read_skeleton(path)
    assert found.length == 24 and len(found.ids) == 24 + 10
    one, two = found.bodies
    np.testing.assert_allclose(one.joints, joints[:, 0], atol=6e-5)
    np.testing.assert_allclose(one.pixels, image[:, 0], atol=0.06)
    np.testing.assert_allclose(two.joints, joints[:10, 1], atol=6e-5)
    assert two.frames.tolist() == list(range(10))
    assert found.values[found.frames == 3][0, 7, -1] == 1


def test_unknown_pixels_are_an_absent_hand(own):
    joints = person(24)[:, None]
    image = pixels(joints)
    image[5, 0, KINECT_V2.index("left hand")] = np.nan
    write_skeleton(own / "clips" / "ann-wave.skeleton", joints, image)
    hands = OwnRecordings(own).read("ann-wave").hands
    assert np.isnan(hands[5, 0]).all() and np.isfinite(hands[4, 0]).all()


def test_what_cannot_be_written_is_said(tmp_path):
    joints = person(24)[:, None]
    with pytest.raises(ValueError, match=r"\(24, 1, 20, 3\)"):
        write_skeleton(tmp_path / "a.skeleton", joints[:, :, :20], pixels(joints))
    bad = joints.copy()
    bad[7, 0, KINECT_V2.index("head"), 1] = np.nan
    with pytest.raises(ValueError, match="head of person 1 is not a number in frame 7"):
        write_skeleton(tmp_path / "a.skeleton", bad, pixels(joints))
    assert not list(tmp_path.iterdir())


def test_a_sensor_of_your_own_becomes_a_known_one():
    sensor = ("head", "left hip", "right hip")
    everything = {joint: ("head",) for joint in KINECT_V1.joints}
    matrix = means(sensor, KINECT_V1, everything | {"hip centre": ("left hip", "right hip")})
    assert matrix.shape == (20, 3)
    np.testing.assert_allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(matrix[KINECT_V1.index("hip centre")], [0, 0.5, 0.5])
    assert np.array_equal(means(KINECT_V2.joints, KINECT_V2, {}), conversion(KINECT_V2, KINECT_V2))
    with pytest.raises(ValueError, match="'left hand' of kinect_v1 needs 'left wrist'"):
        means(sensor, KINECT_V1, everything | {"left hand": ("left wrist",)})


def test_from_the_table_to_an_answer_by_command(own, tmp_path, monkeypatch):
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    recipe = TrainConfig(pose_epochs=3, batch=4, validation=0.25, rate=1e-3)
    monkeypatch.setitem(RECIPES, "laptop", recipe)
    monkeypatch.setitem(CONFIGS, "laptop", CONFIGS["narrow"])

    def call(*arguments):
        said = CliRunner().invoke(cli.app, [str(a) for a in arguments])
        assert said.exit_code == 0, said.output + str(said.exception)
        return said.output

    assert "4 to train, 4 to test" in call("check", "own", "--root", own)
    run = tmp_path / "run"
    call("train", "own", "--root", own, "--row", "A", "--workers", 0, "--out", run)
    assert json.loads(call("evaluate", run, "--json"))["runs"]["run"]["clips"] == 4
    file = own / "clips" / "dan-wave.skeleton"
    said = json.loads(call("predict", run, "--skeleton", file, "--json"))
    assert {name for name, _ in said["top"]} == {"stir", "wave"}

"""Plain video and keypoints of other programs become skeletons, one by one and by the folder."""

import json
import shutil
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from films import images, write_phone
from pcsta.data import DataError, open_dataset, read_clip
from pcsta.data.blazepose import blazepose
from pcsta.data.estimated import Pose
from pcsta.data.keypoints import read_keypoints
from pcsta.data.ntu import read_skeleton
from pcsta.data.poses import make_skeletons, read_film
from pcsta.data.video import read_frames, write_video
from recordings import person, pixels

COCO = pixels(person(30))[:, [3] * 5 + [4, 8, 5, 9, 6, 10, 12, 16, 13, 17, 14, 18]] / 10


def standing(frames):
    """An estimator that sees one standing person, but in the last of ten frames nobody."""
    for t, _ in enumerate(frames):
        seen = np.concatenate([COCO[t], np.full((17, 1), 0.9 if t % 10 < 9 else np.nan)], 1)
        yield Pose(seen[None], None)


@pytest.fixture
def films(tmp_path):
    for name in ("pour_ann_1", "pour_bob", "wave_ann_2_b", "wave_bob"):
        write_video(tmp_path / f"films/{name}.mp4", images(20, (108, 192)))
    return tmp_path / "films"


def test_a_folder_of_films_is_a_dataset(films, tmp_path):
    out = tmp_path / "own"
    said = list(make_skeletons(films, out, estimator=standing))
    assert said[0] == f"{out}/pour_ann_1.skeleton: 20 frames, nobody in 1"  # the other is bridged
    found = open_dataset("own", out)
    assert [(s.action, s.subject) for s in found.samples] == [
        ("pour", "ann"), ("pour", "bob"), ("wave", "ann"), ("wave", "bob"),
    ]  # fmt: skip
    assert found.read("wave_bob").present[:19, 0].all()
    assert found.read("wave_bob").video.samefile(films / "wave_bob.mp4")


def test_what_is_whole_is_kept_and_what_is_bad_is_named(films, tmp_path, recwarn):
    out = tmp_path / "own"
    (films / "wave_bad.mp4").write_bytes(b"junk")
    shutil.copy(films / "wave_bob.mp4", films / "noname.mp4")

    def again():
        said = []
        with pytest.raises(ValueError, match="1 of 6 videos have no skeleton"):
            for line in make_skeletons(films, out, estimator=standing):
                said.append(line.rpartition("/")[2])
        return said

    assert again()[-1] == "recordings.csv: 4 recordings"
    named = " ".join(str(w.message) for w in recwarn)
    assert "noname.mp4: no action" in named and "wave_bad.mp4: FFmpeg" in named
    cut = out / "pour_bob.skeleton"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-3000])
    table = out / "recordings.csv"
    table.write_text(table.read_text().rpartition("wave_bob")[0].rpartition("wave_bob")[0])
    assert ["there already" in line for line in again()] == [True, True, False, True, True, False]
    assert cut.read_bytes() == whole
    assert "wave_bob" in table.read_text() and "noname" not in table.read_text()
    table.write_text(table.read_text().replace("bob\n", "rob\n"))
    assert "is left as it is" in again()[-1] and "rob" in table.read_text()
    (films / "wave_bob.avi").write_bytes((films / "wave_bob.mp4").read_bytes())
    with pytest.raises(ValueError, match="3 of 7"):
        list(make_skeletons(films, out, estimator=standing))
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_film_alone_is_a_clip(films, tmp_path):
    clip = read_film(films / "pour_bob.mp4", standing)
    assert (clip.name, len(clip), clip.image_size) == ("pour_bob", 20, (192, 108))

    def blind(frames):
        yield from (Pose(np.full((1, 17, 3), np.nan), None) for _ in frames)

    with pytest.raises(DataError, match=r"pour_bob.mp4: nobody was found in it.*name a --skeleton"):
        read_film(films / "pour_bob.mp4", blind)
    (tmp_path / "none").mkdir()
    for source, said in (
        (tmp_path / "none", "no video is in"),
        (tmp_path / "gone", "no such file"),
    ):
        with pytest.raises(DataError, match=said):
            list(make_skeletons(source, tmp_path))


def test_film_of_a_telephone_is_upright_and_its_frames_are_taken_as_they_come(tmp_path):
    """Held upright, 60 frames a second at irregular times: as many skeletons as frames, and equal sizes."""
    path, seen = tmp_path / "phone.mp4", []
    times = np.cumsum([0, 10, 30, 10, 10, 30, 10, 10, 30, 10])
    write_phone(path, images(10, (108, 192)), times)

    def looking(frames):
        for t, frame in enumerate(frames):
            seen.append(frame.shape)
            yield Pose(np.concatenate([COCO[t] / 2, np.ones((17, 1))], 1)[None], None)

    clip = read_film(path, looking)
    assert seen == [(192, 108, 3)] * 10 and clip.image_size == (108, 192)
    assert clip.repairs == ("its video is turned by 90 degrees clockwise, as its mark says",)


# --- keypoints of other programs ------------------------------------------------------------------


def write(path, people, openpose=False, first=0, deep=None):
    """people: of each frame, a list of (K, 3)."""
    if openpose:
        path.mkdir(parents=True)
        for t, found in enumerate(people):
            said = [
                {"pose_keypoints_2d": p.ravel().tolist(), "pose_keypoints_3d": []} for p in found
            ]
            name = f"{path.name}_{t + first:012}_keypoints.json"
            (path / name).write_text(json.dumps({"version": 1.3, "people": said}))
        return path
    said = [
        {"image_id": f"{t + first}.jpg", "keypoints": p.ravel().tolist(), "score": 1.0}
        | ({"keypoints_3d": deep(p).ravel().tolist()} if deep else {})
        for t, found in enumerate(people) for p in found
    ]  # fmt: skip
    path.write_text(json.dumps(said))
    return path


def body(K=17, x=0.0, t=0):
    places = np.random.default_rng(K).uniform(50, 150, (K, 2)).round(2)
    return np.concatenate([places + np.array([x + t, 0]), np.full((K, 1), 0.9)], 1)


@settings(max_examples=20)
@given(st.data())
def test_people_keep_their_places_whatever_the_order_in_the_file(tmp_path_factory, data):
    """Two walk side by side, in either order, in both forms, and sometimes one is not found."""
    orders = data.draw(st.lists(st.permutations([0, 1]), min_size=3, max_size=5))
    there = data.draw(st.lists(st.booleans(), min_size=len(orders), max_size=len(orders)))
    people = [
        [body(25, 400 * i, 5 * t) for i in order if i == 0 or there[t] or t == 0]
        for t, order in enumerate(orders)
    ]
    folder = tmp_path_factory.mktemp("a")
    for openpose in (False, True):
        path = write(folder / ("o" if openpose else "a.json"), people, openpose)
        image, world = read_keypoints(path, len(orders))
        assert world is None and image.shape == (len(orders), 2, 25, 3)
        left = int(np.nanmean(image[:, 1, :, 0]) < np.nanmean(image[:, 0, :, 0]))
        for t in range(len(orders)):
            np.testing.assert_array_equal(image[t, left], body(25, 0, 5 * t))
            assert np.isnan(image[t, 1 - left]).all() == (t > 0 and not there[t])


@pytest.mark.parametrize("number", [np.nan, None])
def test_a_joint_that_is_no_number_is_not_found_and_exchanges_nobody(tmp_path, number):
    """Two stand side by side; in frame 1 a joint of the left one is broken, and the order is another."""
    left, right = body(17), body(17, 400)
    broken = left.copy()
    broken[3, 0] = np.nan
    people = [[left, right], [right, broken], [left, right]]
    path = write(tmp_path / "a.json", people)
    path.write_text(path.read_text().replace("NaN", json.dumps(number)))
    image = read_keypoints(path, 3).image
    np.testing.assert_array_equal(image[:, 1], np.stack([right] * 3))
    assert image[1, 0, 3, 2] == 0 and (image[1, 0, 4] == left[4]).all()
    shares = [{"image_id": 0, "keypoints": [0.5] * 48 + [number, 1, 1]}]
    path.write_text(json.dumps(shares))
    with pytest.raises(DataError, match=r"a\.json, frame 0: its keypoints are shares of the image"):
        read_keypoints(path, 1)


@pytest.mark.parametrize("K", [17, 25, 26, 33])
def test_keypoints_of_every_layout_become_a_skeleton(tmp_path, K):
    write_video(tmp_path / "clip.mp4", images(10, (240, 320)))
    frames = [[body(K, t=t)] if t != 4 else [] for t in range(10)]
    path = write(tmp_path / "clip.json", frames, first=1, deep=lambda p: p / 100)
    (said,) = make_skeletons(path, tmp_path / "out")
    assert said == f"{tmp_path}/out/clip.skeleton: 10 frames, nobody in 0"
    kept = (tmp_path / "out/clip.skeleton").stat().st_mtime_ns
    (said,) = make_skeletons(path, tmp_path / "out")
    assert "there already" in said and (tmp_path / "out/clip.skeleton").stat().st_mtime_ns == kept
    clip = read_clip(tmp_path / "out/clip.skeleton", tmp_path / "clip.mp4")
    assert clip.image_size == (320, 240) and clip.present[:, 0].all()
    states = read_skeleton(tmp_path / "out/clip.skeleton").values[:, 4, -1]
    assert (states == np.where(np.arange(10) == 4, 1, 2)).all()


GOOD = {"image_id": 3, "keypoints": body().ravel().tolist()}


@pytest.mark.parametrize(
    "content, said",
    [
        ("[", "a.json is damaged"), ("[]", "nobody is in it"), ("{}", "no list of results"), ("5", "no list of results"),
        ([1], "no list of results"), ([{"image_id": 1}], "no list of results"),
        ([GOOD | {"image_id": "x.jpg"}], "no number of a frame in 'x.jpg'"),
        ([GOOD | {"keypoints": [1, 2, "x"]}], "frame 3: its keypoints are no x, y, confidence"),
        ([GOOD | {"keypoints": [1] * 54}], "frame 3: a person of 18 keypoints; known are 17"),
        ([GOOD | {"keypoints": [0.5] * 51}], "frame 3: its keypoints are shares of the image"),
        ([GOOD | {"keypoints_3d": [1] * 34}], "frame 3: a person of 17 keypoints"),
        ([GOOD | {"keypoints_3d": [0] * 51}], "frame 3: its keypoints in 3D are all zero"),
        ([GOOD, GOOD | {"keypoints": body(26).ravel().tolist()}], "other joints than others"),
        ([GOOD | {"image_id": -3}], "no number of a frame in -3"),
        ([GOOD | {"image_id": 3.5}], "no number of a frame in 3.5"),
        ([GOOD | {"image_id": [1, 2]}], r"no number of a frame in \[1, 2\]"),
        ([GOOD, GOOD], "frame 3: somebody is in it twice"),
        ([GOOD | {"keypoints": [10**400] * 51}], "frame 3: its keypoints are no x, y, confidence"),
        ([GOOD | {"keypoints": [1e300] * 51}], "frame 3: a keypoint is more than 100,000 pixels away"),
        ([GOOD | {"keypoints": [float("inf")] * 51}], "frame 3: a keypoint is more than 100,000"),
        ("[" * 100_000, "a.json is damaged.*let that program write it again"),
        ("", "a.json is damaged.*let that program write it again"),
        ([GOOD | {"image_id": 99}], "frame 99: its video ends after 10 frames"),
    ],
)  # fmt: skip
def test_keypoints_that_are_none(tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=said):
        read_keypoints(path, 10)


def test_the_ending_of_a_frames_name_is_no_number(tmp_path):
    people = [GOOD | {"image_id": f"film/{t:06}.mp4"} for t in range(4)]
    (tmp_path / "a.json").write_text(json.dumps(people))
    assert np.isfinite(read_keypoints(tmp_path / "a.json", 4).image).all()


def test_keypoints_of_a_film_of_another_size_are_refused(tmp_path):
    film = write_video(tmp_path / "clip.mp4", images(4, (48, 64)))
    path = write(tmp_path / "clip.json", [[body(17)]] * 4)
    with pytest.raises(
        DataError, match=r"clip.json: most of its .* outside the 64 x 48 pixels of .*clip.mp4"
    ):
        list(make_skeletons(path, tmp_path / "out", film))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_keypoints_that_lacks_a_frame_or_its_people(tmp_path):
    path = write(tmp_path / "clip", [[body(25)]] * 4, openpose=True, first=7)
    with pytest.raises(DataError, match=r"clip: the video .* not known.*--video"):
        list(make_skeletons(path, tmp_path))
    assert list(
        make_skeletons(path, tmp_path, write_video(tmp_path / "v.mp4", images(4, (240, 320))))
    )
    twin = path / "other_000000000008_keypoints.json"
    twin.write_text("{}")
    with pytest.raises(DataError, match="clip: two of its files have the same number"):
        read_keypoints(path, 4)
    twin.unlink()
    (path / "clip_000000000008_keypoints.json").write_text("{}")
    with pytest.raises(DataError, match=r"8_keypoints.json, frame 1: no people"):
        read_keypoints(path, 4)
    (path / "clip_000000000008_keypoints.json").unlink()
    with pytest.raises(DataError, match="clip, frame 1: it has no file"):
        read_keypoints(path, 4)


# --- MediaPipe ------------------------------------------------------------------------------------


def test_without_mediapipe_a_sentence_says_how_to_get_it(films, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(DataError, match=r"mediapipe\S* is not installed.*\[video\].*keypoints"):
        list(make_skeletons(films / "pour_bob.mp4", tmp_path))
    assert not list(tmp_path.glob("*.skeleton"))


def needs_mediapipe():
    return pytest.importorskip("mediapipe", reason='no mediapipe: pip install -e ".[video]"')


def test_blazepose_finds_nobody_in_grey_and_says_nothing(capfd):
    needs_mediapipe()
    found = list(blazepose(images(3)))
    assert len(found) == 3 and all(np.isnan(a).all() for pose in found for a in pose)
    assert capfd.readouterr() == ("", "")


@pytest.mark.real
@pytest.mark.parametrize("action", ["clap", "pour", "wave"])
def test_blazepose_on_film_is_what_was_estimated_before(real_data, action):
    needs_mediapipe()
    film = min((real_data / "jhmdb/ReCompress_Videos" / action).glob("*.avi"))
    known = np.load(real_data / f"jhmdb/poses/{action}__{film.stem}.npz")
    image, world = zip(*blazepose(picture for _, picture in read_frames(film)), strict=True)
    height, width = known["size"]
    shares = np.stack(image)[:, 0] / (width, height, 1)
    np.testing.assert_allclose(shares, known["image"][..., [0, 1, 3]], atol=2e-3)
    np.testing.assert_allclose(np.stack(world)[:, 0], known["world"], atol=2e-3)

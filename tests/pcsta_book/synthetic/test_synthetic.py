"""The embedded dataset: its files, its planted truth, and what may and may not betray it."""

import json
from collections import Counter

import av
import numpy as np
import pytest

from pcsta.data import open_dataset
from pcsta.data.splits import NTU_TRAIN_SUBJECTS
from pcsta.files import atomic, fingerprint, read_json
from pcsta_book.synthetic import (
    SUBJECTS,
    TEST,
    TRAIN,
    make,
    settings,
)
from pcsta_book.synthetic.actions import BY_NTU, OBJECTS
from pcsta_book.synthetic.camera import colour_pixels
from pcsta_book.synthetic.casting import Name
from pcsta_book.synthetic.clip_plan import plan_clip
from pcsta_book.synthetic.generate import FRAMES, SKELETONS, TRUTHS, VIDEOS, names, write_video
from pcsta_book.synthetic.objects import sprite
from pcsta_book.synthetic.tracking import SHARES, draw_fault, skeleton_text, track

SMALL = {"seed": 3, "frames": 20, "subjects": (3,), "actions": (1, 56)}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """6 clips: one subject and partners, drink and give an apple, three cameras."""
    return make(tmp_path_factory.mktemp("synthetic"), workers=1, progress=False, **SMALL)


def parse(text):
    """An independent reader of NTU's layout: frames -> [(body id, header, (25, 12) array)]."""
    tokens = iter(text.split())
    frames = []
    for _ in range(int(next(tokens))):
        bodies = []
        for _ in range(int(next(tokens))):
            header = [next(tokens) for _ in range(10)]
            assert next(tokens) == "25"
            rows = np.array([[float(next(tokens)) for _ in range(12)] for _ in range(25)])
            bodies.append((header[0], header, rows))
        frames.append(bodies)
    assert next(tokens, None) is None, "something follows the last frame"
    return frames


# --- who and what --------------------------------------------------------------------------------


def test_subjects_fall_on_both_sides_of_ntus_cross_subject_split():
    assert set(TRAIN) == set(SUBJECTS) & NTU_TRAIN_SUBJECTS
    assert set(TEST) == set(SUBJECTS) - NTU_TRAIN_SUBJECTS
    assert (len(TRAIN), len(TEST)) == (8, 4)


def test_names_are_unique_and_each_clip_has_one_camera():
    found = [str(name) for name in names()]
    assert len(found) == len(set(found)) == 12 * 3 * 22
    assert all(name[1:4] == name[5:8] for name in found)  # setup = camera


def test_a_partner_comes_from_the_same_side_of_the_split():
    for name in names():
        if BY_NTU[name.action].people == 2 and name.replication == 1:
            first, second = plan_clip(0, name, 20).subjects
            assert first.number != second.number
            assert (first.number in TRAIN) == (second.number in TRAIN)


# --- files ----------------------------------------------------------------------------------------


def test_skeleton_files_have_ntus_layout(small):
    files = sorted((small / SKELETONS).iterdir())
    assert len(files) == 3 * (1 + 1)
    for path in files:
        frames = parse(path.read_text())
        assert len(frames) == SMALL["frames"]
        for bodies in frames:
            assert bodies, "a frame without anybody"
            for ident, header, rows in bodies:
                assert len(ident) == 17 and ident.isdigit()
                assert set(rows[:, 11]) <= {0, 1, 2}
                assert np.isfinite(np.array(header, float)).all() and np.isfinite(rows).all()
                z = rows[:, 2]
                assert (z > 1).all() and (z < 6).all()


def test_colour_and_depth_pixels_are_projections_of_the_joints(small):
    for path in (small / SKELETONS).iterdir():
        for bodies in parse(path.read_text()):
            for _, _, rows in bodies:
                x, y, z = rows[:, :3].T
                colour = np.stack([480 + 530 * x / z, 270 - 530 * y / z], 1)
                depth = np.stack([256 + 365 * x / z, 212 - 365 * y / z], 1)
                np.testing.assert_allclose(rows[:, 5:7], colour, atol=0.25)
                np.testing.assert_allclose(rows[:, 3:5], depth, atol=0.6)  # written as integers


def test_hands_in_the_file_are_where_the_video_shows_them(small):
    """Tracked hands stay within a few pixels of the true ones that were drawn."""
    distances = []
    for path in (small / SKELETONS).iterdir():
        truth = json.loads((small / TRUTHS / f"{path.stem}.json").read_text())
        if truth["faults"]:
            continue
        true = np.array(truth["hands"]).reshape(SMALL["frames"], -1, 2)
        for t, bodies in enumerate(parse(path.read_text())):
            for _, _, rows in bodies:
                for hand in rows[[7, 11], 5:7]:
                    distances.append(np.linalg.norm(true[t] - hand, axis=-1).min())
    assert len(distances) > 100
    assert np.median(distances) < 4 and np.percentile(distances, 99) < 12


def test_videos_have_as_many_frames_as_their_skeletons(small):
    for path in sorted((small / VIDEOS).iterdir())[:4]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (960, 540)
            assert stream.codec_context.name == "h264"
            shown = [f.to_ndarray(format="bgr24") for f in container.decode(stream)]
        assert len(shown) == SMALL["frames"]
    name = Name(camera=1, subject=3, replication=1, action=1)
    drawn = next(plan_clip(SMALL["seed"], name, SMALL["frames"]).images([0]))
    with av.open(str(small / VIDEOS / f"{name}_rgb.avi")) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.abs(shown.astype(int) - drawn).mean() < 4


def test_ntus_reader_yields_clips_with_truth(small):
    data = open_dataset("synthetic", small)
    assert len(data.samples) == 6 and not data.unusable
    assert len(data.classes) == len(BY_NTU) == 22
    for sample in data.samples:
        clip = data.read(sample)
        assert tuple(BY_NTU)[clip.label] == int(sample.name[-3:])
        planted = json.loads((small / TRUTHS / f"{sample.name}.json").read_text())["deciding"]
        inside = np.zeros(len(clip), int)
        for start, stop in (i for actor in planted for hand in actor for i in hand):
            inside[start:stop] += 1
        assert inside.any() and (clip.truth.deciding.sum(1) <= inside).all()
        if "lost hand" not in clip.truth.faults:
            np.testing.assert_array_equal(clip.truth.deciding.sum(1), inside)
            held = clip.truth.objects[clip.truth.deciding]
            assert set(held) == set(BY_NTU[tuple(BY_NTU)[clip.label]].things)


# --- the same seed, interrupted work --------------------------------------------------------------


def content(root):
    return {p.relative_to(root): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_bytes_in_other_processes(small, tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_PERTURB_", "1")  # glibc fills their memory: nobody may read it unset
    other = make(tmp_path / "two", workers=2, progress=False, **SMALL)
    mine, theirs = content(small), content(other)
    assert mine.keys() == theirs.keys()
    different = [str(path) for path in mine if mine[path] != theirs[path]]
    assert not different


def test_another_seed_gives_another_clip():
    name = Name(camera=2, subject=4, replication=1, action=11)
    one, same, other = (skeleton_text(plan_clip(s, name, 20).bodies) for s in (0, 0, 1))
    assert one == same != other


def test_finished_work_is_kept_and_what_is_missing_is_made_again(tmp_path):
    few = SMALL | {"subjects": (1,), "actions": (1,)}
    root = make(tmp_path, workers=1, progress=False, **few)
    before = content(root)
    kept, gone, damaged = (str(n) for n in names((1,), (1,)))
    (root / VIDEOS / f"{gone}_rgb.avi").unlink()
    (root / TRUTHS / f"{damaged}.json").write_text("{")
    (root / VIDEOS / ".half_rgb.avi.77.part").write_bytes(b"left behind")
    (root / "dataset.json").unlink()
    stamp = (root / VIDEOS / f"{kept}_rgb.avi").stat().st_mtime_ns
    make(root, workers=1, progress=False, **few)
    assert content(root) == before
    assert (root / VIDEOS / f"{kept}_rgb.avi").stat().st_mtime_ns == stamp
    whole = (root / "dataset.json").stat().st_mtime_ns
    make(root, workers=1, progress=False, **few)
    assert (root / "dataset.json").stat().st_mtime_ns == whole


def test_other_settings_replace_the_dataset(tmp_path):
    few = SMALL | {"subjects": (1,), "actions": (1,)}
    make(tmp_path, workers=1, progress=False, **few)
    before = read_json(tmp_path / "dataset.json")["fingerprint"]
    other = few | {"seed": 4, "subjects": (2,)}
    make(tmp_path, workers=1, progress=False, **other)
    assert {p.name[8:12] for p in (tmp_path / SKELETONS).iterdir()} == {"P002"}
    assert read_json(tmp_path / "dataset.json")["fingerprint"] != before


def test_nothing_half_written_stays_behind(tmp_path):
    def frames():
        yield np.zeros((540, 960, 3), np.uint8)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_video(tmp_path / "a_rgb.avi", frames())
    with pytest.raises(OSError), atomic(tmp_path / "b.skeleton") as part:
        part.write_text("half")
        raise OSError("disk full")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"frames": 10}, "at least 20"),
        ({"actions": (1, 7)}, r"no actor knows action \[7\]"),
        ({"subjects": (99,)}, r"no subject \[99\]"),
    ],
)
def test_settings_that_make_no_sense_are_refused(choice, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "never", **choice)
    assert not (tmp_path / "never").exists()
    with pytest.raises(ValueError, match="workers is 0"):
        make(tmp_path / "never", workers=0)


def test_the_summary_states_settings_and_faults(small):
    summary = json.loads((small / "dataset.json").read_text())
    assert summary["fingerprint"] == fingerprint(settings(**SMALL), 16)
    assert summary["settings"] == json.loads(json.dumps(settings(**SMALL)))
    faults = Counter(
        fault
        for path in (small / TRUTHS).iterdir()
        for fault in json.loads(path.read_text())["faults"]
    )
    assert summary["faults"] == {f: round(faults[f] / 6, 4) for f in SHARES}


# --- faults of the sensor -------------------------------------------------------------------------


def test_faults_come_in_their_stated_shares():
    rng = np.random.default_rng(0)
    found = Counter(draw_fault(rng) for _ in range(20000))
    for fault, share in SHARES.items():
        assert found[fault] / 20000 == pytest.approx(share, abs=0.01)


@pytest.fixture(scope="module")
def pair():
    return plan_clip(0, Name(camera=1, subject=1, replication=1, action=56), FRAMES).joints


def tracked(actors, fault, seed=0):
    return track(np.random.default_rng(seed), actors, fault)


def test_without_a_fault_joints_are_noisy_by_millimetres(pair):
    bodies = tracked(pair, "")
    assert len(bodies) == 2 and all(len(set(b.ident)) == 1 for b in bodies)
    for body in bodies:
        error = min((body.joints - true for true in pair), key=lambda e: np.abs(e).mean())
        assert 0.005 < error[:, [0, 1, 3]].std() < 0.007  # trunk: 6 mm
        assert 0.0085 < error[:, [7, 11]].std() < 0.0115  # hands: 8 mm more


def test_jitter_and_a_lost_hand_last_a_third_of_the_clip(pair):
    for fault, parts, size in (("jitter", range(25), 0.04), ("lost hand", (7, 11), 0.05)):
        quiet, bodies = tracked(pair, ""), tracked(pair, fault)
        truth = [min(pair, key=lambda p, b=b: np.abs(b.joints - p).mean()) for b in bodies]
        worst = np.max(
            [
                np.abs(b.joints - t)[:, list(parts)].max((1, 2))
                for b, t in zip(bodies, truth, strict=True)
            ],
            axis=0,
        )
        assert 5 <= (worst > size).sum() <= FRAMES // 3
        inferred = sum((b.states < 2).sum() for b in bodies)
        assert inferred == (4 * (FRAMES // 3) if fault == "lost hand" else 0)
        assert all((b.states == 2).all() for b in quiet)


def test_a_guessed_hand_is_held_for_a_while(pair):
    """A hand that flickered in every frame would drown all that pose says about the clip."""
    quiet, lost = tracked(pair, ""), tracked(pair, "lost hand")
    off = max(
        (min((a.joints - b.joints for b in quiet), key=lambda d: np.abs(d).mean()) for a in lost),
        key=lambda d: np.abs(d).max(),
    )
    steps = np.linalg.norm(np.diff(off[:, [7, 11]], axis=0), axis=-1).max(1)
    assert 2 <= (steps > 0.05).sum() <= 5  # lost, guessed anew, found


def test_swapped_bodies_exchange_their_ids(pair):
    bodies = tracked(pair, "swapped body")
    one, two = (b.ident for b in bodies)
    assert (one[0], one[-1]) == (two[-1], two[0]) and one[0] != one[-1]
    (alone,) = tracked(pair[:1], "swapped body")
    assert len(set(alone.ident)) == 2


def test_a_phantom_is_one_more_body_for_a_while(pair):
    bodies = tracked(pair, "phantom body")
    (phantom,) = [b for b in bodies if not b.present.all()]
    assert len(bodies) == 3 and phantom.present.sum() == FRAMES // 3
    assert phantom.joints.std(0).max() < 0.02


# --- pictures -------------------------------------------------------------------------------------


def test_every_object_has_a_picture_in_four_colours():
    for name in OBJECTS:
        pictures = [sprite(name, colour).image for colour in range(4)]
        shown = pictures[0][..., 3] > 128
        assert 0.1 < shown.mean() < 0.9
        assert all((each[..., 3] == pictures[0][..., 3]).all() for each in pictures)
        assert len({each.tobytes() for each in pictures}) >= 3  # an apple is red in two of them
    handle = sprite("cup", 0).image[27, 36]  # one looks through it
    assert not handle.any()
    with pytest.raises(KeyError):
        sprite("hat", 0)


# --- what crops show ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_crop_of_32_pixels_shows_what_the_hand_holds():
    """A linear probe of EfficientNet-Lite0's features, subjects apart; chance is 1 in 12."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from pcsta.glimpse import GlimpseSensor, crop

    rng = np.random.default_rng(0)
    crops, held, train = [], [], []
    for name in [n for n in names() if n.replication == 1][::5]:
        planned = plan_clip(0, name, FRAMES)
        moments = sorted(rng.choice(FRAMES, 3, replace=False).tolist())
        for t, image in zip(moments, planned.images(moments), strict=True):
            joints = np.stack([j[t, [7, 11]] for j in planned.joints]).reshape(-1, 3)
            where = colour_pixels(joints + rng.normal(0, 0.01, joints.shape)).astype(np.float32)
            shown = crop(np.ascontiguousarray(image[..., ::-1]), where, 32)
            for i, picture in enumerate(shown):
                thing = planned.plans[i // 2][i % 2].objects(FRAMES)[t]
                if thing:
                    crops.append(picture)
                    held.append(thing)
                    train.append(name.subject in TRAIN)
    sensor = GlimpseSensor("efficientnet-lite0")
    with torch.inference_mode():
        features = sensor(torch.from_numpy(np.stack(crops))).numpy()
    held, train = np.array(held), np.array(train)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    probe.fit(features[train], held[train])
    assert probe.score(features[~train], held[~train]) > 0.6  # 0.87 when written

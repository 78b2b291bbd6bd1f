"""Preparation: raw files -> store, on made recordings and on the real NTU clip."""

import errno
import threading

import numpy as np
import pytest
import torch
from filelock import FileLock

from pcsta.data.ntu import NTU
from pcsta.data.prepare import glimpse_crops, glimpse_features, prepare, settings_of, store_path
from pcsta.data.store import Store, StoreError, StoreWriter
from pcsta.data.video import clip_frames, write_video
from pcsta.glimpse import GlimpseSensor, crop, squeeze
from recordings import ntu_text, person, write_ntu

FRAMES = 6


class MeanColour(GlimpseSensor):
    """Stands for f_g where a test asks where it looks: features are the crop's mean colour."""

    def __init__(self):
        torch.nn.Module.__init__(self)  # no weights to look for
        self.name, self.features, self.fingerprint = "mean-colour", 3, "mean-colour"
        self.crops_seen, self.input_size = 0, 8

    def forward(self, crops):
        self.crops_seen += len(crops)
        return crops.float().mean((2, 3))


def dataset(root, clips=3, people=1, video_frames=FRAMES):
    """NTU files: person one stands left, person two right; the image is red left, blue right."""
    image = np.zeros((1080, 1920, 3), np.uint8)
    image[:, :960, 0] = 240
    image[:, 960:, 2] = 240
    for i in range(clips):
        name = f"S001C00{i % 3 + 1}P001R00{i // 3 + 1}A001"
        bodies = [(1, 0, person(FRAMES, at=(-0.9, 0.0, 3.0), wave=0.4, seed=i))]
        if people == 2:
            bodies.append((2, 0, person(FRAMES, at=(0.9, 0.0, 3.0), wave=0.3, seed=50 + i)))
        write_ntu(root, name, ntu_text(FRAMES, bodies))
        if video_frames:
            write_video(root / "nturgb+d_rgb" / f"{name}_rgb.avi", [image] * video_frames)
    return NTU(root)


def test_glimpses_come_from_where_the_hands_are(tmp_path):
    data = dataset(tmp_path / "raw", clips=1, people=2)
    store = prepare(data, tmp_path / "s", MeanColour(), workers=0, progress=False)
    colours = store.glimpses(0).astype(float)  # (T, 4, 3)
    hands = store.hands(0)
    left_half = hands[..., 0] < 900
    assert left_half.any() and (~left_half).any()
    assert (colours[left_half][:, 0] > 150).all() and (colours[left_half][:, 2] < 90).all()
    right_half = hands[..., 0] > 1020
    assert (colours[right_half][:, 2] > 150).all() and (colours[right_half][:, 0] < 90).all()


def test_an_absent_hand_costs_no_forward_pass(tmp_path):
    sensor = MeanColour()
    store = prepare(dataset(tmp_path / "raw", clips=1), tmp_path / "s", sensor, 0, progress=False)
    assert sensor.crops_seen == 2 * FRAMES
    assert not store.glimpses(0)[:, 2:].any() and np.isnan(store.hands(0)[:, 2:]).all()
    assert store.glimpses(0)[:, :2].any()


def test_workers_and_no_workers_write_the_same_bytes(tmp_path):
    data = dataset(tmp_path / "raw", clips=5)
    for workers in (0, 2):
        prepare(data, tmp_path / str(workers), MeanColour(), workers, progress=False)
    for file in ("joints.npy", "hands.npy", "active.npy", "glimpses.npy", "index.jsonl"):
        assert (tmp_path / "0" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_crops_handed_over_for_a_gpu_give_the_same_features(tmp_path):
    clip = dataset(tmp_path / "raw", clips=1).read("S001C001P001R001A001")
    crops, where = glimpse_crops(clip, 50)
    assert crops.shape == (2 * FRAMES, 3, 50, 50) and where.shape == (2 * FRAMES, 2)
    features = glimpse_features(MeanColour(), crops, where, len(clip), torch.device("cpu"))
    one_by_one = np.zeros((FRAMES, 4, 3))
    for t, image in clip_frames(clip):
        for i, hand in enumerate(clip.hands[t]):
            if np.isfinite(hand).all():
                one_by_one[t, i] = crop(image, hand[None], 50)[0].mean((1, 2))
    np.testing.assert_allclose(features, one_by_one, atol=0.2)


def test_interrupted_work_resumes(tmp_path, monkeypatch):
    data = dataset(tmp_path / "raw", clips=4)
    add, added = StoreWriter.add, []

    def dies(self, clip, **arrays):
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(clip["name"])
        add(self, clip, **arrays)

    monkeypatch.setattr(StoreWriter, "add", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="unfinished"):
        Store(tmp_path / "s")
    sensor = MeanColour()
    assert len(prepare(data, tmp_path / "s", sensor, 0, progress=False)) == 4
    assert sensor.crops_seen == 2 * 2 * FRAMES, "finished clips are not computed again"


def test_two_processes_do_not_write_one_store_at_once(tmp_path):
    data = dataset(tmp_path / "raw", clips=2)
    (tmp_path / "s").mkdir()
    second = threading.Thread(
        target=prepare, args=(data, tmp_path / "s", MeanColour(), 0), kwargs={"progress": False}
    )
    with FileLock(tmp_path / "s" / ".lock"):  # the first is still at it
        second.start()
        second.join(1)
        assert second.is_alive() and not (tmp_path / "s/index.jsonl").exists()
    second.join(60)
    assert len(Store(tmp_path / "s")) == 2


def test_a_full_disk_says_what_to_do_and_keeps_what_was_done(tmp_path, monkeypatch):
    data = dataset(tmp_path / "raw", clips=3)
    add, added = StoreWriter.add, []

    def full(self, clip, **arrays):
        if len(added) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        added.append(1)
        add(self, clip, **arrays)

    monkeypatch.setattr(StoreWriter, "add", full)
    with pytest.raises(OSError, match="make room and run the same command again") as caught:
        prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert len(prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)) == 3


def test_a_clip_that_cannot_be_read_is_skipped_with_its_reason(tmp_path):
    data = dataset(tmp_path / "raw", clips=3)
    (tmp_path / "raw/nturgb+d_rgb/S001C002P001R001A001_rgb.avi").write_bytes(b"no video")
    broken = tmp_path / "raw/nturgb+d_skeletons/S001C003P001R001A001.skeleton"
    broken.write_text("\n".join(broken.read_text().split("\n")[:40]))
    store = prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    assert [c.name for c in store.clips] == ["S001C001P001R001A001"]
    assert "S001C002P001R001A001_rgb.avi" in store.skipped["S001C002P001R001A001"]
    assert "frame" in store.skipped["S001C003P001R001A001"]


@pytest.mark.parametrize("frames, usable", [(FRAMES + 3, True), (FRAMES - 3, False), (0, False)])
def test_videos_of_another_length(tmp_path, frames, usable):
    data = dataset(tmp_path / "raw", clips=1, video_frames=frames)
    store = prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    assert (len(store), len(store.skipped)) == ((1, 0) if usable else (0, 1))


def test_poses_alone_need_no_video(tmp_path):
    data = dataset(tmp_path / "raw", clips=2, video_frames=0)
    store = prepare(data, tmp_path / "s", None, 0, progress=False)
    assert len(store) == 2 and store.glimpse_features == 0
    with pytest.raises(StoreError, match="poses alone"):
        store.glimpses(0)


def test_whole_frames_are_one_glimpse_each(tmp_path):
    """The left half of the image is red, the right half blue, wherever the hands are."""
    data, sensor = dataset(tmp_path / "raw", clips=2), MeanColour()
    stores = {
        workers: prepare(
            data, tmp_path / str(workers), sensor, workers, progress=False, crops="frame"
        )
        for workers in (0, 2)
    }
    store = stores[0]
    assert store.crops == "frame" and store.settings["crop_size"] is None
    seen, features = np.arange(2 * FRAMES), "glimpses"
    assert store.take(features, seen).shape == (2 * FRAMES, 1, 3)
    np.testing.assert_allclose(
        store.take(features, seen)[:, 0], [[120, 0, 120]] * 2 * FRAMES, atol=12
    )
    np.testing.assert_array_equal(store.take(features, seen), stores[2].take(features, seen))
    with pytest.raises(StoreError, match="other settings"):
        prepare(data, tmp_path / "0", sensor, 0, progress=False)  # hands now


def test_a_squeezed_frame_loses_no_side():
    image = np.zeros((6, 12, 3), np.uint8)
    image[:, :6, 0] = 200
    image[3:, :, 1] = 100
    small = squeeze(image, 4)
    assert small.shape == (3, 4, 4) and small.dtype == np.uint8
    assert (small[0, :, 0] == 200).all() and (small[0, :, 3] == 0).all()
    assert (small[1, 0] == 0).all() and (small[1, 3] == 100).all()
    assert abs(float(small[0].mean()) - 100) < 3  # antialiased: no stripe is skipped


def test_the_folder_name_follows_the_settings(tmp_path):
    data = dataset(tmp_path / "raw", clips=2)
    one = store_path(data, MeanColour(), tmp_path)
    data.crop_size = 60
    assert store_path(data, MeanColour(), tmp_path) != one
    assert settings_of(data, None)["sensor"] is None
    frames = store_path(data, MeanColour(), tmp_path, "frame")
    assert frames != store_path(data, MeanColour(), tmp_path) and "-frame-" in frames.name


@pytest.mark.real
def test_the_real_ntu_clip(real_data, tmp_path):
    """Hand boxes follow colorX/colorY of the file, read here a second, independent way."""
    name = "S001C001P001R001A001"
    file = real_data / "ntu/nturgb+d_skeletons" / f"{name}.skeleton"
    lines = iter(file.read_text().split("\n"))
    colour = []  # (T, 2, 2): pixels of joints 8 and 12 (from 1) of the first body
    for _ in range(int(next(lines))):
        bodies = int(next(lines))
        for body in range(bodies):
            next(lines)
            joints = [next(lines).split() for _ in range(int(next(lines)))]
            if body == 0:
                colour.append([[float(joints[j][5]), float(joints[j][6])] for j in (7, 11)])
    data = NTU(real_data / "ntu")
    clip = data.read(name)
    assert len(clip) == len(colour) == 103
    np.testing.assert_allclose(clip.hands[:, :2], colour, atol=1e-3)
    crops, where = glimpse_crops(clip, 50)
    assert crops.shape == (2 * 103, 3, 50, 50)
    for t, image in clip_frames(clip):
        if t in (0, 50, 102):
            x, y = np.rint(colour[t][0]).astype(int)
            k = np.flatnonzero((where == (t, 0)).all(1))[0]
            np.testing.assert_array_equal(
                crops[k].transpose(1, 2, 0), image[y - 25 : y + 25, x - 25 : x + 25]
            )

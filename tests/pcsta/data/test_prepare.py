"""Preparation: raw files -> store, on made recordings and on the real NTU clip."""

import errno
import functools
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from pcsta import common, console
from pcsta.data import features, store_writer
from pcsta.data import prepare as preparation
from pcsta.data.features import glimpse_features
from pcsta.data.ntu import NTU
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import glimpse_crops, parse_shard, prepare, settings_of, store_path
from pcsta.data.progress import Progress, reasons
from pcsta.data.sbu import SBUInteraction
from pcsta.data.shard import StoreError
from pcsta.data.sources import sources
from pcsta.data.store import Store
from pcsta.data.store_writer import StoreWriter
from pcsta.data.video import write_video
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


@pytest.fixture
def two_a_shard(monkeypatch):
    monkeypatch.setattr(preparation, "StoreWriter", functools.partial(StoreWriter, block=2))


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


def same_files(one, other):
    files = [p.relative_to(one) for p in sorted(one.glob("shards/*/*"))]
    assert files == [p.relative_to(other) for p in sorted(other.glob("shards/*/*"))]
    return all((one / file).read_bytes() == (other / file).read_bytes() for file in files)


def test_workers_and_parts_write_the_same_bytes(tmp_path, two_a_shard):
    data = dataset(tmp_path / "raw", clips=5)
    for workers in (0, 2):
        prepare(data, tmp_path / str(workers), MeanColour(), workers, progress=False)
    assert same_files(tmp_path / "0", tmp_path / "2")
    made = [
        prepare(data, tmp_path / "parts", MeanColour(), 0, progress=False, shard=part)
        for part in ((2, 2), (1, 2))
    ]
    assert [(len(store), store.missing) for store in made] == [(2, 3), (5, 0)]
    assert same_files(tmp_path / "0", tmp_path / "parts")


def test_a_part_of_the_shards_is_written_i_of_n():
    assert parse_shard("1/1") == (1, 1) and parse_shard("3/16") == (3, 16)
    for wrong in ("", "2", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1.5/2"):
        with pytest.raises(ValueError, match="such as 2/4"):
            parse_shard(wrong)


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


@pytest.fixture
def accelerator(monkeypatch):
    """The way of an accelerator: another device's name, and its work done on the CPU. Its groups."""
    groups = []

    def on_cpu(sensor, crops, where, length, device, glimpses):
        assert device.type == "meta" and threading.current_thread() is not threading.main_thread()
        groups.append(len(crops))
        return glimpse_features(sensor, crops, where, length, torch.device("cpu"), glimpses)

    monkeypatch.setattr(preparation, "resolve_device", lambda _: torch.device("meta"))
    monkeypatch.setattr(features, "glimpse_features", on_cpu)
    return groups


@pytest.mark.parametrize("workers", [0, 2])
def test_an_accelerator_gets_batches_that_fill_across_clips(
    tmp_path, monkeypatch, request, workers, two_a_shard
):
    """Two hands in every frame, and none of the absent person; one of seven clips cannot be read."""
    data = dataset(tmp_path / "raw", clips=7)
    data.samples[2].video.write_bytes(b"no video")
    prepare(data, tmp_path / "cpu", MeanColour(), 0, progress=False)
    groups = request.getfixturevalue("accelerator")
    monkeypatch.setattr(features, "_GROUP", 30)
    store = prepare(data, tmp_path / "gpu", MeanColour(), workers, progress=False)
    assert len(store) == 6 and len(store.skipped) == 1
    assert groups == [36, 36], "three clips of 12 crops each time"
    assert same_files(tmp_path / "cpu", tmp_path / "gpu")


@pytest.mark.parametrize("crops", ["hands", "frame"])
def test_the_accelerators_way_gives_the_cpus_features(tmp_path, monkeypatch, request, crops):
    """f_g itself: other batches round otherwise, less than float16 does."""
    data = dataset(tmp_path / "raw", clips=3)
    sensor = preparation.sensor_for(crops)
    one = prepare(data, tmp_path / "cpu", sensor, 0, progress=False, crops=crops)
    groups = request.getfixturevalue("accelerator")
    monkeypatch.setattr(sensor, "to", lambda _: sensor)  # it stays where it can compute
    other = prepare(data, tmp_path / "gpu", sensor, 0, progress=False, crops=crops)
    assert groups == [3 * FRAMES * (2 if crops == "hands" else 1)]
    assert one.fingerprint == other.fingerprint
    for i in range(3):
        V = one.glimpses(i).astype(np.float32)
        assert V.any(-1).sum() == FRAMES * (2 if crops == "hands" else 1)
        np.testing.assert_allclose(other.glimpses(i), V, rtol=2**-10, atol=1e-3)


def test_an_error_of_the_accelerator_is_an_error_of_prepare(tmp_path, accelerator):
    class OutOfMemory(MeanColour):
        def forward(self, crops):
            raise RuntimeError("out of memory")

    data = dataset(tmp_path / "raw", clips=3)
    with pytest.raises(RuntimeError, match="out of memory"):
        prepare(data, tmp_path / "s", OutOfMemory(), 2, progress=False)
    assert len(prepare(data, tmp_path / "s", MeanColour(), 2, progress=False)) == 3


def test_interrupted_work_resumes(tmp_path, monkeypatch, two_a_shard):
    data = dataset(tmp_path / "raw", clips=6)
    add, added = StoreWriter.add, []

    def dies(self, clip, **arrays):
        if len(added) == 3:
            raise KeyboardInterrupt
        added.append(clip.name)
        add(self, clip, **arrays)

    monkeypatch.setattr(StoreWriter, "add", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    monkeypatch.setattr(StoreWriter, "add", add)
    with pytest.raises(StoreError, match=r"unfinished .4 clips"):
        Store(tmp_path / "s")
    sensor = MeanColour()
    assert len(prepare(data, tmp_path / "s", sensor, 0, progress=False)) == 6
    assert sensor.crops_seen == 4 * 2 * FRAMES, "whole shards are not computed again"


def test_two_processes_do_not_fill_one_shard_at_once(tmp_path, two_a_shard):
    data = dataset(tmp_path / "raw", clips=4)
    (tmp_path / "s/shards").mkdir(parents=True)
    second = threading.Thread(
        target=prepare, args=(data, tmp_path / "s", MeanColour(), 0), kwargs={"progress": False}
    )
    with FileLock(tmp_path / "s/shards/000002.lock"):  # the first is still at it
        second.start()
        while not (tmp_path / "s/shards/000000").exists():
            time.sleep(0.01)
        second.join(0.5)
        assert second.is_alive() and len(Store(tmp_path / "s", unfinished=True)) == 2
    second.join(60)
    assert len(Store(tmp_path / "s")) == 4


@pytest.mark.parametrize("part", [(1, 1), (2, 2)])
def test_a_rank_fills_its_part_and_then_what_is_left(tmp_path, monkeypatch, two_a_shard, part):
    """Of eight shards, or of every second: rank 1 of 2 begins with every second of them."""
    data = dataset(tmp_path / "raw", clips=16, video_frames=0)
    add, order = StoreWriter.add, []
    monkeypatch.setattr(preparation, "rank_and_world_size", lambda: (1, 2))
    monkeypatch.setattr(StoreWriter, "add", lambda *a, **k: (order.append(a[1].name), add(*a, **k)))
    prepare(data, tmp_path / "s", None, 0, progress=False, shard=part)
    shards = [[s.name for s in data.samples].index(name) // 2 for name in order[::2]]
    assert shards == ([1, 3, 5, 7, 0, 2, 4, 6] if part == (1, 1) else [3, 7, 1, 5])


def test_a_rank_does_not_wait_while_there_is_other_work(tmp_path, monkeypatch, two_a_shard):
    """Rank 0 of 2, with its own four shards and rank 1's: one of these is being filled by rank 1."""
    data = dataset(tmp_path / "raw", clips=16, video_frames=0)
    monkeypatch.setattr(preparation, "rank_and_world_size", lambda: (0, 2))
    (tmp_path / "s/shards").mkdir(parents=True)
    first = threading.Thread(
        target=prepare, args=(data, tmp_path / "s", None, 0), kwargs={"progress": False}
    )
    with FileLock(tmp_path / "s/shards/000002.lock"):
        first.start()
        rest = [tmp_path / f"s/shards/{i:06d}" for i in range(0, 16, 2) if i != 2]
        while first.is_alive() and not all(shard.exists() for shard in rest):
            time.sleep(0.01)
        assert first.is_alive() and not (tmp_path / "s/shards/000002").exists()
    first.join(60)
    assert len(Store(tmp_path / "s")) == 16


RANKS = """
import sys
sys.path[:0] = {paths!r}
from test_prepare import NTU, MeanColour, prepare, preparation, functools, StoreWriter, Path
from pcsta.common import distributed_session, rank_and_world_size
preparation.StoreWriter = functools.partial(StoreWriter, block=2)
with distributed_session():
    store = prepare(NTU(Path({raw!r})), Path({path!r}), MeanColour(), {workers}, progress=False)
    sys.stdout.write(f"rank {{rank_and_world_size()[0]}}: {{len(store)}} clips\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_two_ranks_make_the_bytes_of_one_process(tmp_path, two_a_shard, workers):
    data, script = dataset(tmp_path / "raw", clips=9), tmp_path / "ranks.py"
    prepare(data, tmp_path / "one", MeanColour(), 0, progress=False)
    paths = [*sys.path, str(Path(__file__).parent)]
    raw, path = str(tmp_path / "raw"), str(tmp_path / "two")
    script.write_text(RANKS.format(paths=paths, raw=raw, path=path, workers=workers))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted(done.stdout.split("\n")) == ["", "rank 0: 9 clips", "rank 1: 9 clips"]
    assert same_files(tmp_path / "one", tmp_path / "two")


KILLED = """
import sys, time
sys.path[:0] = {paths!r}
from test_prepare import NTU, FRAMES, MeanColour, prepare, preparation, functools, StoreWriter, Path
preparation.StoreWriter = functools.partial(StoreWriter, block=2)
class Slow(MeanColour):
    def forward(self, crops):
        time.sleep(0.5)
        return super().forward(crops)
prepare(NTU(Path({raw!r})), Path({path!r}), Slow(), workers=2, progress=False)
"""


def test_a_killed_process_and_its_workers_hold_nothing_back(tmp_path, two_a_shard):
    data, path = dataset(tmp_path / "raw", clips=8), tmp_path / "s"
    paths = [*sys.path, str(Path(__file__).parent)]
    script = KILLED.format(paths=paths, raw=str(tmp_path / "raw"), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", script])
    while not (path / "shards/000000").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    sensor, begun = MeanColour(), time.monotonic()
    assert len(prepare(data, path, sensor, 0, progress=False)) == 8
    assert time.monotonic() - begun < 5, "locks of the dead are free"
    assert 0 < sensor.crops_seen <= 6 * 2 * FRAMES, "whole shards are kept"
    prepare(data, tmp_path / "whole", MeanColour(), 0, progress=False)
    assert same_files(tmp_path / "whole", path)


def test_a_full_disk_says_what_to_do_and_keeps_what_was_done(tmp_path, monkeypatch, two_a_shard):
    data = dataset(tmp_path / "raw", clips=3)
    write = store_writer._write

    def full(path, content):
        if path.parent.name.startswith("000002"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(store_writer, "_write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    assert "make room and run the same command again" in console.words(caught.value)
    assert len(Store(tmp_path / "s", unfinished=True)) == 2
    monkeypatch.setattr(store_writer, "_write", write)
    sensor = MeanColour()
    assert len(prepare(data, tmp_path / "s", sensor, 0, progress=False)) == 3
    assert sensor.crops_seen == 2 * FRAMES


def test_a_clip_that_cannot_be_read_is_skipped_with_its_reason(tmp_path):
    data = dataset(tmp_path / "raw", clips=3)
    (tmp_path / "raw/nturgb+d_rgb/S001C002P001R001A001_rgb.avi").write_bytes(b"no video")
    broken = tmp_path / "raw/nturgb+d_skeletons/S001C003P001R001A001.skeleton"
    broken.write_text("\n".join(broken.read_text().split("\n")[:40]))
    store = prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    assert [c.name for c in store.clips] == ["S001C001P001R001A001"]
    assert "S001C002P001R001A001_rgb.avi" in store.skipped["S001C002P001R001A001"]
    assert "frame" in store.skipped["S001C003P001R001A001"]
    assert store.samples[1].sources["video"]["size"] == len(b"no video")


def test_a_line_knows_the_files_it_was_made_from(tmp_path):
    data = dataset(tmp_path / "raw", clips=2)
    second = data["S001C002P001R001A001"]
    os.utime(second.skeleton_file, ns=(1, 1_700_000_000_123_456_789))
    second.video.unlink()
    del data._inventory  # looked for again
    poses = prepare(data, tmp_path / "p", None, 0, progress=False)
    assert [clip.sources.keys() for clip in poses.clips] == [{"skeleton"}] * 2, "what was read"
    store = prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    first, second = store.samples
    assert first.sources.keys() == {"skeleton", "video"} and second.sources.keys() == {"skeleton"}
    assert second.sources["skeleton"]["modified"] == 1_700_000_000_123_456_789
    video = data[first.name].video
    assert first.sources["video"] == {
        "files": 1, "size": video.stat().st_size, "modified": video.stat().st_mtime_ns,
        "digest": hashlib.blake2b(video.read_bytes(), digest_size=8).hexdigest(),
    }  # fmt: skip


def test_images_in_a_folder_are_one_source(tmp_path):
    folder = tmp_path / "s01s02/01/001"
    folder.mkdir(parents=True)
    (folder / "skeleton_pos.txt").write_text("1,0.5")
    for k, size in enumerate((10, 20, 30)):
        image = folder / f"rgb_{k:06d}.png"
        image.write_bytes(bytes(size))
        os.utime(image, ns=(1, 1000 - k))
    found = sources(SBUInteraction(tmp_path).samples[0], video=True, digest=False)
    assert found["video"] == {"files": 3, "size": 60, "modified": 1000, "digest": ""}
    assert found["skeleton"]["size"] == 5


@pytest.mark.parametrize(
    "frames, usable", [(FRAMES + 1, True), (FRAMES + 3, False), (FRAMES - 3, False), (0, False)]
)
def test_videos_of_another_length(tmp_path, frames, usable):
    data = dataset(tmp_path / "raw", clips=1, video_frames=frames)
    store = prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)
    assert (len(store), len(store.skipped)) == ((1, 0) if usable else (0, 1))
    assert [any("left out" in r for r in clip.repairs) for clip in store.clips] == [True] * usable


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


def test_a_file_that_was_fetched_again_is_read_again(tmp_path, capsys, two_a_shard):
    """Of its shard's other clips nothing is computed anew."""
    data, path = dataset(tmp_path / "raw", clips=4), tmp_path / "s"
    good = data["S001C002P001R001A001"].skeleton_file
    whole = good.read_bytes()
    good.write_bytes(whole[: len(whole) // 2])
    assert len(prepare(data, path, MeanColour(), 0, progress=False)) == 3
    before = Store(path, unfinished=True).fingerprint
    good.write_bytes(whole)
    sensor = MeanColour()
    store = prepare(data, path, sensor, 0)
    assert (
        "read again, as their files have changed: 1 (S001C002P001R001A001)"
        in capsys.readouterr().out
    )
    assert len(store) == 4 and not store.skipped and store.fingerprint != before
    assert sensor.crops_seen == 2 * FRAMES, "one clip"
    prepare(data, tmp_path / "fresh", MeanColour(), 0, progress=False)
    assert same_files(tmp_path / "fresh", path)


def test_videos_that_arrive_later_are_taken_in(tmp_path):
    data = dataset(tmp_path / "raw", clips=2)
    film = data.samples[1].video
    away = film.rename(tmp_path / "away.avi")
    later = NTU(tmp_path / "raw")
    assert list(prepare(later, tmp_path / "s", MeanColour(), 0, progress=False).skipped) == [
        data.samples[1].name
    ]
    away.rename(film)
    assert len(prepare(data, tmp_path / "s", MeanColour(), 0, progress=False)) == 2


def test_another_time_of_the_same_bytes_changes_nothing(tmp_path):
    data, path = dataset(tmp_path / "raw", clips=2), tmp_path / "s"
    before = prepare(data, path, MeanColour(), 0, progress=False).fingerprint
    written = (path / "shards/000000/index.jsonl").stat().st_mtime_ns
    for sample in data.samples:
        os.utime(sample.skeleton_file), os.utime(sample.video)
    sensor = MeanColour()
    assert prepare(data, path, sensor, 0, progress=False).fingerprint == before
    assert sensor.crops_seen == 0
    assert (path / "shards/000000/index.jsonl").stat().st_mtime_ns == written


@pytest.mark.parametrize("name", ["joints.npy", "glimpses.npy", "index.jsonl"])
def test_a_shard_cut_by_a_broken_copy_is_refused_and_mended(tmp_path, capsys, two_a_shard, name):
    data, path = dataset(tmp_path / "raw", clips=4), tmp_path / "s"
    prepare(data, path, MeanColour(), 0, progress=False)
    prepare(data, tmp_path / "whole", MeanColour(), 0, progress=False)
    file = path / "shards/000002" / name
    content = file.read_bytes()
    for cut in (len(content) - 1, len(content) // 2, 0):
        file.write_bytes(content[:cut])
        with pytest.raises(StoreError, match=r"000002.*run the same `pcsta prepare`"):
            Store(path)
        prepare(data, path, MeanColour(), 0)
        assert f"made anew: {file.parent}" in capsys.readouterr().out
        assert same_files(tmp_path / "whole", path)
    file.unlink()
    prepare(data, path, MeanColour(), 0, progress=False)
    assert same_files(tmp_path / "whole", path)


def test_an_index_cut_between_two_lines_is_mended(tmp_path, two_a_shard):
    """A skipped clip has no frames, so that the arrays do not miss it."""
    data, path = dataset(tmp_path / "raw", clips=2), tmp_path / "s"
    data.samples[1].skeleton_file.write_text("no skeleton")
    assert len(prepare(data, path, None, 0, progress=False).skipped) == 1
    index = path / "shards/000000/index.jsonl"
    index.write_text(index.read_text().splitlines(keepends=True)[0])
    assert len(prepare(data, path, None, 0, progress=False).skipped) == 1


def test_a_reason_that_may_pass_is_no_reason_the_next_time(tmp_path, monkeypatch):
    data = dataset(tmp_path / "raw", clips=2)

    def away(self, sample):
        raise OSError(errno.EIO, "Input/output error", str(sample.skeleton_file))

    read = NTU.read
    monkeypatch.setattr(NTU, "read", away)
    assert len(prepare(data, tmp_path / "s", None, 0, progress=False).skipped) == 2
    monkeypatch.setattr(NTU, "read", read)
    assert len(prepare(data, tmp_path / "s", None, 0, progress=False)) == 2


def test_folders_of_equal_names_have_stores_of_their_own(tmp_path):
    one, other = dataset(tmp_path / "a", clips=1), dataset(tmp_path / "b", clips=1)
    assert store_path(one, None, tmp_path) != store_path(other, None, tmp_path)
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "a").rename(tmp_path / "moved/a")
    assert store_path(NTU(moved), None, tmp_path / "moved").name == store_path(
        one, None, tmp_path
    ).name, "data and stores may move together"  # fmt: skip


def test_a_whole_store_is_only_read(tmp_path, monkeypatch):
    data, path = dataset(tmp_path / "raw", clips=2), tmp_path / "s"
    prepare(data, path, None, 0, progress=False)

    def no_writing(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(store_writer, "hold", no_writing)
    assert len(prepare(data, path, None, 0, progress=False)) == 2
    with pytest.raises(PermissionError):
        prepare(data, tmp_path / "other", None, 0, progress=False)


class Killed(NTU):
    """Its second sample ends the process that reads it."""

    def read(self, sample):
        if sample.name == self.samples[1].name:
            os.kill(os.getpid(), 9)
        return super().read(sample)


def test_a_worker_that_is_killed_says_what_to_do(tmp_path):
    dataset(tmp_path / "raw", clips=3)
    with pytest.raises(RuntimeError, match="DataLoader worker") as caught:
        prepare(Killed(tmp_path / "raw"), tmp_path / "s", None, 2, progress=False)
    assert "run the same command again with fewer --workers" in console.words(caught.value)
    assert len(prepare(NTU(tmp_path / "raw"), tmp_path / "s", None, 2, progress=False)) == 3


def test_there_is_a_worker_for_each_core_that_is_ours(monkeypatch):
    for mine, ranks, wanted in ((2, 1, 2), (16, 1, 16), (16, 4, 4), (2, 4, 1), (128, 1, 32)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=mine: set(range(n)), raising=False)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
        assert common.cores() == wanted


def test_the_line_says_what_waits_for_what(monkeypatch):
    """By a clock that is set: of ten seconds six go to the readers, three to the accelerator."""
    now = [100.0]
    monkeypatch.setattr("pcsta.data.progress.perf_counter", lambda: now[0])

    def lasting(seconds, value=None):
        now[0] += seconds
        return value

    told = Progress("prepare", 3, shown=False)
    clips = told.wait_for_each("readers", (lasting(2.0, k) for k in (7, 8, 9)))
    assert list(clips) == [7, 8, 9], "and the end of the clips is no wait"
    assert told.wait("accelerator", lasting, 3.0, value="V") == "V"
    with pytest.raises(ValueError):
        told.wait("disk", lambda: (lasting(0.5), int("full")))
    lasting(0.5)
    told.update(70, skipped=False)
    told.update(0, skipped=True)
    assert str(told) == "7 crops/s, 1 skipped; waits: readers 60%, accelerator 30%, disk 5%"


def test_skipped_samples_are_told_by_reason():
    skipped = {f"S{i:03d}": f"/data/S{i:03d}_rgb.avi: its video has {i} frames" for i in range(5)}
    skipped |= {"S007": "S007 has no video. Fetch it", "S008": "S008 has no video. Fetch it"}
    assert reasons(skipped) == [
        "     5  its video has N frames (S000, S001, S002, …)",
        "     2  … has no video. Fetch it (S007, S008)",
    ]


def test_a_preparation_ends_with_the_reasons(tmp_path, capsys, two_a_shard):
    data = dataset(tmp_path / "raw", clips=6)
    for sample in data.samples[1:4]:
        sample.video.write_bytes(b"no video")
    data.samples[4].skeleton_file.write_text("no skeleton")
    prepare(data, tmp_path / "s", MeanColour(), 2)
    said = capsys.readouterr()
    assert "6/6" in said.err and "4 skipped; waits: readers" in said.err
    first, *others = said.out.splitlines()
    assert first == "skipped 4 of 6:"
    assert [line.split()[0] for line in others] == ["3", "1"], "a line for each reason"
    assert ", ".join(sample.name for sample in data.samples[1:4]) in others[0]
    prepare(data, tmp_path / "s", MeanColour(), 2)
    assert capsys.readouterr().out == "", "nothing was made"


@pytest.mark.parametrize(
    "change", [{"label": 1}, {"subject": "40"}, {"name": "S001C001P001R001A060"}]
)
def test_a_line_that_is_not_of_its_sample_is_mended(tmp_path, two_a_shard, change):
    """An edited index, or a shard of another store copied in."""
    data, path = dataset(tmp_path / "raw", clips=4), tmp_path / "s"
    prepare(data, path, None, 0, progress=False)
    prepare(data, tmp_path / "whole", None, 0, progress=False)
    index = path / "shards/000002/index.jsonl"
    first, _, others = index.read_text().partition("\n")
    index.write_text(f"{json.dumps(json.loads(first) | change)}\n{others}")
    prepare(data, path, None, 0, progress=False)
    assert same_files(tmp_path / "whole", path)

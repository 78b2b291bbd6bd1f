"""The store: what goes in comes out, whoever wrote which shard and whatever interrupted them."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from fakes import BLOCK, clip_arrays, make_store, row, settings
from pcsta.data import store_writer as module
from pcsta.data.shard import StoredClip, StoreError, hash_names, settings_hash, write_settings
from pcsta.data.store import Store
from pcsta.data.store_writer import StoreWriter

ARRAYS = ("joints", "hands", "deciding", "glimpses")


def fill(path, clips, part=(1, 1), block=2):
    with StoreWriter(path, settings(clips), block) as writer:
        for i in writer.claim(part):
            writer.add(row(i), **clip_arrays(i))


def shards(path):
    return sorted(p.name for p in (path / "shards").iterdir())


def test_a_store_returns_what_was_written(tmp_path):
    clips = 2 * BLOCK + 3
    store = make_store(tmp_path / "s", clips)
    assert len(store) == clips and store.frames_total == clips * 24
    for i in range(clips):
        written = clip_arrays(i)
        np.testing.assert_array_equal(store.joints(i), written["joints"])
        np.testing.assert_array_equal(store.hands(i), written["hands"])
        np.testing.assert_array_equal(store.deciding(i), written["deciding"])
        np.testing.assert_allclose(store.glimpses(i), written["glimpses"], rtol=1e-3)
        assert store.clips[i] == replace(
            row(i, start=24 * i), settings=settings_hash(store.settings)
        )


def test_files_are_ordinary_npy_and_json_lines(tmp_path):
    make_store(tmp_path / "s", clips=BLOCK + 3)
    assert shards(tmp_path / "s") == ["000000", f"{BLOCK:06d}"]
    last = tmp_path / "s/shards" / f"{BLOCK:06d}"
    assert np.load(last / "joints.npy").shape == (72, 2, 25, 3)
    assert np.load(last / "glimpses.npy").dtype == np.float16
    lines = [json.loads(line) for line in (last / "index.jsonl").open("rb")]
    assert [(line["start"], line["length"]) for line in lines] == [(0, 24), (24, 24), (48, 24)]


@budget(max_examples=30)
@given(data=st.data())
def test_any_lengths_and_parts_in_any_order_give_what_was_written(tmp_path_factory, data):
    """Shards from any number of parts, one after the other in any order, are one row of frames."""
    path = tmp_path_factory.mktemp("s") / "store"
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=12), "lengths")
    unusable = data.draw(st.sets(st.sampled_from(range(len(lengths)))), "skipped")
    block = data.draw(st.integers(1, 5), "block")
    n = data.draw(st.integers(1, 4), "n")
    order = data.draw(st.permutations(range(1, n + 1)), "order")
    written = {
        i: clip_arrays(i, length=20, seed=1) | {"deciding": np.full((20, 4), i)}
        for i in range(len(lengths))
    }
    for part in order:
        with StoreWriter(path, settings(len(lengths)), block) as writer:
            for i in writer.claim((part, n)):
                if i in unusable:
                    writer.add(StoredClip(f"clip-{i:03d}", 0, "1", 1, 1, skipped="no video"))
                else:
                    arrays = {name: array[: lengths[i]] for name, array in written[i].items()}
                    writer.add(row(i, lengths[i]), **arrays)
    store = Store(path)
    kept = [i for i in range(len(lengths)) if i not in unusable]
    assert [clip.name for clip in store.clips] == [f"clip-{i:03d}" for i in kept]
    assert len(store.samples) == len(lengths) and len(store.skipped) == len(unusable)
    assert store.frames_total == sum(lengths[i] for i in kept)
    for name in ARRAYS:
        kinds = {"deciding": np.int8, "glimpses": np.float16}
        whole = [written[i][name][: lengths[i]].astype(kinds.get(name, np.float32)) for i in kept]
        for k, expected in enumerate(whole):
            np.testing.assert_array_equal(getattr(store, name)(k), expected)
        if not kept:
            continue
        whole = np.concatenate(whole)
        shape = data.draw(st.sampled_from([(0,), (1,), (7,), (3, 4), (40,), ()]), "shape")
        rows = np.random.default_rng(len(lengths)).integers(0, store.frames_total, shape)
        np.testing.assert_array_equal(store.take(name, rows), whole[rows])
        runs = np.sort(rows, axis=None)
        np.testing.assert_array_equal(store.take(name, runs), whole[runs])
        for outside in (-1, store.frames_total):
            with pytest.raises(IndexError, match="has frames 0 to"):
                store.take(name, np.array([0, outside]))


def test_a_store_carries_no_memory_map_to_another_process_and_keeps_no_file_open(tmp_path):
    store = make_store(tmp_path / "s", clips=5 * BLOCK)
    small = len(pickle.dumps(store))
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else None
    first = store.take("glimpses", np.arange(store.frames_total))
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before, "thousands of shards are too many files"
    assert len(pickle.dumps(store)) == small
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.take("glimpses", np.arange(store.frames_total)), first)
    with pytest.raises(ValueError, match="read-only"):
        store.joints(0)[0] = 1


def test_an_unfinished_store_says_so_and_is_continued_in_other_parts(tmp_path):
    path = tmp_path / "s"
    fill(path, 11, part=(2, 3))
    assert shards(path) == ["000002", "000008"]
    with pytest.raises(StoreError, match=r"unfinished .7 clips to go"):
        Store(path)
    partly = Store(path, unfinished=True)
    assert partly.missing == 7 and [c.start for c in partly.clips] == [0, 24, 48, 72]
    np.testing.assert_array_equal(partly.joints(2), clip_arrays(8)["joints"])
    before = (path / "shards/000002/joints.npy").stat().st_mtime_ns
    for part in ((2, 2), (1, 2)):
        fill(path, 11, part)
    assert (path / "shards/000002/joints.npy").stat().st_mtime_ns == before
    fill(tmp_path / "whole", 11)
    assert shards(path) == shards(tmp_path / "whole")  # nothing but shards is left
    for file in (tmp_path / "whole").glob("shards/*/*"):
        assert file.read_bytes() == (path / file.relative_to(tmp_path / "whole")).read_bytes()
    with StoreWriter(path, settings(11), 2) as writer:
        for part in ((0, 2), (3, 2)):
            with pytest.raises(ValueError, match="no part"):
                writer.missing(part)


WRITER = """
import sys, time
sys.path[:0] = {paths!r}
from pcsta.data import store_writer
from test_store import Path, StoreWriter, fill, settings
real = store_writer._write
def slow(path, data):
    if path.parent.name.startswith({stop!r}) and path.name == "deciding.npy":
        real(path, data[:20])
        print("stopped", flush=True)
        time.sleep(600)
    real(path, data)
store_writer._write = slow
StoreWriter(Path({path!r}), settings(40))
print("begun", flush=True)
fill(Path({path!r}), 40)
"""


def writer_process(path, stop="never"):
    paths = [*sys.path, str(Path(__file__).parent)]
    script = WRITER.format(paths=paths, path=str(path), stop=stop)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_writer_killed_within_a_shard_costs_that_shard_alone(tmp_path):
    path = tmp_path / "s"
    process = writer_process(path, stop="000006")
    assert process.stdout.readline() == "stopped\n"
    with StoreWriter(path, settings(40), 2) as other:
        claimed = other.claim((20, 20))
        assert next(claimed) == 38, "what nobody holds is free"
        other.add(row(38), **clip_arrays(38))
        other.add(row(39), **clip_arrays(39))
        assert any(name.endswith(".part") for name in shards(path)), "a live writer is left alone"
    process.kill()
    process.wait()
    assert [c.name[-2:] for c in Store(path, unfinished=True).clips] == [
        "00", "01", "02", "03", "04", "05", "38", "39",
    ]  # fmt: skip
    fill(path, 40)
    assert shards(path) == [f"{k:06d}" for k in range(0, 40, 2)]
    check(path, 40)


def check(path, clips):
    store = Store(path)
    assert [c.name for c in store.clips] == [f"clip-{i:03d}" for i in range(clips)]
    joints = np.concatenate([clip_arrays(i)["joints"] for i in range(clips)])
    np.testing.assert_array_equal(store.take("joints", np.arange(len(joints))), joints)


def test_writers_killed_at_any_moment_leave_whole_shards(tmp_path):
    path, counts = tmp_path / "s", [0]
    for delay in (0.01, 0.03, 0.05):
        process = writer_process(path)
        time.sleep(delay)
        process.kill()
        process.wait()
        partly = Store(path, unfinished=True)
        counts.append(len(partly))
        for i, clip in enumerate(partly.clips):
            expected = clip_arrays(int(clip.name[-3:]))["joints"]
            np.testing.assert_array_equal(partly.joints(i), expected)
    assert counts == sorted(counts)
    fill(path, 40)
    check(path, 40)


def test_processes_that_fill_one_store_share_the_work(tmp_path):
    path = tmp_path / "s"
    processes = [writer_process(path) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert shards(path) == [f"{k:06d}" for k in range(0, 40, 2)]
    check(path, 40)


def test_who_comes_second_to_a_shard_gives_way(tmp_path, monkeypatch):
    """Where locks do not reach from machine to machine, the rename decides."""
    path = tmp_path / "s"
    monkeypatch.setattr(module, "hold", NoLock)
    with StoreWriter(path, settings(2), 2) as second:
        assert next(second.claim()) == 0
        fill(path, 2)
        before = (path / "shards/000000/joints.npy").stat().st_mtime_ns
        for i in range(2):
            second.add(row(i), **clip_arrays(i))
    assert (path / "shards/000000/joints.npy").stat().st_mtime_ns == before
    assert shards(path) == ["000000"]


class NoLock:
    def __init__(self, path, wait=True):
        self.lock_file = str(path)

    def acquire(self):
        pass

    release = __enter__ = acquire

    def __exit__(self, *error):
        pass


@pytest.mark.parametrize("failing_write", range(1, 6))
def test_a_full_disk_costs_one_shard_alone(tmp_path, monkeypatch, failing_write):
    path = tmp_path / "s"
    real, calls = module._write, []

    def full(file, data):
        calls.append(1)
        if len(calls) == 5 + failing_write:
            real(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, data)

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fill(path, 4)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    monkeypatch.undo()
    assert sorted((path / "shards").glob("*.part")) == [], "the space is given back"
    assert [c.name for c in Store(path, unfinished=True).clips] == ["clip-000", "clip-001"]
    fill(path, 4)
    check(path, 4)


def test_wrong_shapes_and_other_settings_are_refused(tmp_path):
    with StoreWriter(tmp_path / "s", settings(2)) as writer:
        assert next(writer.claim()) == 0
        wrong = clip_arrays(0) | {"hands": np.zeros((24, 3, 2))}
        with pytest.raises(ValueError, match="clip-000: hands is"):
            writer.add(row(0), **wrong)
        with pytest.raises(ValueError, match="clip-000: joints is"):
            writer.add(row(0, length=23), **clip_arrays(0))
    assert len(Store(tmp_path / "s", unfinished=True)) == 0
    with pytest.raises(StoreError, match="other settings"):
        StoreWriter(tmp_path / "s", settings(3))


def test_a_missing_store_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="pcsta prepare"):
        Store(tmp_path / "nothing")


def test_a_store_of_the_older_form_says_how_to_make_the_new_one(tmp_path):
    """One file an array at the top, and an index beside them."""
    (tmp_path / "settings.json").write_text(json.dumps(settings(1)))
    (tmp_path / "index.jsonl").write_text('{"name": "clip-000"}\n')
    np.save(tmp_path / "joints.npy", clip_arrays(0)["joints"])
    for use in (lambda: Store(tmp_path), lambda: StoreWriter(tmp_path, settings(1))):
        with pytest.raises(StoreError, match=r"delete this folder .* same `pcsta prepare`"):
            use()


def test_a_damaged_shard_is_named(tmp_path):
    fill(tmp_path / "s", 4)
    np.save(tmp_path / "s/shards/000002/joints.npy", clip_arrays(2)["joints"])
    with pytest.raises(
        StoreError, match=r"000002.joints.npy has 14,528 bytes, whole it has 28,928"
    ):
        Store(tmp_path / "s")


@pytest.mark.parametrize("label", [-1, 99])
def test_a_label_of_no_class_is_damage(tmp_path, label):
    fill(tmp_path / "s", 2)
    edit(tmp_path / "s/shards/000000", label=label)
    with pytest.raises(StoreError, match=r"index.jsonl has the label of no class; run the same"):
        Store(tmp_path / "s")


def other(array):
    """The same bytes as other numbers, in files of the same size."""
    flat, turned = array.reshape(len(array), -1), np.asfortranarray(array)
    return [flat, turned, array.view(np.int32), array.astype(">f4")]


@pytest.mark.parametrize("kind", range(4))
def test_an_array_of_another_kind_than_its_index_says_is_damage(tmp_path, kind):
    """Its header lies: read as it says, the joints would be other numbers."""
    fill(tmp_path / "s", 2)
    file = tmp_path / "s/shards/000000/joints.npy"
    size = file.stat().st_size
    np.save(file, other(np.load(file))[kind])
    assert file.stat().st_size == size
    with pytest.raises(
        StoreError, match=r"000000/joints.npy is no array of <f4 of the shape \(48,"
    ):
        Store(tmp_path / "s")


def edit(shard, **changes):
    """Other values in the first line of an index."""
    first, _, others = (shard / "index.jsonl").read_text().partition("\n")
    (shard / "index.jsonl").write_text(f"{json.dumps(json.loads(first) | changes)}\n{others}")


@pytest.mark.parametrize("change", [{"skipped": "why"}, {"length": -24}, {"name": "clip-007"}])
def test_an_edited_line_is_damage(tmp_path, change):
    names = hash_names(f"clip-{i:03d}" for i in range(2))
    make_store(tmp_path / "s", 2, names=names)
    edit(tmp_path / "s/shards/000000", **change)
    with pytest.raises(StoreError, match="run the same `pcsta prepare` again"):
        Store(tmp_path / "s")


@pytest.mark.parametrize("place", ["000001", "000004", "000002"])
def test_a_shard_of_another_place_is_named(tmp_path, place):
    """Not a store with -2 clips to go."""
    fill(tmp_path / "s", 3)
    shards = tmp_path / "s/shards"
    shutil.rmtree(shards / place, ignore_errors=True)
    shutil.copytree(shards / "000000", shards / place)
    with pytest.raises(StoreError, match=rf"shards/{place} is no part of this store: delete that"):
        Store(tmp_path / "s")


@pytest.mark.parametrize("change", [{"sensor": "other"}, {"crop_size": 9}, {"classes": ["a", "b"]}])
def test_a_shard_of_other_weights_crops_or_classes_is_told_apart(tmp_path, change):
    make_store(tmp_path / "s")
    make_store(tmp_path / "other", **change)
    shard = tmp_path / "s/shards/000010"
    shutil.rmtree(shard)
    shutil.copytree(tmp_path / "other/shards/000010", shard)
    with pytest.raises(StoreError, match=r"shards/000010 was made with other settings than"):
        Store(tmp_path / "s")
    for index in tmp_path.glob("s/shards/*/index.jsonl"):  # as before shards told of it
        lines = [json.loads(line) for line in index.read_text().splitlines()]
        index.write_text("".join(json.dumps(line | {"settings": ""}) + "\n" for line in lines))
    assert len(Store(tmp_path / "s")) == 24


def test_settings_of_another_store_are_not_those_of_the_shards(tmp_path):
    made = make_store(tmp_path / "s").settings
    write_settings(tmp_path / "s", made | {"crop_size": 9})
    with pytest.raises(StoreError, match="was made with other settings"):
        Store(tmp_path / "s")


def test_settings_that_were_edited_are_refused(tmp_path):
    """A name that changes its side is no damage that anybody could see."""
    made, path = make_store(tmp_path / "s"), tmp_path / "s/settings.json"
    told = json.loads(path.read_text())
    for sides in told["splits"].values():
        sides["train"].append(sides["test"].pop())
    path.write_text(json.dumps(told))
    with pytest.raises(StoreError, match=r"settings.json is damaged or was edited: delete"):
        Store(tmp_path / "s")
    path.write_text(json.dumps(made.settings))  # as it was before settings bore a hash
    assert Store(tmp_path / "s").fingerprint == made.fingerprint


@pytest.mark.parametrize("change", [{"splits": {}}, {"image_width": 0}, {"glimpse_features": -1}])
def test_settings_of_no_store_are_damage(tmp_path, change):
    fill(tmp_path / "s", 2)
    (tmp_path / "s/settings.json").write_text(json.dumps(settings(2) | change))
    with pytest.raises(StoreError, match=r"settings.json is damaged"):
        Store(tmp_path / "s")


def test_skipped_clips_keep_their_reason_and_leave_the_split(tmp_path):
    seen = {"skeleton": {"files": 1, "size": 12, "modified": 5, "digest": "ab"}}
    with StoreWriter(tmp_path / "s", settings(2)) as writer:
        for i in writer.claim():
            if i == 0:
                gone = StoredClip(
                    "clip-000", 0, "0", 1, 1, skipped="its film is gone", sources=seen
                )
                writer.add(gone)
            else:
                writer.add(row(i), **clip_arrays(i))
    store = Store(tmp_path / "s")
    assert store.skipped == {"clip-000": "its film is gone"}
    assert store.samples[0].sources == seen
    train, test = store.split("cross-subject")
    assert train.tolist() == [] and test.tolist() == [0]
    with pytest.raises(StoreError, match="cross-subject"):
        store.split("cross-planet")


def test_a_fold_inside_the_training_clips_of_another(tmp_path):
    """What chooses for a fold never sees the fold: its clips are on neither side."""
    names = [f"clip-{i:03d}" for i in range(6)]
    splits = {
        f"fold-{k + 1}": {
            "train": [n for n in names if n not in names[2 * k : 2 * k + 2]],
            "test": names[2 * k : 2 * k + 2],
        }
        for k in range(3)
    }
    store = make_store(tmp_path / "s", 6, splits=splits)
    train, test = store.split("fold-1/fold-3")
    assert train.tolist() == [2, 3] and test.tolist() == [4, 5]
    assert store.split("fold-1/fold-1")[1].tolist() == []  # nothing of a fold is in its training
    with pytest.raises(StoreError, match="no protocol 'fold-4'"):
        store.split("fold-1/fold-4")

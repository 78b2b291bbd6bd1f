"""The store: what goes in comes out, whatever interrupts the writer."""

import errno

import numpy as np
import pytest

from fakes import clip_arrays, make_store, row, settings
from pcsta.data import store as module
from pcsta.data.store import Store, StoreError, StoreWriter


def test_a_store_returns_what_was_written(tmp_path):
    store = make_store(tmp_path / "s", clips=4)
    assert len(store) == 4 and store.frames_total == 4 * 24
    for i in range(4):
        written = clip_arrays(i)
        np.testing.assert_array_equal(store.joints(i), written["joints"])
        np.testing.assert_array_equal(store.hands(i), written["hands"])
        np.testing.assert_array_equal(store.active(i), written["active"])
        np.testing.assert_allclose(store.glimpses(i), written["glimpses"], rtol=1e-3)
        assert store.clips[i].label == i % 2


def test_files_are_ordinary_memory_mapped_npy(tmp_path):
    make_store(tmp_path / "s", clips=3)
    joints = np.load(tmp_path / "s/joints.npy", mmap_mode="r")
    assert isinstance(joints, np.memmap) and joints.shape == (72, 2, 25, 3)
    assert np.load(tmp_path / "s/glimpses.npy", mmap_mode="r").dtype == np.float16


def test_an_unfinished_store_says_so_and_is_continued(tmp_path):
    with StoreWriter(tmp_path / "s", settings(4)) as writer:
        writer.add(row(0), **clip_arrays(0))
    with pytest.raises(StoreError, match=r"unfinished .3 clips to go"):
        Store(tmp_path / "s")
    with StoreWriter(tmp_path / "s", settings(4)) as writer:
        assert writer.seen == {"clip-000"}
        for i in range(1, 4):
            writer.add(row(i), **clip_arrays(i))
        writer.finish()
    whole = make_store(tmp_path / "whole", clips=4)
    again = Store(tmp_path / "s")
    for name in ("joints", "hands", "active", "glimpses"):
        assert (again.path / f"{name}.npy").read_bytes() == (
            whole.path / f"{name}.npy"
        ).read_bytes()


def test_half_a_clip_left_by_a_killed_writer_is_cut(tmp_path):
    path = tmp_path / "s"
    with StoreWriter(path, settings(2)) as writer:
        writer.add(row(0), **clip_arrays(0))
    with (path / "joints.npy").open("ab") as file:
        file.write(b"half a clip")
    with (path / "index.jsonl").open("ab") as file:
        file.write(b'{"name": "clip-001", "lab')
    with StoreWriter(path, settings(2)) as writer:
        assert writer.seen == {"clip-000"}
        writer.add(row(1), **clip_arrays(1))
        writer.finish()
    np.testing.assert_array_equal(Store(path).joints(1), clip_arrays(1)["joints"])


@pytest.mark.parametrize("failing_write", range(1, 6))
def test_a_full_disk_leaves_the_store_at_its_last_whole_clip(tmp_path, monkeypatch, failing_write):
    path = tmp_path / "s"
    with StoreWriter(path, settings(2)) as writer:
        writer.add(row(0), **clip_arrays(0))
        before = {f.name: f.stat().st_size for f in path.iterdir()}
        real, calls = module._write, []

        def full(file, data):
            calls.append(1)
            if len(calls) == failing_write:
                real(file, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            real(file, data)

        monkeypatch.setattr(module, "_write", full)
        with pytest.raises(OSError, match="No space left"):
            writer.add(row(1), **clip_arrays(1))
        monkeypatch.undo()
    assert {f.name: f.stat().st_size for f in path.iterdir()} == before
    with StoreWriter(path, settings(2)) as writer:
        writer.add(row(1), **clip_arrays(1))
        writer.finish()
    assert len(Store(path)) == 2


def test_wrong_shapes_and_other_settings_are_refused(tmp_path):
    with StoreWriter(tmp_path / "s", settings(2)) as writer:
        wrong = clip_arrays(0) | {"hands": np.zeros((24, 3, 2))}
        with pytest.raises(ValueError, match="clip-000: hands is"):
            writer.add(row(0), **wrong)
        assert writer.frames == 0
    with pytest.raises(StoreError, match="other settings"):
        StoreWriter(tmp_path / "s", settings(3))


def test_a_missing_store_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="pcsta prepare"):
        Store(tmp_path / "nothing")


def test_skipped_clips_keep_their_reason_and_leave_the_split(tmp_path):
    with StoreWriter(tmp_path / "s", settings(2)) as writer:
        writer.skip("clip-000", "its video is gone")
        writer.add(row(1), **clip_arrays(1))
        writer.finish()
    store = Store(tmp_path / "s")
    assert store.skipped == {"clip-000": "its video is gone"}
    train, test = store.split("cross-subject")
    assert train.tolist() == [] and test.tolist() == [0]
    with pytest.raises(StoreError, match="cross-subject"):
        store.split("cross-planet")


def test_a_fold_inside_the_training_clips_of_another(tmp_path):
    """What chooses for a fold never sees the fold: its clips are on neither side."""
    names = [f"clip-{i:03d}" for i in range(6)]
    made = settings(6)
    made["splits"] = {
        f"fold-{k + 1}": {
            "train": [n for n in names if n not in names[2 * k : 2 * k + 2]],
            "test": names[2 * k : 2 * k + 2],
        }
        for k in range(3)
    }
    with StoreWriter(tmp_path / "s", made) as writer:
        for i in range(6):
            writer.add(row(i), **clip_arrays(i))
        writer.finish()
    store = Store(tmp_path / "s")
    train, test = store.split("fold-1/fold-3")
    assert train.tolist() == [2, 3] and test.tolist() == [4, 5]
    assert store.split("fold-1/fold-1")[1].tolist() == []  # nothing of a fold is in its training
    with pytest.raises(StoreError, match="no protocol 'fold-4'"):
        store.split("fold-1/fold-4")

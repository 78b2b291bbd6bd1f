"""The rehearsal has NTU's size and splits, shows what was planted, and does not fill a disk."""

import shutil
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from command import call
from pcsta.config import RECIPES
from pcsta.data.ntu import NAME
from pcsta.data.store import Store
from pcsta.data.store_writer import StoreWriter
from pcsta.files import read_json
from pcsta_book.rehearsal import BEST, CLIPS, FRAMES, Rehearsal


def test_it_has_the_size_and_the_splits_of_ntu():
    whole = Rehearsal(features=0)
    assert len(set(whole.names)) == CLIPS and all(map(NAME.fullmatch, whole.names))
    splits = whole.settings["splits"]
    assert len(splits["cross-subject"]["train"]) == 40_320
    assert len(splits["cross-view"]["train"]) == 37_920
    assert sum(whole.lengths) == pytest.approx(FRAMES, rel=0.02)
    assert min(whole.lengths) >= 32 and max(whole.lengths) <= 300
    actions = Counter(name[-3:] for name in whole.names)
    assert len(actions) == 60 and set(actions.values()) == {948}


def test_its_clips_show_what_was_planted(tmp_path):
    """In nine of ten, the pose and the glimpses; the second person is there in mutual actions alone."""
    drawn = Rehearsal(300, 64)
    store = drawn.write(tmp_path, progress=False)
    assert store.glimpses(0).dtype == np.float16 and store.joints(0).shape[1:] == (2, 25, 3)
    moves, looks = 0, 0
    for i, clip in enumerate(store.clips):
        middle = clip.length // 2
        joints, V = store.joints(i).astype(float), store.glimpses(i).astype(float)
        assert joints[:, 1].any() == (int(clip.name[-3:]) >= 50) == store.present(i)[:, 3].all()
        assert V[:, 2:].any() == joints[:, 1].any()
        moved = joints[middle, 0] - joints[0, 0]
        moves += np.einsum("kjc,jc->k", drawn.motions[:, 0], moved).argmax() == clip.label
        seen = V[clip.length // 4 : 3 * clip.length // 4, 0].mean(0) - V[:, 1].mean(0)
        looks += np.square(drawn.looks - seen).sum(1).argmin() == clip.label
    for found in (moves, looks):
        assert abs(found / len(store) - BEST) < 0.06


def test_stopped_it_goes_on_and_ends_on_the_same_bytes(tmp_path, monkeypatch):
    drawn, add = Rehearsal(100, 4), StoreWriter.add
    drawn.write(tmp_path / "whole", progress=False)
    left = 70

    def stops(self, clip, **arrays):
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        add(self, clip, **arrays)

    monkeypatch.setattr(StoreWriter, "add", stops)
    with pytest.raises(KeyboardInterrupt):
        drawn.write(tmp_path / "broken", progress=False)
    assert len(list((tmp_path / "broken/shards").glob("[0-9]*[0-9]"))) == 2
    monkeypatch.undo()
    drawn.write(tmp_path / "broken", progress=False)
    for path in (tmp_path / "whole").rglob("*"):
        other = tmp_path / "broken" / path.relative_to(tmp_path / "whole")
        assert path.is_dir() or other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("free", "fits"), [(1.2e9, True), (1.03e9, False)])
def test_the_disk_is_not_filled(tmp_path, monkeypatch, free, fits):
    """1,000 clips of poses: 45 MB, and 1 GB of the disk stays free."""
    disk = SimpleNamespace(total=int(10e9), free=int(free))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    drawn = Rehearsal(1000, 0)
    said = call(
        "rehearse", "ntu", "--clips", 1000, "--sensor", "none", "--out", tmp_path / "s", ok=fits
    )
    if fits:
        assert "0.04 GB more" in said.output
        size = sum(p.stat().st_size for p in (tmp_path / "s").rglob("*.npy"))
        assert "0.00 GB more" in drawn.room(tmp_path / "s")
        assert size == sum(drawn.lengths) * 636 + 32 * 3 * 128
    else:
        assert "take fewer --clips" in str(said.exception) and not (tmp_path / "s").exists()


def test_a_store_in_a_folder_is_trained_and_tested(tmp_path, monkeypatch):
    """Nothing but the store is there: it may come from another machine."""
    monkeypatch.setitem(RECIPES, "small", replace(RECIPES["small"], pose_epochs=1))
    made, run = tmp_path / "store", tmp_path / "run"
    call("rehearse", "ntu", "--clips", 90, "--sensor", "none", "--out", made)
    how = ("--row", "A", "--config", "narrow", "--recipe", "small", "--device", "cpu", "--out", run)
    call("train", made, *how, "--protocol", "cross-view")
    assert read_json(run / "record.json")["store"]["fingerprint"] == Store(made).fingerprint
    call("evaluate", run)
    for wrong, word in (
        (("train", made, *how, "--root", tmp_path), "a store that is made"),
        (("train", made, *how, "--sensor", "none"), "leave --root, --sensor,"),
        (("train", made, *how, "--crop-size", "50"), "a store that is made"),
        (("train", tmp_path, *how), "no dataset"),
        (("rehearse", "ntu", "--clips", 5), "from 60 to 56880"),
        (("rehearse", "sbu"), "choose ntu"),
    ):
        assert word in str(call(*wrong, ok=False).exception)

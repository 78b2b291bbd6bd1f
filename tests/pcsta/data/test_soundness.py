"""What `pcsta check STORE` says of stores; its faults are planted in tests/test_ten_points_low.py."""

import json
from dataclasses import replace

import numpy as np
import pytest

from command import call
from fakes import make_store, row
from pcsta.data import open_dataset
from pcsta.data.prepare import prepare
from pcsta.data.soundness import examine
from pcsta.data.store_writer import StoreWriter
from pcsta.glimpse import GlimpseSensor


def test_what_a_store_cannot_tell_is_left_out(tmp_path):
    """Names of no action, hands that never move, one glimpse of the frame."""
    store = make_store(tmp_path / "hands")
    found = json.loads(call("check", store.path, "--json").output)
    usual = {"cross-subject", "somebody", "skeletons", "size", "left and right"}
    assert (
        set(found) == {*usual, "glimpses"} and found["skeletons"]["ok"] and found["somebody"]["ok"]
    )
    assert found["cross-subject"]["what"] == "5 people train, 5 test, 5 do both"
    assert not found["cross-subject"]["ok"]
    frame = make_store(tmp_path / "frame", crop_size=None)
    assert set(examine(frame)) == usual


def test_a_store_without_anybody_is_not_sound(tmp_path):
    made = make_store(tmp_path / "made", clips=4)
    with StoreWriter(tmp_path / "store", made.settings) as writer:
        for i in writer.claim():
            arrays = {"joints": made.joints(i) * 0, "hands": made.hands(i) * np.nan}
            rest = {"deciding": made.deciding(i), "glimpses": made.glimpses(i) * 0}
            writer.add(row(i), **arrays, **rest)
    said = call("check", tmp_path / "store").output
    assert "--  size                person 1 is 0.00 m" in said
    assert "glimpses" not in said  # no hand was ever there


def test_a_store_whose_clips_were_all_skipped_is_one_sentence(tmp_path):
    made = make_store(tmp_path / "made", clips=4)
    with StoreWriter(tmp_path / "store", made.settings) as writer:
        for i in writer.claim():
            writer.add(replace(row(i), length=0, skipped="no body"))
    said = call("check", tmp_path / "store", ok=False)
    assert "no clip that could be read" in str(said.exception)


def test_clips_without_anybody_and_recordings_on_both_sides_are_counted(tmp_path):
    """Planted: clips 3 and 9 are all zero, and the skeletons of 1 and 2, which train, are tested as 15, 16."""
    made = make_store(tmp_path / "made")
    with StoreWriter(tmp_path / "store", made.settings) as writer:
        for i in writer.claim():
            joints = made.joints({15: 1, 16: 2}.get(i, i)) * (i not in (3, 9))
            rest = {name: getattr(made, name)(i) for name in ("hands", "deciding", "glimpses")}
            writer.add(row(i), joints=joints, **rest)
    said = call("check", tmp_path / "store").output
    assert "--  somebody            2 clips have nobody in any frame" in said
    assert "--  skeletons           2 are trained and tested on" in said
    assert "of your own clips take one out" in said


def test_film_is_not_held_against_a_sensors_mirror(tmp_path):
    made = make_store(tmp_path / "made", dataset="jhmdb")
    assert "left and right" not in examine(made)


@pytest.mark.real
def test_real_recordings_are_sound(real_data, tmp_path):
    """Sides on five skeletons, and on the film the delay between a hand and its glimpse."""
    data = open_dataset("ntu", real_data / "ntu")
    poses = examine(prepare(data, tmp_path / "poses", workers=0, progress=False))
    assert poses["left and right"]["what"].endswith("in 100 % of the clips")
    assert poses["size"]["ok"] and poses["labels"]["ok"]
    data = open_dataset("ntu", real_data / "ntu")
    seen = prepare(data, tmp_path / "film", GlimpseSensor(), 0, "cpu", progress=False)
    found = examine(seen)["frames"]
    assert found["ok"] and " 0 frames late" in found["what"]
    assert float(found["what"].split("= ")[1][:-1]) > 0.6

"""The grid of Tables 4 to 6: every variant, seed and protocol, resumable, nothing mixed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from fakes import cores, make_store, tiny
from pcsta.batches import SubSequences
from pcsta.checkpoint import load
from pcsta.config import TrainConfig
from pcsta.evaluation import accuracy, predict_clips
from pcsta.files import read_json
from pcsta_book.experiments import grid as module
from pcsta_book.experiments.grid import Experiment, run_grid
from pcsta_book.experiments.records import accuracies

RECIPE = TrainConfig(name="test", pose_epochs=2, rgb_epochs=2, rate=1e-2, batch=8, validation=0.2)
NAMES = ("K", "H", "order-random", "G-contiguous", "derivatives-video")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=24)


def grid_of(store, out, names=NAMES, base=None, recipe=RECIPE, processes=1, **options):
    with cores(processes):
        return run_grid(Experiment(store, base or tiny(), recipe, out, names, **options))


@pytest.fixture(scope="module")
def grid(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("grid")
    return out, grid_of(store, out)


def test_what_a_variant_builds_on_comes_with_it(grid):
    _, lines = grid
    assert set(lines) == {*NAMES, "A", "B", "G", "contiguous"}
    for line in lines.values():
        rows = line["results"]["cross-subject"]
        assert [row["seed"] for row in rows] == [0, 1]
        assert all(0 <= row["accuracy"] <= 1 for row in rows)
        assert all(
            (row.get("validation_loss", -1) > 0) != ("adds" in line["changes"]) for row in rows
        )
        confusion = np.array(line["confusion"]["cross-subject"])
        assert confusion.sum() == sum(row["clips"] for row in rows)
        assert np.isclose(
            confusion.trace() / confusion.sum(), np.mean([row["accuracy"] for row in rows])
        )


def test_whole_frames_come_from_their_own_store(store, tmp_path):
    names = ("frame", "mean")
    lines = grid_of(store, tmp_path / "without", names, seeds=(0,))
    assert "mean" in lines and "frame" not in lines  # nothing to read: left out, not made up
    whole = make_store(tmp_path / "frames", clips=24, crop_size=None)
    lines = grid_of(store, tmp_path / "with", names, seeds=(0,), frames=whole)
    run = read_json(tmp_path / "with/cross-subject/seed-0/frame/record.json")
    assert run["store"]["fingerprint"] == whole.fingerprint
    assert set(lines) == {"A", "B", "mean", "frame"}


def test_rows_share_a_seeds_pose_stream_and_its_clips(grid):
    out, _ = grid
    pose = load(out / "cross-subject" / "seed-1" / "A").pose_net.state_dict()
    rgb = load(out / "cross-subject" / "seed-1" / "G").pose_net.state_dict()
    other = load(out / "cross-subject" / "seed-0" / "A").pose_net.state_dict()
    assert all(torch.equal(pose[k], rgb[k]) for k in pose)
    assert not all(torch.equal(pose[k], other[k]) for k in pose)


def test_a_fused_row_is_the_sum_of_two_rows_logits(grid, store):
    out, lines = grid
    _, test = store.split("cross-subject")
    said = {}
    for letter in ("A", "G"):
        model = load(out / "cross-subject" / "seed-1" / letter)
        batches = SubSequences(store, model.config, torch.device("cpu"))
        said[letter] = predict_clips(model, batches, test)
    fused = accuracy(said["A"].logits + said["G"].logits, said["A"].labels)
    assert lines["K"]["results"]["cross-subject"][1]["accuracy"] == pytest.approx(fused)
    assert lines["K"]["changes"] == {"adds": ["A", "G"]}


def test_an_ensemble_adds_all_seeds_logits(grid):
    out, lines = grid
    parts = [np.load(out / f"cross-subject/seed-{s}/A/predictions.npz") for s in (0, 1)]
    together = accuracy(parts[0]["logits"] + parts[1]["logits"], parts[0]["labels"])
    found = lines["A"]["ensemble"]["cross-subject"]
    assert found["accuracy"] == pytest.approx(together)
    confusion = np.array(found["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(together)


def test_a_finished_grid_is_not_computed_again(grid, store, monkeypatch):
    out, lines = grid
    monkeypatch.setattr("pcsta.training._Run", None)  # what trains
    monkeypatch.setattr(module, "predict_clips", None)
    assert grid_of(store, out) == lines


def test_rows_of_other_clips_do_not_share_a_record(store, tmp_path):
    recipe = TrainConfig(name="test", pose_epochs=1, rgb_epochs=1, batch=8, validation=0.2)
    asked = Experiment(store, tiny(), recipe, tmp_path / "runs", ("A",), seeds=(0,))
    with cores(1):
        run_grid(asked)
    path = tmp_path / "runs/cross-subject/seed-0/A/predictions.npz"
    saved = dict(np.load(path))
    np.savez(path, **saved | {"clips": saved["clips"][::-1]})
    with cores(1), pytest.raises(ValueError, match=r"predictions\.npz is of other clips"):
        run_grid(asked)


@pytest.mark.parametrize(
    "name, content",
    [
        ("predictions.npz", None), ("predictions.npz", b""), ("predictions.npz", b"PK"),
        ("result.json", None), ("result.json", b"[]"), ("result.json", b'{"validation_loss": NaN}'),
        ("result.json", b'{"seconds": [1]}'), ("result.json", b'{"attention": {"spatial": null}}'),
    ],
)  # fmt: skip
def test_a_damaged_result_is_named_and_how_to_have_it_again(grid, store, tmp_path, name, content):
    shutil.copytree(grid[0], tmp_path / "runs")
    path = tmp_path / "runs/cross-subject/seed-0/G" / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ValueError, match=rf"G/{name} is damaged.*delete result.json there"):
        grid_of(store, tmp_path / "runs")
    (path.parent / "result.json").unlink()
    again = grid_of(store, tmp_path / "runs")["G"]
    assert again["confusion"] == grid[1]["G"]["confusion"]


def test_a_grid_of_other_settings_is_refused(grid, store):
    out, _ = grid
    for base, recipe in ((tiny(hidden=9), RECIPE), (tiny(), replace(RECIPE, rate=2e-2))):
        with pytest.raises(ValueError, match="holds another run"):
            grid_of(store, out, base=base, recipe=recipe)


def test_processes_side_by_side_give_the_same_rows(grid, store, tmp_path):
    _, lines = grid
    again = grid_of(store, tmp_path, ("K",), processes=2)
    for name in again:
        first, second = (accuracies({"lines": found}, name) for found in (lines, again))
        assert np.array_equal(first, second)

"""Training: it learns, freezes what section 4 freezes, stops early, resumes exactly."""

import gc
import json
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from fakes import make_store, tiny
from pcsta import training as module
from pcsta.batches import SubSequences
from pcsta.checkpoint import State, load
from pcsta.config import TrainConfig, row
from pcsta.evaluation import evaluate, predict_clips
from pcsta.training import learning_rates, train

RECIPE = TrainConfig(
    name="test", pose_epochs=4, rgb_epochs=4, rate=1e-2, batch=4, validation=0.25, patience=50
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=40)


def run(store, out, letter="K", recipe=RECIPE, **options):
    return train(store, row(letter, tiny()), recipe, out, device="cpu", progress=False, **options)


def test_the_planted_signal_is_learned(store, tmp_path):
    recipe = replace(RECIPE, pose_epochs=25, rgb_epochs=25)
    result = evaluate(run(store, tmp_path / "k", recipe=recipe), store.path, "cpu")
    assert result.accuracy >= 0.9
    assert np.sum(result.confusion) == 20


@pytest.mark.parametrize(
    "letter",
    ["A", "B", "C", "E", "G", "H", "I", "K", "K-unconditioned", "G-spatially-unconditioned"],
)
def test_every_row_of_table_6_trains_saves_and_loads(store, tmp_path, letter):
    folder = run(store, tmp_path / letter, letter, replace(RECIPE, pose_epochs=1, rgb_epochs=1))
    model = load(folder)
    assert not model.training
    record = json.loads((folder / "record.json").read_text())
    assert record["seed"] == 0 and record["classes"] == ["rest", "raise"]
    assert not list(folder.glob("state*")), "a finished run keeps no state"
    said = predict_clips(
        model, SubSequences(store, model.config, torch.device("cpu")), np.arange(3), 2
    )
    assert said.logits.shape == (3, 2)
    assert (said.spatial is None) == (letter in "ABCH")


def test_the_rgb_stage_leaves_the_pose_stream_untouched(store, tmp_path):
    folder = run(store, tmp_path / "k")
    before, after = (
        load_file(folder / "pose/model.safetensors"),
        load_file(folder / "model.safetensors"),
    )
    pose = [k for k in after if k.startswith(("pose_net.", "pose_head."))]
    assert pose
    for name in pose:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)


def test_the_rgb_stage_leaves_the_batch_statistics_untouched(store, tmp_path):
    recipe = replace(RECIPE, pose_epochs=1, rgb_epochs=1)
    config = row("K", tiny(batch_norm=True))
    folder = train(store, config, recipe, tmp_path / "k", device="cpu", progress=False)
    before, after = (load_file(f / "model.safetensors") for f in (folder / "pose", folder))
    assert "pose_net.norm1.running_mean" in before
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=0)


def test_workers_read_the_same_batches_and_stay_from_epoch_to_epoch(store):
    """Also two passes at once, and after a pass that was left."""
    config, device = row("K", tiny(either_order=True)), torch.device("cpu")
    alone, helped = (SubSequences(store, config, device, workers=n) for n in (0, 2))

    def passes(batches):
        clips, rng = np.arange(20), np.random.default_rng(0)
        next(batches.training(clips, 4, rng))
        yield from batches.training(clips, 4, rng)
        for both in zip(*(batches.testing(clips, 2, 8, x) for x in (False, True)), strict=True):
            yield from both
        yield from batches.training(clips, 4, rng)

    children = set()
    for a, b in zip(passes(alone), passes(helped), strict=True):
        for ours, theirs in zip(a, b, strict=True):
            assert np.array_equal(ours, theirs)
        children |= {child.pid for child in multiprocessing.active_children()}
    assert len(children) == 4, "two loaders of two workers each served five passes"


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_workers_train_the_same_model(store, tmp_path, schedule):
    recipe = replace(RECIPE, pose_epochs=2, rgb_epochs=2, schedule=schedule)
    models = [
        load_file(run(store, tmp_path / str(n), "K", recipe, workers=n) / "model.safetensors")
        for n in (0, 2)
    ]
    assert all(torch.equal(models[1][name], value) for name, value in models[0].items())
    gc.collect()
    assert not multiprocessing.active_children(), "they end with the training"


def test_epochs_since_the_last_state_are_repeated_and_logged_once(store, tmp_path, monkeypatch):
    whole = load_file(run(store, tmp_path / "whole", "A") / "model.safetensors")
    write = module._write

    def dies(path, log):
        write(path, log)
        if len(log) == 3:
            raise Interrupted
        monkeypatch.setattr(module, "SAVE_SECONDS", 0 if len(log) == 1 else 1e9)

    monkeypatch.setattr(module, "_write", dies)
    with pytest.raises(Interrupted):
        run(store, tmp_path / "broken", "A")
    with safe_open(tmp_path / "broken/state.safetensors", "pt") as state:
        progress, *_ = json.loads(state.metadata()["json"])
    assert progress["epochs"] == 1
    monkeypatch.undo()
    again = load_file(run(store, tmp_path / "broken", "A") / "model.safetensors")
    assert all(torch.equal(again[name], value) for name, value in whole.items())
    lines = (tmp_path / "broken/log.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["epoch", "0", "1", "2", "3"]


class Interrupted(Exception):
    pass


MODERN = {"batch_norm": True, "either_order": True, "view": "people"}


@pytest.mark.parametrize(
    ("letter", "switches", "schedule"),
    [("A", {}, "constant"), ("G", {}, "one-cycle"), ("A", MODERN, "one-cycle")],
)
def test_an_interrupted_run_continues_exactly(
    store, tmp_path, monkeypatch, letter, switches, schedule
):
    recipe = replace(RECIPE, schedule=schedule)

    def run(store, out, letter):
        return train(
            store, row(letter, tiny(**switches)), recipe, out, device="cpu", progress=False
        )

    whole = load_file(run(store, tmp_path / "whole", letter) / "model.safetensors")
    save = State.save

    def dies(self, out):
        save(self, out)
        if self.progress["epochs"] == 2 and out.name == "broken":
            raise Interrupted

    monkeypatch.setattr(module, "SAVE_SECONDS", 0)
    monkeypatch.setattr(State, "save", dies)
    with pytest.raises(Interrupted):
        run(store, tmp_path / "broken", letter)
    assert not (tmp_path / "broken/model.safetensors").exists()
    monkeypatch.undo()
    again = load_file(run(store, tmp_path / "broken", letter) / "model.safetensors")
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=0)
    log = (tmp_path / "broken/log.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in log] == ["epoch", "0", "1", "2", "3"]


def test_seeds_decide_the_result(store, tmp_path):
    same, again, other = (
        load_file(run(store, tmp_path / str(i), "A", seed=seed) / "model.safetensors")
        for i, seed in enumerate((0, 0, 1))
    )
    assert all(torch.equal(same[k], again[k]) for k in same)
    assert not all(torch.equal(same[k], other[k]) for k in same)


def test_a_caller_without_gradients_may_train(store, tmp_path):
    recipe = replace(RECIPE, pose_epochs=1)
    with torch.no_grad():
        inside = run(store, tmp_path / "inside", "A", recipe)
    outside = run(store, tmp_path / "outside", "A", recipe)
    for a, b in zip(load(inside).parameters(), load(outside).parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_early_stopping_keeps_the_best_epoch(store, tmp_path):
    recipe = replace(RECIPE, pose_epochs=40, rate=0.3, patience=2)
    folder = run(store, tmp_path / "a", "A", recipe)
    best = json.loads((folder / "record.json").read_text())["best"]
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    losses = [float(r[rows[0].index("validation_loss")]) for r in rows[1:]]
    assert best["epochs"] < 40
    assert losses[best["epoch"]] == min(losses) == pytest.approx(best["loss"], rel=1e-5)
    assert best["epochs"] == best["epoch"] + 1 + recipe.patience


def test_the_best_epoch_is_kept_with_its_batch_statistics(store, tmp_path):
    recipe = replace(RECIPE, pose_epochs=6, rate=0.3)
    config = row("A", tiny(batch_norm=True))
    folder = train(store, config, recipe, tmp_path / "a", device="cpu", progress=False)
    best = json.loads((folder / "record.json").read_text())["best"]
    assert best["epoch"] < best["epochs"] - 1
    steps = load_file(folder / "model.safetensors")["pose_net.norm1.num_batches_tracked"]
    last = train(
        store, config, replace(recipe, keep="last"), tmp_path / "b", device="cpu", progress=False
    )
    all_steps = load_file(last / "model.safetensors")["pose_net.norm1.num_batches_tracked"]
    assert steps * 6 == all_steps * (best["epoch"] + 1)


def test_a_recipe_may_keep_the_last_epoch(store, tmp_path):
    last = run(store, tmp_path / "l", "A", replace(RECIPE, pose_epochs=6, rate=0.3, keep="last"))
    best = run(store, tmp_path / "b", "A", replace(RECIPE, pose_epochs=6, rate=0.3))
    kept = [json.loads((f / "record.json").read_text())["best"]["epoch"] for f in (last, best)]
    assert kept[0] == 5 and kept[1] < 5
    tensors = [load_file(f / "model.safetensors") for f in (last, best)]
    assert not all(torch.equal(tensors[0][k], tensors[1][k]) for k in tensors[0])


def test_a_folder_of_another_run_is_refused(store, tmp_path):
    run(store, tmp_path / "a", "A")
    with pytest.raises(ValueError, match="holds another run"):
        run(store, tmp_path / "a", "A", seed=5)


def test_a_pose_stream_that_is_taken_over_is_recorded_and_checked(store, tmp_path):
    short = replace(RECIPE, pose_epochs=1, rgb_epochs=1)
    pose = run(store, tmp_path / "a", "A", short)
    folder = run(store, tmp_path / "k", "K", short, pose_from=pose)
    record = json.loads((folder / "record.json").read_text())
    assert record["pose_from"]["protocol"] == "cross-subject" and not (folder / "pose").exists()
    with pytest.raises(ValueError, match="holds another run"):
        run(store, folder, "K", short)
    wide = row("K", tiny(pose_widths=(4, 4, 12)))
    with pytest.raises(ValueError, match="pose_widths is"):
        train(store, wide, short, tmp_path / "w", device="cpu", pose_from=pose)
    splits = store.settings["splits"]
    swapped = {"train": splits["cross-subject"]["test"], "test": splits["cross-subject"]["train"]}
    other = make_store(tmp_path / "other", clips=40, splits=splits | {"swapped": swapped})
    with pytest.raises(ValueError, match="was trained on fake cross-subject, not on fake swapped"):
        run(other, tmp_path / "s", "K", short, pose_from=pose, protocol="swapped")
    assert not (tmp_path / "w").exists() and not (tmp_path / "s").exists()


def test_seconds_are_those_of_all_epochs(store, tmp_path):
    folder = run(store, tmp_path / "a", "A")
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    seconds = sum(float(line[rows[0].index("seconds")]) for line in rows[1:])
    assert len(rows) == 5
    assert json.loads((folder / "record.json").read_text())["seconds"] == round(seconds, 1)


def test_a_run_from_before_an_option_existed_is_the_same_run(store, tmp_path):
    folder = run(store, tmp_path / "a", "A")
    settings = json.loads((folder / "config.json").read_text())
    del settings["model"]["hidden_in_attention"], settings["recipe"]["label_smoothing"]
    (folder / "config.json").write_text(json.dumps(settings))
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert run(store, folder, "A") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_an_unfinished_run_does_not_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="pcsta train"):
        load(tmp_path)


def test_poses_alone_cannot_train_rgb(tmp_path):
    poses = make_store(tmp_path / "poses", clips=8, features=0)
    with pytest.raises(ValueError, match="poses alone"):
        run(poses, tmp_path / "b", "B")


@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_one_cycle_warms_up_and_ends_at_zero(schedule):
    adam = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], 2.0, fused=True)
    rates = []
    scheduler = learning_rates(adam, schedule, 100)
    for _ in range(100):
        rates += scheduler.get_last_lr()
        adam.step()
        scheduler.step()
        assert adam.param_groups[0]["betas"] == (0.9, 0.999)
    if schedule == "constant":
        assert rates == [2.0] * 100
        return
    assert rates[0] == pytest.approx(2 / 25) and max(rates) == pytest.approx(2)
    assert np.argmax(rates) == 29 and rates[-1] == pytest.approx(0, abs=1e-5)


def test_training_sees_each_clip_once_and_never_a_test_clip(store):
    batches = SubSequences(store, row("A", tiny()), torch.device("cpu"))
    train_clips, test_clips = store.split("cross-subject")
    seen = np.concatenate(
        [b.clips for b in batches.training(train_clips, 4, np.random.default_rng(0))]
    )
    assert sorted(seen) == sorted(train_clips)
    assert not set(seen) & set(test_clips)

"""Training: it learns, freezes what section 4 freezes, stops early, resumes exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fakes import make_store, tiny
from pcsta import training as module
from pcsta.batches import SubSequences
from pcsta.config import TrainConfig, row
from pcsta.evaluation import evaluate, predict_clips
from pcsta.training import load, rate_share, train

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


@pytest.mark.parametrize("letter", ["A", "B", "C", "E", "G", "H", "I", "K", "K-unconditioned"])
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


def test_epochs_since_the_last_state_are_repeated_and_logged_once(store, tmp_path, monkeypatch):
    whole = load_file(run(store, tmp_path / "whole", "A") / "model.safetensors")
    log = module._Run._log

    def dies(self, figures):
        log(self, figures)
        if self.epoch == 2:
            raise Interrupted
        monkeypatch.setattr(module, "SAVE_SECONDS", 0 if self.epoch == 0 else 1e9)

    monkeypatch.setattr(module._Run, "_log", dies)
    with pytest.raises(Interrupted):
        run(store, tmp_path / "broken", "A")
    assert json.loads((tmp_path / "broken/state.json").read_text())["epoch"] == 0
    monkeypatch.undo()
    again = load_file(run(store, tmp_path / "broken", "A") / "model.safetensors")
    assert all(torch.equal(again[name], value) for name, value in whole.items())
    lines = (tmp_path / "broken/log.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["epoch", "0", "1", "2", "3"]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    ("letter", "switches"),
    [("A", {}), ("G", {}), ("A", {"batch_norm": True, "either_order": True, "view": "people"})],
)
def test_an_interrupted_run_continues_exactly(store, tmp_path, monkeypatch, letter, switches):
    def run(store, out, letter):
        return train(
            store, row(letter, tiny(**switches)), RECIPE, out, device="cpu", progress=False
        )

    whole = load_file(run(store, tmp_path / "whole", letter) / "model.safetensors")
    save = module._Run._save

    def dies(self):
        save(self)
        if self.epoch == 1 and self.out.name == "broken":
            raise Interrupted

    monkeypatch.setattr(module, "SAVE_SECONDS", 0)
    monkeypatch.setattr(module._Run, "_save", dies)
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


def test_one_cycle_warms_up_and_ends_at_zero():
    shares = [rate_share("one-cycle", p) for p in np.linspace(0, 1, 101)]
    assert shares[0] == pytest.approx(0.04) and max(shares) == pytest.approx(1)
    assert np.argmax(shares) == 30 and shares[-1] == pytest.approx(0, abs=1e-9)
    assert rate_share("constant", 0.7) == 1


def test_training_sees_each_clip_once_and_never_a_test_clip(store):
    batches = SubSequences(store, row("A", tiny()), torch.device("cpu"))
    train_clips, test_clips = store.split("cross-subject")
    seen = np.concatenate(
        [b.clips for b in batches.training(train_clips, 4, np.random.default_rng(0))]
    )
    assert sorted(seen) == sorted(train_clips)
    assert not set(seen) & set(test_clips)

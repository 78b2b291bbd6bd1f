"""Training: it learns, freezes what section 4 freezes, stops early, resumes exactly."""

import gc
import json
import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from fakes import make_store, tiny
from pcsta import common, tensors
from pcsta import training as module
from pcsta.batches import SubSequences
from pcsta.checkpoint import State, Underway, load
from pcsta.config import TrainConfig, row
from pcsta.epoch_figures import EpochFigures
from pcsta.evaluation import evaluate, predict_clips
from pcsta.symmetries import exchanges
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
        for both in zip(*(batches.testing(clips, 2, 8, x) for x in exchanges(config)), strict=True):
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
    write = module.write_csv

    def dies(path, log):
        write(path, log)
        if len(log) == 3:
            raise Interrupted
        monkeypatch.setattr(module, "SAVE_SECONDS", 0 if len(log) == 1 else 1e9)

    monkeypatch.setattr(module, "write_csv", dies)
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


def logged(run):
    """A log without its seconds."""
    return [line.rpartition(",")[0] for line in (run / "log.csv").read_text().splitlines()]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A store, and of two epochs of each stage: how it is trained, and what comes of it."""
    folder = tmp_path_factory.mktemp("short")
    store = make_store(folder / "store", clips=32)
    recipe = replace(RECIPE, pose_epochs=2, rgb_epochs=2, schedule="one-cycle")

    def begin(out):
        return run(store, out, "K", recipe)

    return begin, begin(folder / "whole")


# of either stage: two epochs of three steps and their ends
@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(1, 16), st.booleans()), min_size=1, max_size=3))
def test_stopped_after_any_step_it_ends_on_the_same_bits(short, stops):
    """With a state after every step; it is stopped before or after one is written, several times."""
    begin, whole = short
    save, left = State.save, 0

    def stopping(self, out):
        nonlocal left
        left -= 1
        if left > 0 or written:
            save(self, out)
        if not left:
            torch.manual_seed(7)  # what dropout draws now is another process's
            raise Interrupted

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        out = Path(folder, "run")
        patch.setattr(module, "SAVE_SECONDS", -1)
        patch.setattr(State, "save", stopping)
        for left, written in stops:  # noqa: B007
            try:
                begin(out)
            except Interrupted:
                assert not (out / "record.json").exists()
        left = 0
        begin(out)
        for stage in ("pose", "."):
            one, other = (load_file(r / stage / "model.safetensors") for r in (whole, out))
            assert all(torch.equal(other[name], value) for name, value in one.items())
            assert logged(out / stage) == logged(whole / stage)


def test_the_bar_counts_clips_within_an_epoch(store, tmp_path, monkeypatch, capsys):
    """Of 15 that are fitted, three epochs; a run that goes on begins where it stood."""
    save = State.save

    def dies(self, out):
        save(self, out)
        if self.progress["epochs"] and self.underway:
            raise Interrupted

    monkeypatch.setattr(module, "LOOK_SECONDS", -1)
    monkeypatch.setattr(module, "SAVE_SECONDS", -1)
    monkeypatch.setattr(State, "save", dies)
    how = (store, row("A", tiny()), replace(RECIPE, pose_epochs=3), tmp_path)
    with pytest.raises(Interrupted):
        train(*how, device="cpu")
    said = capsys.readouterr().err
    assert " 19/45 " in said and "epoch 2 of 3" in said and "clip/s" in said
    monkeypatch.setattr(State, "save", save)
    train(*how, device="cpu")
    shown = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()
    assert " 19/45 " in shown[0] and " 45/45 " in shown[-1] and "epoch 3 of 3" in shown[-1]


class Asking(TorchDispatchMode):
    """What would make the host wait for an accelerator."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "equal", "unique"):
            self.asked.append(name)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("switches", [{}, {"view": "people", "mask_absent": True}])
def test_no_step_waits_for_the_device(store, tmp_path, monkeypatch, switches):
    monkeypatch.setattr(module, "LOOK_SECONDS", 1e9)
    learn, steps, waited, asking = module._Run._learn, [], [], Asking()
    add = EpochFigures.add

    def counted(self, *step):
        if not self._unread:  # the loader has drawn a number, of its own
            asking.asked.clear()
        steps.append(len(self._unread))
        add(self, *step)

    def watched(*arguments):
        with asking:
            figures = learn(*arguments)
        waited.extend(asking.asked)
        return figures

    monkeypatch.setattr(
        EpochFigures, "means", lambda self, kind="": {f"{kind}loss": 0.0, f"{kind}accuracy": 0.0}
    )
    monkeypatch.setattr(EpochFigures, "add", counted)
    monkeypatch.setattr(module._Run, "_learn", watched)
    recipe = replace(RECIPE, pose_epochs=1, rgb_epochs=1)
    train(store, row("K", tiny(**switches)), recipe, tmp_path, device="cpu", progress=False)
    assert waited == []
    with asking:
        torch.ones(1).item()
    assert asking.asked, "it would be seen"
    assert max(steps) == 3, "and nothing is read before the epoch's end"


@pytest.mark.parametrize("look", [-1, 1e9])
def test_a_loss_that_is_no_number_is_named_however_late_it_is_seen(
    store, tmp_path, monkeypatch, look
):
    """And no state holds what came of it."""
    bad = int(store.split("cross-subject")[0][3])
    take = type(store).take

    def spoiled(self, name, rows):
        values = take(self, name, rows)
        clip = self.clips[bad]
        if name == "joints":
            values[(rows >= clip.start) & (rows < clip.start + clip.length)] = np.nan
        return values

    monkeypatch.setattr(type(store), "take", spoiled)
    monkeypatch.setattr(module, "LOOK_SECONDS", look)
    monkeypatch.setattr(module, "SAVE_SECONDS", look)
    with pytest.raises(ValueError, match=f"no finite number at {store.clips[bad].name};"):
        run(store, tmp_path / "a", "A", seed=2)
    for state in (tmp_path / "a").glob("state*"):
        assert all(t.isfinite().all() for t in load_file(state).values() if t.is_floating_point())


def test_a_step_too_far_is_not_saved(store, tmp_path, monkeypatch):
    """The loss before it is a number, the weights after it are none."""
    monkeypatch.setattr(module, "SAVE_SECONDS", -1)
    step = torch.optim.Adam.step

    def far(self):
        step(self)
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(torch.nan)

    monkeypatch.setattr(torch.optim.Adam, "step", far)
    with pytest.raises(ValueError, match="no finite number"):
        run(store, tmp_path / "a", "A")
    assert not list((tmp_path / "a").glob("state*"))


@pytest.mark.parametrize(
    ("name", "spoiled"),
    [
        ("steps", lambda where, now: where.update(steps=-1)),
        ("sums", lambda where, now: now["underway/sums"].fill_(torch.nan)),
        ("random", lambda where, now: now["underway/random"].fill_(255)),
    ],
)
def test_a_state_that_cannot_be_is_refused(store, tmp_path, monkeypatch, name, spoiled):
    save = State.save

    def dies(self, out):
        save(self, out)
        raise Interrupted

    monkeypatch.setattr(module, "SAVE_SECONDS", -1)
    monkeypatch.setattr(State, "save", dies)
    with pytest.raises(Interrupted):
        run(store, tmp_path / "a", "A")
    path = tmp_path / "a/state.safetensors"
    with safe_open(path, "pt") as file:
        rest = json.loads(file.metadata()["json"])
    found = load_file(path)
    spoiled(rest[-1], found)
    tensors.write(path, found, {"json": json.dumps(rest)})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"state\.safetensors.*the stage begins anew"):
        run(store, tmp_path / "a", "A")


def test_a_state_of_another_device_or_of_more_processes_goes_on(store, monkeypatch):
    """Dropout then draws anew, and the figures are those of all; as many go on where each stood."""
    figures = EpochFigures(store, np.arange(4))
    sums = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=torch.float64)
    figures.go_on(Underway(1, 0.0, 1.0, sums, torch.zeros(2, 16).byte()), torch.device("cpu"))
    assert figures.read() == [5.0, 7.0, 9.0]
    torch.manual_seed(1)
    random = torch.stack([torch.zeros_like(torch.get_rng_state()), torch.get_rng_state()])
    first = torch.rand(3)
    monkeypatch.setattr(common, "rank_and_world_size", lambda: (1, 2))
    figures.go_on(Underway(1, 0.0, 1.0, sums, random), torch.device("cpu"))
    assert figures.read() == [4.0, 5.0, 6.0] and torch.equal(torch.rand(3), first)


def test_bfloat16_is_nearly_float32_and_recorded(store, tmp_path):
    """On this CPU, for the sake of the test."""
    recipe, losses, models = replace(RECIPE, pose_epochs=2, rgb_epochs=2), [], []
    for name in ("float32", "bfloat16"):
        folder = run(store, tmp_path / name, "K", recipe, precision=name)
        models.append(load_file(folder / "model.safetensors"))
        assert json.loads((folder / "record.json").read_text())["precision"] == name
        losses.append([float(line.split(",")[2]) for line in logged(folder)[1:]])
    assert losses[0] == pytest.approx(losses[1], rel=0.05) and losses[0] != losses[1]
    with pytest.raises(ValueError, match=r"begun in bfloat16, .*: add --precision bfloat16"):
        run(store, tmp_path / "bfloat16", "K", recipe)
    assert {value.dtype for value in models[1].values()} == {torch.float32}
    assert not all(torch.equal(models[1][name], value) for name, value in models[0].items())


def test_a_cpu_computes_in_float32(store, tmp_path):
    recipe = replace(RECIPE, pose_epochs=1)
    one, other = (
        run(store, tmp_path / name, "A", recipe, precision=name) for name in ("auto", "float32")
    )
    same = load_file(other / "model.safetensors")
    assert all(torch.equal(same[n], v) for n, v in load_file(one / "model.safetensors").items())
    assert json.loads((one / "record.json").read_text())["precision"] == "float32"
    with pytest.raises(ValueError, match="choose auto, float32 or bfloat16"):
        run(store, tmp_path / "none", "A", recipe, precision="float16")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("has", [True, False])
def test_a_gpu_computes_in_what_it_has(monkeypatch, has):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    gpu = torch.device("cuda")
    assert common.resolve_precision("auto", gpu) == ("bfloat16" if has else "float32")
    assert common.resolve_precision("float32", gpu) == "float32"
    if not has:
        with pytest.raises(ValueError, match="does not compute in bfloat16"):
            common.resolve_precision("bfloat16", gpu)
    before = torch.get_float32_matmul_precision()
    with common.fast_products(gpu, "bfloat16"):
        assert torch.get_float32_matmul_precision() == "high"
    with common.fast_products(gpu, "float32"):
        assert torch.get_float32_matmul_precision() == before
    assert torch.get_float32_matmul_precision() == before


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

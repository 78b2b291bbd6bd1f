"""Several processes take the steps that one takes: in parts of a batch, and for real, by torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from fakes import make_store, tiny
from pcsta import common
from pcsta.batches import SubSequences
from pcsta.config import TrainConfig, row
from pcsta.files import read_json
from pcsta.training import train
from pcsta.two_stream import TwoStream

CPU = torch.device("cpu")

# No dropout: each process draws its own.
SIZES = {"dropout": 0.0, "glimpse_dropout": 0.0}
RECIPE = TrainConfig(pose_epochs=2, rgb_epochs=2, batch=5, rate=1e-2, validation=0.25)

COMMAND = """
import sys
sys.path.insert(0, {tests!r})
from fakes import plan_of
from test_distributed import RECIPE, SIZES, tiny
from pcsta import cli, options
from pcsta.data.store import Store
from pcsta.config import CONFIGS, RECIPES
options.Plan = lambda *_: plan_of(Store({store!r}))
CONFIGS["laptop"], RECIPES["laptop"] = lambda: tiny(**SIZES), RECIPE
sys.argv = ["pcsta", "train", "synthetic", "--row", "G", "--device", "cpu", "--out", {out!r}]
cli.main()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("parallel") / "store", clips=34)


def test_alone_nothing_is_shared():
    with common.distributed_session():
        assert common.rank_and_world_size() == (0, 1)
        assert common.all_reduce(2.0, 0.25) == [2.0, 0.25]
        model = torch.nn.Linear(2, 2)
        assert common.data_parallel(model) is model


def test_the_parts_of_a_batch_average_to_its_gradient(store):
    """Parts of unequal size too: 17 clips in batches of 5 or 6, for 2 processes."""
    config = row("A", tiny(dropout=0.0))
    torch.manual_seed(0)
    model = TwoStream(config)

    def steps(part):
        batches = SubSequences(store, config, CPU, part=part)
        for batch in batches.training(np.arange(17), 5, np.random.default_rng(1)):
            model.zero_grad()
            loss = cross_entropy(model(batch.pose_tensor).logits, batch.labels)
            (loss * batch.weight).backward()
            yield batch.clips, [p.grad.clone() for p in model.parameters()]

    parts = [list(steps((k, 2))) for k in range(2)]
    sizes = set()
    for (whole, wanted), (one, first), (other, second) in zip(steps((0, 1)), *parts, strict=True):
        assert sorted([*one, *other]) == sorted(whole)
        sizes.add((len(one), len(other)))
        for g, a, b in zip(wanted, first, second, strict=True):
            torch.testing.assert_close((a + b) / 2, g, atol=1e-6, rtol=1e-4)
    assert any(a != b for a, b in sizes), "no batch of unequal parts was tried"


def test_testing_in_parts_loses_no_clip(store):
    """Also when the last batch is too small for every process to have a part."""
    config = row("A", tiny())
    seen = []
    for k in range(3):
        batches = SubSequences(store, config, CPU, part=(k, 3))
        for batch in batches.testing(np.arange(17), 1, batch=8):
            assert len(batch.clips)
            seen += batch.clips.tolist()
    assert sorted(seen) == list(range(17))


def test_a_batch_too_small_to_share_is_refused(store):
    batches = SubSequences(store, row("A", tiny()), CPU, part=(0, 4))
    with pytest.raises(ValueError, match="4 processes"):
        batches.training(np.arange(9), 3, np.random.default_rng(0))


def test_batch_normalisation_is_not_shared(monkeypatch):
    monkeypatch.setattr(common.distributed, "is_initialized", lambda: True)
    with pytest.raises(ValueError, match="one process"):
        common.data_parallel(torch.nn.Sequential(torch.nn.BatchNorm2d(3)))


def test_torchrun_is_for_training_and_preparing_alone():
    """Two grids at once in one folder would write over each other."""
    said = subprocess.run(
        [sys.executable, "-m", "pcsta", "ablate", "--out", "nowhere"],
        env=os.environ | {"TORCHELASTIC_RUN_ID": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 1 and "`prepare` and `train`" in said.stderr


@pytest.mark.slow
def test_two_processes_train_the_model_that_one_trains(store, tmp_path):
    """The command itself, gloo between two CPU processes: row A, then G on top of it."""
    one, two, script = tmp_path / "one", tmp_path / "two", tmp_path / "command.py"
    train(store, row("G", tiny(**SIZES)), RECIPE, one, device="cpu", progress=False)
    script.write_text(
        COMMAND.format(tests=str(Path(__file__).parent), store=str(store.path), out=str(two))
    )
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("trained: ") == 1, "one process speaks for all"
    for stage in (".", "pose"):
        wanted, found = (load_file(run / stage / "model.safetensors") for run in (one, two))
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0)
        records = [read_json(run / stage / "record.json") for run in (one, two)]
        assert [r["processes"] for r in records] == [1, 2]
        assert records[0]["best"]["epoch"] == records[1]["best"]["epoch"]
        assert records[0]["best"]["loss"] == pytest.approx(records[1]["best"]["loss"], abs=1e-5)

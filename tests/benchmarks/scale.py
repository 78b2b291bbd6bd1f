"""Training at NTU's shapes: from a store beside from memory, in stores of several sizes, and by two processes.

    pcsta rehearse ntu --clips 100 --out STORE1      # and 1000, 10000: 11 GB
    python tests/benchmarks/scale.py STORE1 STORE2 STORE3 [--config paper] [--steps 20] [--workers 2] [--record]

store:   batches as training reads them, anywhere in the store
memory:  the first of them again and again; a ratio of 1 means that nobody waits for the disk
reading: the same batches, and nothing computed

The forms take turns, a few steps each, and the best turn of each counts. Memory is the process's own, without
the store's pages, after a whole epoch of reading. Two processes share each batch of one run, one thread each,
and stand beside one process with two threads. Not part of the test run.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from bench import add_to_record
from torch.nn.functional import cross_entropy

from pcsta import common
from pcsta.batches import Batch, SubSequences
from pcsta.config import CONFIGS, ModelConfig, row
from pcsta.data.store import Store
from pcsta.two_stream import Output, TwoStream

BATCH = 64
Step = Callable[[Batch], None]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def training_step(model: TwoStream, stage: str, precision: str, compiled: bool = False) -> Step:
    """What training does with a batch; or the same compiled: into CUDA graphs, or on a CPU captured only."""
    learning = [p for p in model.stage(stage).train().parameters() if p.requires_grad]
    device = learning[0].device
    adam = torch.optim.Adam(learning, 1e-4, fused=True)
    forward: Callable[..., Output] = model
    if compiled:
        how = {"mode": "reduce-overhead"} if device.type == "cuda" else {"backend": "aot_eager"}
        forward = torch.compile(model, **how)

    def step(batch: Batch) -> None:
        with torch.autocast(device.type, torch.bfloat16, precision == "bfloat16"):
            out = forward(batch.pose_tensor, batch.glimpses, batch.present)
        logits = (out.pose_logits if stage == "pose" else out.rgb_logits).float()
        adam.zero_grad()
        cross_entropy(logits, batch.labels).backward()
        adam.step()

    return step


def model_for(store: Store, config: str, stage: str, device: torch.device) -> TwoStream:
    sizes: ModelConfig = CONFIGS[config](
        classes=len(store.classes), glimpse_features=store.glimpse_features or 2048
    )
    torch.manual_seed(0)
    return TwoStream(row("A" if stage == "pose" else "K", sizes)).to(device)


def epochs(batches: SubSequences, clips: np.ndarray) -> Iterator[Batch]:
    """Batches without end."""
    for epoch in range(10**6):
        yield from batches.training(clips, BATCH, np.random.default_rng(epoch))


def speeds(
    model: TwoStream, batches: SubSequences, clips: np.ndarray, stage: str, steps: int,
    precision: str = "float32", turns: int = 3, compiled: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Clips a second of training from the store, of training on one batch, and of reading."""
    step, device = training_step(model, stage, precision, compiled), batches.device
    endless = epochs(batches, clips)
    held = next(endless)

    def reads() -> None:
        for _ in islice(endless, steps):
            pass

    def learns() -> None:
        for batch in islice(endless, steps):
            step(batch)

    def repeats() -> None:
        for _ in range(steps):
            step(held)

    forms, best = {"store": learns, "memory": repeats, "reading": reads}, {}
    step(held)
    for _ in range(turns):
        for name, form in forms.items():
            wait(device)
            began = time.perf_counter()
            form()
            wait(device)
            seconds = time.perf_counter() - began
            best[name] = min(best.get(name, seconds), seconds)
    return {name: steps * BATCH / seconds for name, seconds in best.items()}


def memory(batches: SubSequences, clips: np.ndarray) -> int:
    """MB of this process, without the store's pages, after reading an epoch."""
    for _ in batches.training(clips, BATCH, np.random.default_rng(0)):
        pass
    status = Path("/proc/self/status").read_text("ascii")
    return (
        int(dict(line.split(":", 1) for line in status.splitlines())["RssAnon"].split()[0]) // 1000
    )


TRAIN = """
import sys
from pcsta import common
from pcsta.config import TrainConfig, laptop, row
from pcsta.data.store import Store
from pcsta.training import train
import torch
torch.set_num_threads(int(sys.argv[3]))
store = Store(sys.argv[1])
recipe = TrainConfig(pose_epochs=3, keep="last")
with common.distributed_session():
    train(store, row("A", laptop(classes=60)), recipe, sys.argv[2], device="cpu", progress=False)
"""


def processes(store: Store) -> dict[str, float]:
    """Fitted clips a second of row A at the laptop's sizes: by one process, and by two that share each batch."""
    found = {}
    starts = {
        "one": [],
        "two": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    }
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "train.py"
        script.write_text(TRAIN)
        for name, start in starts.items():
            threads = "1" if start else "2"
            words = [sys.executable, *start, script, store.path, Path(scratch) / name, threads]
            env = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
            subprocess.run(list(map(str, words)), check=True, env=env)
            with open(Path(scratch) / name / "log.csv") as log:
                seconds = min(float(line["seconds"]) for line in csv.DictReader(log))
            fitted = 0.95 * len(store.split("cross-subject")[0])
            found[f"{name}, clips a second"] = round(fitted / seconds, 1)
    return found | {
        "two / one": round(found["two, clips a second"] / found["one, clips a second"], 2)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--config", default="paper", choices=CONFIGS)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--record", action="store_true", help="write it beside bench.py's record")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = common.resolve_device(options.device)
    found: list[dict[str, object]] = []
    for path in options.stores:
        store = Store(path)
        clips = store.split(next(iter(store.settings["splits"])))[0]
        here: dict[str, object] = {"clips": len(store), "frames": store.frames_total}
        for stage in ("pose", "rgb") if store.glimpse_features else ("pose",):
            model = model_for(store, options.config, stage, device)
            batches = SubSequences(store, model.config, device, workers=options.workers)
            rates = speeds(model, batches, clips, stage, options.steps)
            here[stage] = {
                **{name: round(rate, 1) for name, rate in rates.items()},
                "store / memory": round(rates["store"] / rates["memory"], 3),
            }
        found.append(here | {"MB": memory(batches, clips)})
        print(json.dumps(found[-1]), flush=True)
    shared = processes(store) if device.type == "cpu" else {}
    print(json.dumps(shared))
    if options.record:
        how = {name: getattr(options, name) for name in ("config", "workers", "threads")}
        add_to_record("training", {**how, "batch": BATCH, "stores": found, "processes": shared})


if __name__ == "__main__":
    main()

"""Training from a store beside training on one batch that is held in memory.

    pcsta rehearse ntu --clips 5000 --out STORE
    python tests/benchmarks/scale.py STORE [--config paper] [--steps 20] [--workers 2] [--device cpu]

store:   batches as training reads them, anywhere in the store
memory:  the first of them again and again; a ratio of 1 means that nobody waits for the disk
reading: the same batches, and nothing computed

The forms take turns, a few steps each, and the best turn of each counts. Memory is the process's own, without
the store's pages, after a tenth of an epoch and after a whole one of reading. Not part of the test run.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from pcsta import common
from pcsta.batches import Batch, SubSequences
from pcsta.config import CONFIGS, ModelConfig, row
from pcsta.data.store import Store
from pcsta.two_stream import TwoStream

BATCH = 64
Step = Callable[[Batch], None]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def training_step(model: TwoStream, stage: str, precision: str) -> Step:
    """What training does with a batch."""
    learning = [p for p in model.stage(stage).train().parameters() if p.requires_grad]
    device = learning[0].device
    adam = torch.optim.Adam(learning, 1e-4, fused=True)

    def step(batch: Batch) -> None:
        with torch.autocast(device.type, torch.bfloat16, precision == "bfloat16"):
            out = model(batch.pose_tensor, batch.glimpses, batch.present)
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
    precision: str = "float32", turns: int = 3,
) -> dict[str, float]:  # fmt: skip
    """Clips a second of training from the store, of training on one batch, and of reading."""
    step, device = training_step(model, stage, precision), batches.device
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


def memory(store: Store, batches: SubSequences, clips: np.ndarray) -> list[float]:
    """MB of this process, without the store's pages, after reading a tenth of the clips and all of them."""
    held = []
    for part in (clips[: len(clips) // 10], clips):
        for _ in batches.training(part, BATCH, np.random.default_rng(0)):
            pass
        status = Path("/proc/self/status").read_text("ascii")
        lines = dict(line.split(":", 1) for line in status.splitlines())
        held.append(int(lines["RssAnon"].split()[0]) / 1e3)
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--config", default="paper", choices=CONFIGS)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    store, device = Store(options.store), common.resolve_device(options.device)
    clips = store.split(next(iter(store.settings["splits"])))[0]
    found: dict[str, object] = {
        "store": repr(store), "batch": BATCH, "workers": options.workers, "config": options.config,
        "hardware": common.hardware(device),
    }  # fmt: skip
    for stage in ("pose", "rgb") if store.glimpse_features else ("pose",):
        model = model_for(store, options.config, stage, device)
        batches = SubSequences(store, model.config, device, workers=options.workers)
        rates = speeds(model, batches, clips, stage, options.steps)
        found[stage] = {
            **{name: round(rate, 1) for name, rate in rates.items()},
            "store / memory": round(rates["store"] / rates["memory"], 3),
        }
    found["MB of memory, a tenth and all"] = [round(m) for m in memory(store, batches, clips)]
    found["MB at most"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

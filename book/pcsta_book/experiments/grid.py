"""The experiments of section 5 as one grid: variants x seeds x protocols, resumable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from tqdm.auto import tqdm

from pcsta.batches import SubSequences
from pcsta.checkpoint import load
from pcsta.common import resolve_device, training_pool
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta.evaluation import accuracy, confusion, predict_clips
from pcsta.files import atomic, read_json, write_json
from pcsta.training import train
from pcsta_book.experiments.attention_scores import attention_scores
from pcsta_book.experiments.variants import VARIANTS, changed_fields, select


# --- what a grid finds, as records hold it -------------------------------------------------------
class SeedResult(TypedDict):
    """One model, tested: accuracy in [0, 1] of so many clips."""

    seed: int
    clips: int
    accuracy: float
    seconds: NotRequired[float]  # of training and testing; an added row has none
    attention: NotRequired[dict[str, Any]]  # `AttentionScores.to_dict`


class Ensemble(TypedDict):
    """All seeds' logits added. confusion: numbers of clips, rows truth, columns answers."""

    accuracy: float
    confusion: list[list[int]]


class VariantResult(TypedDict):
    """One variant, by protocol: a result a seed, confusion summed over seeds, the ensemble."""

    says: str
    changes: dict[str, object]
    results: dict[str, list[SeedResult]]
    confusion: dict[str, list[list[int]]]
    ensemble: dict[str, Ensemble]


# --- computing ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Cell:
    """One model to train: all that a process needs to know."""

    store: Path
    base: ModelConfig
    recipe: TrainConfig
    name: str
    protocol: str
    seed: int
    out: Path  # of the whole grid
    pretrained: Path | None = None
    skeleton: str | None = None

    @property
    def folder(self) -> Path:
        return self.out / self.protocol / f"seed-{self.seed}" / self.name

    @property
    def source(self) -> Path | None:
        """The run to start from: `pretrained` itself, or this cell's place in a grid there."""
        if self.pretrained is None or (self.pretrained / "config.json").exists():
            return self.pretrained
        return self.pretrained / f"seed-{self.seed}" / self.name


def _compute(cell: _Cell, device: str) -> None:
    """Train and test one model, unless its folder holds the finished result."""
    store, variant = Store(cell.store), VARIANTS[cell.name]
    config, recipe = variant.configure(cell.base, cell.recipe, cell.seed)
    began = time.perf_counter()
    pose_from = replace(cell, name=variant.pose).folder if variant.pose else None
    run = train(
        store, config, recipe, cell.folder, cell.protocol, cell.seed, device, pose_from,
        progress=False, source=cell.source, skeleton=cell.skeleton,
    )  # fmt: skip
    if (run / "result.json").exists():
        return
    model = load(run, device)
    batches = SubSequences(store, model.config, next(model.parameters()).device, recipe.sampling)
    said = predict_clips(model, batches, np.asarray(store.split(cell.protocol)[1]))
    with atomic(run / "predictions.npz") as temporary:
        np.savez(temporary, logits=said.logits, labels=said.labels, clips=said.clips)
    result: dict[str, object] = {"accuracy": accuracy(said.logits, said.labels)}
    if said.spatial is not None:
        result |= {"attention": attention_scores(said, store).to_dict()}
    write_json(run / "result.json", {"seconds": round(time.perf_counter() - began, 1), **result})


def run_grid(
    store: Store,
    base: ModelConfig,
    recipe: TrainConfig,
    out: Path,
    names: Iterable[str] = tuple(VARIANTS),
    protocols: Iterable[str] = ("cross-subject",),
    seeds: Iterable[int] = (0, 1),
    device: str = "auto",
    processes: int | None = None,
    progress: bool = True,
    pretrained: Path | None = None,
    skeleton: str | None = None,
    frames: Store | None = None,
) -> dict[str, VariantResult]:
    """Train and test every variant for every protocol and seed (Tables 4 to 6): a result for each.

    Finished models are not repeated.

    processes: models computed side by side, one torch thread each; default one per core, or one
               per GPU
    pretrained: a run on another dataset that every model starts from, or a protocol's folder of a
               grid that holds one for each seed and variant; see `pcsta.checkpoint`
    skeleton:  as for `train`
    frames:    the store of whole frames; without it the variants that read them are left out
    Raises ValueError when `out` holds runs of other settings.
    """
    names = select(names, bool(store.glimpse_features), frames is not None)
    protocols, seeds, out = tuple(protocols), tuple(seeds), Path(out)
    stores = {n: frames if frames and VARIANTS[n].reads_frames else store for n in names}
    cells = [
        _Cell(stores[name].path, base, recipe, name, protocol, seed, out, pretrained, skeleton)
        for protocol in protocols for seed in seeds
        for name in names if not VARIANTS[name].adds
    ]  # fmt: skip
    gpus = torch.cuda.device_count() if resolve_device(device).type == "cuda" else 0
    devices = [f"cuda:{i}" for i in range(gpus)] if gpus > 1 else [device]
    processes = min(processes or gpus or os.cpu_count() or 1, len(cells))
    with ExitStack() as stack, tqdm(total=len(cells), unit="model", disable=not progress) as bar:
        pool = stack.enter_context(training_pool(processes)) if processes > 1 else None
        compute = pool.map if pool else map
        # pose streams first: the others take them over
        for first in (True, False):
            wave = [cell for cell in cells if (not VARIANTS[cell.name].pose) == first]
            for _ in compute(_compute, wave, cycle(devices)):
                bar.update()
    return {name: _variant_result(name, base, recipe, out, protocols, seeds) for name in names}


def _variant_result(
    name: str,
    base: ModelConfig,
    recipe: TrainConfig,
    out: Path,
    protocols: Sequence[str],
    seeds: Sequence[int],
) -> VariantResult:
    """The finished results of one variant, read back from the grid's folder."""
    variant = VARIANTS[name]
    changes: dict[str, object] = {"adds": list(variant.adds)}
    if not variant.adds:
        config, own = variant.configure(base, recipe, seeds[0])
        changes = changed_fields(base, config) | changed_fields(recipe, own)
    found = VariantResult(says=variant.says, changes=changes, results={}, confusion={}, ensemble={})
    for protocol in protocols:
        logits, found["results"][protocol] = [], []
        for seed in seeds:
            folder = out / protocol / f"seed-{seed}"
            parts = [np.load(folder / n / "predictions.npz") for n in variant.adds or (name,)]
            labels = parts[0]["labels"]
            logits.append(np.sum([part["logits"] for part in parts], 0))
            one = SeedResult(seed=seed, clips=len(labels), accuracy=accuracy(logits[-1], labels))
            if not variant.adds:
                one |= read_json(folder / name / "result.json")
            found["results"][protocol].append(one)
        counts = np.sum([confusion(each, labels) for each in logits], 0)
        total = np.sum(logits, 0)
        found["confusion"][protocol] = counts.tolist()
        found["ensemble"][protocol] = {
            "accuracy": accuracy(total, labels), "confusion": confusion(total, labels).tolist()
        }  # fmt: skip
    return found


# --- reading --------------------------------------------------------------------------------------
def accuracy_per_seed(results: Mapping[str, Sequence[SeedResult]]) -> np.ndarray:
    """(S,) one accuracy a seed: the mean over the protocols (folds) of a variant's results."""
    by_protocol = [[one["accuracy"] for one in rows] for rows in results.values()]
    return np.asarray(np.mean(by_protocol, 0))


def format_table(found: Mapping[str, VariantResult]) -> str:
    """The grid as text: for every protocol mean and spread over seeds, in percent."""
    protocols = list(next(iter(found.values()))["results"])
    folds = all(p.startswith("fold") for p in protocols)
    columns = ["mean of folds"] if folds else protocols
    text = [f"{'':<22}" + "".join(f"{c:>22}" for c in columns)]
    for name, variant in found.items():
        cells = ""
        for column in columns:
            results = variant["results"]
            values = 100 * accuracy_per_seed(results if folds else {column: results[column]})
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            cells += f"{f'{values.mean():.1f}{spread}':>22}"
        text.append(f"{name:<22}{cells}   {variant['says']}")
    return "\n".join(text)

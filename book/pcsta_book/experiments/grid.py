"""The experiments of section 5 as one grid: variants x seeds x protocols, resumable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
import torch
from tqdm.auto import tqdm

from pcsta.batches import SubSequences
from pcsta.checkpoint import begun, load
from pcsta.common import cores, resolve_device
from pcsta.config import ModelConfig, TrainConfig
from pcsta.conforms import conforms
from pcsta.data.store import Store
from pcsta.evaluation import accuracy, confusion, correct, predict_clips, with_unread
from pcsta.files import atomic, read_json, write_json
from pcsta.options import writable
from pcsta.preflight import settle
from pcsta.training import train
from pcsta_book.experiments.attention_scores import attention_scores
from pcsta_book.experiments.variants import VARIANTS, changed_fields, select
from pcsta_book.pools import pool

if TYPE_CHECKING:
    from pcsta.options import Plan


# Of `attention_scores`: one of the first three, and its controls, in [0, 1]
class Score(TypedDict):
    top_hand: NotRequired[float]
    shown: NotRequired[float]
    mass: NotRequired[float]
    uniform: float
    permuted: float
    best_constant: float
    other_clip: NotRequired[float]
    ahead: NotRequired[dict[str, tuple[float, float]]]


class Cell(TypedDict):  # a model and so many clips, some of them errors as they are unread
    seed: int
    clips: int
    unread: NotRequired[int]
    accuracy: float  # in [0, 1]
    right: NotRequired[str]  # which clips, see `records.right`
    seconds: NotRequired[float]  # of training and testing, where it was trained
    validation_loss: NotRequired[float]  # that its stage ended with
    attention: NotRequired[dict[str, Score | dict[str, Score]]]


class Line(TypedDict):  # a variant, as records hold it: see `run_grid`
    says: str
    changes: dict[str, Any]
    results: dict[str, list[Cell]]


AGAIN = "delete result.json there, run the same again, and it is tested again"


@dataclass(frozen=True)
class Experiment:
    """What to train and test: variants of one configuration, for every protocol and seed.

    out:        its folder; each model has its own in there
    names:      of the variants; those that they build on come along
    frames:     the store of whole frames; without it the variants that read them are left out
    pretrained: a run on another dataset that every model starts from, or a protocol's folder of a
                grid that holds one for each seed and variant; see `pcsta.checkpoint`
    skeleton:   as for `train`
    """

    store: Store
    config: ModelConfig
    recipe: TrainConfig
    out: Path
    names: Sequence[str]
    protocols: Sequence[str] = ("cross-subject",)
    seeds: Sequence[int] = (0, 1)
    device: str = "auto"
    frames: Store | None = None
    pretrained: Path | None = None
    skeleton: str | None = None

    def folder(self, name: str, protocol: str, seed: int) -> Path:
        return self.out / protocol / f"seed-{seed}" / name

    def source(self, name: str, seed: int) -> Path | None:
        """The run to start from: `pretrained` itself, or a model's place in the grid there."""
        if self.pretrained is None or (self.pretrained / "config.json").exists():
            return self.pretrained
        return self.pretrained / f"seed-{seed}" / name


def check(
    plan: Plan,
    config: ModelConfig,
    recipe: TrainConfig,
    out: Path,
    names: Sequence[str],
    protocols: Sequence[str],
    seeds: Sequence[int],
    frames: Plan | None = None,
    pretrained: Path | None = None,
    skeleton: str | None = None,
) -> None:
    """Raise ValueError, OSError for what would stop a grid later, before its stores are made.

    plan, frames: of the stores of an `Experiment`, whose fields the others are
    """
    writable(out)
    video = bool(plan.settings["glimpse_features"])
    for name, protocol, seed in product(select(names, video, frames is not None), protocols, seeds):
        variant = VARIANTS[name]
        if variant.adds:
            continue
        made = frames if frames and variant.reads_frames else plan
        wanted = variant.configure(config, recipe, seed)
        _, settings = settle(
            made.settings, made.usable, *wanted, protocol, seed, pretrained, skeleton
        )
        if not variant.pose:  # the others name the run of another one, which is not there yet
            begun(out / protocol / f"seed-{seed}" / name, settings)


def run_grid(experiment: Experiment) -> dict[str, Any]:
    """Train and test all models of an experiment; those that are finished are not repeated (Tables 4 to 6).

    Models are computed side by side, one per GPU, or one per core with one torch thread each.
    Returns for every variant what it is in words, the fields that it changes or the rows that it adds,
    and by protocol: a cell of each seed; the confusion summed over seeds (rows truth, columns answers);
    accuracy and confusion of the ensemble, all seeds' logits added.

    Raises ValueError when its folder holds runs of other settings.
    """
    e = experiment
    names = select(e.names, bool(e.store.glimpse_features), e.frames is not None)
    trained = [name for name in names if not VARIANTS[name].adds]
    cells = [(name, p, seed) for p, seed, name in product(e.protocols, e.seeds, trained)]
    gpus = torch.cuda.device_count() if resolve_device(e.device).type == "cuda" else 0
    devices = [f"cuda:{i}" for i in range(gpus)] if gpus > 1 else [e.device]
    processes = min(gpus or cores(), len(cells))
    with ExitStack() as stack, tqdm(total=len(cells), unit="model") as bar:
        compute: Any = map
        if processes > 1:
            compute = stack.enter_context(pool(processes)).map
        # pose streams first: the others take them over
        for first in (True, False):
            wave = [cell for cell in cells if (not VARIANTS[cell[0]].pose) == first]
            for _ in compute(_compute, cycle([e]), wave, cycle(devices)):
                bar.update()
    return {name: _result(e, name) for name in names}


def _compute(experiment: Experiment, cell: tuple[str, str, int], device: str) -> None:
    """Train and test one model, unless its folder holds the finished result."""
    e, (name, protocol, seed) = experiment, cell
    variant = VARIANTS[name]
    store = e.frames if e.frames and variant.reads_frames else e.store
    config, recipe = variant.configure(e.config, e.recipe, seed)
    began = time.perf_counter()
    run = train(
        store, config, recipe, e.folder(*cell), protocol, seed, device,
        e.folder(variant.pose, protocol, seed) if variant.pose else None,
        progress=False, source=e.source(name, seed), skeleton=e.skeleton,
    )  # fmt: skip
    if (run / "result.json").exists():
        return
    model = load(run, device)
    batches = SubSequences(store, model.config, next(model.parameters()).device, recipe.sampling)
    said = predict_clips(model, batches, np.asarray(store.split(protocol)[1]))
    logits, labels = with_unread(said, store, protocol)
    with atomic(run / "predictions.npz") as temporary:
        np.savez(temporary, logits=logits, labels=labels, clips=tested_names(store, protocol))
    result: dict[str, object] = {"accuracy": accuracy(logits, labels)}
    result["validation_loss"] = read_json(run / "record.json")["best"]["loss"]
    if said.spatial is not None:
        result["attention"] = attention_scores(said, store)
    write_json(run / "result.json", {"seconds": round(time.perf_counter() - began, 1), **result})


def tested_names(store: Store, protocol: str) -> list[str]:
    """The test clips in the order of predictions: those that could not be read come last."""
    read = [store.clips[i] for i in store.split(protocol)[1]]
    return [clip.name for clip in (*read, *store.unread(protocol))]


def _predictions(run: Path, tested: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of the test clips, in this order. Raises ValueError for others, or a bad file."""
    path = run / "predictions.npz"
    try:
        with np.load(path) as found:
            logits, labels, clips = found["logits"], found["labels"], found["clips"].tolist()
    except Exception as error:  # those of zip archives, zlib and numpy have no parent in common
        raise ValueError(f"{path} is damaged ({error}); {AGAIN}") from None
    if clips != tested:
        raise ValueError(f"{path} is of other clips than are tested; {AGAIN}")
    return logits, labels


def _result(experiment: Experiment, name: str) -> dict[str, Any]:
    """The finished results of one variant, read back from the grid's folder."""
    e, variant = experiment, VARIANTS[name]
    if variant.adds:
        changes: dict[str, object] = {"adds": list(variant.adds)}
    else:
        config, recipe = variant.configure(e.config, e.recipe, e.seeds[0])
        changes = changed_fields(e.config, config) | changed_fields(e.recipe, recipe)
    found: dict[str, Any] = {"says": variant.says, "changes": changes}
    found |= {"results": {}, "confusion": {}, "ensemble": {}}
    for protocol in e.protocols:
        logits, found["results"][protocol] = [], []
        tested, unread = tested_names(e.store, protocol), len(e.store.unread(protocol))
        for seed in e.seeds:
            folders = [e.folder(n, protocol, seed) for n in variant.adds or (name,)]
            parts = [_predictions(folder, tested) for folder in folders]
            labels = parts[0][1]
            logits.append(np.sum([part[0] for part in parts], 0))
            right = correct(logits[-1], labels)
            one: dict[str, object] = {
                "seed": seed, "clips": len(labels), "accuracy": float(right.mean()),
                "right": np.packbits(right).tobytes().hex(),
            }  # fmt: skip
            if unread:
                one["unread"] = unread
            if not variant.adds:
                file = folders[0] / "result.json"
                told = read_json(file, AGAIN)
                if not (isinstance(told, dict) and conforms(one := told | one, Cell)):
                    raise ValueError(f"{file} is damaged; {AGAIN}")
            found["results"][protocol].append(one)
        total = np.sum(logits, 0)
        counts = np.sum([confusion(each, labels) for each in logits], 0)
        found["confusion"][protocol] = counts.tolist()
        found["ensemble"][protocol] = {
            "accuracy": accuracy(total, labels), "confusion": confusion(total, labels).tolist()
        }  # fmt: skip
    return found

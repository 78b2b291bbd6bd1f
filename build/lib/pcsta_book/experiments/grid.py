"""The experiments of section 5 as one grid: variants x seeds x protocols, resumable, side by side.

A variant is the base configuration with a few named changes. Most train one model; a fused row of
Tables 5 and 6 adds two variants' logits (section 3.4; the paper writes K as A+G), an ensemble more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from tqdm.auto import tqdm

from pcsta.batches import SubSequences
from pcsta.checkpoint import load
from pcsta.common import resolve_device, training_pool
from pcsta.config import ROWS, ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta.evaluation import accuracy, predict
from pcsta.files import atomic, read_json, write_json
from pcsta.training import train
from pcsta_book.experiments.attention_scores import attention_scores
from pcsta_book.experiments.baselines import BASELINES


@dataclass(frozen=True)
class Variant:
    """One line of a table of results.

    says:    what it is, in words         table: of the paper, 0 for what the paper does not have
    model, recipe: the fields of ModelConfig and TrainConfig that it changes, and nothing else
    against: the variant that it differs from in these changes alone
    pose:    the variant whose trained pose stream it takes over
    adds:    the variants whose logits it adds; it trains nothing
    """

    says: str
    table: int = 0
    model: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    against: str = ""
    pose: str = ""
    adds: tuple[str, ...] = ()

    @property
    def reads_frames(self) -> bool:
        """Whether it sees whole frames in place of hands, which another store holds."""
        return self.model.get("crops") == "frame"

    @property
    def reads_video(self) -> bool:
        return bool(self.pose) or any(VARIANTS[name].reads_video for name in self.adds)


def _of_paper(letter: str, says: str, table: int = 6) -> Variant:
    return Variant(says, table, ROWS[letter], pose="" if letter == "A" else "A")


def _pose(says: str, table: int = 0, recipe: Mapping[str, Any] | None = None, **model) -> Variant:
    return Variant(says, table, {**ROWS["A"], **model}, recipe or {}, "A")


def _attention(says: str, recipe: Mapping[str, Any] | None = None, **model) -> Variant:
    return Variant(says, 0, {**ROWS["G"], **model}, recipe or {}, "G", "A")


def _baseline(name: str, says: str, against: str, **recipe) -> Variant:
    pose = "" if against == "A" else "A"
    return Variant(says, 0, BASELINES[name], recipe, against, pose)


# Row A and what changes one thing of it: to add their logits is to choose none of them.
POSE_ROWS = (
    "A", "order-single", "order-random", "order-random-doubles", "view-other", "coordinates-other",
    "batch-norm-other", "either-order-other", "origin-own", "derivatives-video",
    "derivatives-none", "contiguous",
)  # fmt: skip

VARIANTS: dict[str, Variant] = {
    # Tables 5 and 6
    "A": _of_paper("A", "pose only"),
    "B": _of_paper("B", "RGB only, sum of hands"),
    "C": _of_paper("C", "RGB only, concatenation"),
    "E": _of_paper("E", "RGB only, spatial attention"),
    "G": _of_paper("G", "RGB only, spatio-temporal attention"),
    "G-unconditioned": _of_paper("G-unconditioned", "G, not conditioned on pose", 5),
    "H": Variant("A + B: fused, no attention", 6, adds=("A", "B")),
    "I": Variant("A + E: fused, spatial attention", 6, adds=("A", "E")),
    "K": Variant("A + G: fused, spatio-temporal attention", 6, adds=("A", "G")),
    "K-unconditioned": Variant("K, not conditioned on pose", 5, adds=("A", "G-unconditioned")),
    # Table 4; the control that it lacks is the fourth order
    "order-single": _pose("tour without double entries", 4, order="single"),
    "order-random": _pose("joints in random order", 4, order="random"),
    "order-random-doubles": _pose("the tour's entries in random order", order="random-doubles"),
    "orders": Variant("logits of three orders added", adds=("A", "order-single", "order-random")),
    # what the field has learned since, each alone: on the paper's network it is switched on, on the
    # modern one off
    "view-other": _pose("the other view", view="other"),
    "coordinates-other": _pose("x, y, z in the other place", coordinates="other"),
    "batch-norm-other": _pose("batch normalisation or not, the other way", batch_norm="other"),
    "either-order-other": _pose(
        "people in either order or not, the other way", either_order="other"
    ),
    # what the paper leaves open, each alone
    "origin-own": _pose("each person on their own spine", origin="own"),
    "derivatives-video": _pose("derivatives of the video's frames", derivatives="video"),
    "derivatives-none": _pose("positions alone", derivatives="none"),
    "contiguous": _pose("20 frames in a row", recipe={"sampling": "contiguous"}),
    "together": Variant("logits of twelve pose rows added", adds=POSE_ROWS),
    "widths-64-60": _pose("second layer 60/64 as wide", pose_widths=(64, 60, 1024)),
    "G-contiguous": Variant(
        "20 frames in a row", 0, ROWS["G"], {"sampling": "contiguous"}, "G", "contiguous"
    ),
    "G-absent": _attention("absent hands masked or not, the other way", mask_absent="other"),
    "G-without-h": _attention("f_p does not see h", hidden_in_attention=False),
    "G-sigmoid": _attention("sigmoid weights that need not sum to 1", weights="sigmoid"),
    "G-no-dropout": _attention("no dropout of glimpse features", glimpse_dropout=0.0),
    # how it is trained, each choice of the laptop's taken back or another one tried, alone
    "dropout-none": _pose("no dropout before the classifier", dropout=0.0),
    "rate-constant": _pose("constant learning rate", recipe={"schedule": "constant"}),
    "keep-best": _pose("epoch of lowest validation loss", recipe={"keep": "best"}),
    "decay-none": _pose("no weight decay", recipe={"weight_decay": 0.0}),
    "smoothing": _pose("label smoothing 0.1", recipe={"label_smoothing": 0.1}),
    "validation-subject": _pose(
        "validated on a whole subject", recipe={"validation_by": "subject"}
    ),
    "G-dropout-none": _attention("no dropout before the classifier", dropout=0.0),
    "G-rate-constant": _attention("constant learning rate", {"schedule": "constant"}),
    "G-keep-best": _attention("epoch of lowest validation loss", {"keep": "best"}),
    "G-decay-none": _attention("no weight decay", {"rgb_weight_decay": 0.0}),
    "G-smoothing": _attention("label smoothing 0.1", {"label_smoothing": 0.1}),
    "G-step-1024": _attention("u_t as wide as the paper's model has it", step_features=1024),
    "G-unscaled": _attention("features as they come, no common scale", standardise=False),
    "G-unprojected": _attention("all features of the sensor", glimpse_projection=None),
    # baselines; what was tried for each, on held-out training subjects, stands in their record
    "deep-lstm": _baseline(
        "deep-lstm", "baseline: LSTM on the joints", "A", pose_epochs=60, batch=16
    ),
    "part-lstm": _baseline("part-lstm", "baseline: part-aware LSTM", "A", pose_epochs=60, batch=16),
    "A-longer": _pose("trained as the LSTMs are", recipe={"pose_epochs": 60, "batch": 16}),
    "st-gcn": _baseline("st-gcn", "baseline: graph convolution, ST-GCN", "A"),
    "mean": _baseline("mean", "baseline: mean of all glimpses, no LSTM", "B"),
    "frame": _baseline("frame", "baseline: whole frame, LSTM", "B"),
    "frame-mean": _baseline("frame-mean", "baseline: whole frame, mean over time", "B"),
}


# The two values of switches that a variant turns to "other"; all others are False or True.
_PAIRS = {"view": ("camera", "people"), "coordinates": ("columns", "channels")}


def configured(
    variant: Variant, base: ModelConfig, recipe: TrainConfig, seed: int
) -> tuple[ModelConfig, TrainConfig]:
    """`base` and `recipe` with the variant's changes; relative changes are resolved here.

    A random joint order is another one for every seed: what is measured is any random order.
    """
    changes = dict(variant.model)
    if changes.get("order", "").startswith("random"):
        changes["order_seed"] = seed
    if "pose_widths" in changes:
        first, second, third = base.pose_widths
        changes["pose_widths"] = (first, round(second * 60 / 64), third)
    for name in [n for n, value in changes.items() if value == "other"]:
        pair = _PAIRS.get(name, (False, True))
        changes[name] = pair[1 - pair.index(getattr(base, name))]
    return replace(base, **changes), replace(recipe, **variant.recipe)


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
    config, recipe = configured(variant, cell.base, cell.recipe, cell.seed)
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
    said = predict(model, batches, np.asarray(store.split(cell.protocol)[1]))
    with atomic(cell.folder / "predictions.npz") as temporary:
        np.savez(temporary, logits=said.logits, labels=said.labels, clips=said.clips)
    result: dict[str, Any] = {"accuracy": said.accuracy}
    if said.spatial is not None:
        result |= {"attention": attention_scores(said, store)}
    seconds = round(time.perf_counter() - began, 1)
    write_json(run / "result.json", {"seconds": seconds, **result})


def chosen(names: Iterable[str], poses_alone: bool = False, no_frames: bool = False) -> list[str]:
    """These variants in the order of VARIANTS, each with those that it builds on or varies.

    poses_alone: leave out what reads the video
    no_frames:   leave out what reads whole frames
    Raises ValueError for an unknown name.
    """
    wanted = set(names)
    if unknown := wanted - set(VARIANTS):
        raise ValueError(f"no variant {sorted(unknown)[0]!r}; choose from {', '.join(VARIANTS)}")
    waiting = list(wanted)
    while waiting:
        variant = VARIANTS[waiting.pop()]
        more = {n for n in (variant.pose, variant.against, *variant.adds) if n} - wanted
        wanted |= more
        waiting += more
    return [
        n
        for n, v in VARIANTS.items()
        if n in wanted
        and not (poses_alone and v.reads_video)
        and not (no_frames and v.reads_frames)
    ]


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
) -> dict[str, Any]:
    """Train and test every variant for every protocol and seed (Tables 4 to 6).

    Finished models are not repeated.

    processes: models computed side by side, one torch thread each; default one per core, or one
               per GPU
    pretrained: a run on another dataset that every model starts from, or a protocol's folder of a
               grid that holds one for each seed and variant; see `pcsta.checkpoint`
    skeleton:  as for `train`
    frames:    the store of whole frames; without it the variants that read them are left out
    Returns {variant: {"says", "changes", "results": {protocol: [one per seed]},
    "confusion": {protocol: counts summed over seeds, rows truth}, "ensemble": {protocol: accuracy of
    all seeds' logits added, and its confusion}}}.
    Raises ValueError when `out` holds runs of other settings.
    """
    names = chosen(names, not store.glimpse_features, frames is None)
    protocols, seeds, out = tuple(protocols), tuple(seeds), Path(out)
    stores = {n: frames if frames and VARIANTS[n].reads_frames else store for n in names}
    cells = [
        _Cell(stores[name].path, base, recipe, name, protocol, seed, out, pretrained, skeleton)
        for protocol in protocols for seed in seeds
        for name in names if not VARIANTS[name].adds
    ]  # fmt: skip
    gpus = torch.cuda.device_count() if resolve_device(device).type == "cuda" else 0
    processes = min(processes or gpus or os.cpu_count() or 1, len(cells))
    with tqdm(total=len(cells), unit="model", disable=not progress) as bar:
        # pose streams first: the others take them over
        for first in (True, False):
            wave = [cell for cell in cells if (not VARIANTS[cell.name].pose) == first]
            if processes == 1:
                for cell in wave:
                    _compute(cell, device)
                    bar.update()
                continue
            with training_pool(processes) as pool:
                waiting: list[Future] = []
                for i, cell in enumerate(wave):
                    where = f"cuda:{i % gpus}" if gpus > 1 else device
                    waiting.append(pool.submit(_compute, cell, where))
                try:
                    for done in as_completed(waiting):
                        done.result()
                        bar.update()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
    return {
        name: _line(name, base, recipe, out, protocols, seeds, len(store.classes))
        for name in names
    }  # fmt: skip


def _line(
    name: str,
    base: ModelConfig,
    recipe: TrainConfig,
    out: Path,
    protocols: tuple[str, ...],
    seeds: tuple[int, ...],
    classes: int,
) -> dict[str, Any]:
    """The finished results of one variant, read back from the grid's folder."""
    variant = VARIANTS[name]
    results: dict[str, list[dict[str, Any]]] = {}
    confusion: dict[str, list[list[int]]] = {}
    ensemble: dict[str, dict[str, Any]] = {}
    for protocol in protocols:
        counts = np.zeros((classes, classes), int)
        results[protocol] = []
        together: np.ndarray | float = 0.0
        for seed in seeds:
            folder = out / protocol / f"seed-{seed}"
            parts = [np.load(folder / n / "predictions.npz") for n in variant.adds or (name,)]
            logits, labels = sum(p["logits"] for p in parts), parts[0]["labels"]
            one: dict[str, Any] = {"accuracy": accuracy(logits, labels)}
            if not variant.adds:
                one |= read_json(folder / name / "result.json")
            results[protocol].append({"seed": seed, "clips": len(labels), **one})
            counts += confusion_matrix(labels, logits.argmax(-1), labels=range(classes))
            together = together + logits
        confusion[protocol] = counts.tolist()
        said = np.asarray(together).argmax(-1)
        ensemble[protocol] = {
            "accuracy": accuracy(np.asarray(together), labels),
            "confusion": confusion_matrix(labels, said, labels=range(classes)).tolist(),
        }
    if variant.adds:
        changes: dict[str, Any] = {"adds": list(variant.adds)}
    else:
        config, own = configured(variant, base, recipe, seeds[0])
        changes = differences(base, config) | differences(recipe, own)
    return {
        "says": variant.says, "changes": changes, "results": results, "confusion": confusion,
        "ensemble": ensemble,
    }  # fmt: skip


def differences(before: Any, after: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ, with their new values."""
    old, new = asdict(before), asdict(after)
    return {k: v for k, v in new.items() if old[k] != v}


def per_seed(line: Mapping[str, Any], value: str = "accuracy") -> np.ndarray:
    """(S,) one figure a seed: the mean over the protocols (folds) that the line holds."""
    return np.mean([[r[value] for r in rows] for rows in line["results"].values()], axis=0)


def table(lines: Mapping[str, Mapping[str, Any]]) -> str:
    """The grid as text: for every protocol mean and spread over seeds, in percent."""
    protocols = list(next(iter(lines.values()))["results"])
    folds = all(p.startswith("fold") for p in protocols)
    columns = ["mean of folds"] if folds else protocols
    text = [f"{'':<22}" + "".join(f"{c:>22}" for c in columns)]
    for name, line in lines.items():
        cells = ""
        for column in columns:
            part = line if folds else {"results": {column: line["results"][column]}}
            values = 100 * per_seed(part)
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            cells += f"{f'{values.mean():.1f}{spread}':>22}"
        text.append(f"{name:<22}{cells}   {line['says']}")
    return "\n".join(text)

"""Tables 1 to 3 (section 5): the paper's own three rows, and with and without knowledge transfer.

The rows are those of Table 6 by other names: pose only A, RGB only G, pose + RGB K = A + G.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pcsta.checkpoint import RATE_SHARE
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta_book.experiments.grid import VariantResult, accuracy_per_seed, run_grid
from pcsta_book.experiments.paper import TABLES

OURS = {"Ours (pose only)": "A", "Ours (RGB only)": "G", "Ours (pose + RGB)": "K"}


def columns(number: int, protocols: Iterable[str]) -> dict[str, list[str]]:
    """Columns of Table 1, 2 or 3 -> which of a dataset's protocols are averaged there."""
    if number == 1:
        return {"CS": ["cross-subject"], "CV": ["cross-view"]}
    return {"Acc": list(protocols)}  # SBU's five folds, MSR's one split


def measured(number: int, found: Mapping[str, VariantResult]) -> dict[str, dict[str, float]]:
    """Accuracies in percent, {method: {column: mean over seeds}} (Tables 1 to 3).

    "Avg" where the table has it. A method without results (no video, no RGB) is missing here.
    """
    table: dict[str, dict[str, float]] = {}
    for method, letter in OURS.items():
        if letter not in found:
            continue
        results = found[letter]["results"]
        row = {}
        for column, protocols in columns(number, results).items():
            values = accuracy_per_seed({p: results[p] for p in protocols})
            row[column] = 100 * float(values.mean())
        if "Avg" in TABLES[number].row(method).values:
            row["Avg"] = float(np.mean(list(row.values())))
        table[method] = row
    return table


def format_comparison(number: int, found: Mapping[str, VariantResult]) -> str:
    """The rows measured here, and below them the paper's: the two share no column."""
    paper, ours = TABLES[number], measured(number, found)
    names = list(paper.row("Ours (pose only)").values)
    lines = [f"Table {number}: {paper.title}, accuracy in %"]
    for title, values in (
        ("measured here", ours),
        ("as printed in the paper", {method: paper.row(method).values for method in OURS}),
    ):
        lines += ["", f"{title:<24}" + "".join(f"{name:>8}" for name in names)]
        for method in OURS:
            cells = [values[method][n] for n in names] if method in values else []
            figures = "".join(f"{value:>8.1f}" for value in cells) or f"{'not run':>9}"
            lines.append(f"{method:<24}{figures}")
    return "\n".join(lines)


class _Arm(NamedTuple):
    """One side of a comparison; pretrained: the skeleton in which the large dataset was read."""

    says: str
    recipe: TrainConfig
    pretrained: str | None
    skeleton: str  # in which the small dataset is read


def with_and_without(
    store: Store,
    base: ModelConfig,
    recipe: TrainConfig,
    out: Path,
    names: Iterable[str] = ("A",),
    protocols: Iterable[str] = ("cross-subject",),
    seeds: Iterable[int] = (0, 1),
    device: str = "auto",
    *,
    large: Store,
    pretraining: TrainConfig,
    controls: bool = False,
    processes: int | None = None,
    progress: bool = True,
) -> dict[str, VariantResult]:
    """From `large` to the data of `store`, and without it, as `run_grid` (transfer, section 5).

    Each seed pretrains its own network on the first protocol of `large`, whose joints are read in
    the skeleton of `store`, and fine-tunes it at a tenth of `recipe`'s rate.
    controls: also each part alone: the rate without the transfer, the transfer without the rate,
              and the other way to adapt the skeleton (`store` read in the skeleton of `large`)
    """
    first = next(iter(large.settings["splits"]))
    own, foreign = store.skeleton.name, large.skeleton.name
    tenth = recipe.at(RATE_SHARE)
    arms = {
        "scratch": _Arm("from scratch", recipe, None, own),
        "transfer": _Arm("pretrained, a tenth of the rate", tenth, own, own),
    }
    if controls:
        arms |= {
            "scratch-tenth": _Arm("from scratch, a tenth of the rate", tenth, None, own),
            "transfer-full": _Arm("pretrained, the whole rate", recipe, own, own),
            "transfer-back": _Arm(
                f"pretrained, joints written into {foreign}", tenth, foreign, foreign
            ),
        }
    names, protocols, seeds = tuple(names), tuple(protocols), tuple(seeds)
    for skeleton in dict.fromkeys(arm.pretrained for arm in arms.values() if arm.pretrained):
        run_grid(
            large, base, pretraining, out / "pretrained" / skeleton, names, (first,), seeds,
            device, processes, progress, skeleton=skeleton,
        )  # fmt: skip
    compared: dict[str, VariantResult] = {}
    for name, arm in arms.items():
        source = out / "pretrained" / arm.pretrained / first if arm.pretrained else None
        found = run_grid(
            store, base, arm.recipe, out / name, names, protocols, seeds, device, processes,
            progress, source, arm.skeleton,
        )  # fmt: skip
        for letter, one in found.items():
            one["says"] = arm.says
            one["changes"]["rate"] = arm.recipe.rate
            if arm.pretrained:
                one["changes"] |= {"from": large.settings["dataset"], "skeleton": arm.skeleton}
            compared[f"{letter} {name}"] = one
    return compared


def limited(recipe: TrainConfig, epochs: int | None) -> TrainConfig:
    """`recipe` with at most so many epochs a stage, for a trial of the whole way."""
    if epochs is None:
        return recipe
    pose, rgb = min(epochs, recipe.pose_epochs), min(epochs, recipe.rgb_epochs)
    return replace(recipe, pose_epochs=pose, rgb_epochs=rgb)

"""Tables 1 to 3 (section 5): the paper's own three rows, and with and without knowledge transfer.

The rows are those of Table 6 by other names: pose only is A, RGB only is G, pose + RGB is K = A + G.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pcsta.checkpoint import RATE_SHARE
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta_book.experiments.grid import per_seed, run_grid
from pcsta_book.experiments.paper import TABLES

OURS = {"Ours (pose only)": "A", "Ours (RGB only)": "G", "Ours (pose + RGB)": "K"}


def columns(number: int, protocols: Iterable[str]) -> dict[str, list[str]]:
    """Columns of Table 1, 2 or 3 -> which of a dataset's protocols are averaged there."""
    if number == 1:
        return {"CS": ["cross-subject"], "CV": ["cross-view"]}
    return {"Acc": list(protocols)}  # SBU's five folds, MSR's one split


def filled(number: int, lines: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Accuracies in percent, {method: {column: mean over seeds}} (Tables 1 to 3).

    "Avg" where the table has it. A method whose lines are missing (no video, no RGB) is missing here.
    """
    table: dict[str, dict[str, float]] = {}
    for method, letter in OURS.items():
        if letter not in lines:
            continue
        results = lines[letter]["results"]
        row = {}
        for column, protocols in columns(number, results).items():
            values = per_seed({"results": {p: results[p] for p in protocols}})
            row[column] = 100 * float(values.mean())
        if "Avg" in TABLES[number].row(method).values:
            row["Avg"] = float(np.mean(list(row.values())))
        table[method] = row
    return table


def text(number: int, table: Mapping[str, Mapping[str, float]]) -> str:
    """The filled rows, and below them the paper's: the two share no column."""
    paper = TABLES[number]
    names = list(paper.row("Ours (pose only)").values)
    lines = [f"Table {number}: {paper.title}, accuracy in %"]
    for title, values in (
        ("measured here", table),
        ("as printed in the paper", {method: paper.row(method).values for method in OURS}),
    ):
        lines += ["", f"{title:<24}" + "".join(f"{name:>8}" for name in names)]
        for method in OURS:
            cells = [values[method][n] for n in names] if method in values else []
            figures = "".join(f"{value:>8.1f}" for value in cells) or f"{'not run':>9}"
            lines.append(f"{method:<24}{figures}")
    return "\n".join(lines)


def with_and_without(
    large: Store,
    small: Store,
    base: ModelConfig,
    pretraining: TrainConfig,
    recipe: TrainConfig,
    out: Path,
    rows: Iterable[str] = ("A",),
    protocols: Iterable[str] = ("cross-subject",),
    seeds: Iterable[int] = (0, 1),
    controls: bool = False,
    device: str = "auto",
    processes: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """From `large` to `small` and without it, as `run_grid` returns (transfer, section 5).

    Each seed pretrains its own network on the first protocol of `large`, whose joints are read in
    the skeleton of `small`, and fine-tunes it at a tenth of `recipe`'s rate.
    controls: also each part alone: the rate without the transfer, the transfer without the rate,
              and the other way to adapt the skeleton (`small` read in the skeleton of `large`)
    """
    first = next(iter(large.settings["splits"]))
    own, foreign = small.skeleton.name, large.skeleton.name
    tenth = recipe.at(RATE_SHARE)
    arms: dict[str, tuple[str, TrainConfig, str | None, str]] = {
        "scratch": ("from scratch", recipe, None, own),
        "transfer": ("pretrained, a tenth of the rate", tenth, own, own),
    }
    if controls:
        arms |= {
            "scratch-tenth": ("from scratch, a tenth of the rate", tenth, None, own),
            "transfer-full": ("pretrained, the whole rate", recipe, own, own),
            "transfer-back": (
                f"pretrained, joints written into {foreign}", tenth, foreign, foreign
            ),
        }  # fmt: skip
    rows, protocols, seeds = tuple(rows), tuple(protocols), tuple(seeds)
    options: dict[str, Any] = {"device": device, "processes": processes, "progress": progress}
    for skeleton in dict.fromkeys(read for _, _, read, _ in arms.values() if read):
        run_grid(
            large, base, pretraining, out / "pretrained" / skeleton, rows, (first,), seeds,
            skeleton=skeleton, **options,
        )  # fmt: skip
    lines: dict[str, Any] = {}
    for arm, (says, how, read, skeleton) in arms.items():
        folder = out / "pretrained" / read / first if read else None
        found = run_grid(
            small, base, how, out / arm, rows, protocols, seeds, pretrained=folder,
            skeleton=skeleton, **options,
        )  # fmt: skip
        for letter, line in found.items():
            changes = {**line["changes"], "rate": how.rate}
            if read:
                changes |= {"from": large.settings["dataset"], "skeleton": skeleton}
            lines[f"{letter} {arm}"] = {**line, "says": says, "changes": changes}
    return lines


def limited(recipe: TrainConfig, epochs: int | None) -> TrainConfig:
    """`recipe` with at most so many epochs a stage, for a trial of the whole way."""
    if epochs is None:
        return recipe
    return replace(
        recipe,
        pose_epochs=min(epochs, recipe.pose_epochs),
        rgb_epochs=min(epochs, recipe.rgb_epochs),
    )

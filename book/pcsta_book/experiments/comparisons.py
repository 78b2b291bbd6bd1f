"""Tables 1 to 3 (section 5): the paper's own three rows, and with and without knowledge transfer.

The rows are those of Table 6 by other names: pose only A, RGB only G, pose + RGB K = A + G.
"""

from dataclasses import replace
from typing import Any

from pcsta.checkpoint import RATE_SHARE
from pcsta.config import TrainConfig
from pcsta.data.store import Store
from pcsta_book.experiments.grid import Experiment, run_grid
from pcsta_book.experiments.paper import TABLES
from pcsta_book.experiments.records import Record, accuracies

OURS = {"Ours (pose only)": "A", "Ours (RGB only)": "G", "Ours (pose + RGB)": "K"}


def format_comparison(number: int, record: Record) -> str:
    """The rows measured here, and below them the paper's: the two share no column (Tables 1 to 3)."""
    paper, columns = TABLES[number], {"Acc": ""}  # the mean of SBU's five folds, MSR's one split
    if number == 1:
        columns = {"CS": "cross-subject", "CV": "cross-view", "Avg": ""}
    measured = {
        method: {c: accuracies(record, letter, p).mean() for c, p in columns.items()}
        for method, letter in OURS.items()
        if letter in record["lines"]  # without video there is no RGB
    }
    printed = {method: paper.row(method).values for method in OURS}
    lines = [f"Table {number}: {paper.title}, accuracy in %"]
    for title, values in (("measured here", measured), ("as printed in the paper", printed)):
        lines += ["", f"{title:<24}" + "".join(f"{name:>8}" for name in columns)]
        for method in OURS:
            cells = [f"{values[method][c]:>8.1f}" for c in columns] if method in values else []
            lines.append(f"{method:<24}" + ("".join(cells) or "  not run"))
    return "\n".join(lines)


def limited(recipe: TrainConfig, epochs: int | None) -> TrainConfig:
    """`recipe` with at most so many epochs a stage, for a trial of the whole way."""
    if epochs is None:
        return recipe
    pose, rgb = min(epochs, recipe.pose_epochs), min(epochs, recipe.rgb_epochs)
    return replace(recipe, pose_epochs=pose, rgb_epochs=rgb)


def with_and_without(
    small: Experiment, large: Store, pretraining: TrainConfig, controls: bool = False
) -> dict[str, Any]:
    """What `run_grid` finds of `small`, started from a network of `large`, and without (section 5).

    Each seed pretrains its own network on the first protocol of `large`, whose joints are read in
    the skeleton of `small`, and fine-tunes it at a tenth of the recipe's rate.
    controls: also each part alone: the rate without the transfer, the transfer without the rate,
              and the other way to adapt the skeleton (`small` read in the skeleton of `large`)
    """
    first = next(iter(large.settings["splits"]))
    own, foreign = small.store.skeleton.name, large.skeleton.name
    whole, tenth = small.recipe, small.recipe.at(RATE_SHARE)
    arms = [  # name, words, recipe, the skeleton in which both datasets are read, pretrained or not
        ("scratch", "from scratch", whole, own, False),
        ("transfer", "pretrained, a tenth of the rate", tenth, own, True),
        ("scratch-tenth", "from scratch, a tenth of the rate", tenth, own, False),
        ("transfer-full", "pretrained, the whole rate", whole, own, True),
        ("transfer-back", f"pretrained, joints written into {foreign}", tenth, foreign, True),
    ]
    compared = {}
    for name, says, recipe, skeleton, pretrained in arms if controls else arms[:2]:
        arm = replace(small, recipe=recipe, out=small.out / name, skeleton=skeleton)
        changes: dict[str, Any] = {"rate": recipe.rate}
        if pretrained:
            folder = small.out / "pretrained" / skeleton
            run_grid(replace(arm, store=large, recipe=pretraining, out=folder, protocols=(first,)))
            arm = replace(arm, pretrained=folder / first)
            changes |= {"from": large.settings["dataset"], "skeleton": skeleton}
        for letter, one in run_grid(arm).items():
            one["says"] = says
            one["changes"] |= changes
            compared[f"{letter} {name}"] = one
    return compared

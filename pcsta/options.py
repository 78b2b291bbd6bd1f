"""What commands share, here and in other packages: options, and the steps they begin with.

Heavy imports stand inside the functions, so that `pcsta --help` answers at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from pcsta.config import CONFIGS, RECIPES, ModelConfig

if TYPE_CHECKING:
    from pcsta.data.store import Crops, Store

T = TypeVar("T")

DatasetName = Annotated[
    str, typer.Argument(help="synthetic, ntu, sbu, msr-daily, or own (a table of your recordings).")
]
Root = Annotated[Path | None, typer.Option(help="Folder of the dataset (default: data/NAME).")]
Run = Annotated[Path, typer.Argument(help="Folder of a trained run.")]
Skeleton = Annotated[Path, typer.Option(help="Skeleton file.")]
Sensor = Annotated[
    str, typer.Option(help="Glimpse sensor: efficientnet-lite0, inception-v3, or none (pose only).")
]
Weights = Annotated[Path | None, typer.Option(help="Checkpoint of the glimpse sensor.")]
RecipeName = Annotated[str, typer.Option(help=f"Training: {', '.join(RECIPES)}.")]
From = Annotated[
    Path | None,
    typer.Option("--from", help="Run on another dataset to start from: all layers are fine-tuned."),
]
Workers = Annotated[int, typer.Option(help="Processes that read beside the one that computes.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def show(found: T, as_json: bool, describe: Callable[[T], str]) -> None:
    """Print facts as JSON for a script, or as text for a person."""
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else describe(found))


def choice(options: Mapping[str, T], name: str, what: str) -> T:
    """The option of this name. Raises ValueError that lists them all."""
    if name not in options:
        raise ValueError(f"no {what} {name!r}; choose {', '.join(options)}")
    return options[name]


def sizes(source: Path | None, config: str | None, default: str) -> ModelConfig:
    """The configuration that an option names, or that of the run to start from."""
    from pcsta import checkpoint

    if source is None:
        return choice(CONFIGS, config or default, "configuration")()
    if config is not None:
        raise ValueError(f"the sizes are those of {source}: leave --config out")
    return checkpoint.configuration(source)


def expand_protocols(there: Iterable[str], named: str) -> list[str]:
    """The protocols that an option names; `folds` stands for all five of SBU's, `nested` for every
    fold held out inside the training clips of every other, by which a recipe is chosen.

    Raises ValueError for one that is not `there`.
    """
    folds = [p for p in there if p.startswith("fold")]
    if folds and named == "folds":
        return folds
    if folds and named == "nested":
        return [f"{outer}/{inner}" for outer in folds for inner in folds if outer != inner]
    for name in named.replace("/", ",").split(","):
        choice(dict.fromkeys(there), name, "protocol")
    return named.split(",")


def prepared(
    dataset: str,
    root: Path | None,
    sensor: str,
    weights: Path | None,
    workers: int,
    device: str,
    crops: Crops = "hands",
    out: Path | None = None,
    shard: tuple[int, int] = (1, 1),
) -> Store:
    """The store of a dataset, made or continued."""
    from pcsta.data import data_root, open_dataset, prepare

    data = open_dataset(dataset, root)
    f_g = None if sensor == "none" else prepare.sensor_for(crops, sensor, weights)
    path = out or prepare.store_path(data, f_g, data_root() / "prepared", crops)
    return prepare.prepare(data, path, f_g, workers, device, crops=crops, shard=shard)

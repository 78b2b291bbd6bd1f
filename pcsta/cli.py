"""The `pcsta` command: every step from raw files to a prediction, and the book itself.

Heavy imports stand inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pcsta.config import CONFIGS, RECIPES
from pcsta.config import row as table_row

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Pose-conditioned spatio-temporal attention (Baradel, Wolf, Mille 2017): a book that runs.\n\n"
    "Start with `pcsta book`. It needs neither a GPU nor a dataset of your own.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the dataset (default: data/NAME).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Weights = Annotated[Path | None, typer.Option(help="Checkpoint of the glimpse sensor.")]
Workers = Annotated[int, typer.Option(help="Processes that prepare.")]
RecipeName = Annotated[str, typer.Option(help="Training: paper, paper-sbu, laptop, small, modern.")]
DATASET_HELP = "synthetic, ntu, sbu, msr-daily, or own (a table of your recordings)."


@app.command("check")
def check_dataset(
    dataset: Annotated[str, typer.Argument(help=DATASET_HELP)],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Count a dataset before anyone trains: files, missing pairs, unusable samples, splits."""
    from pcsta.data import check, open_dataset

    found = check.check(open_dataset(dataset, root))
    _print(found, as_json, check.describe)


@app.command()
def inspect(file: Path, as_json: Json = False) -> None:
    """Say what a skeleton or video file holds."""
    from pcsta.data import inspect

    _print(inspect.inspect(file), as_json, inspect.describe)


@app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(help=DATASET_HELP)],
    root: Root = None,
    out: Annotated[Path | None, typer.Option(help="Store (default: data/prepared/...).")] = None,
    sensor: Annotated[
        str, typer.Option(help="efficientnet-lite0, inception-v3, or none for poses alone.")
    ] = "efficientnet-lite0",
    crops: Annotated[
        str, typer.Option(help="What the sensor sees: hands, or frame (whole, a baseline).")
    ] = "hands",
    weights: Weights = None,
    workers: Annotated[int, typer.Option(help="Processes that parse and decode.")] = 2,
    device: Device = "auto",
) -> None:
    """Raw files -> store: poses and glimpse features, memory-mapped. Continues if interrupted."""
    kind = _choice({"hands": "hands", "frame": "frame"}, crops, "kind of crops")
    store = _prepared(dataset, root, out, sensor, weights, workers, device, kind)
    skipped = f", {len(store.skipped)} skipped (index.jsonl says why)" if store.skipped else ""
    typer.echo(f"{len(store)} clips, {store.frames_total} frames{skipped}: {store.path}")


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help=DATASET_HELP)],
    out: Annotated[Path, typer.Option(help="Folder of the run, e.g. runs/first.")],
    root: Root = None,
    row: Annotated[
        str,
        typer.Option(help="Row of Table 6: A B C E G H I K, G-unconditioned, K-unconditioned."),
    ] = "K",
    config: Annotated[
        str | None,
        typer.Option(
            help="Sizes: paper, laptop (default), narrow; with --from, those of that run."
        ),
    ] = None,
    recipe: RecipeName = "laptop",
    protocol: Annotated[
        str, typer.Option(help="A protocol of the dataset, or `folds` for all five of SBU's.")
    ] = "cross-subject",
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Run on another dataset to start from: all layers are fine-tuned."
        ),
    ] = None,
    rate_share: Annotated[
        float | None,
        typer.Option(help="Share of the recipe's learning rate; with --from a tenth, else all."),
    ] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(help="Convert the joints: kinect_v2, kinect_v1, sbu (default: as they are)."),
    ] = None,
    sensor: Annotated[str, typer.Option(help="Glimpse sensor, as for `prepare`.")] = "",
    weights: Weights = None,
    seed: int = 0,
    workers: Workers = 2,
    device: Device = "auto",
) -> None:
    """Train one row of Table 6, pose stream first. Continues if interrupted.

    On several GPUs, one process each: `torchrun --nproc-per-node 4 -m pcsta train ...`
    """
    from pcsta import common, training, transfer
    from pcsta.skeletons import SKELETONS

    configuration = table_row(row, _sizes(source, config, "laptop"))
    if skeleton is not None:
        _choice(SKELETONS, skeleton, "skeleton")
    default = "none" if configuration.streams == "pose" else "efficientnet-lite0"
    chosen = _choice(RECIPES, recipe, "recipe")
    if rate_share is None:
        rate_share = 1.0 if source is None else transfer.RATE_SHARE
    chosen = chosen.at(rate_share)
    with common.distributed_session():
        store = _prepared(
            dataset, root, None, sensor or default, weights, workers, device, configuration.crops
        )
        protocols = _protocols(store, protocol)
        for name in protocols:
            folder = out / name if len(protocols) > 1 else out
            run = training.train(
                store, configuration, chosen, folder, name, seed, device,
                source=source, skeleton=skeleton,
            )  # fmt: skip
            if common.rank_and_world_size()[0] == 0:
                typer.echo(f"trained: {run}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of several (folds).")],
    store: Annotated[Path | None, typer.Option(help="Store, if it has moved.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Test a run by its protocol: accuracy, per class, confusion."""
    from pcsta import evaluation

    runs = (
        [run]
        if (run / "config.json").exists()
        else sorted(p.parent for p in run.glob("*/config.json"))
    )
    if not runs:
        raise FileNotFoundError(f"{run} holds no run; train one with `pcsta train --out {run}`")
    results = {r.name: asdict(evaluation.evaluate(r, store, device)) for r in runs}
    accuracies = [r["accuracy"] for r in results.values()]
    if as_json:
        typer.echo(
            json.dumps({"runs": results, "mean": sum(accuracies) / len(accuracies)}, indent=1)
        )
        return
    for name, result in results.items():
        typer.echo(
            f"{name:<16} accuracy {100 * result['accuracy']:5.1f} %  ({result['clips']} clips)"
        )
        if len(runs) == 1:
            for label, share in result["per_class"].items():
                typer.echo(f"  {label:<32} {100 * share:5.1f} %")
    if len(runs) > 1:
        typer.echo(f"{'mean':<16} accuracy {100 * sum(accuracies) / len(accuracies):5.1f} %")


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    skeleton: Annotated[Path, typer.Option(help="Skeleton file.")],
    video: Annotated[Path | None, typer.Option(help="Its colour video.")] = None,
    weights: Weights = None,
    top: Annotated[int, typer.Option(help="How many classes.")] = 5,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Name the action of one recording."""
    from pcsta import evaluation

    said = evaluation.predict(run, skeleton, video, weights, device)
    best = said.prediction.top(said.classes, top)
    if as_json:
        found = {"clip": said.clip.name, "frames": len(said.clip), "top": best}
        typer.echo(json.dumps(found | {"repairs": list(said.clip.repairs)}, indent=1))
        return
    for name, probability in best:
        typer.echo(f"{100 * probability:5.1f} %  {name}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    out: Annotated[Path, typer.Option(help="File to write, e.g. model.onnx.")],
    projected: Annotated[
        bool, typer.Option(help="Read glimpses behind the frozen map, not raw features.")
    ] = False,
) -> None:
    """Write a trained model as one ONNX file, for ONNX Runtime and other programs."""
    from pcsta.export import to_onnx
    from pcsta.files import read_json
    from pcsta.training import load

    model = load(run)
    about = {"classes": json.dumps(read_json(run / "record.json")["classes"], ensure_ascii=False)}
    written = to_onnx(model, out, projected=projected, about=about)
    typer.echo(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Versions, device, datasets and weights found, and what to do about what is missing."""
    from pcsta import doctor as examination

    _print(examination.examine(), as_json, examination.report)


def _print(found: Any, as_json: bool, describe) -> None:
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else describe(found))


def _choice(options: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in options:
        raise ValueError(f"no {what} {name!r}; choose {', '.join(options)}")
    return options[name]


def _protocols(store, named: str) -> list[str]:
    """The protocols that an option names; `folds` stands for all five of SBU's, `nested` for every
    fold held out inside the training clips of every other, by which a recipe is chosen.
    """
    folds = [p for p in store.settings["splits"] if p.startswith("fold")]
    if named == "folds":
        return folds
    if named == "nested":
        return [f"{outer}/{inner}" for outer in folds for inner in folds if outer != inner]
    return named.split(",")


def _sizes(source: Path | None, config: str | None, default: str):
    """The configuration that an option names, or that of the run to start from."""
    from pcsta import transfer

    if source is None:
        return _choice(CONFIGS, config or default, "configuration")()
    if config is not None:
        raise ValueError(f"the sizes are those of {source}: leave --config out")
    return transfer.configuration(source)


def _prepared(dataset, root, out, sensor, weights, workers, device, crops="hands"):
    """The store of a dataset, made or continued."""
    from pcsta.data import data_root, open_dataset
    from pcsta.data.prepare import prepare as fill
    from pcsta.data.prepare import sensor_for, store_path

    data = open_dataset(dataset, root)
    chosen = None if sensor == "none" else sensor_for(crops, sensor, weights)
    path = out or store_path(data, chosen, data_root() / "prepared", crops)
    return fill(data, path, chosen, workers, device, crops=crops)


@functools.cache
def full_app() -> typer.Typer:
    """The commands of this package and those that others add to it (entry points `pcsta.commands`)."""
    for entry in importlib.metadata.entry_points(group="pcsta.commands"):
        entry.load()(app)
    return app


def main() -> None:
    """Entry point: a reader's mistake is one line, a mistake of ours keeps its traceback."""
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.argv[1:2] != ["train"]:
        sys.exit("pcsta: torchrun is for `pcsta train`; the other commands start once, without it")
    from pcsta.data.dataset import DataError
    from pcsta.data.store import StoreError

    try:
        full_app()()
    except (DataError, StoreError, ValueError, OSError) as error:
        print(f"pcsta: {error}", file=sys.stderr)
        raise SystemExit(1) from None

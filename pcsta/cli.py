"""The `pcsta` command: every step from raw files to a prediction.

Heavy imports stand inside the commands, so that `--help` answers at once. Other packages add commands
by the entry-point group `pcsta.commands`: each entry is a function that takes the Typer app.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcsta.config import CONFIGS, RECIPES
from pcsta.config import row as table_row
from pcsta.options import (
    DatasetName,
    Device,
    From,
    Json,
    RecipeName,
    Root,
    Run,
    Sensor,
    Skeleton,
    Weights,
    Workers,
    choice,
    expand_protocols,
    prepared,
    show,
    sizes,
)  # fmt: skip

if TYPE_CHECKING:  # `--help` needs neither numpy nor torch
    from pcsta.data.store import Crops

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Pose-conditioned spatio-temporal attention (Baradel, Wolf, Mille 2017): a book that runs.\n\n"
    "Start with `pcsta book`. It needs neither a GPU nor a dataset of your own.",
)


# --- commands -------------------------------------------------------------------------------------
@app.command()
def check(dataset: DatasetName, root: Root = None, as_json: Json = False) -> None:
    """Count a dataset before anyone trains: files, missing pairs, unusable samples, splits."""
    from pcsta.data import check, open_dataset

    show(check.check_dataset(open_dataset(dataset, root)), as_json, check.format_report)


@app.command()
def inspect(file: Path, as_json: Json = False) -> None:
    """Say what a skeleton or video file holds."""
    from pcsta.data import inspect

    show(inspect.inspect_file(file), as_json, inspect.format_report)


@app.command()
def prepare(
    dataset: DatasetName,
    root: Root = None,
    out: Annotated[Path | None, typer.Option(help="Store (default: data/prepared/...).")] = None,
    sensor: Sensor = "efficientnet-lite0",
    crops: Annotated[
        str, typer.Option(help="What the sensor sees: hands, or frame (whole).")
    ] = "hands",
    weights: Weights = None,
    shard: Annotated[
        str, typer.Option(help="i/n: part i of n, for several processes or machines at once.")
    ] = "1/1",
    workers: Workers = 2,
    device: Device = "auto",
) -> None:
    """Raw files -> store: poses and glimpse features, memory-mapped. Continues if interrupted."""
    from pcsta.data.prepare import parse_shard

    seen: Crops = choice({"hands": "hands", "frame": "frame"}, crops, "kind of crops")
    part = parse_shard(shard)
    store = prepared(dataset, root, sensor, weights, workers, device, seen, out, part)
    skipped = f", {len(store.skipped)} skipped (index.jsonl says why)" if store.skipped else ""
    to_go = f", {store.missing} samples to go in other parts" if store.missing else ""
    typer.echo(f"{len(store)} clips, {store.frames_total} frames{skipped}{to_go}: {store.path}")


@app.command()
def train(
    dataset: DatasetName,
    out: Annotated[Path, typer.Option(help="Folder of the run, e.g. runs/first.")],
    root: Root = None,
    row: Annotated[
        str, typer.Option(help="Row of Table 6: A B C E G H I K, G-unconditioned, K-unconditioned.")
    ] = "K",
    config: Annotated[
        str | None,
        typer.Option(
            help=f"Sizes: {', '.join(CONFIGS)} (default laptop); with --from, that run's."
        ),
    ] = None,
    recipe: RecipeName = "laptop",
    protocol: Annotated[
        str, typer.Option(help="A protocol of the dataset, or `folds` for all five of SBU's.")
    ] = "cross-subject",
    source: From = None,
    rate_share: Annotated[
        float | None,
        typer.Option(help="Share of the recipe's learning rate; with --from a tenth, else all."),
    ] = None,
    skeleton: Annotated[
        str | None,
        typer.Option(help="Convert the joints: kinect_v2, kinect_v1, sbu (default: as they are)."),
    ] = None,
    sensor: Sensor = "",
    weights: Weights = None,
    seed: int = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes that read (default: 2, none to train on a CPU).")
    ] = None,
    device: Device = "auto",
) -> None:
    """Train one row of Table 6, pose stream first. Continues if interrupted.

    On several GPUs, one process each: `torchrun --nproc-per-node 4 -m pcsta train ...`
    """
    from pcsta import checkpoint, common, skeletons, training

    model = table_row(row, sizes(source, config, "laptop"))
    if skeleton is not None:
        choice(skeletons.SKELETONS, skeleton, "skeleton")
    if rate_share is None:
        rate_share = 1.0 if source is None else checkpoint.RATE_SHARE
    how = choice(RECIPES, recipe, "recipe").at(rate_share)
    f_g = sensor or ("none" if model.streams == "pose" else "efficientnet-lite0")
    with common.distributed_session():
        reading = 2 if workers is None else workers
        store = prepared(dataset, root, f_g, weights, reading, device, model.crops)
        if workers is None and common.resolve_device(device).type == "cpu":
            reading = 0  # what reads would take the cores that compute
        protocols = expand_protocols(store.settings["splits"], protocol)
        for name in protocols:
            folder = out / name if len(protocols) > 1 else out
            run = training.train(
                store, model, how, folder, name, seed, device, workers=reading, source=source,
                skeleton=skeleton,
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

    alone = (run / "config.json").exists()
    runs = [run] if alone else sorted(p.parent for p in run.glob("*/config.json"))
    if not runs:
        raise FileNotFoundError(
            f"{run} holds no run; train one with `pcsta train DATASET --out {run}`"
        )
    found = {r.name: evaluation.evaluate(r, store, device) for r in runs}
    mean = sum(result.accuracy for result in found.values()) / len(found)
    if as_json:
        results = {name: asdict(result) for name, result in found.items()}
        typer.echo(json.dumps({"runs": results, "mean": mean}, indent=1))
        return
    for name, result in found.items():
        typer.echo(f"{name:<16} accuracy {100 * result.accuracy:5.1f} %  ({result.clips} clips)")
    for label, share in result.per_class.items() if len(runs) == 1 else ():
        typer.echo(f"  {label:<32} {100 * share:5.1f} %")
    if len(runs) > 1:
        typer.echo(f"{'mean':<16} accuracy {100 * mean:5.1f} %")


@app.command()
def predict(
    run: Run,
    skeleton: Skeleton,
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
    run: Run, out: Annotated[Path, typer.Option(help="File to write, e.g. model.onnx.")]
) -> None:
    """Write a trained model as one ONNX file, for ONNX Runtime and other programs."""
    from pcsta import checkpoint, export, files

    model = checkpoint.load(run)
    classes = json.dumps(files.read_json(run / "record.json")["classes"], ensure_ascii=False)
    written = export.to_onnx(model, out, about={"classes": classes})
    typer.echo(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Versions, device, datasets and weights found, and what to do about what is missing."""
    from pcsta import doctor

    show(doctor.examine(), as_json, doctor.format_report)


@functools.cache
def full_app() -> typer.Typer:
    """The commands of this package and those that others add to it."""
    for entry in importlib.metadata.entry_points(group="pcsta.commands"):
        entry.load()(app)
    return app


def main() -> None:
    """Entry point: a reader's mistake is one line, a mistake of ours keeps its traceback."""
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.argv[1:2] != ["train"]:
        sys.exit("pcsta: torchrun is for `pcsta train`; the other commands start once, without it")
    try:
        full_app()()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pcsta."):
            raise
        sys.exit(f'pcsta: {error.name} is not installed; `pip install "pcsta[book]"` brings it')
    except (ValueError, OSError) as error:
        sys.exit(f"pcsta: {error}")

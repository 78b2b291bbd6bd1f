"""The `pcsta` command: every step from raw files to a prediction.

Heavy imports stand inside the commands, so that `--help` answers at once. Other packages add commands
by the entry-point group `pcsta.commands`: each entry is a function that takes the Typer app.
"""

import functools
import importlib.metadata
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from pcsta import console, options
from pcsta.config import CONFIGS, RECIPES
from pcsta.config import row as table_row

if TYPE_CHECKING:  # `--help` needs neither numpy nor torch
    from pcsta.data.shard import Crops

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Pose-conditioned spatio-temporal attention (Baradel, Wolf, Mille 2017): a book that runs.\n\n"
    "Start with `pcsta book`. It needs neither a GPU nor a dataset of your own.",
)


# --- commands -------------------------------------------------------------------------------------
@app.command()
def check(
    dataset: options.DatasetOrStore, root: options.Root = None, as_json: options.Json = False
) -> None:
    """Count a dataset's files, samples and splits; or look whether a store is sound."""
    from pcsta.data import check, open_dataset, soundness
    from pcsta.data.store import Store

    if root is None and (Path(dataset) / "settings.json").exists():
        options.show(soundness.examine(Store(dataset)), as_json, check.format_findings)
    else:
        options.show(check.check_dataset(open_dataset(dataset, root)), as_json, check.format_report)


@app.command()
def inspect(
    file: Annotated[Path, Argument(help="Skeleton file of any dataset, or a video.")],
    as_json: options.Json = False,
) -> None:
    """Say what a skeleton or video file holds."""
    from pcsta.data import inspect

    options.show(inspect.inspect_file(file), as_json, inspect.format_report)


@app.command()
def prepare(
    dataset: options.DatasetName,
    root: options.Root = None,
    out: Annotated[Path | None, Option(help="Store (default: data/prepared/...).")] = None,
    sensor: options.Sensor = "efficientnet-lite0",
    crops: Annotated[str, Option(help="What the sensor sees: hands, or frame (whole).")] = "hands",
    crop_size: options.CropSize = None,
    weights: options.Weights = None,
    shard: Annotated[
        str, Option(help="i/n: part i of n, for several processes or machines at once.")
    ] = "1/1",
    workers: options.Workers = None,
    device: options.Device = "auto",
) -> None:
    """Raw files -> store: poses and glimpse features, memory-mapped. Continues if interrupted.

    On several GPUs, one process each: `torchrun --nproc-per-node 4 -m pcsta prepare ...`
    """
    from pcsta.common import distributed_session, rank_and_world_size
    from pcsta.data.prepare import parse_shard

    seen: Crops = options.choice({"hands": "hands", "frame": "frame"}, crops, "kind of crops")
    part = parse_shard(shard)
    plan = options.Plan(dataset, root, sensor, weights, device, seen, out, crop_size)
    with distributed_session():
        store, rank = plan.store(workers, part), rank_and_world_size()[0]
    skipped = f", {len(store.skipped)} skipped (index.jsonl says why)" if store.skipped else ""
    to_go = f", {store.missing} samples to go in other parts" if store.missing else ""
    if rank == 0:
        typer.echo(f"{len(store)} clips, {store.frames_total} frames{skipped}{to_go}: {store.path}")


@app.command()
def train(
    dataset: options.DatasetOrStore,
    out: Annotated[Path, Option(help="Folder of the run, e.g. runs/first.")],
    root: options.Root = None,
    row: Annotated[
        str, Option(help="Row of Table 6: A B C E G H I K; or of Table 5: G-unconditioned ...")
    ] = "K",
    config: Annotated[
        str | None,
        Option(help=f"Sizes: {', '.join(CONFIGS)} (default: laptop, or that of --from)."),
    ] = None,
    recipe: options.RecipeName = "laptop",
    protocol: options.Protocol = None,
    source: options.From = None,
    rate_share: Annotated[
        float | None,
        Option(help="Share of the recipe's learning rate; with --from a tenth, else all."),
    ] = None,
    skeleton: options.Skeleton = None,
    sensor: options.Sensor = "",
    crop_size: options.CropSize = None,
    weights: options.Weights = None,
    seed: options.Seed = 0,
    workers: options.Readers = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
) -> None:
    """Train one row of Table 6, pose stream first. Continues if interrupted.

    On several GPUs, one process each: `torchrun --nproc-per-node 4 -m pcsta train ...`
    """
    from pcsta import checkpoint, common, preflight, skeletons, training

    products = common.resolve_precision(precision, common.resolve_device(device))
    model = table_row(row, options.sizes(source, config, "laptop"))
    if skeleton is not None:
        options.choice(skeletons.SKELETONS, skeleton, "skeleton")
    if rate_share is None:
        rate_share = 1.0 if source is None else checkpoint.RATE_SHARE
    how = options.choice(RECIPES, recipe, "recipe").at(rate_share)
    made, usable, store_of = options.to_train_on(
        dataset, model, root, sensor, crop_size, weights, device
    )
    protocols = options.expand_protocols(list(made["splits"]), protocol)
    folders = [out / name if len(protocols) > 1 else out for name in protocols]
    for name, folder in zip(protocols, folders, strict=True):
        _, settings = preflight.settle(
            made, usable, model, how, name, seed, source, skeleton, precision=products
        )
        if not checkpoint.begun(folder, settings):
            options.writable(folder)
    with common.distributed_session():
        store = store_of(workers)
        if workers is None:  # on a CPU they would take the cores that compute
            workers = 2 * (common.resolve_device(device).type != "cpu")
        for name, folder in zip(protocols, folders, strict=True):
            run = training.train(
                store, model, how, folder, name, seed, device, workers=workers, source=source,
                skeleton=skeleton, command=console.command_line(), precision=precision,
            )  # fmt: skip
            if common.rank_and_world_size()[0] == 0:
                typer.echo(f"trained: {run}")


@app.command()
def evaluate(
    run: Annotated[Path, Argument(help="Folder of a run, or of several (folds).")],
    store: Annotated[Path | None, Option(help="Store, if it has moved.")] = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Test a run by its protocol: accuracy, how training went, each class; with --json the confusion."""
    from pcsta import checkpoint, course, evaluation

    alone = (run / "config.json").exists()
    runs = [run] if alone else sorted(p.parent for p in run.glob("*/config.json")) or [run]
    folders, found, refused = {r.name: r for r in runs}, {}, []
    for name, folder in folders.items():
        try:
            found[name] = evaluation.evaluate(folder, store, device)
        except (ValueError, OSError) as error:
            if len(runs) == 1:
                raise
            refused.append(f"{name}: {console.words(error)}")
    kinds = {json.dumps(checkpoint.read_record(folders[name])["model"]) for name in found}
    folds = len(kinds) == 1 and not refused
    mean = sum(result.accuracy for result in found.values()) / len(found) if folds else None
    told = {"runs": {name: asdict(result) for name, result in found.items()}, "mean": mean}
    options.show(told, as_json, lambda _: course.format_report(found, folders, mean))
    if refused:
        raise ValueError(f"{len(refused)} of {len(runs)} cannot be tested; {'; '.join(refused)}")


@app.command()
def pose(
    source: Annotated[
        Path,
        Argument(
            help="A video; a folder of videos called ACTION_PERSON or ACTION_PERSON_more, of which recordings.csv "
            "is written as well; or another program's keypoints, a JSON file or a folder of one a frame."
        ),
    ],
    out: Annotated[Path, Option(help="Folder of the skeletons, e.g. data/own.")],
    video: Annotated[
        Path | None, Option(help="That of the keypoints (default: beside them, so called).")
    ] = None,
) -> None:
    """Find poses in plain video: skeletons, and the table of recordings. Continues if interrupted."""
    from pcsta.data import poses

    for said in poses.make_skeletons(source, out, video):
        typer.echo(said)


@app.command()
def predict(
    run: options.RunOrFilm = None,
    video: Annotated[Path | None, Argument(help="The recording's colour video.")] = None,
    skeleton: options.SkeletonFile = None,
    overlay: options.Overlay = None,
    weights: options.Weights = None,
    top: Annotated[int, Option(help="How many classes.", min=1)] = 5,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Name the action of one recording, a plain video or one with its skeleton."""
    from pcsta import evaluation, film
    from pcsta.data.poses import VIDEO

    names_film = run and (run.is_file() or VIDEO.fullmatch(run.name))
    if names_film and video is None:
        run, video = None, run
    if overlay is not None:
        options.check_overlay(overlay, video)
    if video is not None and not video.exists():
        raise ValueError(f"{video}: no such video; check the path")
    if video is not None and video.suffix.lower() in (".skeleton", ".txt"):
        raise ValueError(f"{video} is a skeleton: name it with --skeleton")
    said = evaluation.predict(run or film.FILM, skeleton, video, weights, device)
    best = said.prediction.top(said.classes, top)
    found = {"clip": said.clip.name, "frames": len(said.clip), "top": best}
    found |= {"repairs": list(said.clip.repairs), "run": str(run or film.FILM)}
    options.show(found, as_json, lambda _: "\n".join(f"{100 * p:5.1f} %  {c}" for c, p in best))
    if run is None and not as_json:
        typer.echo(film.about())
    if overlay is not None and options.draw is not None:
        options.draw(said, overlay)
        if not as_json:
            typer.echo(f"overlay: {overlay}")


@app.command()
def export(
    run: options.Run, out: Annotated[Path, Option(help="File to write, e.g. model.onnx.")]
) -> None:
    """Write a trained model as one ONNX file, for ONNX Runtime and other programs."""
    from pcsta import checkpoint, export

    if out.suffix.lower() != ".onnx":
        raise ValueError(f"--out is a file such as model.onnx: not {out}")
    options.writable(out.parent)
    model = checkpoint.load(run)
    classes = json.dumps(checkpoint.read_record(run)["classes"], ensure_ascii=False)
    written = export.to_onnx(model, out, about={"classes": classes})
    typer.echo(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")


@app.command()
def doctor(as_json: options.Json = False) -> None:
    """Versions, device, datasets and weights found, and what to do about what is missing."""
    from pcsta import doctor

    options.show(doctor.examine(), as_json, doctor.format_report)


@functools.cache
def full_app() -> typer.Typer:
    """The commands of this package and those that others add to it."""
    for entry in importlib.metadata.entry_points(group="pcsta.commands"):
        entry.load()(app)
    return app


def main() -> None:
    """Entry point: a reader's mistake is one line, a mistake of ours keeps its traceback."""
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.argv[1:2] not in (["prepare"], ["train"]):
        sys.exit("pcsta: torchrun is for `prepare` and `train`; others start once, without it")
    console.begin()
    try:
        full_app()()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pcsta."):
            raise
        sys.exit(f'pcsta: {error.name} is not installed; `pip install -e ".[book]"` brings it')
    except ImportError as error:
        if "libGL" not in str(error):
            raise
        sys.exit(f"pcsta: {error}; `apt-get install libgl1` brings it")
    except (ValueError, OSError, RuntimeError) as error:
        if not (said := console.words(error)):
            raise
        sys.exit(f"pcsta: {said}")

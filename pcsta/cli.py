"""The `pcsta` command: every step from raw files to a prediction, and the book itself.

Heavy imports stand inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Pose-conditioned spatio-temporal attention (Baradel, Wolf, Mille 2017): a book that runs.\n\n"
    "Start with `pcsta book`. It needs neither a GPU nor a dataset of your own.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make the embedded dataset, check any dataset.")
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Root = Annotated[Path | None, typer.Option(help="Folder of the dataset (default: data/NAME).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Weights = Annotated[Path | None, typer.Option(help="Checkpoint of the glimpse sensor.")]
Workers = Annotated[int, typer.Option(help="Processes that prepare.")]
RecipeName = Annotated[str, typer.Option(help="Training: paper, paper-sbu, laptop, small, modern.")]
DATASET_HELP = "synthetic, ntu, sbu, msr-daily, or own (a table of your recordings)."


@app.command()
def book(
    serve: Annotated[bool, typer.Option(help="Serve the pages on localhost when built.")] = True,
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 8000,
) -> None:
    """Make the data, train the small models, run every chapter, build and open the book."""
    from pcsta import book as machinery

    machinery.main(serve, port)


@data_app.command("make")
def data_make(
    root: Annotated[Path | None, typer.Option(help="Where (default: data/synthetic).")] = None,
    seed: int = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Make the embedded dataset: small videos and skeletons in NTU's own file layout."""
    from pcsta.data import data_root, synthetic

    made = synthetic.make(root or data_root() / "synthetic", seed=seed, workers=workers)
    typer.echo(f"The embedded dataset is in {made}")


@data_app.command("check")
def data_check(
    dataset: Annotated[str, typer.Argument(help=DATASET_HELP)],
    root: Annotated[Path | None, typer.Argument(help="Folder of the dataset.")] = None,
    as_json: Json = False,
) -> None:
    """Count a dataset before anyone trains: files, missing pairs, unusable samples, splits."""
    from pcsta.data import checking, open_dataset

    found = checking.check(open_dataset(dataset, root))
    _print(found, as_json, checking.describe)


@app.command()
def inspect(file: Path, as_json: Json = False) -> None:
    """Say what a skeleton or video file holds."""
    from pcsta.data import inspection

    _print(inspection.inspect(file), as_json, inspection.describe)


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
        typer.Option(
            help="Row of Table 6: A B C E G H I K, G-unconditioned, K-unconditioned; or a baseline: "
            "deep-lstm part-lstm st-gcn mean frame frame-mean."
        ),
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
    """Train one row of Table 6, pose stream first, or a baseline. Continues if interrupted.

    On several GPUs, one process each: `torchrun --nproc-per-node 4 -m pcsta train ...`
    """
    from pcsta import parallel, transfer
    from pcsta import train as training
    from pcsta.model import config as sizes
    from pcsta.skeletons import SKELETONS

    configuration = sizes.row(row, _sizes(source, config, "laptop"))
    if skeleton is not None:
        _choice(SKELETONS, skeleton, "skeleton")
    default = "none" if configuration.streams == "pose" else "efficientnet-lite0"
    chosen = _choice(training.RECIPES, recipe, "recipe")
    if rate_share is None:
        rate_share = 1.0 if source is None else transfer.RATE_SHARE
    chosen = chosen.at(rate_share)
    with parallel.together():
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
            if parallel.place()[0] == 0:
                _remember(run, store.path)
                typer.echo(f"trained: {run}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of several (folds).")],
    store: Annotated[Path | None, typer.Option(help="Store, if it has moved.")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Test a run by its protocol: accuracy, per class, confusion, attention against truth."""
    from pcsta.evaluate import describe_scores, evaluate_run

    runs = (
        [run]
        if (run / "config.json").exists()
        else sorted(p.parent for p in run.glob("*/config.json"))
    )
    if not runs:
        raise FileNotFoundError(f"{run} holds no run; train one with `pcsta train --out {run}`")
    results = {r.name: evaluate_run(r, store or _recall(r), device) for r in runs}
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
            if "attention" in result:
                typer.echo("attention against the planted truth, 95 % intervals:")
                typer.echo(describe_scores(result["attention"]))
    if len(runs) > 1:
        typer.echo(f"{'mean':<16} accuracy {100 * sum(accuracies) / len(accuracies):5.1f} %")


@app.command()
def ablate(
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    dataset: Annotated[str, typer.Argument(help=DATASET_HELP)] = "synthetic",
    root: Root = None,
    rows: Annotated[
        str, typer.Option(help="Variants, with commas (default: all that the data can carry).")
    ] = "",
    config: Annotated[str, typer.Option(help="Sizes: paper, laptop, narrow, modern.")] = "laptop",
    recipe: RecipeName = "laptop",
    protocol: Annotated[
        str,
        typer.Option(
            help="Protocols, with commas; `folds` for all five of SBU's, `nested` for each fold"
            " held out inside the training clips of another."
        ),
    ] = "cross-subject",
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 2,
    sensor: Annotated[str, typer.Option(help="Glimpse sensor; none for poses alone.")] = "",
    workers: Workers = 2,
    device: Device = "auto",
    record: Annotated[
        Path | None, typer.Option(help="Write a record, e.g. book/results/mine.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tables 4 to 6, the paper's open points, baselines: one grid. Continues if interrupted.

    Without video (SBU) it computes the rows that read poses alone.
    """
    from pcsta import ablations, results
    from pcsta import train as training
    from pcsta.model import config as sizes

    base = _choice(sizes.CONFIGS, config, "configuration")()
    how = _choice(training.RECIPES, recipe, "recipe")
    f_g = sensor or ("none" if dataset == "sbu" else "efficientnet-lite0")
    store = _prepared(dataset, root, None, f_g, None, workers, device)
    protocols = _protocols(store, protocol)
    names = ablations.chosen(rows.split(",") if rows else ablations.VARIANTS)
    frames = None
    if store.glimpse_features and any(ablations.VARIANTS[n].reads_frames for n in names):
        frames = _prepared(dataset, root, None, f_g, None, workers, device, "frame")
    lines = ablations.run_grid(
        store, base, how, out, names, protocols, range(seeds), device, frames=frames
    )
    if record:
        command = _typed(
            "ablate", dataset, config=config, recipe=recipe, protocol=protocol, sensor=sensor,
            seeds=seeds, out=Path(record.stem), rows=rows,
        )  # fmt: skip
        found = results.record(
            f"Ablations on {dataset}", command, store, base, how, protocols, range(seeds), lines,
            device,
        )  # fmt: skip
        results.write(record, found)
    _print(lines, as_json, ablations.table)


@app.command()
def table(
    number: Annotated[int, typer.Argument(help="1: NTU, 2: SBU, 3: MSR Daily Activity 3D.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs; the record is written there.")],
    root: Root = None,
    dataset: Annotated[
        str, typer.Option(help="Another dataset with the same protocols, for a trial: synthetic.")
    ] = "",
    config: Annotated[
        str | None, typer.Option(help="Sizes: paper (default), laptop, narrow; as for `train`.")
    ] = None,
    recipe: RecipeName = "paper",
    source: Annotated[
        Path | None, typer.Option("--from", help="Pretrained run to start from, as for `train`.")
    ] = None,
    sensor: Annotated[str, typer.Option(help="Glimpse sensor; none: pose only.")] = "inception-v3",
    weights: Weights = None,
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 1,
    epochs: Annotated[
        int | None, typer.Option(help="At most so many a stage: a trial of the whole way.")
    ] = None,
    workers: Workers = 2,
    device: Device = "auto",
) -> None:
    """Table 1, 2 or 3 from raw folders: check, prepare, train, test, print. Continues if interrupted."""
    from pcsta import ablations, comparisons, results, transfer
    from pcsta import train as training
    from pcsta.data import checking
    from pcsta.paper import TABLES

    if number not in (1, 2, 3):
        raise ValueError(f"Table {number} is not one of 1, 2, 3; for 4 to 6 see `pcsta ablate`")
    base = _sizes(source, config, "paper")
    how = comparisons.limited(_choice(training.RECIPES, recipe, "recipe"), epochs)
    how = how if source is None else how.at(transfer.RATE_SHARE)
    name = dataset or TABLES[number].dataset
    data = _opened(name, root)
    typer.echo(checking.describe(checking.check(data, read=False)))
    if sensor != "none" and not any(sample.video for sample in data.samples):
        typer.echo("no video here: pose only")
        sensor = "none"
    store = _prepared(name, root, None, sensor, weights, workers, device)
    columns = comparisons.columns(number, store.settings["splits"])
    protocols = [p for column in columns.values() for p in column]
    lines = ablations.run_grid(
        store, base, how, out, comparisons.OURS.values(), protocols, range(seeds), device,
        pretrained=source,
    )  # fmt: skip
    title = f"Table {number} on {name}" + (f", a trial of {epochs} epochs" if epochs else "")
    command = _typed(
        "table", number, dataset=dataset, config=config, recipe=recipe, sensor=sensor,
        seeds=seeds, epochs=epochs, out=out, **{"from": source},
    )  # fmt: skip
    found = results.record(title, command, store, base, how, protocols, range(seeds), lines, device)
    if source is not None:
        found["source"] = transfer.describe(source)
    results.write(out / "record.json", found)
    typer.echo(comparisons.text(number, comparisons.filled(number, lines)))
    typer.echo(f"record: {out / 'record.json'}")


@app.command("transfer")
def compare_transfer(
    large: Annotated[str, typer.Argument(help="Dataset to pretrain on: ntu or synthetic.")],
    small: Annotated[str, typer.Argument(help="Dataset to fine-tune on: sbu or msr-daily.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs; the record is written there.")],
    large_root: Annotated[Path | None, typer.Option(help="Folder of the large dataset.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the small dataset.")] = None,
    row: Annotated[str, typer.Option(help="Row of Table 6: A, G or K.")] = "A",
    config: Annotated[str, typer.Option(help="Sizes: paper, laptop, narrow.")] = "narrow",
    pretraining: Annotated[str, typer.Option(help="Recipe for the large dataset.")] = "laptop",
    recipe: Annotated[str, typer.Option(help="Recipe for the small dataset.")] = "small",
    sensor: Annotated[str, typer.Option(help="Glimpse sensor of both.")] = "",
    weights: Weights = None,
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 2,
    controls: Annotated[
        bool, typer.Option(help="Also rate and transfer each alone, and the other adaptation.")
    ] = False,
    workers: Workers = 2,
    device: Device = "auto",
) -> None:
    """With and without knowledge transfer (section 5): pretrain, fine-tune, and train from scratch."""
    from pcsta import ablations, comparisons, results
    from pcsta import train as training

    if row not in comparisons.OURS.values():
        raise ValueError(f"no row {row!r} here; choose {', '.join(comparisons.OURS.values())}")
    base = _sizes(None, config, "narrow")
    first = _choice(training.RECIPES, pretraining, "recipe")
    then = _choice(training.RECIPES, recipe, "recipe")
    sensor = sensor or ("none" if row == "A" else "efficientnet-lite0")
    source = _prepared(large, large_root, None, sensor, weights, workers, device)
    target = _prepared(small, root, None, sensor, weights, workers, device)
    protocols = list(target.settings["splits"])
    lines = comparisons.with_and_without(
        source, target, base, first, then, out, (row,), protocols, range(seeds), controls, device
    )
    title = f"Transfer from {large} to {small}"
    command = _typed(
        "transfer", large, small, row=row, config=config, pretraining=pretraining, recipe=recipe,
        sensor=sensor, seeds=seeds, controls=controls, out=out,
    )  # fmt: skip
    found = results.record(
        title, command, target, base, then, protocols, range(seeds), lines, device
    )
    found["source"] = {"data": results.described(source), "recipe": asdict(first)}
    results.write(out / "record.json", found)
    typer.echo(ablations.table(lines))
    typer.echo(f"record: {out / 'record.json'}")


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    skeleton: Annotated[Path, typer.Option(help="Skeleton file.")],
    video: Annotated[Path | None, typer.Option(help="Its colour video.")] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Write a video that shows attention.")
    ] = None,
    weights: Weights = None,
    top: Annotated[int, typer.Option(help="How many classes.")] = 5,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Name the action of one recording, and show where the model looked."""
    from pcsta.predict import predict_files

    said = predict_files(run, skeleton, video, overlay, weights, top, device)
    if as_json:
        typer.echo(json.dumps(said, indent=1))
        return
    for name, probability in said["top"]:
        typer.echo(f"{100 * probability:5.1f} %  {name}")
    if said["overlay"]:
        typer.echo(f"overlay: {said['overlay']}")


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
    from pcsta.train import load

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
    from pcsta.model import config as sizes

    if source is None:
        return _choice(sizes.CONFIGS, config or default, "configuration")()
    if config is not None:
        raise ValueError(f"the sizes are those of {source}: leave --config out")
    return transfer.configuration(source)


def _typed(command: str, *arguments: Any, **options: Any) -> str:
    """The command line that a record keeps; what is None, empty or False is left out.

    Where runs lie is everyone's own affair: their folders become runs/NAME.
    """
    words = ["pcsta", command, *map(str, arguments)]
    for name, value in options.items():
        if value in (None, "", False):
            continue
        words.append(f"--{name}")
        if isinstance(value, Path):
            words.append(f"runs/{value.resolve().name}")
        elif value is not True:
            words.append(str(value))
    return shlex.join(words)


def _opened(dataset, root):
    """A dataset on disk. The embedded dataset is made if it is not there."""
    from pcsta import ready
    from pcsta.data import open_dataset

    return (
        ready.dataset() if dataset == "synthetic" and root is None else open_dataset(dataset, root)
    )


def _prepared(dataset, root, out, sensor, weights, workers, device, crops="hands"):
    """The store of a dataset, made or continued."""
    from pcsta.data import data_root
    from pcsta.prepare import prepare as fill
    from pcsta.prepare import sensor_for, store_path

    data = _opened(dataset, root)
    chosen = None if sensor == "none" else sensor_for(crops, sensor, weights)
    path = out or store_path(data, chosen, data_root() / "prepared", crops)
    return fill(data, path, chosen, workers, device, crops=crops)


def _remember(run: Path, store: Path) -> None:
    """A run knows its store by fingerprint; this note says where it lay."""
    from pcsta.files import write_json

    write_json(run / "store.json", {"path": str(store.resolve())})


def _recall(run: Path) -> Path:
    from pcsta.files import read_json

    if not (run / "store.json").exists():
        raise FileNotFoundError(f"{run} does not say which store it used; name it with --store")
    return Path(read_json(run / "store.json")["path"])


def main() -> None:
    """Entry point: a reader's mistake is one line, a mistake of ours keeps its traceback."""
    if "TORCHELASTIC_RUN_ID" in os.environ and sys.argv[1:2] != ["train"]:
        sys.exit("pcsta: torchrun is for `pcsta train`; the other commands start once, without it")
    from pcsta.data.dataset import DataError
    from pcsta.data.store import StoreError

    try:
        app()
    except (DataError, StoreError, ValueError, OSError) as error:
        print(f"pcsta: {error}", file=sys.stderr)
        raise SystemExit(1) from None

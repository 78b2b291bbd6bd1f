"""The book's commands: `pcsta book | data make | ablate | table | transfer | overlay`.

`pcsta` finds them by the entry-point group `pcsta.commands`. Heavy imports stand inside the commands, so
that `--help` answers at once.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcsta.config import CONFIGS, RECIPES
from pcsta.options import (
    DatasetName,
    Device,
    From,
    Json,
    Protocol,
    RecipeName,
    Root,
    Run,
    Seed,
    Sensor,
    Skeleton,
    Weights,
    Workers,
    choice,
    expand_protocols,
    prepared,
    show,
    sizes,
    writable,
)  # fmt: skip

if TYPE_CHECKING:
    from pcsta.data.dataset import Dataset
    from pcsta.data.store import Store

app = typer.Typer()
data_app = typer.Typer(no_args_is_help=True, help="Make the embedded dataset.")
app.add_typer(data_app, name="data")

Out = Annotated[Path, typer.Option(help="Folder of the runs; the record is written there.")]
ConfigName = Annotated[str, typer.Option(help=f"Sizes: {', '.join(CONFIGS)}.")]
Seeds = Annotated[int, typer.Option(help="How many, from 0.")]


def register(commands: typer.Typer) -> None:
    """Add the book's commands to those of `pcsta`."""
    commands.registered_commands += app.registered_commands
    commands.registered_groups += app.registered_groups


@app.command()
def book(
    serve: Annotated[bool, typer.Option(help="Serve the pages on localhost.")] = True,
    port: Annotated[int, typer.Option(help="Port to serve on.", min=0, max=65535)] = 8000,
) -> None:
    """Make the data, train the small models, run every chapter, build and open the book."""
    from pcsta_book.site import serve as site

    site.main(serve, port)


@data_app.command("make")
def make_dataset(
    root: Annotated[Path | None, typer.Option(help="Where (default: data/synthetic).")] = None,
    seed: Seed = 0,
    workers: Workers = 2,
) -> None:
    """Make the embedded dataset: small videos and skeletons in NTU's own file layout."""
    from pcsta.data import data_root
    from pcsta_book import synthetic

    made = synthetic.make(root or data_root() / "synthetic", seed=seed, workers=workers)
    typer.echo(f"The embedded dataset is in {made}")


@app.command()
def ablate(
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    dataset: DatasetName = "synthetic",
    root: Root = None,
    rows: Annotated[
        str, typer.Option(help="Variants, with commas (default: all that the data can carry).")
    ] = "",
    config: ConfigName = "laptop",
    recipe: RecipeName = "laptop",
    protocol: Protocol = None,
    seeds: Seeds = 2,
    sensor: Sensor = "",
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
    from pcsta_book.experiments import grid, records, variants

    base = choice(CONFIGS, config, "configuration")()
    how = choice(RECIPES, recipe, "recipe")
    names = variants.select(rows.split(",") if rows else variants.VARIANTS)
    data = _opened(dataset, root)
    protocols = expand_protocols(data.protocols, protocol)
    writable(out)
    filmed = any(sample.video for sample in data.samples)
    f_g = sensor or ("efficientnet-lite0" if filmed else "none")
    store = prepared(dataset, root, f_g, None, workers, device)
    frames = None
    if store.glimpse_features and any(variants.VARIANTS[n].reads_frames for n in names):
        frames = prepared(dataset, root, f_g, None, workers, device, "frame")
    command = command_line(
        "ablate", dataset, config=config, recipe=recipe, protocol=protocol or protocols[0], sensor=sensor,
        seeds=seeds, out=Path(record.stem if record else "mine"), rows=rows,
    )  # fmt: skip
    found = records.run_and_record(
        partial(grid.run_grid, frames=frames), record, f"Ablations on {dataset}", command,
        store, base, how, out, names, protocols, range(seeds), device,
    )  # fmt: skip
    show(found, as_json, grid.format_table)


@app.command()
def table(
    number: Annotated[int, typer.Argument(help="1: NTU, 2: SBU, 3: MSR Daily Activity 3D.")],
    out: Out,
    root: Root = None,
    dataset: Annotated[
        str, typer.Option(help="Another dataset with the same protocols, for a trial: synthetic.")
    ] = "",
    config: Annotated[
        str | None, typer.Option(help="Sizes: paper (default), ...; with --from, that run's.")
    ] = None,
    recipe: RecipeName = "paper",
    source: From = None,
    sensor: Sensor = "inception-v3",
    weights: Weights = None,
    seeds: Seeds = 1,
    epochs: Annotated[
        int | None, typer.Option(help="At most so many a stage: a trial of the whole way.")
    ] = None,
    workers: Workers = 2,
    device: Device = "auto",
) -> None:
    """Table 1, 2 or 3 from raw folders: check, prepare, train, test, print. Continues if interrupted."""
    from pcsta import checkpoint
    from pcsta.data import check
    from pcsta_book.experiments import comparisons, grid, paper, records

    if number not in (1, 2, 3):
        raise ValueError(f"Table {number} is not one of 1, 2, 3; for 4 to 6 see `pcsta ablate`")
    base = sizes(source, config, "paper")
    how = comparisons.limited(choice(RECIPES, recipe, "recipe"), epochs)
    how = how if source is None else how.at(checkpoint.RATE_SHARE)
    name = dataset or paper.TABLES[number].dataset
    data = _opened(name, root)
    typer.echo(check.format_report(check.check_dataset(data, read=False)))
    if sensor != "none" and not any(sample.video for sample in data.samples):
        typer.echo("no video here: pose only")
        sensor = "none"
    store = prepared(name, root, sensor, weights, workers, device)
    columns = comparisons.columns(number, store.settings["splits"])
    protocols = [p for column in columns.values() for p in column]
    title = f"Table {number} on {name}" + (f", a trial of {epochs} epochs" if epochs else "")
    command = command_line(
        "table", number, dataset=dataset, config=config, recipe=recipe, sensor=sensor,
        seeds=seeds, epochs=epochs, out=out, **{"from": source},
    )  # fmt: skip
    found = records.run_and_record(
        partial(grid.run_grid, pretrained=source), out / "record.json", title, command,
        store, base, how, out, comparisons.OURS.values(), protocols, range(seeds), device,
        None if source is None else checkpoint.describe(source),
    )  # fmt: skip
    typer.echo(comparisons.format_comparison(number, found))
    typer.echo(f"record: {out / 'record.json'}")


@app.command()
def transfer(
    large: Annotated[str, typer.Argument(help="Dataset to pretrain on: ntu or synthetic.")],
    small: Annotated[str, typer.Argument(help="Dataset to fine-tune on: sbu or msr-daily.")],
    out: Out,
    large_root: Annotated[Path | None, typer.Option(help="Folder of the large dataset.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the small dataset.")] = None,
    row: Annotated[str, typer.Option(help="Row of Table 6: A, G or K.")] = "A",
    config: ConfigName = "narrow",
    pretraining: Annotated[
        str, typer.Option(help=f"Recipe for the large dataset: {', '.join(RECIPES)}.")
    ] = "laptop",
    recipe: Annotated[str, typer.Option(help="Recipe for the small dataset, likewise.")] = "small",
    sensor: Sensor = "",
    weights: Weights = None,
    seeds: Seeds = 2,
    controls: Annotated[
        bool, typer.Option(help="Also rate and transfer each alone, and the other adaptation.")
    ] = False,
    workers: Workers = 2,
    device: Device = "auto",
) -> None:
    """With and without knowledge transfer (section 5): pretrain, fine-tune, and train from scratch."""
    from pcsta_book.experiments import comparisons, grid, records

    if row not in comparisons.OURS.values():
        raise ValueError(f"no row {row!r} here; choose {', '.join(comparisons.OURS.values())}")
    base = sizes(None, config, "narrow")
    first, then = choice(RECIPES, pretraining, "recipe"), choice(RECIPES, recipe, "recipe")
    f_g = sensor or ("none" if row == "A" else "efficientnet-lite0")
    source = _prepared(large, large_root, f_g, weights, workers, device)
    target = _prepared(small, root, f_g, weights, workers, device)
    protocols = list(target.settings["splits"])
    title = f"Transfer from {large} to {small}"
    command = command_line(
        "transfer", large, small, row=row, config=config, pretraining=pretraining, recipe=recipe,
        sensor=sensor, seeds=seeds, controls=controls, out=out,
    )  # fmt: skip
    compare = partial(
        comparisons.with_and_without, large=source, pretraining=first, controls=controls
    )
    found = records.run_and_record(
        compare, out / "record.json", title, command, target, base, then, out, (row,), protocols,
        range(seeds), device, {"data": records.store_summary(source), "recipe": asdict(first)},
    )  # fmt: skip
    typer.echo(grid.format_table(found))
    typer.echo(f"record: {out / 'record.json'}")


@app.command()
def overlay(
    run: Run,
    skeleton: Skeleton,
    video: Annotated[Path, typer.Option(help="Its colour video.")],
    out: Annotated[Path, typer.Option(help="Video to write, e.g. looked.mp4.")],
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Write a video of one recording that shows where the model looked."""
    from pcsta import evaluation
    from pcsta.data.inspect import VIDEOS
    from pcsta_book import figures

    if out.suffix.lower() not in VIDEOS:
        raise ValueError(f"{out} ends as no video does; choose one of {', '.join(sorted(VIDEOS))}")
    writable(out.parent)
    said = evaluation.predict(run, skeleton, video, weights, device)
    typer.echo(f"overlay: {figures.overlay(said.clip, said.prediction, out, said.crop_size)}")


def command_line(command: str, *arguments: Any, **options: Any) -> str:
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


def _opened(dataset: str, root: Path | None) -> Dataset:
    """A dataset on disk. The embedded dataset is made if it is not there."""
    from pcsta.data import open_dataset
    from pcsta_book import artifacts

    if dataset == "synthetic" and root is None:
        return artifacts.dataset()
    return open_dataset(dataset, root)


def _prepared(dataset: str, root: Path | None, *options: Any) -> Store:
    """The store of a dataset, made or continued; first the embedded dataset itself, if it is missing."""
    _opened(dataset, root)
    return prepared(dataset, root, *options)

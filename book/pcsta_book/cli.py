"""The book's commands: `pcsta book | data make | rehearse | ablate | table | transfer`.

`pcsta` finds them by the entry-point group `pcsta.commands`. Heavy imports stand inside the commands, so
that `--help` answers at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcsta import options
from pcsta.config import CONFIGS, RECIPES
from pcsta.options import choice

if TYPE_CHECKING:
    from pcsta.data.dataset import Dataset
    from pcsta.evaluation import FilePrediction

app = typer.Typer()
data_app = typer.Typer(no_args_is_help=True, help="Make the embedded dataset.")
app.add_typer(data_app, name="data")

Out = Annotated[Path, typer.Option(help="Folder of the runs.")]
ConfigName = Annotated[str, typer.Option(help=f"Sizes: {', '.join(CONFIGS)}.")]
Seeds = Annotated[int, typer.Option(help="How many, from 0.", min=1)]


def register(commands: typer.Typer) -> None:
    """Add the book's commands to those of `pcsta`, and what `pcsta predict --overlay` draws with."""
    commands.registered_commands += app.registered_commands
    commands.registered_groups += app.registered_groups
    options.draw = _draw


def _draw(said: FilePrediction, out: Path) -> Path:
    from pcsta_book import figures

    return figures.overlay(said, out)


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
    seed: options.Seed = 0,
    workers: options.Workers = None,
) -> None:
    """Make the embedded dataset: small videos and skeletons in NTU's own file layout."""
    from pcsta.data import data_root
    from pcsta_book import synthetic

    made = synthetic.make(root or data_root() / "synthetic", seed=seed, workers=workers)
    typer.echo(f"The embedded dataset is in {made}")


@app.command()
def rehearse(
    dataset: Annotated[str, typer.Argument(help="Whose size it has: ntu.")],
    clips: Annotated[int, typer.Option(help="How many; NTU has 56880.", min=1)] = 56880,
    out: Annotated[Path | None, typer.Option(help="Store (default: data/prepared/...).")] = None,
    sensor: Annotated[
        str, typer.Option(help="inception-v3 (2048 features), or none.")
    ] = "inception-v3",
) -> None:
    """A store as large as NTU's, without NTU: train on it to see what a machine can do. Continues."""
    from pcsta.data import data_root
    from pcsta_book.rehearsal import BEST, Rehearsal

    choice({"ntu": "ntu"}, dataset, "rehearsal of")
    features = choice({"inception-v3": 2048, "none": 0}, sensor, "sensor")
    drawn = Rehearsal(clips, features)
    path = out or data_root() / "prepared" / f"ntu-rehearsal-{sensor}-{clips}"
    typer.echo(drawn.room(path))
    store = drawn.write(path)
    typer.echo(
        f"{len(store)} clips, {store.frames_total} frames: {path}\n"
        f"a model that finds all that was planted is right in {100 * BEST:.1f} % of new clips"
    )


@app.command()
def ablate(
    out: Out,
    dataset: options.DatasetName = "synthetic",
    root: options.Root = None,
    config: ConfigName = "laptop",
    recipe: options.RecipeName = "laptop",
    protocol: options.Protocol = None,
    sensor: options.Sensor = "",
    crop_size: options.CropSize = None,
    seeds: Seeds = 2,
    rows: Annotated[str, typer.Option(help="Variants, with commas (default: all).")] = "",
    workers: options.Workers = None,
    device: options.Device = "auto",
    record: Annotated[Path | None, typer.Option(help="File of a record to write.")] = None,
    as_json: options.Json = False,
) -> None:
    """Tables 4 to 6, the paper's open points, baselines: one grid. Continues if interrupted.

    Without video (SBU) it computes the rows that read poses alone.
    """
    command = command_line("ablate", locals())
    from pcsta_book.experiments import grid, records, tables, variants

    base, how = choice(CONFIGS, config, "configuration")(), choice(RECIPES, recipe, "recipe")
    names = variants.select(rows.split(",") if rows else variants.VARIANTS)
    data = _opened(dataset, root)
    protocols = options.expand_protocols(data.protocols, protocol)
    filmed = any(sample.video for sample in data.samples)
    f_g = sensor or ("efficientnet-lite0" if filmed else "none")
    plan = options.Plan(dataset, root, f_g, None, device, "hands", None, crop_size)
    whole = None
    if f_g != "none" and any(variants.VARIANTS[n].reads_frames for n in names):
        whole = options.Plan(dataset, root, f_g, None, device, "frame")
    grid.check(plan, base, how, out, names, protocols, range(seeds), whole)
    asked = grid.Experiment(
        plan.store(workers), base, how, out, names, protocols, range(seeds), device,
        frames=whole.store(workers) if whole else None,
    )  # fmt: skip
    found, title = grid.run_grid(asked), f"Ablations on {dataset}"
    told = records.describe(asked, found, title, command)
    if record:
        records.write(record, told)
    options.show(found, as_json, lambda _: tables.format_table(told))


@app.command()
def table(
    number: Annotated[int, typer.Argument(help="1: NTU, 2: SBU, 3: MSR Daily Activity 3D.")],
    out: Out,
    root: options.Root = None,
    config: Annotated[str | None, typer.Option(help="Sizes (default: paper; of --from).")] = None,
    recipe: options.RecipeName = "paper",
    source: options.From = None,
    sensor: options.Sensor = "inception-v3",
    weights: options.Weights = None,
    seeds: Seeds = 1,
    epochs: Annotated[int | None, typer.Option(help="Most epochs a stage.", min=1)] = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
) -> None:
    """Table 1, 2 or 3 from raw folders: check, prepare, train, test, print. Continues if interrupted."""
    command = command_line("table", locals())
    from pcsta import checkpoint
    from pcsta.data import check
    from pcsta_book.experiments import comparisons, grid, paper, records

    if number not in (1, 2, 3):
        raise ValueError(f"Table {number} is not one of 1, 2, 3; for 4 to 6 see `pcsta ablate`")
    base = options.sizes(source, config, "paper")
    how = comparisons.limited(choice(RECIPES, recipe, "recipe"), epochs)
    how = how if source is None else how.at(checkpoint.RATE_SHARE)
    name = paper.TABLES[number].dataset
    data = _opened(name, root)
    typer.echo(check.format_report(check.check_dataset(data, read=False)))
    if sensor != "none" and not any(sample.video for sample in data.samples):
        typer.echo("no video here: pose only")
        sensor, weights = "none", None
    plan = options.Plan(name, root, sensor, weights, device)
    cells = (base, how, out, list(comparisons.OURS.values()), data.protocols, range(seeds))
    grid.check(plan, *cells, pretrained=source)
    asked = grid.Experiment(plan.store(workers), *cells, device, pretrained=source)
    found = grid.run_grid(asked)
    title = f"Table {number} on {name}" + (f", a trial of {epochs} epochs" if epochs else "")
    more = {} if source is None else {"source": checkpoint.describe(source)}
    record = records.describe(asked, found, title, command, **more)
    typer.echo(comparisons.format_comparison(number, record))
    typer.echo(f"record: {records.write(out / 'record.json', record)}")


@app.command()
def transfer(
    large: Annotated[str, typer.Argument(help="Dataset to pretrain on, such as ntu or sbu.")],
    small: Annotated[str, typer.Argument(help="Dataset to fine-tune on, such as msr-daily.")],
    out: Out,
    large_root: Annotated[Path | None, typer.Option(file_okay=False, help="Its folder.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the small dataset.")] = None,
    row: Annotated[str, typer.Option(help="Row of Table 6: A, G or K.")] = "A",
    config: ConfigName = "narrow",
    pretraining: Annotated[
        str, typer.Option(help=f"Recipe for the large dataset: {', '.join(RECIPES)}.")
    ] = "laptop",
    recipe: Annotated[str, typer.Option(help="Recipe for the small dataset, likewise.")] = "small",
    sensor: options.Sensor = "",
    weights: options.Weights = None,
    seeds: Seeds = 2,
    controls: Annotated[bool, typer.Option(help="Also each part of it alone.")] = False,
    workers: options.Workers = None,
    device: options.Device = "auto",
) -> None:
    """With and without knowledge transfer (section 5): pretrain, fine-tune, and train from scratch."""
    command = command_line("transfer", locals())
    from pcsta_book.experiments import comparisons, grid, records, tables

    choice(dict.fromkeys(comparisons.OURS.values()), row, "row")
    base = choice(CONFIGS, config, "configuration")()
    first, then = choice(RECIPES, pretraining, "recipe"), choice(RECIPES, recipe, "recipe")
    f_g = sensor or ("none" if row == "A" else "efficientnet-lite0")
    _opened(large, large_root)
    protocols = _opened(small, root).protocols
    theirs = options.Plan(large, large_root, f_g, weights, device)
    plan = options.Plan(small, root, f_g, weights, device)
    own = plan.settings["skeleton"]
    for made, how, folder, names in (
        (theirs, first, f"pretrained/{own}", theirs.data.protocols[:1]),
        (plan, then, "scratch", protocols),
    ):
        grid.check(made, base, how, out / folder, (row,), names, range(seeds), skeleton=own)
    pretrained, store = theirs.store(workers), plan.store(workers)
    asked = grid.Experiment(store, base, then, out, (row,), protocols, range(seeds), device)
    found = comparisons.with_and_without(asked, pretrained, first, controls)
    source = {"data": records.describe_store(pretrained), "recipe": asdict(first)}
    title = f"Transfer from {large} to {small}"
    record = records.describe(asked, found, title, command, source=source)
    typer.echo(tables.format_table(record))
    typer.echo(f"record: {records.write(out / 'record.json', record)}")


# What a record's command line leaves out: where data lies and what computes is everyone's own affair.
OWN = ("root", "large_root", "weights", "workers", "device", "record", "as_json")


def command_line(command: str, given: Mapping[str, Any]) -> str:
    """The command line that a record keeps: what was given to a command, or stood there by default.

    Folders of runs become runs/NAME, wherever they lie.
    """
    words = ["pcsta", command]
    for name, value in given.items():
        if name in OWN or value in (None, "", False):
            continue
        if name not in ("dataset", "number", "large", "small"):  # these are arguments
            words.append("--from" if name == "source" else f"--{name.replace('_', '-')}")
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

"""What commands share, here and in other packages: options, and the steps they begin with.

Heavy imports stand inside the functions, so that `pcsta --help` answers at once.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from typer import Argument, Option

from pcsta.config import CONFIGS, RECIPES, ModelConfig

if TYPE_CHECKING:
    from pcsta.data.shard import Crops, Settings
    from pcsta.data.store import Store
    from pcsta.evaluation import FilePrediction

T = TypeVar("T")

DatasetName = Annotated[
    str, Argument(help="synthetic, ntu, ntu-120, sbu, msr-daily, jhmdb, or own (a table).")
]
DatasetOrStore = Annotated[str, Argument(help="Name of a dataset, or folder of a store.")]
Root = Annotated[Path | None, Option(file_okay=False, help="Folder (default: data/NAME).")]
Run = Annotated[Path, Argument(help="Folder of a trained run.")]
RunOrFilm = Annotated[
    Path | None, Argument(help="Folder of a trained run (default: a small model of real film).")
]
SkeletonFile = Annotated[
    Path | None, Option(help="Its skeleton file (default: poses found in the video).")
]
Overlay = Annotated[Path | None, Option(help="Video to write: where the model looked.")]
Sensor = Annotated[
    str,
    Option(
        help="Glimpse sensor: efficientnet-lite0 (the usual), inception-v3, or none (poses alone; the "
        "usual where only poses are read).",
        show_default=False,
    ),
]
CropSize = Annotated[
    str | None, Option(help="Side of the square around a hand: 50 (pixels), or 0.75torso.")
]
Weights = Annotated[Path | None, Option(help="Checkpoint of the glimpse sensor.")]
RecipeName = Annotated[str, Option(help=f"Training: {', '.join(RECIPES)}.")]
From = Annotated[
    Path | None,
    Option("--from", help="Run on another dataset to start from: all layers are fine-tuned."),
]
Workers = Annotated[
    int | None, Option(min=0, help="Processes that read and decode (default: one for each core).")
]
Readers = Annotated[
    int | None, Option(min=0, help="Readers (default: 2, none on a CPU; to prepare, one a core).")
]
Skeleton = Annotated[
    str | None, Option(help="Convert the joints: kinect_v2, kinect_v1, sbu (default: as they are).")
]
Protocol = Annotated[
    str | None,
    Option(
        help="Protocols of the dataset, with commas (default: its first); `folds` for all five of SBU's, "
        "`splits` for all three of J-HMDB's, `nested` for each held out inside the training clips of another."
    ),
]
Seed = Annotated[int, Option(min=0, max=2**32 - 1, help="What all randomness comes from.")]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:1, mps.")]
Precision = Annotated[
    str, Option(help="Products in training: float32, bfloat16, or auto (what the GPU has).")
]
Json = Annotated[bool, Option("--json", help="Print JSON for a script.")]


# Draws where a model looked into a video; a package that can, sets it.
draw: Callable[[FilePrediction, Path], Path] | None = None
VIDEOS = (".avi", ".mkv", ".mov", ".mp4")  # that H.264 is written to


def show(found: T, as_json: bool, describe: Callable[[T], str]) -> None:
    """Print facts as JSON for a script, or as text for a person."""
    typer.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else describe(found))


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


def expand_protocols(protocols: Sequence[str], named: str | None) -> list[str]:
    """The protocols that an option names, see `Protocol`, of a dataset's; by default the first.

    Raises ValueError for what the dataset does not have.
    """
    folds = [p for p in protocols if p.startswith(("fold-", "split-"))]
    nested = [f"{outer}/{inner}" for outer in folds for inner in folds if outer != inner]
    several = {None: list(protocols[:1]), "folds": folds, "splits": folds, "nested": nested}
    chosen = several[named] if named in several else str(named).split(",")
    if not chosen or not {part for name in chosen for part in name.split("/")} <= set(protocols):
        raise ValueError(f"no protocol {named!r} for this dataset; it has {', '.join(protocols)}")
    return chosen


def check_overlay(overlay: Path, video: Path | None) -> None:
    """Raise, saying what to do, where `draw` could not write what is seen in this video."""
    if draw is None:
        raise ModuleNotFoundError(name="pcsta_book")
    if video is None:
        raise ValueError("--overlay draws onto a video: name it after the run")
    if overlay.suffix.lower() not in VIDEOS:
        raise ValueError(f"--overlay writes {', '.join(VIDEOS)}: not {overlay.name}")
    if overlay.resolve() == video.resolve():
        raise ValueError("--overlay would replace the video itself: choose another name")
    writable(overlay.parent)


def writable(folder: Path) -> None:
    """Raise OSError where this folder cannot be made, or not be written to."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    fault = errno.EACCES if there.is_dir() else errno.ENOTDIR
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise OSError(fault, os.strerror(fault), str(there))


class Plan:
    """A store before it is made: what can be checked before anything is written.

    settings: those of the store
    usable:   the samples that have what is to be read, with their labels
    Raises, saying what to do, for whatever is not there.
    """

    def __init__(
        self,
        dataset: str,
        root: Path | None,
        sensor: str,
        weights: Path | None,
        device: str = "auto",
        crops: Crops = "hands",
        out: Path | None = None,
        crop_size: str | None = None,
    ) -> None:
        from pcsta.common import resolve_device
        from pcsta.data import data_root, open_dataset, prepare
        from pcsta.data.crop_size import parse_crop_size

        resolve_device(device)
        if weights is not None and sensor == "none":
            raise ValueError("no glimpse sensor looks here: leave --weights out")
        self.data, self.device, self.crops = open_dataset(dataset, root), device, crops
        if crop_size is not None:
            if crops == "frame" or sensor == "none":
                raise ValueError("nothing is cropped here: leave --crop-size out")
            self.data.crop_size = parse_crop_size(crop_size)
        read = self.data.samples
        if sensor != "none" and not (read := [sample for sample in read if sample.video]):
            said = f"no recording in {self.data.root} has a video for the glimpse sensor to look at"
            raise ValueError(f"{said}: train row A, or prepare with --sensor none, for poses alone")
        self.usable = {sample.name: sample.label for sample in read}
        self.sensor = None if sensor == "none" else prepare.sensor_for(crops, sensor, weights)
        self.settings = prepare.settings_of(self.data, self.sensor, crops)
        under = data_root() / "prepared"
        self.path = out or prepare.store_path(self.data, self.sensor, under, crops)

    def store(self, workers: int | None, shard: tuple[int, int] = (1, 1)) -> Store:
        """The store, made or continued. Raises ValueError when no sample can be read."""
        from pcsta.data import prepare

        store = prepare.prepare(
            self.data, self.path, self.sensor, workers, self.device, crops=self.crops, shard=shard
        )
        if store.skipped and not len(store) and not store.missing:
            name, why = next(iter(store.skipped.items()))
            raise ValueError(f"no sample can be used; the first of them, {name}: {why}")
        return store


def to_train_on(
    dataset: str, config: ModelConfig, root: Path | None, sensor: str, crop_size: str | None,
    weights: Path | None, device: str,
) -> tuple[Settings, dict[str, int], Callable[[int | None], Store]]:  # fmt: skip
    """A dataset by its name, as `config` reads it, or the store in a folder: see `Plan`.

    sensor: "" for the usual one, none where only poses are read
    Returns the store's settings, its usable samples with their labels, and what opens or makes it.
    """
    if (Path(dataset) / "settings.json").exists():
        from pcsta.data.store import Store

        if root or sensor or crop_size or weights:
            how = "--root, --sensor, --crop-size and --weights"
            raise ValueError(f"{dataset} is a store that is made: leave {how} out")
        made = Store(dataset)  # what it was made of may be on another machine
        return made.settings, {clip.name: clip.label for clip in made.clips}, lambda _: made
    f_g = sensor or ("none" if config.streams == "pose" else "efficientnet-lite0")
    plan = Plan(dataset, root, f_g, weights, device, config.crops, None, crop_size)
    return plan.settings, plan.usable, plan.store

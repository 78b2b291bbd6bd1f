"""Results as data: one record for each group of runs, in book/results, with all its provenance.

The book's tables are rendered from records and from `pcsta_book.experiments.paper`; nothing is typed
in. A record without provenance is refused when it is read, so it cannot reach a page.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict, cast, get_origin, get_type_hints, is_typeddict

import numpy as np
import torch
from jaxtyping import Float

from pcsta.common import resolve_device
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta.files import atomic, fingerprint, git_commit, read_json
from pcsta_book.experiments.grid import VariantResult, accuracy_per_seed
from pcsta_book.experiments.variants import VARIANTS
from pcsta_book.places import BOOK

FOLDER = BOOK / "results"


# --- what a record holds --------------------------------------------------------------------------
class Data(TypedDict):
    name: str
    synthetic: bool  # or real recordings
    clips: int
    fingerprint: str  # of the prepared store


class Computed(TypedDict):
    title: str  # what was asked
    command: str  # regenerates the record; starts with "pcsta"
    data: Data
    model: dict[str, Any]  # ModelConfig that the variants change
    recipe: dict[str, Any]  # TrainConfig that the variants change
    protocols: list[str]
    seeds: list[int]
    lines: dict[str, VariantResult]  # as `pcsta_book.experiments.grid.run_grid` returns them
    versions: dict[str, str]  # python, torch, pcsta
    commit: str  # of the code that computed it
    hardware: str
    date: str  # ISO
    seconds: float  # of computing, summed over the models


class Record(Computed, total=False):
    """What was computed, by what command, on what, where and when; a file in book/results."""

    source: Mapping[str, object]  # what the models started from
    note: str


def _kind(hint: Any) -> type | tuple[type, ...]:
    """What `isinstance` takes for a value of this type."""
    if hint is float:
        return (int, float)
    return dict if is_typeddict(hint) else get_origin(hint) or hint


FIELDS = {name: _kind(hint) for name, hint in get_type_hints(Computed).items()}
PARTS = {
    "data": ("name", "synthetic", "clips", "fingerprint"),
    "recipe": ("name",),
    "versions": ("python", "torch", "pcsta"),
}
PATTERNS = {"date": r"\d{4}-\d{2}-\d{2}", "commit": r"[0-9a-f]{7,40}\+?|unknown: .*"}


# --- making one -----------------------------------------------------------------------------------
# `run_grid`, or what takes the same arguments in its order: bind others with functools.partial
Runner = Callable[
    [Store, ModelConfig, TrainConfig, Path, Iterable[str], Iterable[str], Iterable[int], str],
    dict[str, VariantResult],
]


def run_and_record(
    run: Runner,
    path: Path | None,
    title: str,
    command: str,
    store: Store,
    base: ModelConfig,
    recipe: TrainConfig,
    out: Path,
    names: Iterable[str],
    protocols: Iterable[str],
    seeds: Iterable[int],
    device: str = "auto",
    source: Mapping[str, object] | None = None,
) -> dict[str, VariantResult]:
    """What `run` finds for these variants, written to `path` as a record; None: not written.

    run:     `run_grid`, or another way to compute the same, which gets what follows from `store` on
    command: the command line that regenerates the record
    source:  what the models started from, for the record
    """
    protocols, seeds = list(protocols), list(seeds)
    found = run(store, base, recipe, out, names, protocols, seeds, device)
    if path is None:
        return found
    cells = [r for one in found.values() for rows in one["results"].values() for r in rows]
    where, cores = resolve_device(device), f"{os.cpu_count()} cores {platform.machine()}"
    record: Computed = {
        "title": title,
        "command": command,
        "data": store_summary(store),
        "model": base.to_dict(),
        "recipe": asdict(recipe),
        "protocols": protocols,
        "seeds": seeds,
        "lines": found,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "pcsta": version("pcsta"),
        },
        "commit": git_commit(),
        "hardware": torch.cuda.get_device_name(where) if where.type == "cuda" else cores,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(sum(cell.get("seconds", 0) for cell in cells), 1),
    }
    write(path, record if source is None else cast(Record, {**record, "source": source}))
    return found


def store_summary(store: Store) -> Data:
    """What a record says of its data."""
    return {
        "name": store.settings["dataset"],
        "synthetic": store.settings["dataset"] == "synthetic",
        "clips": len(store),
        "fingerprint": fingerprint(store.settings),
    }


def write(path: Path, record: Computed) -> Path:
    """Write a record, one line for each list of numbers. Raises ValueError as `validate` does."""
    validate(record, path)
    text = json.dumps(record, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}]*\]", lambda m: f"[{' '.join(m.group()[1:-1].split())}]", text)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")
    return path


# --- reading one ----------------------------------------------------------------------------------
def read(name: str, folder: Path | None = None) -> Record:
    """The record `name` of the book. Raises FileNotFoundError, or ValueError as `validate` does."""
    path = (folder or FOLDER) / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"no record {path}: this was not run")
    record = cast(Record, read_json(path))
    validate(record, path)
    return record


def accuracies(record: Record, variant: str, protocol: str = "") -> Float[np.ndarray, "S"]:
    """Accuracy of one variant in percent, one figure a seed.

    protocol: one of the record's; by default the mean over all of them, right for folds
    """
    results = record["lines"][variant]["results"]
    return 100 * accuracy_per_seed({protocol: results[protocol]} if protocol else results)


def difference(record: Record, variant: str, protocol: str = "") -> Float[np.ndarray, "S"] | None:
    """How many points a variant is above the one that it varies, paired by seed.

    None where the record lacks either, or the variant varies none.
    """
    against = VARIANTS[variant].against if variant in VARIANTS else ""
    if not {variant, against} <= set(record["lines"]):
        return None
    points: np.ndarray = accuracies(record, variant, protocol) - accuracies(
        record, against, protocol
    )
    return points


def accuracy_inside(record: Record, variant: str, outer: str) -> float:
    """Accuracy in percent inside the training clips of the protocol `outer`, by which `outer` may
    choose: over the protocols `outer/...`, all their clips and seeds pooled.
    """
    results = record["lines"][variant]["results"]
    inner = [rows for protocol, rows in results.items() if protocol.startswith(f"{outer}/")]
    tested = [(one["accuracy"], one["clips"]) for rows in inner for one in rows]
    values, clips = zip(*tested, strict=True)
    return 100 * float(np.average(values, weights=clips))


def best_inside(record: Record) -> dict[str, str]:
    """What each outer protocol picks: the variant that is best inside it, the first of equals."""
    outer = dict.fromkeys(name.partition("/")[0] for name in record["protocols"])
    score = partial(accuracy_inside, record)
    return {name: max(record["lines"], key=partial(score, outer=name)) for name in outer}


def columns(record: Record) -> dict[str, str]:
    """Column of a table -> the protocol it shows. Folds are one protocol: their mean."""
    if all(name.startswith("fold") for name in record["protocols"]):
        return {"mean of five folds": ""}
    return {name: name for name in record["protocols"]}


def validate(record: Mapping[str, Any], path: Path | str = "record") -> None:
    """Refuse a record that does not say where its figures come from: ValueError names the field."""
    for name, kind in FIELDS.items():
        if not record.get(name) and record.get(name) != 0:
            raise ValueError(f"{path}: a record needs {name!r}")
        if not isinstance(record[name], kind):
            raise ValueError(f"{path}: {name!r} is a {type(record[name]).__name__}")
    for name, parts in PARTS.items():
        if lacks := [part for part in parts if part not in record[name]]:
            raise ValueError(f"{path}: {name!r} lacks {', '.join(lacks)}")
    for name, pattern in PATTERNS.items():
        if not re.fullmatch(pattern, record[name]):
            raise ValueError(f"{path}: {name!r} is {record[name]!r}")
    if not record["command"].startswith("pcsta "):
        raise ValueError(f"{path}: the command {record['command']!r} is not one of pcsta's")
    for name, line in record["lines"].items():
        for protocol in record["protocols"]:
            rows = line["results"].get(protocol, [])
            if [row.get("seed") for row in rows] != record["seeds"]:
                raise ValueError(f"{path}: {name}, {protocol}: not one result for each seed")
            for row in rows:
                if not 0 <= row["accuracy"] <= 1 or row["clips"] < 1:
                    raise ValueError(f"{path}: {name}, {protocol}: {row} is no accuracy of clips")

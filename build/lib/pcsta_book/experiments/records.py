"""Results as data: one record for each group of runs, in book/results, with all its provenance.

The book's tables are rendered from records and from `pcsta_book.experiments.paper`; nothing is typed in. A record
without provenance is refused when it is read, so it cannot reach a page.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from pcsta.common import resolve_device
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta.files import atomic, fingerprint, git_commit, read_json
from pcsta_book.experiments.grid import VARIANTS, per_seed
from pcsta_book.places import BOOK

FOLDER = BOOK / "results"

FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "title": str,  # what was asked
    "command": str,  # regenerates the record; starts with "pcsta"
    "data": dict,  # name, synthetic or real, clips, fingerprint of the prepared store
    "model": dict,  # ModelConfig that the lines change
    "recipe": dict,  # TrainConfig that the lines change
    "protocols": list,
    "seeds": list,
    "lines": dict,  # as `pcsta_book.experiments.grid.run_grid` returns them
    "versions": dict,  # python, torch, pcsta
    "commit": str,  # of the code that computed it
    "hardware": str,
    "date": str,  # ISO
    "seconds": (int, float),  # of computing, summed over the models
}
PARTS = {
    "data": ("name", "synthetic", "clips", "fingerprint"),
    "recipe": ("name",),
    "versions": ("python", "torch", "pcsta"),
}
PATTERNS = {"date": r"\d{4}-\d{2}-\d{2}", "commit": r"[0-9a-f]{7,40}\+?|unknown: .*"}


def record(
    title: str,
    command: str,
    store: Store,
    base: ModelConfig,
    recipe: TrainConfig,
    protocols: Iterable[str],
    seeds: Iterable[int],
    lines: Mapping[str, Any],
    device: str = "auto",
) -> dict[str, Any]:
    """A record of what has just been computed here."""
    cells = [r for line in lines.values() for rows in line["results"].values() for r in rows]
    return {
        "title": title,
        "command": command,
        "data": described(store),
        "model": base.to_dict(),
        "recipe": asdict(recipe),
        "protocols": list(protocols),
        "seeds": list(seeds),
        "lines": dict(lines),
        **provenance(device),
        "seconds": round(sum(cell.get("seconds", 0) for cell in cells), 1),
    }


def described(store: Store) -> dict[str, Any]:
    """What a record says of its data."""
    return {
        "name": store.settings["dataset"],
        "synthetic": store.settings["dataset"] == "synthetic",
        "clips": len(store),
        "fingerprint": fingerprint(store.settings),
    }


def provenance(device: str = "auto") -> dict[str, Any]:
    """What computes here and now: versions, git_commit, hardware, date."""
    where = resolve_device(device)
    cores = f"{os.cpu_count()} cores {platform.machine()}"
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "pcsta": version("pcsta"),
        },
        "commit": git_commit(),
        "hardware": torch.cuda.get_device_name(where) if where.type == "cuda" else cores,
        "date": time.strftime("%Y-%m-%d"),
    }


def write(path: Path, found: Mapping[str, Any]) -> Path:
    """Write a record, one line for each list of numbers. Raises ValueError as `check` does."""
    check(found, path)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}]*\]", lambda m: f"[{' '.join(m.group()[1:-1].split())}]", text)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")
    return path


def read(name: str, folder: Path | None = None) -> dict[str, Any]:
    """The record `name` of the book. Raises FileNotFoundError, or ValueError as `check` does."""
    path = (folder or FOLDER) / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"no record {path}: this was not run")
    found = read_json(path)
    check(found, path)
    return found


def accuracies(found: Mapping[str, Any], line: str, protocol: str = "") -> Float[np.ndarray, "S"]:
    """Accuracy of one line in percent, one figure a seed.

    protocol: one of the record's; by default the mean over all of them, right for folds
    """
    rows = found["lines"][line]["results"]
    return 100 * per_seed({"results": {protocol: rows[protocol]} if protocol else rows})


def difference(
    found: Mapping[str, Any], variant: str, protocol: str = ""
) -> Float[np.ndarray, "S"] | None:
    """How many points a variant is above the one that it varies, paired by seed.

    None where the record lacks either, or the variant varies none.
    """
    against = VARIANTS[variant].against if variant in VARIANTS else ""
    if not {variant, against} <= set(found["lines"]):
        return None
    return accuracies(found, variant, protocol) - accuracies(found, against, protocol)


def inside(found: Mapping[str, Any], line: str, outer: str) -> float:
    """Accuracy in percent inside the training clips of the protocol `outer`, by which `outer` may
    choose: over the protocols `outer/...`, all their clips and seeds pooled.
    """
    results = found["lines"][line]["results"]
    rows = [
        r for protocol in results if protocol.startswith(f"{outer}/") for r in results[protocol]
    ]
    clips = np.array([row["clips"] for row in rows])
    return 100 * float(np.average([row["accuracy"] for row in rows], weights=clips))


def picked(found: Mapping[str, Any]) -> dict[str, str]:
    """What each outer protocol picks: the line that is best inside it, the first of equals."""
    outer = dict.fromkeys(name.partition("/")[0] for name in found["protocols"])
    return {name: max(found["lines"], key=partial(inside, found, outer=name)) for name in outer}


def columns(found: Mapping[str, Any]) -> dict[str, str]:
    """Column of a table -> the protocol it shows. Folds are one protocol: their mean."""
    if all(name.startswith("fold") for name in found["protocols"]):
        return {"mean of five folds": ""}
    return {name: name for name in found["protocols"]}


def check(found: Mapping[str, Any], path: Path | str = "record") -> None:
    """Refuse a record that does not say where its figures come from: ValueError names the field."""
    for name, kind in FIELDS.items():
        if not found.get(name) and found.get(name) != 0:
            raise ValueError(f"{path}: a record needs {name!r}")
        if not isinstance(found[name], kind):
            raise ValueError(f"{path}: {name!r} is a {type(found[name]).__name__}")
    for name, parts in PARTS.items():
        if lacks := [part for part in parts if part not in found[name]]:
            raise ValueError(f"{path}: {name!r} lacks {', '.join(lacks)}")
    for name, pattern in PATTERNS.items():
        if not re.fullmatch(pattern, found[name]):
            raise ValueError(f"{path}: {name!r} is {found[name]!r}")
    if not found["command"].startswith("pcsta "):
        raise ValueError(f"{path}: the command {found['command']!r} is not one of pcsta's")
    for name, line in found["lines"].items():
        for protocol in found["protocols"]:
            rows = line["results"].get(protocol, [])
            if [row.get("seed") for row in rows] != found["seeds"]:
                raise ValueError(f"{path}: {name}, {protocol}: not one result for each seed")
            for row in rows:
                if not 0 <= row["accuracy"] <= 1 or row["clips"] < 1:
                    raise ValueError(f"{path}: {name}, {protocol}: {row} is no accuracy of clips")

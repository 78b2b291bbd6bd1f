"""Results as data: one record for each group of runs, in book/results, with all its provenance.

The book's tables are rendered from records and from `pcsta_book.experiments.paper`; nothing is typed
in. A record without provenance is refused when it is read, so it cannot reach a page.
"""

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from pcsta.common import resolve_device, resolve_precision
from pcsta.conforms import conforms
from pcsta.data.store import Store
from pcsta.files import atomic, fingerprint, read_json
from pcsta_book.experiments.grid import Cell, Experiment, Line, tested_names
from pcsta_book.experiments.variants import VARIANTS
from pcsta_book.places import BOOK, ROOT

FOLDER = BOOK / "results"

# What was computed, by what command, on what, where and when. Records may hold more: `tested`, classes
# and people of the test clips; `source`, what the models started from; `note`, a sentence for the reader.
Record = Mapping[str, Any]
FIELDS: dict[str, Any] = {
    "title": str,  # what was asked
    "command": str,  # regenerates the record; starts with "pcsta"
    "data": dict[str, Any],  # see `describe_store`
    "model": dict[str, Any],  # ModelConfig that the variants change
    "recipe": dict[str, Any],  # TrainConfig that the variants change
    "protocols": list[str],
    "seeds": list[int],
    "lines": dict[str, Line],  # as `run_grid` returns them
    "versions": dict[str, str],
    "commit": str,  # of the code that computed it
    "hardware": str,
    "date": str,  # ISO
    "seconds": float,  # of computing, summed over the models
}
PERHAPS = {"tested": dict[str, dict[str, list[int]]], "source": dict[str, Any], "note": str}
PARTS: dict[str, dict[str, type]] = {
    "data": {"name": str, "synthetic": bool, "clips": int, "fingerprint": str},
    "recipe": {"name": str},
    "versions": {"python": str, "torch": str, "pcsta": str},
}
PATTERNS = {
    "command": r"pcsta .*",
    "date": r"\d{4}-\d{2}-\d{2}",
    "commit": r"[0-9a-f]{7,40}\+?|unknown: .*",
}


# --- making one -----------------------------------------------------------------------------------
def describe(
    experiment: Experiment, found: Mapping[str, Any], title: str, command: str, **more: object
) -> Record:
    """The record of an experiment and what it found; `more` fields are added as they are."""
    e, where = experiment, resolve_device(experiment.device)
    cores = f"{os.cpu_count()} cores {platform.machine()}"
    cells = [r for one in found.values() for rows in one["results"].values() for r in rows]
    return {
        "title": title,
        "command": command,
        "data": describe_store(e.store),
        "model": e.config.to_dict(),
        "recipe": asdict(e.recipe),
        "protocols": list(e.protocols),
        "tested": {protocol: _tested(e.store, protocol) for protocol in e.protocols},
        "seeds": list(e.seeds),
        "lines": found,
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "pcsta": version("pcsta"),
        },
        "commit": git_commit(),
        "precision": resolve_precision("auto", where),  # of the products in training
        "hardware": torch.cuda.get_device_name(where) if where.type == "cuda" else cores,
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(sum(cell.get("seconds", 0) for cell in cells), 1),
        **more,
    }


def _tested(store: Store, protocol: str) -> dict[str, list[int]]:
    """Of each test clip its class, and a number for who is in it, in the order of a line's `right`."""
    known = sorted({clip.subject for clip in store.samples})
    of_name = {clip.name: clip for clip in store.samples}
    tested = [of_name[name] for name in tested_names(store, protocol)]
    subjects = [known.index(clip.subject) for clip in tested]
    return {"labels": [clip.label for clip in tested], "subjects": subjects}


def describe_store(store: Store) -> dict[str, object]:
    """What a record says of its data; `synthetic` or real recordings."""
    return {
        "name": store.settings["dataset"],
        "synthetic": store.settings["dataset"] in ("synthetic", "ntu-rehearsal"),
        "clips": len(store),
        "fingerprint": fingerprint(store.settings),
    }


def git_commit() -> str:
    """The commit of this checkout, with + where files of `pcsta` differ from it."""
    git = partial(subprocess.check_output, cwd=ROOT, text=True, stderr=subprocess.DEVNULL)
    try:
        changed = git(["git", "status", "--porcelain", "-uno", "--", "pcsta"])
        return git(["git", "rev-parse", "--short=10", "HEAD"]).strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a git checkout"


def made(record: Record, *more: str) -> str:
    """What made a record, and on what, for the line below its figures; also of records of other kinds."""
    return "\n\n" + ", ".join((f"`{record['command']}`", record["hardware"], *more))


def write(path: Path, record: Record) -> Path:
    """Write a record, one line for each list of numbers. Raises ValueError as `validate` does."""
    validate(record, path)
    text = json.dumps(record, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}]*\]", lambda m: f"[{' '.join(m.group()[1:-1].split())}]", text)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", "utf-8")
    return path


# --- reading one ----------------------------------------------------------------------------------
def read(name: str) -> Record:
    """The record `name` of the book. Raises FileNotFoundError, or ValueError as `validate` does."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"no record {path}: this was not run")
    if not isinstance(record := read_json(path), dict):
        raise ValueError(f"{path} is no record")
    validate(record, path)
    return record


def columns(record: Record) -> dict[str, str]:
    """Column of a table -> the protocol it shows. Folds, and splits, are one protocol, "": their mean."""
    kinds = {name.partition("-")[0] for name in record["protocols"]}
    if kinds == {"fold"}:
        return {"mean of five folds": ""}
    if kinds == {"split"} and len(record["protocols"]) == 3:
        return {"mean of three splits": ""}
    return {name: name for name in record["protocols"]}


def unread(record: Record) -> str:
    """A sentence on test clips that count as errors because they could not be read; "" for none."""
    line = next(iter(record["lines"].values()))
    first = [rows[0] for rows in line["results"].values()]
    if not any(one.get("unread") for one in first):
        return ""
    counts = ", ".join(f"{one.get('unread', 0)} of {one['clips']}" for one in first)
    return f"Test clips that could not be read, and count as errors: {counts}."


def accuracies(record: Record, variant: str, protocol: str = "") -> Float[np.ndarray, "S"]:
    """Accuracy of one variant in percent, one figure a seed.

    protocol: one of the record's; by default the mean over all of them, right for folds
    """
    results = record["lines"][variant]["results"]
    rows = [results[protocol]] if protocol else results.values()
    return np.asarray(100 * np.mean([[one["accuracy"] for one in row] for row in rows], 0))


def difference(record: Record, variant: str, protocol: str = "") -> Float[np.ndarray, "S"] | None:
    """How many points a variant is above the one that it varies, paired by seed.

    None where the record lacks either, or the variant varies none.
    """
    against = VARIANTS[variant].against if variant in VARIANTS else ""
    if not {variant, against} <= set(record["lines"]):
        return None
    return accuracies(record, variant, protocol) - accuracies(record, against, protocol)


def right(record: Record, variant: str, protocol: str) -> Bool[np.ndarray, "S C"]:
    """Which test clips a variant names rightly, for every seed."""
    clips = len(record["tested"][protocol]["labels"])
    cells = record["lines"][variant]["results"][protocol]
    packed = [np.frombuffer(bytes.fromhex(cell["right"]), np.uint8) for cell in cells]
    return np.unpackbits(np.stack(packed), axis=1, count=clips).astype(bool)


def attention(record: Record, variant: str, protocol: str, *score: str) -> list[dict[str, Any]]:
    """One score of `attention_scores`, of every seed; empty where the record does not hold it.

    score: where it stands there, e.g. "spatial", "left 1"
    """
    found = [one.get("attention", {}) for one in record["lines"][variant]["results"][protocol]]
    for part in score:
        found = [one.get(part, {}) for one in found]
    return found if all(found) else []


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


def median_seed(record: Record, variants: Iterable[str], protocol: str) -> int:
    """The seed whose models of these variants lie most in the middle of all seeds.

    A variant ranks the seeds by its loss on the validation clips, which are of training people: no test
    clip is looked at. Of the ranks' distances from the middle one, added over the variants, the seed has
    the least sum, and is the first of equals. So it is the median of each variant as far as one seed
    can be that of several. Variants whose losses the record does not tell (they add others' logits, or
    it is an old one) do not count; where none does, the first seed.
    """
    rows = [record["lines"][name]["results"][protocol] for name in variants]
    told = [row for row in rows if all("validation_loss" in one for one in row)]
    losses = np.array([[one["validation_loss"] for one in row] for row in told])
    ranks = losses.reshape(-1, len(record["seeds"])).argsort(1).argsort(1)
    off = np.abs(ranks - (len(record["seeds"]) - 1) / 2).sum(0)
    return int(record["seeds"][off.argmin()])


def validate(record: Record, path: Path | str = "record") -> None:
    """Refuse a record that does not say where its figures come from: ValueError names the field."""
    for name, kind in (FIELDS | {n: PERHAPS[n] for n in PERHAPS if n in record}).items():
        value = record.get(name)
        if value in (None, "", [], {}):
            raise ValueError(f"{path}: a record needs {name!r}")
        if not conforms(value, kind):
            lines = value.items() if name == "lines" and isinstance(value, dict) else ()
            wrong = ", ".join(key for key, line in lines if not conforms(line, Line))
            raise ValueError(f"{path}: {name!r} is of another kind{': ' * bool(wrong)}{wrong}")
    for name, parts in PARTS.items():
        said = record[name]
        if lacks := [part for part, kind in parts.items() if not conforms(said.get(part), kind)]:
            raise ValueError(f"{path}: {name!r} lacks {', '.join(lacks)}")
    for name, pattern in PATTERNS.items():
        if not re.fullmatch(pattern, record[name]):
            raise ValueError(f"{path}: {name!r} is {record[name]!r}")
    for name, line in record["lines"].items():
        for protocol in record["protocols"]:
            rows = line["results"].get(protocol, [])
            if [row["seed"] for row in rows] != record["seeds"]:
                raise ValueError(f"{path}: {name}, {protocol}: not one result for each seed")
            for row in rows:
                if not _adds_up(row, record.get("tested", {}).get(protocol, {})):
                    raise ValueError(f"{path}: {name}, {protocol}: {row} is no accuracy of clips")
            if len({_names(row.get("attention")) for row in rows}) > 1:
                raise ValueError(
                    f"{path}: {name}, {protocol}: its seeds hold different scores; test them again"
                )


def _names(told: Any) -> tuple[Any, ...]:
    """Of all figures in nested dicts."""
    found = told.items() if isinstance(told, dict) else ()
    return tuple(sorted((name, _names(more)) for name, more in found))


def _adds_up(row: Cell, tested: Mapping[str, list[int]]) -> bool:
    """Whether an accuracy is one of clips: of as many as are tested, and of those that are right."""
    clips, told, right = row["clips"], row["accuracy"], row.get("right")
    whole = clips > 0 and 0 <= told <= 1 and {*map(len, tested.values())} <= {clips}
    if whole and right is not None:
        whole = len(right) == (clips + 7) // 8 * 2 and not right.strip("0123456789abcdef")
        whole = whole and int(right, 16).bit_count() == round(clips * told)
    return whole

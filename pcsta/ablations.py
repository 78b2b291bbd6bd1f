"""The rows of Tables 5 and 6 as one grid: each row, each seed, resumable, side by side.

A fused row is two rows' logits added (section 3.4; the paper writes K as A+G), so the grid trains
six models a seed and reads ten rows off them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from pcsta.batches import SubSequences
from pcsta.data.store import Store
from pcsta.device import side_by_side
from pcsta.evaluate import Predictions, accuracy, attention_scores, predict
from pcsta.files import fingerprint, read_json, write_json
from pcsta.model.config import ModelConfig, row
from pcsta.train import Recipe, load, train

TRAINED = ("A", "B", "C", "E", "G", "G-unconditioned")
FUSED = {
    "H": ("A", "B"),
    "I": ("A", "E"),
    "K": ("A", "G"),
    "K-unconditioned": ("A", "G-unconditioned"),
}


def table6(
    store: Store,
    base: ModelConfig,
    recipe: Recipe,
    out: Path,
    seeds: Iterable[int] = (0, 1),
    protocol: str = "cross-subject",
    device: str = "auto",
    processes: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train and evaluate every row for every seed; finished runs are not repeated.

    processes: seeds computed side by side, one torch thread each; default one per core
    Raises ValueError when `out` holds a grid of other settings.
    Returns {"rows": {letter: {"accuracy": [per seed], "attention": [per seed] or absent}}, ...}.
    """
    seeds = tuple(seeds)
    processes = min(processes or os.cpu_count() or 1, len(seeds))
    work = [(store.path, base, recipe, out / f"seed-{s}", s, protocol, device) for s in seeds]
    results: dict[int, dict[str, Any]] = {}
    with tqdm(total=len(seeds) * len(TRAINED), unit="model", disable=not progress) as bar:
        if processes == 1:
            for job in work:
                results[job[4]] = _one_seed(*job)
                bar.update(len(TRAINED))
        else:
            with side_by_side(processes) as pool:
                waiting = {pool.submit(_one_seed, *job): job[4] for job in work}
                for done in as_completed(waiting):
                    results[waiting[done]] = done.result()
                    bar.update(len(TRAINED))
    rows = {
        letter: {key: [results[s][letter][key] for s in seeds] for key in results[seeds[0]][letter]}
        for letter in results[seeds[0]]
    }
    return {"protocol": protocol, "seeds": list(seeds), "rows": rows}


def _one_seed(
    path: Path, base: ModelConfig, recipe: Recipe, out: Path, seed: int, protocol: str, device: str
) -> dict[str, Any]:
    """All rows of one seed: {letter: {"accuracy": share, "attention": scores}}."""
    store = Store(path)
    made_from = fingerprint(
        [base.to_dict(), asdict(recipe), seed, protocol, fingerprint(store.settings)]
    )
    if (out / "rows.json").exists():
        done = read_json(out / "rows.json")
        if done["made_from"] != made_from:
            raise ValueError(
                f"{out} holds another grid; choose another --out, or delete that folder"
            )
        return done["rows"]
    _, test = store.split(protocol)
    said: dict[str, Predictions] = {}
    rows: dict[str, Any] = {}
    for letter in TRAINED:
        run = train(
            store, row(letter, base), recipe, out / letter, protocol, seed, device,
            pose_from=None if letter == "A" else out / "A", progress=False,
        )  # fmt: skip
        model = load(run, device)
        batches = SubSequences(
            store, model.config, next(model.parameters()).device, recipe.sampling
        )
        said[letter] = predict(model, batches, np.asarray(test))
        rows[letter] = {"accuracy": said[letter].accuracy}
        if said[letter].spatial is not None:
            rows[letter]["attention"] = attention_scores(said[letter], store)
    for letter, (pose, rgb) in FUSED.items():
        logits = said[pose].logits + said[rgb].logits
        rows[letter] = {"accuracy": accuracy(logits, said[pose].labels)}
    write_json(out / "rows.json", {"made_from": made_from, "rows": rows})
    return rows


def table(result: dict[str, Any]) -> str:
    """The grid as text: mean and spread over seeds, in percent."""
    lines = [f"{'row':<18}{'accuracy':>10}{'spread':>9}   top hand, 1 person / 2 people"]
    for letter, figures in result["rows"].items():
        values = 100 * np.array(figures["accuracy"])
        spread = f"{values.std(ddof=1):8.1f}" if len(values) > 1 else "       -"
        line = f"{letter:<18}{values.mean():>10.1f} {spread}"
        if "attention" in figures:
            spatial = [a["spatial"] for a in figures["attention"] if "spatial" in a]
            tops = [
                f"{100 * np.mean([s[who]['top_hand'] for s in spatial if who in s]):.1f}"
                for who in ("one_person", "two_people")
                if any(who in s for s in spatial)
            ]
            line += "   " + " / ".join(tops)
        lines.append(line)
    return "\n".join(lines)

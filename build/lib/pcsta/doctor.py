"""What this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from torchvision.models import Inception_V3_Weights

from pcsta.data import DATASETS, DataError, data_root, open_dataset
from pcsta.glimpse import GlimpseSensor, MissingWeights

_PACKAGES = ("torch", "torchvision", "numpy", "av", "jupyter-book", "ipywidgets", "nbval")


class Finding(TypedDict):
    """One thing looked for: whether it is there, what was found, and what to do if it is not."""

    ok: bool
    what: str
    do: NotRequired[str]


class Examination(TypedDict):
    versions: dict[str, str | None]
    device: Finding
    data: Finding
    datasets: dict[str, Finding]
    weights: dict[str, Finding]
    browser: Finding


def examine() -> Examination:
    """Everything `pcsta doctor` says, as data."""
    weights = {"efficientnet-lite0": _lite0(), "inception-v3": _inception()}
    return {
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in _PACKAGES}},
        "device": {"ok": True, "what": _device()},
        "data": _data(),
        "datasets": {name: _dataset(name) for name in DATASETS},
        "weights": weights,
        "browser": _browser(),
    }


def format_report(found: Examination) -> str:
    """The same as text for a person."""
    versions = ", ".join(f"{k} {v or 'missing'}" for k, v in found["versions"].items())
    entries = {"device": found["device"], "data folder": found["data"]}
    entries |= {**found["datasets"], **found["weights"], "browser for tests": found["browser"]}
    lines = [f"versions   {versions}"]
    for name, entry in entries.items():
        lines.append(f"{'ok ' if entry['ok'] else '-- '} {name:<19} {entry['what']}")
        lines += [f"{'':<24}{entry['do']}"] if "do" in entry else []
    return "\n".join(lines)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> str:
    cores = f"{os.cpu_count()} CPU cores"
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, {cores}"
    if torch.backends.mps.is_available():
        return f"Apple GPU (MPS), {cores}"
    return f"no GPU, {cores}: enough for the whole book"


def _data() -> Finding:
    root = data_root().absolute()
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 2**30
    what = f"{root}, {free:.0f} GiB free"
    if free > 1:
        return {"ok": True, "what": what}
    do = "the embedded dataset needs 1 GiB; set PCSTA_DATA to a folder with room"
    return {"ok": False, "what": what, "do": do}


def _dataset(name: str) -> Finding:
    try:
        data = open_dataset(name)
        return {"ok": True, "what": f"{len(data.samples)} clips in {data.root}"}
    except DataError as error:
        do = {
            "synthetic": "`pcsta data make` makes it in two minutes",
            "own": f"if you have recordings: data/README.md says what {data_root() / name} should hold",
        }.get(name, f"data/README.md says how to get it; then put it under {data_root() / name}")
        return {"ok": False, "what": error.problem, "do": do}


def _lite0() -> Finding:
    try:
        GlimpseSensor("efficientnet-lite0")
        return {"ok": True, "what": "ImageNet weights found"}
    except MissingWeights as error:
        return {"ok": False, "what": "no weights", "do": str(error)}


def _inception() -> Finding:
    """Only looks: examining a machine must not download 100 MB."""
    file = Path(Inception_V3_Weights.IMAGENET1K_V1.url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    if cached.exists():
        return {"ok": True, "what": f"ImageNet weights in {cached}"}
    what = "not downloaded (only the paper's configuration needs them)"
    do = f"the first use downloads them (104 MB); without network name a copy of {file} with --weights"
    return {"ok": False, "what": what, "do": do}


def _browser() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    if path := next(filter(None, map(shutil.which, names)), None):
        return {"ok": True, "what": path}
    return {"ok": False, "what": "no Chromium", "do": "the browser tests will be skipped"}

"""What this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import torch

from pcsta.data import DATASETS, DataError, data_root, open_dataset
from pcsta.glimpse import GlimpseSensor, MissingWeights

_PACKAGES = ("torch", "torchvision", "numpy", "av", "jupyter-book", "ipywidgets", "nbval")


def examine() -> dict[str, Any]:
    """Everything `pcsta doctor` says, as data. Each entry has "ok", "what", and "do" if not ok."""
    return {
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in _PACKAGES}},
        "device": _device(),
        "data": _data(),
        "datasets": {name: _dataset(name) for name in DATASETS},
        "weights": {
            "efficientnet-lite0": _weights_lite0(),
            "inception-v3": _weights_inception(),
        },
        "browser": _browser(),
    }


def report(found: dict[str, Any]) -> str:
    """The same as text for a person."""
    lines = [
        "versions   " + ", ".join(f"{k} {v or 'missing'}" for k, v in found["versions"].items())
    ]

    def add(name: str, entry: dict[str, Any]) -> None:
        lines.append(f"{'ok ' if entry['ok'] else '-- '} {name:<19} {entry['what']}")
        if not entry["ok"]:
            lines.append(f"{'':<24}{entry['do']}")

    add("device", found["device"])
    add("data folder", found["data"])
    for group in ("datasets", "weights"):
        for name, entry in found[group].items():
            add(name, entry)
    add("browser for tests", found["browser"])
    return "\n".join(lines)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> dict[str, Any]:
    threads = f"{os.cpu_count()} CPU cores"
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return {"ok": True, "what": f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, {threads}"}
    if torch.backends.mps.is_available():
        return {"ok": True, "what": f"Apple GPU (MPS), {threads}"}
    what = f"no GPU, {threads}: enough for the whole book"
    return {"ok": True, "what": what}


def _data() -> dict[str, Any]:
    root = data_root()
    free = shutil.disk_usage(_existing(root)).free / 2**30
    entry: dict[str, Any] = {"ok": free > 1, "what": f"{root}, {free:.0f} GiB free"}
    if not entry["ok"]:
        entry["do"] = "the embedded dataset needs 1 GiB; set PCSTA_DATA to a folder with room"
    return entry


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.absolute().parent)


def _dataset(name: str) -> dict[str, Any]:
    try:
        data = open_dataset(name)
        return {"ok": True, "what": f"{len(data.samples)} clips in {data.root}"}
    except DataError as error:
        do = {
            "synthetic": "`pcsta data make` makes it in two minutes",
            "own": f"if you have recordings: data/README.md says what {data_root() / name} should hold",
        }.get(name, f"data/README.md says how to get it; then put it under {data_root() / name}")
        return {"ok": False, "what": error.problem, "do": do}


def _weights_lite0() -> dict[str, Any]:
    try:
        GlimpseSensor("efficientnet-lite0")
        return {"ok": True, "what": "ImageNet weights found"}
    except MissingWeights as error:
        return {"ok": False, "what": "no weights", "do": str(error)}


def _weights_inception() -> dict[str, Any]:
    """Only looks: examining a machine must not download 100 MB."""
    from torchvision.models import Inception_V3_Weights

    file = Path(Inception_V3_Weights.IMAGENET1K_V1.url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    if cached.exists():
        return {"ok": True, "what": f"ImageNet weights in {cached}"}
    do = f"the first use downloads them (104 MB); without network name a copy of {file} with --weights"
    return {
        "ok": False,
        "what": "not downloaded (only the paper's configuration needs them)",
        "do": do,
    }


def _browser() -> dict[str, Any]:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return {"ok": True, "what": path}
    return {"ok": False, "what": "no Chromium", "do": "the browser tests will be skipped"}

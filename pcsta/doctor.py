"""What this machine has, what is missing, and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import torch
from torchvision.models import Inception_V3_Weights

from pcsta.data import DATASETS, DataError, data_root, open_dataset
from pcsta.data.check import Finding, format_findings
from pcsta.glimpse import GlimpseSensor, MissingWeights

_PACKAGES = (
    "torch", "torchvision", "numpy", "av", "mediapipe", "jupyter-book", "ipywidgets", "nbval",
)  # fmt: skip


def examine() -> dict[str, dict[str, Any]]:
    """Everything `pcsta doctor` says, as data: "versions", and "findings" with ok, what and do."""
    packages = {name: _version(name) for name in _PACKAGES}
    found = {"device": Finding(ok=True, what=_device(), do=""), "data folder": _data()}
    found |= {name: _dataset(name) for name in DATASETS}
    found |= {"efficientnet-lite0": _lite0(), "inception-v3": _inception()}
    versions = {"python": platform.python_version(), **packages}
    return {"versions": versions, "findings": found}


def format_report(found: dict[str, dict[str, Any]]) -> str:
    """The same as text for a person."""
    lines = ["versions   " + ", ".join(f"{k} {v}" for k, v in found["versions"].items())]
    return "\n".join([*lines, format_findings(found["findings"])])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


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
    do = "the embedded dataset needs 1 GiB; set PCSTA_DATA to a folder of your own with room"
    fit = free > 1 and there.is_dir() and os.access(there, os.W_OK)
    return Finding(ok=fit, what=f"{root}, {free:.0f} GiB free", do=do)


def _dataset(name: str) -> Finding:
    root = data_root() / name
    do = {
        "synthetic": "`pcsta data make` makes it in two minutes",
        "own": f"if you have recordings: data/README.md says what {root} should hold",
    }.get(name, f"data/README.md says how to get it; then put it under {root}")
    try:
        data = open_dataset(name)
        return Finding(ok=True, what=f"{len(data.samples)} clips in {data.root}", do="")
    except DataError as error:
        return Finding(ok=False, what=error.problem, do=do)


def _lite0() -> Finding:
    try:
        GlimpseSensor("efficientnet-lite0")
        return Finding(ok=True, what="ImageNet weights found", do="")
    except (ImportError, MissingWeights) as error:
        return Finding(ok=False, what=str(error), do="install the requirements again")


def _inception() -> Finding:
    """Only looks: examining a machine must not download 100 MB."""
    file = Path(Inception_V3_Weights.IMAGENET1K_V1.url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    if cached.exists():
        return Finding(ok=True, what=f"ImageNet weights in {cached}", do="")
    do = f"the first use downloads them (104 MB); without network name a copy of {file} with --weights"
    return Finding(ok=False, what="not downloaded (only the paper's sizes need them)", do=do)

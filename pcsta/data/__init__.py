"""Datasets: from files on disk to Clips, and the paper's protocols.

>>> from pcsta.data import open_dataset
>>> dataset = open_dataset("synthetic")       # or ntu, sbu, msr-daily
>>> clip = dataset.read(dataset.samples[0])
>>> train, test = dataset.split("cross-subject")
"""

from __future__ import annotations

import os
from pathlib import Path

from pcsta.data.clip import HANDS, Clip, Truth
from pcsta.data.dataset import DataError, Dataset, Sample, Split

DATASETS = ("synthetic", "ntu", "sbu", "msr-daily")


def data_root() -> Path:
    """Folder of all datasets: $PCSTA_DATA, else `data/` of the repository, else `./data`."""
    if "PCSTA_DATA" in os.environ:
        return Path(os.environ["PCSTA_DATA"])
    repository = Path(__file__).parents[2]
    return repository / "data" if (repository / "pyproject.toml").exists() else Path("data")


def open_dataset(name: str, root: Path | str | None = None) -> Dataset:
    """A dataset by its name in DATASETS, under `root` (default: `data_root()/name`).

    Raises DataError for an unknown name, and for the embedded dataset when it is not made yet. The
    folders of the others are looked at on first use of their samples.
    """
    if name not in DATASETS:
        raise DataError(f"no dataset {name!r}", advice=f"Choose one of {', '.join(DATASETS)}")
    root = Path(root) if root is not None else data_root() / name
    # Readers are imported here so that `import pcsta.data.clip` stays light.
    if name == "sbu":
        from pcsta.data.sbu import SBUInteraction

        return SBUInteraction(root)
    if name == "msr-daily":
        from pcsta.data.msr_daily import MSRDaily

        return MSRDaily(root)
    from pcsta.data.ntu import NTU, Synthetic

    return NTU(root) if name == "ntu" else Synthetic(root)


__all__ = [
    "DATASETS", "HANDS", "Clip", "DataError", "Dataset", "Sample", "Split", "Truth",
    "data_root", "open_dataset",
]  # fmt: skip

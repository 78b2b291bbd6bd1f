"""Datasets: from files on disk to Clips, and the paper's protocols.

>>> from pcsta.data import open_dataset
>>> dataset = open_dataset("synthetic")       # or ntu, ntu-120, sbu, msr-daily, jhmdb, own
>>> clip = dataset.read(dataset.samples[0])
>>> train, test = dataset.split("cross-subject")
"""

import os
from pathlib import Path

from pcsta.data.clip import HANDS, Clip, Truth
from pcsta.data.dataset import DataError, Dataset, Sample, Split
from pcsta.data.jhmdb import JHMDB
from pcsta.data.msr_daily import MSRDaily
from pcsta.data.ntu import NTU, NTU120, OWN
from pcsta.data.own import OwnRecordings
from pcsta.data.pairing import paired
from pcsta.data.sbu import SBUInteraction
from pcsta.data.text import read_lines

DATASETS: dict[str, type[Dataset]] = {
    "synthetic": NTU,  # shares its layout
    "ntu": NTU,
    "ntu-120": NTU120,
    "sbu": SBUInteraction,
    "msr-daily": MSRDaily,
    "jhmdb": JHMDB,
    "own": OwnRecordings,
}


def data_root() -> Path:
    """Folder of all datasets: $PCSTA_DATA, else `data/` of the repository, else `./data`."""
    if "PCSTA_DATA" in os.environ:
        return Path(os.environ["PCSTA_DATA"])
    repository = Path(__file__).parents[2]
    return repository / "data" if (repository / "pyproject.toml").exists() else Path("data")


def open_dataset(name: str, root: Path | str | None = None) -> Dataset:
    """A dataset by its name in DATASETS, under `root` (default: `data_root()/name`; ntu-120 in `ntu`).

    Raises DataError for an unknown name, for the embedded dataset when it is not made yet, and for
    recordings of one's own without their table. The folders of the others are looked at on first use
    of their samples.

    >>> from pcsta import open_dataset
    >>> dataset = open_dataset("ntu", folder)  # skeletons lie in folder/nturgb+d_skeletons
    >>> len(dataset), dataset.protocols
    (8, ('cross-subject', 'cross-view'))
    """
    if name not in DATASETS:
        advice = f"Choose one of {', '.join(DATASETS)}"
        if Path(name).is_dir():
            advice += f"; a folder goes with --root, as in `own --root {name}`"
        raise DataError(f"no dataset {name!r}", advice=advice)
    root = Path(root) if root is not None else data_root() / name.removesuffix("-120")
    if name == "synthetic" and not (root / OWN).exists():  # it is written last
        problem = "the embedded dataset is not there, or its making was interrupted"
        raise DataError(problem, root, "Run `pcsta data make`")
    return DATASETS[name](root)


def reader_of(path: Path | str) -> tuple[Dataset, str]:
    """(dataset, sample name) of a skeleton file, by its name, else its first line; or DataError."""
    path = Path(path).absolute()
    for dataset, root in ((JHMDB, 0), (NTU, 1), (SBUInteraction, 3), (MSRDaily, 0)):
        match = dataset.names.file.fullmatch(path.as_posix())
        if match and match.lastgroup in ("skeleton", "converted"):
            return dataset(path.parents[root]), dataset.names.spell(match["name"])
    if read_lines(path)[0].strip().isdecimal():  # NTU's text: tables of one's own name any file
        return NTU(path.parent), path.stem
    advice = "Known are *.skeleton (NTU), skeleton_pos.txt (SBU), *_skeleton.txt (MSR Daily)"
    raise DataError("neither a video nor a skeleton file of a known dataset", path, advice)


def read_clip(path: Path | str, video: Path | str | None = None) -> Clip:
    """The Clip of one skeleton file, wherever it lies; label -1 when its name tells no class.

    video: the colour video that belongs to it, if any
    Raises DataError when one of them cannot be read, or they do not belong together.
    """
    path, colour = Path(path), Path(video) if video is not None else None
    dataset, name = reader_of(path)
    sample = dataset.identify(name, path, colour)
    if not isinstance(sample, Sample):
        sample = Sample(name, path, colour)
    clip = dataset.read(sample)
    return clip if video is None else paired(clip)


__all__ = [
    "DATASETS", "HANDS", "Clip", "DataError", "Dataset", "Sample", "Split", "Truth",
    "data_root", "open_dataset", "read_clip", "reader_of",
]  # fmt: skip

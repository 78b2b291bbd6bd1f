"""The whole dataset: every take written as NTU files, by several processes, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
from tqdm.auto import tqdm

from .actions import DECOY, EMPTY, INTERVAL, REPERTOIRE, SAME_GROUP
from .actors import SUBJECTS
from .camera import HEIGHT, WIDTH, YAW
from .takes import Name, take
from .tracking import HAND_NOISE, NOISE, SHARES
from .writing import FPS, skeleton_text, write_text, write_video

VERSION = 3  # raise it whenever the generator would write other files
FRAMES = 32
REPLICATIONS = {1: 1, 2: 2}  # by number of people: two people are harder, and get more takes
SKELETONS, VIDEOS, TRUTHS = "nturgb+d_skeletons", "nturgb+d_rgb", "nturgb+d_truth"


def settings(
    seed: int = 0, frames: int = FRAMES, subjects: Iterable[int] = SUBJECTS
) -> dict[str, Any]:
    """Everything that the files depend on."""
    return {
        "version": VERSION,
        "seed": seed,
        "frames": frames,
        "fps": FPS,
        "size": [WIDTH, HEIGHT],
        "actions": [action.ntu for action in REPERTOIRE],
        "subjects": sorted(subjects),
        "cameras": sorted(YAW),
        "replications": {str(people): count for people, count in REPLICATIONS.items()},
        "interval": list(INTERVAL),
        "decoy": DECOY,
        "empty": EMPTY,
        "same_group": SAME_GROUP,
        "noise": [NOISE, HAND_NOISE],
        "fault_shares": SHARES,
    }


def fingerprint(seed: int = 0, frames: int = FRAMES, subjects: Iterable[int] = SUBJECTS) -> str:
    """A short name of `settings`: equal for equal files."""
    text = json.dumps(settings(seed, frames, subjects), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def names(subjects: Iterable[int] = SUBJECTS) -> list[Name]:
    """Every take of the dataset, sorted."""
    return sorted(
        (
            Name(camera, subject, replication, action.ntu)
            for camera in YAW
            for subject in subjects
            for action in REPERTOIRE
            for replication in range(1, REPLICATIONS[action.people] + 1)
        ),
        key=str,
    )


def is_made(
    root: Path | str, seed: int = 0, frames: int = FRAMES, subjects: Iterable[int] = SUBJECTS
) -> bool:
    """Whether `root` holds the finished dataset of these settings."""
    try:
        found = json.loads((Path(root) / "dataset.json").read_text(encoding="utf-8"))
        return found["fingerprint"] == fingerprint(seed, frames, subjects)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def make(
    root: Path | str,
    seed: int = 0,
    *,
    frames: int = FRAMES,
    subjects: Iterable[int] = SUBJECTS,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Write the dataset below `root` and return `root`.

    Finished takes of the same settings are kept, so interrupted work goes on where it stopped; files
    of other settings are made again.  `dataset.json` is written last.  Raises ValueError for a
    number of frames or workers that makes no sense.
    """
    if frames < 20:
        raise ValueError(
            f"frames is {frames}; a sub-sequence has 20, so ask for at least that many"
        )
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    root, subjects = Path(root), tuple(sorted(subjects))
    if is_made(root, seed, frames, subjects):
        return root
    (root / "dataset.json").unlink(missing_ok=True)
    for folder in (SKELETONS, VIDEOS, TRUTHS):
        (root / folder).mkdir(parents=True, exist_ok=True)
    mark = fingerprint(seed, frames, subjects)
    everything = names(subjects)
    _drop_others(root, {str(name) for name in everything})
    work = partial(make_take, root, seed=seed, frames=frames, mark=mark)
    bar = tqdm(total=len(everything), unit="clip", desc="embedded dataset", disable=not progress)
    faults: list[str] = []
    with bar:
        if workers == 1:
            for name in everything:
                faults += work(name)
                bar.update()
        else:
            context = get_context("spawn")  # forking a process that runs torch threads may hang
            with ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,)) as pool:
                try:
                    for done in as_completed([pool.submit(work, name) for name in everything]):
                        faults += done.result()
                        bar.update()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
    counted = {fault: faults.count(fault) / len(everything) for fault in SHARES}
    summary = {
        "fingerprint": mark,
        "clips": len(everything),
        "clips_by_action": dict(Counter(f"A{name.action:03d}" for name in everything)),
        "faults": {fault: round(share, 4) for fault, share in counted.items()},
        "settings": settings(seed, frames, subjects),
    }
    write_text(root / "dataset.json", json.dumps(summary, indent=1) + "\n")
    return root


def make_take(root: Path, name: Name, *, seed: int, frames: int, mark: str) -> list[str]:
    """Write one take's three files, the truth last; nothing to do when they are there already.

    Returns the names of its faults.
    """
    skeleton = root / SKELETONS / f"{name}.skeleton"
    video = root / VIDEOS / f"{name}_rgb.avi"
    truth = root / TRUTHS / f"{name}.json"
    if skeleton.exists() and video.exists():
        try:
            found = json.loads(truth.read_text(encoding="utf-8"))
            if found["fingerprint"] == mark:
                return found["faults"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not finished, or damaged: made again below
    truth.unlink(missing_ok=True)
    planned = take(seed, name, frames)
    write_text(skeleton, skeleton_text(planned.bodies))
    write_video(video, planned.images())
    told = planned.truth() | {"fingerprint": mark}
    write_text(truth, json.dumps(told, separators=(",", ":")) + "\n")
    return told["faults"]


def _drop_others(root: Path, wanted: set[str]) -> None:
    """Remove takes that these settings do not have, and what an interrupted run left behind."""
    for folder in (SKELETONS, VIDEOS, TRUTHS):
        for path in (root / folder).iterdir():
            if path.suffix == ".part" or path.name[:20] not in wanted:
                path.unlink()

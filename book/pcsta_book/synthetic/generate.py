"""The whole dataset: every clip written as NTU files, by several processes, whole or not at all."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm.auto import tqdm

from pcsta import files
from pcsta.common import cores
from pcsta.data import video
from pcsta_book.pools import pool
from pcsta_book.synthetic.actions import BY_NTU, DECOY, EMPTY, INTERVAL, LONGER, SAME_GROUP
from pcsta_book.synthetic.actors import SUBJECTS
from pcsta_book.synthetic.camera import HEIGHT, WIDTH, YAW
from pcsta_book.synthetic.casting import PLAIN, REPLICATIONS, Name
from pcsta_book.synthetic.clip_plan import plan_clip
from pcsta_book.synthetic.tracking import HAND_NOISE, NOISE, SHARES, skeleton_text

VERSION = 11  # raise it whenever the generator would write other files
FRAMES, FPS = 34, 12
CROP_SIZE = 32  # pixels: a thirtieth of the image's width
SUBSEQUENCE = 20  # frames that the paper's model sees at once (section 4)
SKELETONS, VIDEOS, TRUTHS = "nturgb+d_skeletons", "nturgb+d_rgb", "nturgb+d_truth"


def settings(
    seed: int = 0,
    frames: int = FRAMES,
    subjects: Sequence[int] = SUBJECTS,
    actions: Sequence[int] = tuple(BY_NTU),
) -> dict[str, Any]:
    """Everything that the files depend on; `actions` are NTU's numbers.

    Raises ValueError for what cannot be filmed.
    """
    if frames < SUBSEQUENCE:
        raise ValueError(f"frames is {frames}; ask for at least {SUBSEQUENCE}, one sub-sequence")
    if unknown := sorted(set(actions) - set(BY_NTU)):
        raise ValueError(f"no actor knows action {unknown}; choose from {sorted(BY_NTU)}")
    if unknown := sorted(set(subjects) - set(SUBJECTS)):
        raise ValueError(f"there is no subject {unknown}; choose from {list(SUBJECTS)}")
    return {
        "version": VERSION, "seed": seed, "frames": frames,
        "subjects": sorted(subjects), "actions": sorted(actions),
        "fps": FPS, "size": [WIDTH, HEIGHT], "crop_size": CROP_SIZE, "cameras": sorted(YAW),
        "replications": {str(people): count for people, count in REPLICATIONS.items()},
        "interval": list(INTERVAL), "longer": list(LONGER), "decoy": DECOY, "empty": EMPTY, "same_group": SAME_GROUP, "plain": PLAIN,
        "noise": [NOISE, HAND_NOISE], "fault_shares": SHARES,
    }  # fmt: skip


def names(subjects: Sequence[int] = SUBJECTS, actions: Sequence[int] = tuple(BY_NTU)) -> list[Name]:
    """Every clip, sorted by name."""
    found = (
        Name(camera, subject, replication, action)
        for camera in YAW
        for subject in subjects
        for action in actions
        for replication in range(1, REPLICATIONS[BY_NTU[action].people] + 1)
    )
    return sorted(found, key=str)


def _finished(path: Path, mark: str) -> dict[str, Any] | None:
    """What a JSON file says, if it is whole and bears this fingerprint."""
    try:
        found: dict[str, Any] = files.read_json(path)
        return found if found["fingerprint"] == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not finished, or damaged


def make(
    root: Path | str, *, workers: int | None = None, progress: bool = True, **choice: Any
) -> Path:
    """Write the dataset of `settings(**choice)` (seed, frames, subjects, actions) below `root`.

    Finished clips of the same settings are kept, so interrupted work goes on where it stopped; files
    of other settings are replaced.  `dataset.json` is written last.  Returns `root`.  By default
    there is one worker a core.  Raises ValueError for settings or a number of workers that make no
    sense, OSError when writing fails.
    """
    workers = cores() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers is {workers}; it must be at least 1")
    root, stated = Path(root), settings(**choice)
    mark = files.fingerprint(stated, 16)
    if _finished(root / "dataset.json", mark):
        return root
    (root / "dataset.json").unlink(missing_ok=True)
    everything = names(stated["subjects"], stated["actions"])
    _drop_others(root, {str(name) for name in everything})
    work = partial(make_clip, root, seed=stated["seed"], frames=stated["frames"], mark=mark)
    shown = {"total": len(everything), "unit": "clip", "desc": "embedded dataset"}
    done = tqdm(_each(work, everything, workers), disable=not progress, **shown)
    faults = Counter(fault for found in done for fault in found)
    summary = {
        # what NTU's reader asks of a dataset that is not NTU
        "name": "synthetic",
        "actions": sorted(BY_NTU),
        "classes": [BY_NTU[number].name for number in sorted(BY_NTU)],
        "image_size": stated["size"],
        "crop_size": CROP_SIZE,
        "fingerprint": mark,
        "clips": len(everything),
        "clips_by_action": dict(Counter(f"A{name.action:03d}" for name in everything)),
        "faults": {fault: round(faults[fault] / len(everything), 4) for fault in SHARES},
        "settings": stated,
    }
    files.write_json(root / "dataset.json", summary)
    return root


def _each(
    work: Callable[[Name], list[str]], everything: list[Name], workers: int
) -> Iterator[list[str]]:
    """Results of `work` for every name; when one fails, what waits is not begun."""
    if workers == 1:
        yield from map(work, everything)
    else:
        with pool(workers, cv2.setNumThreads) as workshop:
            yield from workshop.map(work, everything)


def make_clip(root: Path, name: Name, *, seed: int, frames: int, mark: str) -> list[str]:
    """Write one clip's three files, the truth last; nothing to do when they are there already.

    Returns the names of its faults.
    """
    skeleton, film = root / SKELETONS / f"{name}.skeleton", root / VIDEOS / f"{name}_rgb.avi"
    truth = root / TRUTHS / f"{name}.json"
    if skeleton.exists() and film.exists() and (found := _finished(truth, mark)):
        return list(found["faults"])
    truth.unlink(missing_ok=True)
    planned = plan_clip(seed, name, frames)
    _write_text(skeleton, skeleton_text(planned.bodies))
    write_video(film, planned.images())
    told = planned.truth() | {"fingerprint": mark}
    _write_text(truth, json.dumps(told, separators=(",", ":")) + "\n")
    return list(told["faults"])


def write_video(path: Path, frames: Iterable[np.ndarray]) -> None:
    """(540, 960, 3) uint8 BGR frames -> H.264 in AVI."""
    video.write_video(path, frames, FPS, 30, "veryfast", "bgr24", g="250", bf="0")


def _write_text(path: Path, text: str) -> None:
    with files.atomic(path) as temporary:
        temporary.write_text(text, encoding="ascii", newline="\n")


def _drop_others(root: Path, wanted: set[str]) -> None:
    """Remove clips that these settings do not have, and what an interrupted run left behind."""
    for folder in (SKELETONS, VIDEOS, TRUTHS):
        for path in (root / folder).glob("*"):
            if path.name[:20] not in wanted:
                path.unlink()

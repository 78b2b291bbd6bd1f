"""Films without a skeleton: poses found in them, as skeleton files and a table of recordings.

A folder of videos is a dataset `own` when each is called ACTION_PERSON, or ACTION_PERSON_more, with an
ending of a video: pour_ann_1.mp4. A skeleton that is already there, and whole, is kept.
"""

import csv
import glob
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm.auto import tqdm

from pcsta.data import read_clip
from pcsta.data.blazepose import Estimator, blazepose
from pcsta.data.clip import Clip
from pcsta.data.dataset import DataError
from pcsta.data.estimated import write_estimated
from pcsta.data.finder import FILM
from pcsta.data.keypoints import read_keypoints
from pcsta.data.ntu import read_skeleton
from pcsta.data.own import TABLE
from pcsta.data.video import read_frames, video_info
from pcsta.files import atomic

OTHER = "Name that of the keypoints with --video"
VIDEO = re.compile(rf".*\.{FILM}", re.I)
NAME = re.compile(r"([^_]+)_([^_]*[^\W\d_][^_]*)(_.*)?")  # IMG_0012 names nobody


def make_skeletons(
    source: Path, out: Path, video: Path | None = None, estimator: Estimator = blazepose
) -> Iterator[str]:
    """Write the skeleton files of `source` into `out`; a sentence about each.

    source: a video; a folder of videos, of which `recordings.csv` is written as well; or keypoints, see
            `pcsta.data.keypoints`
    video:  that of the keypoints; by default the one beside them that has their name
    Raises DataError for a source that cannot be used. In a folder the others go on: a warning names each,
    and ValueError counts them at the end.
    """
    if out.suffix in (".skeleton", ".json", ".csv"):
        raise ValueError(f"--out is a folder, such as data/own: not {out}")
    if not source.exists():
        raise DataError("no such file or folder", source, "Check the path")
    path = out / f"{source.stem}.skeleton"
    inside = sorted(source.iterdir()) if source.is_dir() else []
    films = [file for file in inside if VIDEO.fullmatch(file.name) and file.name[0] != "."]
    if video is not None and (films or VIDEO.fullmatch(source.name)):
        raise ValueError("--video belongs to keypoints: leave it out")
    if films:
        yield from _folder(films, out, estimator)
    elif source.suffix.lower() == ".json" or any(file.suffix == ".json" for file in inside):
        yield _imported(source, path, video)
    elif source.is_dir():
        advice = "Name a video, a folder with videos in it, or keypoints (.json)"
        raise DataError("no video is in this folder itself", source, advice)
    else:
        yield _estimated(source, path, estimator)


def read_film(video: Path | str, estimator: Estimator = blazepose) -> Clip:
    """The Clip of a video, with estimated poses. Raises DataError when nobody is found in it."""
    video = Path(video)
    with TemporaryDirectory() as folder:
        path = _written(video, Path(folder) / f"{video.stem}.skeleton", estimator)
        if not read_skeleton(path).ids:
            advice = "Show one person, whole and well lit, or name a --skeleton"
            raise DataError("nobody was found in it", video, advice)
        return read_clip(path, video)


def _folder(films: list[Path], out: Path, estimator: Estimator) -> Iterator[str]:
    next(estimator(()), None)  # whether it is installed, before one film after the other says so
    names = [film.stem.casefold() for film in films]
    rows: list[tuple[str, ...]] = []
    failed = 0
    for film in films:
        skeleton = out / f"{film.stem}.skeleton"
        try:
            if names.count(film.stem.casefold()) > 1:
                raise DataError("another video has this name", film, "Rename one")
            yield _estimated(film, skeleton, estimator)
            if name := NAME.fullmatch(film.stem):
                rows.append((skeleton.name, film.absolute().as_posix(), name[1], name[2]))
            else:
                said = f"{film}: no action and person in its name, so {TABLE} leaves it out"
                warnings.warn(f"{said}. Name it ACTION_PERSON, as pour_ann_1.mp4", stacklevel=1)
        except DataError as error:
            failed += 1
            warnings.warn(str(error), stacklevel=1)
    if rows:
        yield _table(out / TABLE, rows)
    if failed:
        raise ValueError(f"{failed} of {len(films)} videos have no skeleton: each is named above")


def _estimated(video: Path, path: Path, estimator: Estimator) -> str:
    return _there(path) or _found(_written(video, path, estimator))


def _written(video: Path, path: Path, estimator: Estimator) -> Path:
    info = video_info(video)
    frames = tqdm(
        read_frames(video), video.name, info.frames, leave=False, unit="frame", disable=None
    )
    images, worlds = zip(*estimator(image for _, image in frames), strict=True)
    world = np.stack(worlds) if worlds[0] is not None else None
    return write_estimated(path, np.stack(images), world, info.size)


def _imported(source: Path, path: Path, video: Path | None) -> str:
    if there := _there(path):
        return there
    if video is not None and not (video.is_file() and VIDEO.fullmatch(video.name)):
        raise DataError("no video", video, OTHER)
    beside = sorted(source.absolute().parent.glob(f"{glob.escape(source.stem)}.*"))
    if not (video := next((p for p in (video, *beside) if p and VIDEO.fullmatch(p.name)), None)):
        advice = f"Name it with --video, or put it beside them as {source.stem}.mp4"
        raise DataError("the video of these keypoints is not known", source, advice)
    info = video_info(video)
    image, world = read_keypoints(source, info.frames)
    seen = image[..., 2] > 0
    outside = ((image[..., :2] < 0) | (image[..., :2] > info.size)).any(-1)
    if 2 * (seen & outside).sum() > seen.sum():
        size = "{} x {} pixels of {}".format(*info.size, video)
        raise DataError(f"most of its keypoints are outside the {size}", source, OTHER)
    return _found(write_estimated(path, image, world, info.size))


def _there(path: Path) -> str | None:
    with suppress(DataError):  # of a skeleton that is cut short
        if path.exists():
            return f"{_found(path)} (there already; delete it to have it made again)"
    return None


def _found(path: Path) -> str:
    there = read_skeleton(path)
    nobody = there.length - len({*there.frames.tolist()})
    if nobody == there.length:
        return f"{path}: nobody in any of its {nobody} frames; film one person, whole and well lit"
    return f"{path}: {there.length} frames, nobody in {nobody}"


def _table(path: Path, rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    head = ("skeleton", "video", "action", "subject")
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    there = path.read_text("utf-8", errors="replace") if path.exists() else ""
    if not {*there.splitlines()} <= {*text.getvalue().splitlines()}:
        return f"{path} has other lines and is left as it is; delete it to have it made again"
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), "utf-8", newline="")
    return f"{path}: {len(rows)} recordings"

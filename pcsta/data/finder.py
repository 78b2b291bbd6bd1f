"""Which files below a folder belong to which sample, and which belong to none."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

FILM = "(?:avi|mp4|m4v|mkv|mov|webm|mpe?g|wmv)"  # endings of videos, for patterns
KINDS = ("skeleton", "converted", "video", "images")

IGNORED = "neither a skeleton nor a video by its name"
CONVERTED = "a converted file beside its original"
ARCHIVE = "an archive that is not unpacked"
NO_SAMPLE = (IGNORED, CONVERTED, ARCHIVE)  # reasons of files, where others are of samples
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz")
SEVERAL = "several files of this name, keep one"


class Found(NamedTuple):
    """The files of one sample; or, with a reason, why what is called so is none."""

    name: str
    skeleton: Path | None = None
    video: Path | None = None
    reason: str | None = None


class Names(NamedTuple):
    """How a dataset calls its files.

    file:   pattern of a whole path. Its group `name` is the sample's; the file is what the last group
            that matched says: `skeleton`, `converted` (used where there is no skeleton), `video`, or
            `images` (their folder is the video). With no such group it is known and not needed
    sample: pattern of a sample's name, with the groups `action`, `subject`, `replication`, `camera`
    form:   the same for people to read
    spell:  a name as the dataset's authors write it, whatever capitals a file system made of it
    skip:   folders that are not looked into
    """

    file: re.Pattern[str]
    sample: re.Pattern[str]
    form: str
    spell: Callable[[str], str]
    skip: re.Pattern[str] = re.compile(r"\.")  # hidden ones


def find(root: Path, names: Names) -> Iterator[Found]:
    """All samples below `root`, and files of none. Two files for one part make it unusable."""
    samples: dict[str, dict[str, list[Path]]] = defaultdict(lambda: {kind: [] for kind in KINDS})
    for folder, files in files_under(root, names.skip):
        here = folder.as_posix()
        for file in files:
            match = names.file.fullmatch(f"{here}/{file}")
            if match is None:
                reason = ARCHIVE if file.lower().endswith(ARCHIVES) else IGNORED
                yield Found(_relative(folder / file, root), reason=reason)
            elif (kind := match.lastgroup) in KINDS:
                paths = samples[names.spell(match["name"])][kind]
                path = folder if kind == "images" else folder / file
                if path not in paths:
                    paths.append(path)

    for name, of in samples.items():
        if of["skeleton"]:
            for path in sorted(of["converted"]):
                yield Found(_relative(path, root), reason=CONVERTED)
        skeletons, videos = of["skeleton"] or of["converted"], of["video"] or of["images"]
        several = None
        for same in (skeletons, videos):
            if len(same) > 1 and len(set(map(os.path.realpath, same))) > 1:
                listed = " and ".join(_relative(path, root) for path in sorted(same))
                several = f"{SEVERAL}: {listed}"
        yield Found(name, next(iter(skeletons), None), next(iter(videos), None), several)


def files_under(root: Path, skip: re.Pattern[str]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder and its files that are not hidden; links are followed, once. OSError if unreadable."""
    seen = set()
    for folder, folders, files in os.walk(root, onerror=_raise, followlinks=True):
        place = os.stat(folder)
        if (place.st_dev, place.st_ino) in seen:
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        folders[:] = sorted(name for name in folders if not skip.match(name))
        yield Path(folder), [name for name in files if not name.startswith(".")]


def reason_and_example(name: str, said: str) -> tuple[str, str]:
    """What a reason says after a colon is of this sample alone and goes to the example."""
    reason, _, detail = said.partition(": ")
    return reason, f"{name} ({detail})" if detail else name


def in_general(why: str, name: str) -> str:
    """Why a sample is left out, without what is its own: name, places, quotes, numbers."""
    unnamed = re.sub(rf"\b{re.escape(name)}\b", "…", why)
    placeless = re.sub(r"\S*[/\\][^\s:,]*|(?<!\w)'[^']*'", "…", unnamed)
    return re.sub(r"\d+(\.\d+)?", "N", placeless).removeprefix("…: ")


def by_reason(left_out: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Reason -> the examples that stand beside it, of (reason, example); the most frequent first."""
    found = defaultdict(list)
    for reason, example in left_out:
        found[reason].append(example)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _raise(error: OSError) -> None:
    raise error


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()

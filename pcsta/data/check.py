"""What a whole dataset holds, before anyone trains on it: `pcsta check DATASET`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NotRequired, TypedDict

from tqdm.auto import tqdm

from pcsta.data.dataset import ORPHAN, DataError, Dataset
from pcsta.data.finder import reason_and_example
from pcsta.data.report import counts, layout
from pcsta.data.video import video_info

EXAMPLES = 3  # names given with each reason
SHORT = 20  # frames of a sub-sequence (section 5)


class Unusable(TypedDict):
    """Samples that one reason makes unusable: how many, and some of them."""

    count: int
    examples: list[str]


class DatasetFacts(TypedDict):
    """What `check_dataset` counts; the last four only where it has read the files."""

    dataset: str
    root: str
    files: dict[str, int]
    missing_pairs: dict[str, int]
    usable: int
    unusable: dict[str, Unusable]  # by reason, the most frequent first
    splits: dict[str, dict[str, int]]  # protocol -> side -> clips
    classes: dict[str, int]  # name -> clips
    frames: NotRequired[int]
    shorter_than_20: NotRequired[int]
    repaired: NotRequired[int]
    videos_against_skeletons: NotRequired[dict[str, int]]


def check_dataset(dataset: Dataset, read: bool = True, progress: bool = True) -> DatasetFacts:
    """Counts, ready for JSON: files, missing pairs, unusable samples by reason, clips per split.

    With `read` every skeleton is parsed and every video's header opened (about 200 clips a second);
    without, file names alone are judged. A sample that cannot be read counts as unusable and is in
    no split. Raises DataError for a missing, empty or wrong folder.
    """
    unusable = {name: reason_and_example(name, said) for name, said in dataset.unusable.items()}
    lengths: list[int] = []
    repaired = 0
    videos: Counter[str] = Counter()
    samples = dataset.samples if read else []
    for sample in tqdm(samples, "reading", unit="clip", disable=not (read and progress)):
        try:
            clip = dataset.read(sample)
        except DataError as error:
            unusable[sample.name] = (_without_numbers(error.problem), str(error))
            continue
        lengths.append(len(clip))
        repaired += bool(clip.repairs)
        if sample.video is not None:
            videos[_video_against_skeleton(sample.video, len(clip))] += 1

    examples = defaultdict(list)
    for reason, example in unusable.values():
        examples[reason].append(example)
    usable = Counter(s.label for s in dataset if s.name not in unusable)
    facts: DatasetFacts = {
        "dataset": dataset.name,
        "root": str(dataset.root),
        "files": dataset.files,
        "missing_pairs": {
            "skeleton without video": sum(s.video is None for s in dataset),
            ORPHAN: sum(reason == ORPHAN for reason in dataset.unusable.values()),
        },
        "usable": usable.total(),
        "unusable": {
            reason: {"count": len(found), "examples": sorted(found)[:EXAMPLES]}
            for reason, found in sorted(examples.items(), key=lambda item: -len(item[1]))
        },
        "splits": {protocol: {} for protocol in dataset.protocols},
        "classes": {name: usable[label] for label, name in enumerate(dataset.classes)},
    }
    for protocol, sides in facts["splits"].items():
        for side, names in dataset.split(protocol)._asdict().items():
            sides[side] = sum(name not in unusable for name in names)
    if read:
        facts["frames"] = sum(lengths)
        facts["shorter_than_20"] = sum(length < SHORT for length in lengths)
        facts["repaired"] = repaired
        kinds = ("equal", "shorter", "longer", "unreadable")
        facts["videos_against_skeletons"] = {kind: videos[kind] for kind in kinds}
    return facts


def _video_against_skeleton(video: Path, length: int) -> str:
    try:
        frames = video_info(video).frames
    except DataError:
        return "unreadable"
    if frames == 0:  # some containers do not say
        return "not stated"
    return "equal" if frames == length else "shorter" if frames < length else "longer"


def _without_numbers(problem: str) -> str:
    """A problem without its numbers and quotes, so that like cases are counted together."""
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'", "…", problem))


def format_report(facts: DatasetFacts) -> str:
    """The same for people to read."""
    unusable, per_class = facts["unusable"], facts["classes"].values()
    reasons = [f"{sum(found['count'] for found in unusable.values())} samples"]
    for reason, found in unusable.items():
        reasons.append(f"    {found['count']:>6}  {reason}")
        reasons += [f"            {example}" for example in found["examples"]]
    rows = [
        ("files", counts(facts["files"])),
        ("missing pairs", counts(facts["missing_pairs"])),
        ("usable", f"{facts['usable']} samples"),
        ("unusable", "\n".join(reasons)),
    ]
    for protocol, sides in facts["splits"].items():
        rows.append((protocol, f"{sides['train']} to train, {sides['test']} to test"))
    filled = f"{len(per_class)}, {sum(n > 0 for n in per_class)} of them with clips"
    rows.append(("classes", f"{filled}, {min(per_class)} to {max(per_class)} a class"))
    if "frames" in facts:
        against = counts(facts["videos_against_skeletons"])
        short = f"{facts['shorter_than_20']} clips shorter than a sub-sequence of {SHORT}"
        rows[2:2] = [
            ("frames", f"{facts['frames']}, {short}"),
            ("repaired", f"{facts['repaired']} clips read with a documented repair"),
            ("videos", f"{against} (length against the skeleton)"),
        ]
    return layout(f"{facts['dataset']} in {facts['root']}", rows)

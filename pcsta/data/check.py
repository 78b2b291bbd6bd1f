"""What a whole dataset holds, before anyone trains on it: `pcsta check DATASET`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from pcsta.data.dataset import ORPHAN, DataError, Dataset
from pcsta.data.finder import by_reason, in_general, reason_and_example
from pcsta.data.pairing import pair

EXAMPLES = 3  # given of each kind
SHORT = 20  # frames of a sub-sequence (section 5)


class Finding(TypedDict):
    """One line of a list of what is as it should be and what is not."""

    ok: bool
    what: str  # was found
    do: str  # if it is not ok


Facts = dict[str, Any]
Some = dict[str, Any]  # samples of one kind: their "count", and some "examples"


def check_dataset(dataset: Dataset, read: bool = True, progress: bool = True) -> Facts:
    """Counts, ready for JSON: files, missing pairs, unusable samples by reason, clips per split.

    With `read` every skeleton is parsed and every video's frames are counted, not decoded; without,
    file names alone are judged. A sample that cannot be read counts as unusable and is in no split.
    Raises DataError for a missing, empty or wrong folder.
    """
    from tqdm.auto import tqdm  # late: `pcsta inspect` comes by here and does without

    unusable = {name: reason_and_example(name, said) for name, said in dataset.unusable.items()}
    lengths: list[int] = []
    repaired = 0
    videos: dict[str, list[str]] = {"equal": [], "repaired": [], "refused": []}
    samples = dataset.samples if read else []
    for sample in tqdm(samples, "reading", unit="clip", disable=not (read and progress)):
        try:
            clip = dataset.read(sample)
        except DataError as error:
            unusable[sample.name] = (in_general(error.problem, sample.name), str(error))
            continue
        lengths.append(len(clip))
        repaired += bool(clip.repairs)
        if sample.video is not None:
            try:
                notes = pair(clip).notes
                kind = "repaired" if notes else "equal"
                videos[kind].append("; ".join([f"{clip.name}: {note}" for note in notes]))
            except DataError as error:
                videos["refused"].append(str(error))

    usable = Counter(s.label for s in dataset if s.name not in unusable)
    facts: Facts = {
        "dataset": dataset.name,
        "root": str(dataset.root),
        "files": dataset.files,
        "missing_pairs": {
            "skeleton without video": sum(s.video is None for s in dataset),
            ORPHAN: sum(reason == ORPHAN for reason in dataset.unusable.values()),
        },
        "usable": usable.total(),
        "unusable": _some(by_reason(unusable.values())),
        "splits": {protocol: {} for protocol in dataset.protocols},
        "classes": {name: usable[label] for label, name in enumerate(dataset.classes)},
    }
    for protocol, sides in facts["splits"].items():
        for side, names in dataset.split(protocol)._asdict().items():
            sides[side] = sum(name not in unusable for name in names)
            if dataset.complete and side == "test":
                sides["errors"] = len(names) - sides[side]
    if read:
        facts["frames"] = sum(lengths)
        facts["shorter_than_20"] = sum(length < SHORT for length in lengths)
        facts["repaired"] = repaired
        facts["videos"] = _some(videos)
    return facts


def _some(kinds: Mapping[str, list[str]]) -> dict[str, Some]:
    return {
        kind: {"count": len(found), "examples": sorted(filter(None, found))[:EXAMPLES]}
        for kind, found in kinds.items()
    }


def format_report(facts: Facts) -> str:
    """The same for people to read."""
    per_class = facts["classes"].values()
    unusable = sum(found["count"] for found in facts["unusable"].values())
    rows = [
        ("files", _counts(facts["files"])),
        ("missing pairs", _counts(facts["missing_pairs"])),
        ("usable", f"{facts['usable']} samples"),
        ("unusable", "\n".join([f"{unusable} samples", *_examples(facts["unusable"])])),
    ]
    for protocol, sides in facts["splits"].items():
        unread = f", {sides['errors']} unread, which are errors" if "errors" in sides else ""
        rows.append((protocol, f"{sides['train']} to train, {sides['test']} to test{unread}"))
    filled = f"{len(per_class)}, {sum(n > 0 for n in per_class)} of them with clips"
    rows.append(("classes", f"{filled}, {min(per_class)} to {max(per_class)} a class"))
    if "frames" in facts:
        videos = _counts({kind: found["count"] for kind, found in facts["videos"].items()})
        named = {kind: found for kind, found in facts["videos"].items() if found["examples"]}
        short = f"{facts['shorter_than_20']} clips shorter than a sub-sequence of {SHORT}"
        rows[2:2] = [
            ("frames", f"{facts['frames']}, {short}"),
            ("repaired", f"{facts['repaired']} clips read with a documented repair"),
            ("videos", "\n".join([f"{videos} (against the skeletons)", *_examples(named)])),
        ]
    return layout(f"{facts['dataset']} in {facts['root']}", rows)


def layout(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """The title and a line "  name  value" for each fact; those that are None are left out."""
    lines = (f"  {name:<18} {value}" for name, value in facts if value is not None)
    return "\n".join([title, *lines])


def format_findings(found: Mapping[str, Finding]) -> str:
    """A line `ok  name  what` for each, or `--  name  what` and what to do."""
    lines = []
    for name, finding in found.items():
        lines.append(f"{'ok' if finding['ok'] else '--'}  {name:<19} {finding['what']}")
        lines += [] if finding["ok"] else [f"{'':<24}{finding['do']}"]
    return "\n".join(lines)


def _counts(found: Mapping[str, int]) -> str:
    """`3 equal, 0 refused` for {"equal": 3, "refused": 0}."""
    return ", ".join(f"{count} {what}" for what, count in found.items())


def _examples(kinds: Mapping[str, Some]) -> Iterator[str]:
    """A line for each kind, and one for each of its examples."""
    for kind, found in kinds.items():
        yield f"    {found['count']:>6}  {kind}"
        yield from (f"            {example}" for example in found["examples"])

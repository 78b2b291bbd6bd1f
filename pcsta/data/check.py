"""What a whole dataset holds, before anyone trains on it: `pcsta check DATASET`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tqdm.auto import tqdm

from pcsta.data.dataset import DataError, Dataset
from pcsta.data.video import video_info

EXAMPLES = 3  # names given with each reason


def check(dataset: Dataset, read: bool = True, progress: bool = True) -> dict[str, Any]:
    """Counts, ready for JSON: files, missing pairs, unusable samples by reason, clips per split.

    With `read` every skeleton is parsed and every video's header opened (about 200 clips a second);
    without, file names alone are judged. A sample that cannot be read counts as unusable and is in
    no split. Raises DataError for a missing, empty or wrong folder.
    """
    samples = dataset.samples
    unusable = {name: (reason, name) for name, reason in dataset.unusable.items()}
    videos = Counter(missing=0, shorter=0, longer=0, equal=0, unreadable=0)
    lengths: dict[str, int] = {}
    repaired = 0
    for sample in tqdm(samples, "reading", unit="clip", disable=not (read and progress)):
        if sample.video is None:
            videos["missing"] += 1
        if not read:
            continue
        try:
            clip = dataset.read(sample)
        except DataError as error:
            unusable[sample.name] = (_general(error.problem), str(error))
            continue
        lengths[sample.name] = len(clip)
        repaired += bool(clip.repairs)
        if sample.video is not None:
            try:
                frames = video_info(sample.video).frames
            except DataError:
                videos["unreadable"] += 1
                continue
            if frames:  # some containers do not state it
                same = (frames > len(clip)) - (frames < len(clip))
                videos[("shorter", "equal", "longer")[same + 1]] += 1

    reasons: dict[str, list[str]] = {}
    for reason, example in unusable.values():
        reasons.setdefault(reason, []).append(example)
    facts: dict[str, Any] = {
        "dataset": dataset.name,
        "root": str(dataset.root),
        "files": dataset.files,
        "missing_pairs": {
            "skeleton without video": videos["missing"],
            "video without skeleton": len(reasons.get("video without skeleton", ())),
        },
        "usable": sum(s.name not in unusable for s in samples),
        "unusable": {
            reason: {"count": len(found), "examples": sorted(found)[:EXAMPLES]}
            for reason, found in sorted(reasons.items(), key=lambda item: -len(item[1]))
        },
        "splits": {
            protocol: {
                side: sum(name not in unusable for name in names)
                for side, names in dataset.split(protocol)._asdict().items()
            }
            for protocol in dataset.protocols
        },
        "classes": _per_class(dataset, unusable.keys()),
    }
    if read:
        facts |= {
            "frames": sum(lengths.values()),
            "shorter_than_20": sum(length < 20 for length in lengths.values()),
            "repaired": repaired,
            "videos_against_skeletons": {
                k: videos[k] for k in ("equal", "shorter", "longer", "unreadable")
            },
        }
    return facts


def _general(problem: str) -> str:
    """A problem without its numbers and quotes, so that like cases are counted together."""
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'", "…", problem))


def _per_class(dataset: Dataset, left_out) -> dict[str, int]:
    found = Counter(s.label for s in dataset.samples if s.name not in left_out)
    return {name: found[label] for label, name in enumerate(dataset.classes)}


def describe(facts: dict[str, Any]) -> str:
    """The same for people to read."""
    files, pairs = facts["files"], facts["missing_pairs"]
    lines = [
        f"{facts['dataset']} in {facts['root']}",
        f"  files              {files['skeletons']} skeletons, {files['videos']} videos",
        "  missing pairs      " + ", ".join(f"{n} {what}" for what, n in pairs.items()),
    ]
    if "frames" in facts:
        lines += [
            f"  frames             {facts['frames']}, {facts['shorter_than_20']} clips shorter "
            "than a sub-sequence of 20",
            f"  repaired           {facts['repaired']} clips read with a documented repair",
            "  videos             "
            + ", ".join(f"{n} {how}" for how, n in facts["videos_against_skeletons"].items())
            + " (length against the skeleton)",
        ]
    lines.append(f"  usable             {facts['usable']} samples")
    lines.append(
        f"  unusable           {sum(found['count'] for found in facts['unusable'].values())} samples"
    )
    for reason, found in facts["unusable"].items():
        lines.append(f"    {found['count']:>6}  {reason}")
        lines += [f"            {example}" for example in found["examples"]]
    for protocol, sides in facts["splits"].items():
        lines.append(f"  {protocol:<18} {sides['train']} to train, {sides['test']} to test")
    counts = facts["classes"].values()
    lines.append(
        f"  classes            {len(counts)}, {sum(n > 0 for n in counts)} of them with clips, "
        f"{min(counts)} to {max(counts)} a class"
    )
    return "\n".join(lines)

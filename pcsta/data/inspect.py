"""What one file holds, before anyone trusts it: `pcsta inspect FILE`."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from pcsta.data import read_clip, reader_of
from pcsta.data.bodies import motion, stature
from pcsta.data.check import layout
from pcsta.data.dataset import DataError
from pcsta.data.tracks import Body
from pcsta.data.video import video_info
from pcsta.skeletons import Skeleton

FORMATS = {  # by skeleton
    "kinect_v2": "NTU RGB+D skeleton",
    "sbu": "SBU Kinect Interaction skeleton",
    "kinect_v1": "MSR Daily Activity 3D skeleton",
}
TEXTS = (".skeleton", ".txt")  # whatever is in them; UTF-16 has zero bytes, as videos have

Facts = dict[str, Any]  # None where a file does not say


def inspect_file(path: Path | str) -> Facts:
    """Facts about a skeleton file or a video, ready for JSON.

    Counts, tracked share, ranges, gaps and NaN are those of the file as it stands; `repairs` says
    what reading it as a Clip does. Raises DataError when the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        advice = "Name a file, or use `pcsta check` for a whole dataset"
        raise DataError("this is a folder", path, advice)
    if not path.is_file():
        raise DataError("no such file", path, "Check the path")
    with path.open("rb") as file:
        binary = b"\0" in file.read(4096)
    return _video(path) if binary and path.suffix.lower() not in TEXTS else _skeleton(path)


def _video(path: Path) -> Facts:
    info = video_info(path)
    return dict(
        file=str(path), format=f"video ({info.codec})", frames=info.frames,
        width=info.size[0], height=info.size[1], turned=info.turned or None,
        frames_per_second=round(info.fps, 3), frames_stated=info.stated or None,
    )  # fmt: skip


def _skeleton(path: Path) -> Facts:
    dataset, _ = reader_of(path)
    bodies, length, tracked, _ = dataset.tracks(path)
    people = np.bincount([t for b in bodies for t in b.frames.tolist()], minlength=length)
    seen = [np.isfinite(b.joints).all(-1) for b in bodies]  # (n, J) of each body
    facts = dict(
        file=str(path),
        format=FORMATS[dataset.skeleton.name],
        frames=length,
        people_per_frame={str(k): n for k, n in sorted(Counter(people.tolist()).items())},
        joints=len(dataset.skeleton),
        tracked_share=None if tracked is None else round(tracked, 4),
        range_metres=_ranges([b.joints[here] for b, here in zip(bodies, seen, strict=True)]),
        gaps=_gaps(people),
        nan=sum(int((~here).sum()) for here in seen),
        nan_pixels=sum(int((~np.isfinite(b.pixels)).any(-1).sum()) for b in bodies),
        bodies=[_body(b, dataset.skeleton) for b in bodies],
    )
    if bodies:
        clip = read_clip(path)
        facts |= dict(
            name=clip.name, label=clip.label if clip.label >= 0 else None,
            action=clip.action or None, subject=clip.subject or None, camera=clip.camera or None,
            replication=clip.replication or None, repairs=list(clip.repairs),
        )  # fmt: skip
    return facts


def _body(body: Body, skeleton: Skeleton) -> Facts:
    whole = body[np.isfinite(body.joints).all((1, 2))]
    return dict(
        id=str(body.ids[0]),  # 17 digits do not survive a JSON number
        frames=len(body), first=int(body.frames[0]), last=int(body.frames[-1]),
        motion_metres=round(motion(whole), 4) if len(whole) else None,
        stature_metres=round(stature(whole, skeleton), 3) if len(whole) else None,
    )  # fmt: skip


def _ranges(found: list[Float[np.ndarray, "_ 3"]]) -> dict[str, list[float]] | None:
    """Least and greatest coordinate per axis."""
    places = [place for joints in found for place in joints.tolist()]
    axes = zip("xyz", zip(*places, strict=True), strict=False)
    return {axis: [round(min(at), 3), round(max(at), 3)] for axis, at in axes} or None


def _gaps(people: Int64[np.ndarray, "T"]) -> list[list[int]]:
    """Runs of frames without anybody, as [first, last]."""
    empty = np.concatenate([[False], people == 0, [False]])
    edges = np.flatnonzero(empty[1:] != empty[:-1])  # starts and ends, in turn
    return [[int(a), int(b) - 1] for a, b in edges.reshape(-1, 2)]


def format_report(facts: Facts) -> str:
    """The same for people to read, one fact a line."""
    rows: list[tuple[str, object]] = [("format", facts["format"]), ("frames", facts["frames"])]
    if "width" in facts:
        stated = facts["frames_stated"] or facts["frames"]
        rows += [
            ("stated frames", f"{stated}, which is wrong" if stated != facts["frames"] else None),
            ("size", f"{facts['width']} x {facts['height']} pixels"),
            ("turned", facts["turned"]),
            ("frames a second", facts["frames_per_second"]),
        ]
        return layout(facts["file"], rows)
    action, share = facts.get("action"), facts["tracked_share"]
    tracked = None if share is None else f"{100 * share:.1f} % of joints, the rest inferred"
    people = (f"{k} in {n} frames" for k, n in facts["people_per_frame"].items())
    ranges = (f"{a} {low} to {high}" for a, (low, high) in (facts["range_metres"] or {}).items())
    gaps = ", ".join(f"{first}-{last}" for first, last in facts["gaps"]) or "none"
    rows += [
        ("action", f"{action} (label {facts['label']})" if action else None),
        *((key, facts.get(key)) for key in ("subject", "camera", "replication")),
        ("people per frame", ", ".join(people)),
        ("joints", facts["joints"]),
        ("tracked", tracked),
        ("range in metres", ", ".join(ranges) or None),
        ("gaps", f"frames without anybody: {gaps}"),
        ("NaN", f"{facts['nan']} joint positions, {facts['nan_pixels']} pixel positions"),
    ]
    for body in facts["bodies"]:
        life = f"{body['frames']} frames ({body['first']}-{body['last']})"
        moved, tall = body["motion_metres"], body["stature_metres"]
        if moved is not None:
            life += f", moves {moved} m, {tall} m from head to foot"
        rows.append((f"body {body['id']}", life))
    notes = facts.get("repairs", ["nobody in any frame: not usable"])
    return layout(facts["file"], [*rows, *(("note", note) for note in notes)])

"""What one file holds, before anyone trusts it: `pcsta inspect FILE`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pcsta.data import read_clip, reader_of
from pcsta.data.bodies import Body, motion, stature
from pcsta.data.dataset import DataError
from pcsta.data.video import video_info

FORMATS = {
    "ntu": "NTU RGB+D skeleton",
    "sbu": "SBU Kinect Interaction skeleton",
    "msr-daily": "MSR Daily Activity 3D skeleton",
}
VIDEOS = (".avi", ".mp4", ".mkv", ".mov", ".webm")


def inspect(path: Path | str) -> dict[str, Any]:
    """Facts about a skeleton file or a video, ready for JSON.

    Counts, tracked share, ranges, gaps and NaN are those of the file as it stands; `repairs` says
    what reading it as a Clip does. Raises DataError when the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(
            "this is a folder", path=path,
            advice="Name a file, or use `pcsta check` for a whole dataset",
        )  # fmt: skip
    if path.suffix.lower() in VIDEOS:
        return _video(path)
    dataset, _ = reader_of(path)
    tracks = dataset.tracks(path)
    people = np.zeros(tracks.length, np.int64)  # bodies reported in each frame
    for body in tracks.bodies:
        people[body.frames] += 1
    facts: dict[str, Any] = {
        "file": str(path),
        "format": FORMATS[dataset.name],
        "frames": tracks.length,
        "people_per_frame": {str(k): n for k, n in sorted(Counter(people.tolist()).items())},
        "joints": len(dataset.skeleton),
        "tracked_share": None if tracks.tracked is None else round(tracks.tracked, 4),
        "range_metres": _ranges(tracks.bodies),
        "gaps": _gaps(people),
        "nan": sum(int((~np.isfinite(b.joints)).any(-1).sum()) for b in tracks.bodies),
        "nan_pixels": sum(int((~np.isfinite(b.pixels)).any(-1).sum()) for b in tracks.bodies),
        "bodies": [_body(b, dataset.skeleton) for b in tracks.bodies],
    }
    if tracks.bodies:
        clip = read_clip(path)
        facts |= {
            "name": clip.name,
            "label": clip.label if clip.label >= 0 else None,
            "action": clip.action or None,
            "subject": clip.subject or None,
            "camera": clip.camera or None,
            "replication": clip.replication or None,
            "repairs": list(clip.repairs),
        }
    return facts


def _video(path: Path) -> dict[str, Any]:
    info = video_info(path)
    return {
        "file": str(path),
        "format": f"video ({info.codec})",
        "frames": info.frames or None,
        "width": info.size[0],
        "height": info.size[1],
        "frames_per_second": round(info.fps, 3),
    }


def _body(body: Body, skeleton) -> dict[str, Any]:
    """One line per body. The id is text: 17 digits do not survive a JSON number."""
    whole = body[np.isfinite(body.joints).all((1, 2))]
    return {
        "id": str(body.ids[0]),
        "frames": len(body),
        "first": int(body.frames[0]),
        "last": int(body.frames[-1]),
        "motion_metres": round(motion(whole), 4) if len(whole) else None,
        "stature_metres": round(stature(whole, skeleton), 3) if len(whole) else None,
    }


def _ranges(bodies: list[Body]) -> dict[str, list[float]] | None:
    """Least and greatest coordinate per axis over all finite joints."""
    if not bodies:
        return None
    joints = np.concatenate([b.joints.reshape(-1, 3) for b in bodies])
    joints = joints[np.isfinite(joints).all(-1)]
    if not len(joints):
        return None
    low, high = joints.min(0).tolist(), joints.max(0).tolist()
    return {axis: [round(low[i], 3), round(high[i], 3)] for i, axis in enumerate("xyz")}


def _gaps(people: np.ndarray) -> list[list[int]]:
    """Runs of frames without anybody, as [first, last]."""
    empty = np.concatenate([[False], people == 0, [False]])
    edges = np.flatnonzero(np.diff(empty.astype(np.int8)))  # starts and ends, in turn
    return [[int(a), int(b) - 1] for a, b in edges.reshape(-1, 2)]


def describe(facts: dict[str, Any]) -> str:
    """The same for people to read, one fact a line."""
    lines = [facts["file"]]

    def say(what: str, value: Any) -> None:
        lines.append(f"  {what:<18} {value}")

    say("format", facts["format"])
    say("frames", facts["frames"] if facts["frames"] is not None else "not stated")
    if "width" in facts:
        say("size", f"{facts['width']} x {facts['height']} pixels")
        say("frames a second", facts["frames_per_second"])
        return "\n".join(lines)
    if facts.get("action"):
        say("action", f"{facts['action']} (label {facts['label']})")
    for key in ("subject", "camera", "replication"):
        if facts.get(key):
            say(key, facts[key])
    say(
        "people per frame",
        ", ".join(f"{k} in {n} frames" for k, n in facts["people_per_frame"].items()),
    )
    say("joints", facts["joints"])
    if facts["tracked_share"] is not None:
        say("tracked", f"{100 * facts['tracked_share']:.1f} % of joints, the rest inferred")
    if facts["range_metres"]:
        ranges = (f"{a} {low} to {high}" for a, (low, high) in facts["range_metres"].items())
        say("range in metres", ", ".join(ranges))
    gaps = ", ".join(f"{a}-{b}" for a, b in facts["gaps"]) or "none"
    say("gaps", f"frames without anybody: {gaps}")
    say("NaN", f"{facts['nan']} joint positions, {facts['nan_pixels']} pixel positions")
    for body in facts["bodies"]:
        size = (
            f", moves {body['motion_metres']} m, {body['stature_metres']} m from head to foot"
            if body["motion_metres"] is not None
            else ""
        )
        say(f"body {body['id']}", f"{body['frames']} frames ({body['first']}-{body['last']}){size}")
    for repair in facts.get("repairs", ["nobody in any frame: not usable"]):
        say("note", repair)
    return "\n".join(lines)

"""Keypoints that other programs found in a video, as JSON: a file for each frame, or one list of results.

    clip/clip_000000000000_keypoints.json ...   as OpenPose writes
        {"people": [{"pose_keypoints_2d": [x, y, confidence, ...], "pose_keypoints_3d": []}, ...]}
    clip.json                                   as COCO's results, AlphaPose, MMPose
        [{"image_id": 0, "keypoints": [x, y, confidence, ...]}, ...]     (or "0.jpg")

Places are pixels; confidence 0 is a joint that was not found. Joints in metres may come with them, as
`pose_keypoints_3d` or `keypoints_3d`: x right, y down, z away, and a confidence that is not read. How
many joints there are tells the layout.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pcsta.data.dataset import DataError
from pcsta.data.estimated import LAYOUTS, Pose
from pcsta.files import read_json

AGAIN = "let that program write it again"
FAR = 100_000  # pixels or metres: a place that is none
MOST = 6  # people who are kept, those in most frames: as many as a Kinect follows

Person = Float[np.ndarray, "K C"]  # x, y, confidence; and perhaps x, y, z in metres


def read_keypoints(path: Path, length: int) -> Pose:
    """The people in all frames: `image` (T, P, K, 3), and `world` (T, P, K, 3) or None.

    length: T, frames of the video; a list that counts to it counts from 1, else frames count from 0
    Raises DataError naming file and frame of what is wrong.
    """
    people: dict[int, list[Person]] = defaultdict(list)
    for frame, found, file in _one_a_frame(path) if path.is_dir() else _list(path):
        there = [_person(*each, file, frame) for each in found]
        people[frame] += [person for person in there if (person[:, 2] > 0).any()]
        if len({person.tobytes() for person in people[frame]}) < len(people[frame]):
            raise _wrong("somebody is in it twice, at the same places", file, frame)
    if min(people, default=0) > 0 and max(people) == length:
        people = {frame - 1: found for frame, found in people.items()}
    shapes = {person.shape for found in people.values() for person in found}
    if len(shapes) != 1:
        raise _wrong("some have other joints than others" if shapes else "nobody is in it", path)
    if max(people) >= length:
        raise _wrong(f"its video ends after {length} frames", path, max(people))
    tracks = _follow(people)
    joints = np.full((length, len(tracks), *shapes.pop()), np.nan)
    for slot, track in enumerate(tracks):
        joints[list(track), slot] = list(track.values())
    return Pose(joints[..., :3], joints[..., 3:] if joints.shape[-1] > 3 else None)


Results = Iterator[tuple[int, list[tuple[Any, Any]], Path]]  # frame, keypoints of all people, file


def _one_a_frame(folder: Path) -> Results:
    paths = sorted(folder.glob("*.json"))
    files = {_number(path.name, path): path for path in paths}
    if len(files) < len(paths):
        raise _wrong("two of its files have the same number: they are of two videos", folder)
    for frame, number in enumerate(range(min(files), max(files) + 1)):
        if number not in files:
            raise _wrong("it has no file", folder, frame)
        said = read_json(files[number], AGAIN)
        try:
            people = [dict(person) for person in said["people"]]
            found = [(p["pose_keypoints_2d"], p.get("pose_keypoints_3d")) for p in people]
        except (KeyError, TypeError, ValueError):
            raise _wrong("no people with pose_keypoints_2d in it", files[number], frame) from None
        yield frame, found, files[number]


def _list(file: Path) -> Results:
    said = read_json(file, AGAIN)
    for result in said if isinstance(said, list) else [said]:
        if not isinstance(result, dict) or not {"image_id", "keypoints"} <= result.keys():
            raise _wrong("it is no list of results with image_id and keypoints", file)
        frame = _number(result["image_id"], file)
        yield frame, [(result["keypoints"], result.get("keypoints_3d"))], file


def _person(flat: Any, deep: Any, file: Path, frame: int) -> Person:
    try:
        image = np.array(flat, float).reshape(-1, 3)
        world = np.array(deep or [], float).reshape(len(image), -1)[:, :3]
    except (TypeError, ValueError, OverflowError):
        raise _wrong("its keypoints are no x, y, confidence for each joint", file, frame) from None
    if len(image) not in LAYOUTS or world.shape[1] not in (0, 3):
        known = ", ".join(f"{K} ({name})" for K, name in LAYOUTS.items())
        raise _wrong(f"a person of {len(image)} keypoints; known are {known}", file, frame)
    person = np.concatenate([image, world], 1)
    person[np.isnan(person).any(1), 2] = 0  # not found
    found = person[person[:, 2] > 0]
    if len(found) > 2 and 0 < np.abs(found[:, :2]).max() <= 1:  # a faint one may be anywhere
        raise _wrong("its keypoints are shares of the image, not pixels", file, frame)
    if world.size and len(found) > 2 and not found[:, 3:].any():
        raise _wrong("its keypoints in 3D are all zero", file, frame)
    if (np.abs(found) > FAR).any():
        raise _wrong(f"a keypoint is more than {FAR:,} pixels away", file, frame)
    return person


def _number(name: Any, file: Path) -> int:
    """The last number in a name, its ending (mp4) left out; or the number that it is."""
    text = str(name) if type(name) is int and name >= 0 else name
    numbers = re.findall(r"\d+", re.sub(r"\.[a-z]\w*$", "", text)) if isinstance(text, str) else []
    if not numbers:
        raise _wrong(f"no number of a frame in {name!r}", file)
    return int(numbers[-1])


def _wrong(problem: str, path: Path, frame: int | None = None) -> DataError:
    return DataError(problem, path, AGAIN, frame=frame)


def _follow(people: Mapping[int, list[Person]]) -> list[dict[int, Person]]:
    """Each person by frame: whoever is nearest to where somebody was last, within a body, is the same."""
    tracks: list[dict[int, Person]] = []
    for frame, found in sorted(people.items()):
        free = list(tracks)
        for person in found:
            places = person[person[:, 2] > 0, :2]
            last = [next(reversed(track.values())) for track in free]
            away = [np.linalg.norm(p[p[:, 2] > 0, :2].mean(0) - places.mean(0)) for p in last]
            if away and min(away) <= np.linalg.norm(np.ptp(places, axis=0)):
                track = free.pop(int(np.argmin(away)))
            else:
                tracks.append(track := {})
            track[frame] = person
    return sorted(tracks, key=len, reverse=True)[:MOST]

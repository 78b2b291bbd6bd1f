"""A skeleton and its video: which frame belongs to which, and where its pixels lie in the images.

1. As many frames as the skeleton: one belongs to one.
2. Else by time, where the video's duration is nearer to the skeleton's than its frames are in
   number: a video at 60 frames a second, one whose rate varies, or numbered images with gaps. A
   Kinect reports 30 skeletons a second.
3. Else one belongs to one, the last image repeated or the last ones left out.

What then still differs by more than a tenth is refused. Everything but rule 1 is named in
`Clip.repairs`. Frames have the size of the image that the skeleton's pixels refer to: a video of
the same shape is scaled, one of another shape is refused.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pcsta.data.clip import Clip
from pcsta.data.dataset import DataError
from pcsta.data.video import RATE, Image, VideoInfo, read_frames, video_info

SHAPE = 0.02  # by which width / height may differ: sides are rounded to even numbers


class Pair(NamedTuple):
    """How a clip and its video go together.

    frames: number of the video's frame for each of the skeleton's, in rising order
    size:   (width, height) of the images that the skeleton's pixels refer to
    notes:  sentences for `Clip.repairs`
    """

    frames: list[int]
    size: tuple[int, int]
    notes: list[str]


def pair(clip: Clip) -> Pair:
    """Raises DataError where a clip has no video, or one that does not belong to its skeleton."""
    if clip.video is None:
        advice = "Fetch its video, or work on the pose stream alone"
        raise DataError(f"{clip.name} has no video", advice=advice)
    info = video_info(clip.video)
    frames, of_time = _in_time(clip, info)
    size, of_place = _in_place(clip, info)
    notes = [f"its video is turned {info.turned}, as its mark says" if info.turned else ""]
    return Pair(frames, size, [note for note in (*notes, of_time, of_place) if note])


def _in_time(clip: Clip, info: VideoInfo) -> tuple[list[int], str]:
    T, F = len(clip), info.frames
    places = info.times * RATE  # of the video's frames, counted in the skeleton's
    span = float(places[-1]) * F / max(F - 1, 1)
    by_time = abs(span - T) < abs(F - T)
    if abs((span if by_time else F) - T) > -(-T // 10):
        seconds = f"({T / RATE:.1f} s at the {RATE} a second of a Kinect)"
        problem = f"its video has {F} frames ({span / RATE:.1f} s), its skeleton {T} {seconds}"
        advice = f"Fetch or make a video of the skeleton's {T} frames, or leave the sample out"
        raise DataError(problem, clip.video, advice)
    moments = np.arange(T)
    said = f"its video has {F} frames, its skeleton {T}: "
    if by_time:
        nearest = np.searchsorted((places[1:] + places[:-1]) / 2, moments)
        said += "each takes the nearest in time"
        if len(missing := np.flatnonzero(abs(places[nearest] - moments) > 0.5)):
            said += f", as {len(missing)} are missing, the first at {missing[0]}"
        return nearest.tolist(), said
    said += "its last frame is repeated" if F < T else f"its last {F - T} are left out"
    return moments.clip(max=F - 1).tolist(), said if F != T else ""


def _in_place(clip: Clip, info: VideoInfo) -> tuple[tuple[int, int], str]:
    size, said = clip.image_size, ""
    (w, h), (width, height) = info.size, size
    known = clip.pixels[np.isfinite(clip.pixels).all(-1)]
    if w < width and (known < info.size).all():
        size, said = info.size, f"its pixels are taken as those of its video, {w} x {h}"
    elif info.size != size:
        said = f"its video of {w} x {h} pixels is scaled to {width} x {height}"
        if abs(w * height / (h * width) - 1) > SHAPE:
            sensor = f"those of the skeleton's sensor {width} x {height}"
            advice = "Fetch or make the video in the shape that was recorded"
            raise DataError(f"its images are {w} x {h} pixels, {sensor}", clip.video, advice)
    seen = clip.joints.any((1, 2, 3))  # (T,) somebody is there
    inside = np.asarray((clip.hands >= 0) & (clip.hands < size)).all(-1).any(axis=-1)
    lost = int((seen & ~inside).sum())
    if 2 * lost > seen.sum():
        w, h = size
        problem = f"no hand is inside its {w} x {h} pixels in {lost} of {len(clip)} frames"
        advice = "Write the skeleton's pixels as places in these images, upright as they are shown"
        raise DataError(problem, clip.video, advice)
    return size, said


def paired(clip: Clip) -> Clip:
    """The clip, with what pairing does to it in its `repairs`. Raises DataError as `pair` does."""
    found = pair(clip)
    return replace(clip, image_size=found.size, repairs=(*clip.repairs, *found.notes))


def clip_frames(clip: Clip) -> Iterator[tuple[int, Image]]:
    """(index, image) for each frame of a clip's skeleton. Raises as `pair` and `read_frames`."""
    found = pair(clip)
    assert clip.video is not None
    for number, image in read_frames(clip.video, found.frames, found.size):
        yield from ((t, image) for t, shown in enumerate(found.frames) if shown == number)

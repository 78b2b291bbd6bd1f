"""Colour video: one pass from the first frame to the last, only the wanted frames converted.

Seeking to each frame decodes from the key frame before it every time, about ten times slower. A
video is a file that FFmpeg reads, or a folder of numbered images (SBU).
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from pcsta.data.clip import Clip
from pcsta.data.dataset import DataError
from pcsta.files import atomic

if TYPE_CHECKING:  # whoever reads poses alone does without FFmpeg
    from av import VideoFrame
    from av.container import InputContainer

Image = UInt8[np.ndarray, "H W 3"]
MAKE_AGAIN = "Fetch or make the video again"
LEAVE_OUT = f"{MAKE_AGAIN}, or leave the sample out"

# x264's code for AVX-512 reads memory that nobody has written: one file in some hundreds differs.
# Up to SSSE3 it writes what it writes up to AVX2, on every machine.
X86 = platform.machine().lower() in ("x86_64", "amd64")
SAME_BYTES = {"x264-params": "asm=ssse3"} if X86 else {}


class VideoInfo(NamedTuple):
    """frames is what the container states (0 where it does not); size is (width, height)."""

    frames: int
    size: tuple[int, int]
    fps: float
    codec: str


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """FFmpeg's container of a video, its errors turned into DataError."""
    import av

    if not path.is_file():
        advice = "Fetch it, or work on the pose stream alone"
        raise DataError("no such video", path=path, advice=advice)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError("the file holds no video stream", path=path)
            container.streams.video[0].thread_count = 1  # workers run beside each other
            yield container
    except DataError:
        raise
    except (av.FFmpegError, ValueError) as error:
        problem = f"FFmpeg cannot decode it ({error})"
        raise DataError(problem, path=path, advice=MAKE_AGAIN) from error


def _images(folder: Path) -> list[Path]:
    found = sorted(folder.glob("rgb*.png")) or sorted(folder.glob("rgb*.jpg"))
    if not found:
        raise DataError("no rgb*.png in this folder", path=folder)
    return found


def video_info(path: Path | str) -> VideoInfo:
    """What a video's header states, without decoding. Raises DataError if missing or corrupt."""
    path = Path(path)
    if path.is_dir():
        images = _images(path)
        return video_info(images[0])._replace(frames=len(images))
    with _opened(path) as container:
        stream = container.streams.video[0]
        size, rate = (stream.width, stream.height), float(stream.average_rate or 0)
        return VideoInfo(stream.frames, size, rate, stream.codec_context.name)


def _decode(path: Path) -> Iterator[VideoFrame]:
    if path.is_dir():
        for image in _images(path):
            yield from _decode(image)
        return
    with _opened(path) as container:
        yield from container.decode(video=0)


def read_frames(
    path: Path | str, frames: Iterable[int] | None = None
) -> Iterator[tuple[int, Image]]:
    """(index, image) of the wanted frames in rising order, each once; all frames by default.

    The image is (H, W, 3) uint8, red first. Raises DataError for a missing or corrupt video, and
    when the video ends before a wanted frame.
    """
    path = Path(path)
    wanted = None if frames is None else set(map(int, frames))
    end = None if wanted is None else max({-1, *wanted}) + 1
    length = 0
    for length, frame in enumerate(islice(_decode(path), end), 1):
        if wanted is None or length - 1 in wanted:
            yield length - 1, frame.to_ndarray(format="rgb24", threads=1)
    if end is not None and length < end:
        problem = f"the video ends after {length} frames"
        raise DataError(problem, path=path, frame=end - 1, advice=LEAVE_OUT)
    if end is None and length == 0:
        raise DataError("the video holds no frame", path=path, advice="Fetch or make it again")


def clip_frames(clip: Clip) -> Iterator[tuple[int, Image]]:
    """(index, image) for every frame of a clip's skeleton, 0 to T - 1.

    A longer video is cut at T. One that is shorter by at most a tenth repeats its last frame, as
    the sensor drops colour frames now and then. Raises DataError when it is shorter than that,
    missing, corrupt, or when the clip has no video.
    """
    if clip.video is None:
        advice = "Fetch its video, or work on the pose stream alone"
        raise DataError(f"{clip.name} has no video", advice=advice)
    length = 0
    for index, image in islice(read_frames(clip.video), len(clip)):
        length = index + 1
        yield index, image
    if len(clip) - length > len(clip) // 10:
        problem = f"the video ends after {length} frames, its skeleton has {len(clip)}"
        raise DataError(problem, path=clip.video, frame=length, advice=LEAVE_OUT)
    for repeated in range(length, len(clip)):
        yield repeated, image


def write_video(
    path: Path | str,
    frames: Iterable[Image],
    fps: float | int = 30,
    crf: int = 23,
    preset: str = "fast",
    order: Literal["rgb24", "bgr24"] = "rgb24",
    **options: str,
) -> Path:
    """Encode (H, W, 3) uint8 images as H.264; nothing half-written is left behind.

    crf:     x264's quality, less is better       order:  of the colours in the images
    options: others of x264's, by name

    H.264 as browsers play it needs even sides: an odd one repeats its last row or column. Raises
    ValueError when there is no frame or when frames differ in size.
    """
    import av

    images = iter(frames)
    first = next(images, None)
    if first is None:
        raise ValueError(f"no frames to write to {path}")
    path = Path(path)
    height, width = first.shape[:2]
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    with atomic(path) as part, av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=round(fps))
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.options = {"crf": str(crf), "preset": preset, **options, **SAME_BYTES}
        for image in chain([first], images):
            if image.shape != first.shape:
                raise ValueError(f"frames of {path.name} differ in size: {image.shape[:2]}")
            frame = av.VideoFrame.from_ndarray(np.pad(image, odd, mode="edge"), format=order)
            container.mux(stream.encode(frame.reformat(format="yuv420p", threads=1)))
        container.mux(stream.encode())
    return path

"""Colour video: one pass from the first frame to the last, only the wanted frames converted.

Seeking to each frame decodes from the key frame before it every time, about ten times slower. A
video is a file that FFmpeg reads, or a folder of numbered images (SBU).
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import numpy as np
from jaxtyping import UInt8

from pcsta.data.clip import Clip
from pcsta.data.dataset import DataError
from pcsta.files import atomic

Image = UInt8[np.ndarray, "H W 3"]

# x264's code for AVX-512 reads memory that nobody has written: one file in some hundreds differs.
# Up to SSSE3 it writes what it writes up to AVX2, on every machine.
SAME_BYTES = (
    {"x264-params": "asm=ssse3"} if platform.machine().lower() in ("x86_64", "amd64") else {}
)


class VideoInfo(NamedTuple):
    """frames is what the container states (0 where it does not); size is (width, height)."""

    frames: int
    size: tuple[int, int]
    fps: float
    codec: str


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """FFmpeg's container of a video, its errors turned into DataError."""
    if not path.is_file():
        raise DataError(
            "no such video", path=path, advice="Fetch it, or work on the pose stream alone"
        )
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError("the file holds no video stream", path=path)
            container.streams.video[0].thread_count = 1  # workers run beside each other
            yield container
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"FFmpeg cannot decode it ({error})", path=path, advice="Fetch or make the video again"
        ) from error


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
        return VideoInfo(
            frames=stream.frames,
            size=(stream.width, stream.height),
            fps=float(stream.average_rate or 0),
            codec=stream.codec_context.name,
        )


def _decode(path: Path) -> Iterator[Any]:
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
    last = max(wanted, default=-1) if wanted is not None else None
    length = 0
    if last != -1:
        for index, frame in enumerate(_decode(path)):
            length = index + 1
            if wanted is None or index in wanted:
                yield index, frame.to_ndarray(format="rgb24", threads=1)
            if index == last:
                return
    if last is not None and length <= last:
        raise DataError(
            f"the video ends after {length} frames", path=path, frame=last,
            advice="Fetch or make the video again, or leave the sample out",
        )  # fmt: skip
    if last is None and length == 0:
        raise DataError("the video holds no frame", path=path, advice="Fetch or make it again")


def clip_frames(clip: Clip) -> Iterator[tuple[int, Image]]:
    """(index, image) for every frame of a clip's skeleton, 0 to T - 1.

    A longer video is cut at T. One that is shorter by at most a tenth repeats its last frame, as
    the sensor drops colour frames now and then. Raises DataError when it is shorter than that,
    missing, corrupt, or when the clip has no video.
    """
    if clip.video is None:
        raise DataError(
            f"{clip.name} has no video", advice="Fetch its video, or work on the pose stream alone"
        )
    index = -1
    for index, image in read_frames(clip.video):
        if index == len(clip):
            return
        yield index, image
    length = index + 1
    if len(clip) - length > len(clip) // 10:
        raise DataError(
            f"the video ends after {length} frames, its skeleton has {len(clip)}", path=clip.video,
            frame=length, advice="Fetch or make the video again, or leave the sample out",
        )  # fmt: skip
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
    path = Path(path)
    with atomic(path) as part, av.open(str(part), "w") as container:
        stream: Any = None
        for image in frames:
            height, width = image.shape[:2]
            even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if stream is None:
                stream = container.add_stream("libx264", rate=round(fps))
                stream.height, stream.width = even.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.thread_count = 1
                stream.options = {
                    "crf": str(crf), "preset": preset, **options, **SAME_BYTES,
                }  # fmt: skip
            if even.shape[:2] != (stream.height, stream.width):
                raise ValueError(f"frames of {path.name} differ in size: {image.shape[:2]}")
            frame = av.VideoFrame.from_ndarray(even, format=order)
            container.mux(stream.encode(frame.reformat(format="yuv420p", threads=1)))
        if stream is None:
            raise ValueError(f"no frames to write to {path}")
        container.mux(stream.encode())
    return path

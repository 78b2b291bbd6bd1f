"""Colour video: one pass from the first frame to the last, only the wanted frames converted.

A video is a file that FFmpeg reads, or a folder of numbered images (SBU). A telephone held upright
writes frames that lie on their side, and a mark that says how to turn them: every frame and every
size here is upright, as players show it.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
from jaxtyping import Float, UInt8

from pcsta.data.dataset import DataError
from pcsta.files import atomic

if TYPE_CHECKING:  # whoever reads poses alone does without FFmpeg
    from av import VideoFrame
    from av.container import InputContainer

Image = UInt8[np.ndarray, "H W 3"]
Turn = tuple[int, int, int, int]  # (x, y) of a stored frame is shown at (a x + c y, b x + d y)
UPRIGHT: Turn = (1, 0, 0, 1)
TURNS = {
    UPRIGHT: "", (0, 1, -1, 0): "by 90 degrees clockwise", (-1, 0, 0, -1): "by 180 degrees",
    (0, -1, 1, 0): "by 90 degrees anticlockwise",
}  # fmt: skip
RATE = 30  # frames a second of Kinect v1 and v2; what the numbers of images count
MAKE_AGAIN = "Fetch or make the video again"
LEAVE_OUT = f"{MAKE_AGAIN}, or leave the sample out"

# x264's code for AVX-512 reads memory that nobody has written: one file in some hundreds differs.
# Up to SSSE3 it writes what it writes up to AVX2, on every machine.
X86 = platform.machine().lower() in ("x86_64", "amd64")
SAME_BYTES = {"x264-params": "asm=ssse3"} if X86 else {}


class VideoInfo(NamedTuple):
    """What a video holds, found without decoding more than its first frame.

    frames, times: how many, counted; seconds of each after the first
    stated:        how many the header claims; 0 where it does not
    size:          (width, height), upright
    fps, codec:    as the header states them
    turned:        what the mark says to do with stored frames; "" where there is none
    """

    frames: int
    size: tuple[int, int]
    fps: float
    codec: str
    stated: int
    turned: str
    times: Float[np.ndarray, "frames"]


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """FFmpeg's container of a video, its errors turned into DataError."""
    import av

    if not path.is_file():
        raise DataError("no such video", path, "Fetch it, or work on the pose stream alone")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                advice = "Name the file with the pictures"
                raise DataError("the file holds no video stream", path, advice)
            if getattr(container.streams.video[0], "codec_context", None) is None:
                raise DataError("FFmpeg has no decoder for it", path, MAKE_AGAIN)
            container.streams.video[0].thread_count = 1  # workers run beside each other
            yield container
    except DataError:
        raise
    except (av.FFmpegError, ValueError) as error:
        said = getattr(error, "strerror", error)
        raise DataError(f"FFmpeg cannot decode it ({said})", path, MAKE_AGAIN) from error


def _images(folder: Path) -> list[Path]:
    """The images of a folder, in order of their numbers."""
    found = sorted(folder.glob("rgb*.png")) or sorted(folder.glob("rgb*.jpg"))
    if not found:
        advice = "Fetch its images, or work on the pose stream alone"
        raise DataError("no rgb*.png in this folder", folder, advice)
    return sorted(found, key=_number)


def _number(image: Path) -> int:
    return int(re.sub(r"\D", "", image.stem) or 0)


def video_info(path: Path | str) -> VideoInfo:
    """Counts the packets of a video, as headers are often wrong. DataError if missing or corrupt."""
    path = Path(path)
    known = path.stat() if path.exists() else None
    return _info(path, known and (known.st_mtime_ns, known.st_size))


@lru_cache(maxsize=64)  # whoever pairs a clip, and then reads its frames, asks twice
def _info(path: Path, _: tuple[int, int] | None) -> VideoInfo:
    if path.is_dir():
        images = _images(path)
        numbers = np.array([_number(image) for image in images])
        info = video_info(images[0])
        times = (numbers - numbers[0]) / RATE
        return info._replace(frames=len(images), stated=len(images), times=times)
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 0)
        stamps, turn = [], None if container.format.name != "avi" else UPRIGHT  # AVI has no mark
        for packet in container.demux(stream):
            if packet.size and not (packet.is_corrupt or packet.is_discard):
                stamps.append(packet.pts)
            if turn is None and (frames := packet.decode()):
                turn = _turn(frames[0], path)
        if not stamps or turn is None:
            raise DataError("the video holds no frame", path, MAKE_AGAIN)
        if None in stamps or stream.time_base is None:
            times = np.arange(len(stamps)) / (rate or RATE)
        else:
            times = np.sort(np.array(stamps, float)) * float(stream.time_base)
        size = (stream.width, stream.height) if turn[0] else (stream.height, stream.width)
        return VideoInfo(
            len(stamps), size, rate, stream.codec_context.name, stream.frames,
            TURNS.get(turn, "and mirrored"), times - times[0],
        )  # fmt: skip


def video_size(path: Path | None, otherwise: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a video; `otherwise` where there is none, or a damaged one.

    Poses need no video, and whoever decodes it will hear of the damage.
    """
    with suppress(DataError):
        if path is not None:
            return video_info(path).size
    return otherwise


def _turn(frame: VideoFrame, path: Path) -> Turn:
    """The mark of a frame. Raises DataError for one that is no quarter turn."""
    mark = frame.side_data.get("DISPLAYMATRIX")
    if mark is None:
        return UPRIGHT
    a, b, _, c, d = np.sign(np.frombuffer(cast(bytes, mark), np.int32)[:5]).tolist()
    if {abs(a * d), abs(b * c)} != {0, 1}:
        problem = "its mark turns it by an angle that is no multiple of 90 degrees"
        raise DataError(problem, path, "Encode it again, upright and without a mark")
    return a, b, c, d


def _upright(image: Image, turn: Turn) -> np.ndarray:
    a, b, c, d = turn
    return np.ascontiguousarray(image[::d, ::a] if a else image.swapaxes(0, 1)[::b, ::c])


def _decode(path: Path) -> Iterator[VideoFrame]:
    if path.is_dir():
        for image in _images(path):
            yield from _decode(image)
        return
    with _opened(path) as container:
        yield from container.decode(video=0)


def read_frames(
    path: Path | str, frames: Iterable[int] | None = None, size: tuple[int, int] | None = None
) -> Iterator[tuple[int, Image]]:
    """(index, image) of the wanted frames in rising order, each once; all frames by default.

    size: (width, height) that the images are scaled to; as they are by default

    The image is (H, W, 3) uint8, upright, red first. Raises DataError for a missing or corrupt video, and
    when the video ends before a wanted frame.
    """
    path = Path(path)
    wanted = None if frames is None else set(map(int, frames))
    end = None if wanted is None else max({-1, *wanted}) + 1
    length = 0
    for length, frame in enumerate(islice(_decode(path), end), 1):
        if frame.is_corrupt:  # FFmpeg has filled in what it could not read
            raise DataError("it is damaged here", path, LEAVE_OUT, frame=length - 1)
        if wanted is None or length - 1 in wanted:
            turn = _turn(frame, path)
            width, height = (size if turn[0] else size[::-1]) if size else (None, None)
            image = frame.to_ndarray(format="rgb24", width=width, height=height, threads=1)
            yield length - 1, _upright(image, turn)
    if end is not None and length < end:
        raise DataError(f"the video ends after {length} frames", path, LEAVE_OUT, frame=end - 1)
    if end is None and length == 0:
        raise DataError("the video holds no frame", path, MAKE_AGAIN)


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

"""A video that shows where the model looked in one clip."""

from __future__ import annotations

from pathlib import Path

from pcsta.data.clip import Clip
from pcsta.data.video import clip_frames, video_info, write_video
from pcsta.predict import Prediction
from pcsta_book.figures.paint import attention_picture


def overlay(clip: Clip, prediction: Prediction, out: Path, crop_size: int | None) -> Path:
    """Write a video with skeletons, the four hand boxes and their weights, and a bar of p'.

    crop_size: side of the hand boxes in pixels of the video; None for the boxes' usual size
    Raises DataError when the clip has no video.
    """
    spatial, temporal = prediction.per_frame(len(clip))
    images = (
        attention_picture(
            image, clip, t, None if spatial is None else spatial[t], temporal, t,
            width=960, crop_size=crop_size,
        )
        for t, image in clip_frames(clip)
    )  # fmt: skip
    return write_video(out, images, video_info(clip.video).fps if clip.video else 30)

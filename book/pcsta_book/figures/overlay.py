"""A video that shows where the model looked in one clip."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from pcsta.data.pairing import clip_frames
from pcsta.data.video import video_info, write_video
from pcsta.evaluation import FilePrediction, Prediction
from pcsta_book.figures.paint import attention_picture, class_bars

WIDTH, BARS = 960, 3  # pixels; the most probable classes


def attention_per_frame(
    said: Prediction, length: int
) -> tuple[Float[np.ndarray, "F N"] | None, Float[np.ndarray, "F"] | None]:
    """Both attentions of one clip, spread over all its frames; None where the model has none.

    length: frames of the clip

    A frame takes the mean over the sub-sequences of its nearest sampled frame; the temporal weights
    sum to 1 over the clip's frames.
    """
    if said.spatial is None:
        return None, None
    nearest = np.abs(said.frames[:, None, :] - np.arange(length)[None, :, None]).argmin(-1)
    spatial = np.take_along_axis(said.spatial, nearest[..., None], 1).mean(0)  # (F, N)
    if said.temporal is None:
        return spatial, None
    temporal = np.take_along_axis(said.temporal, nearest, 1).mean(0)  # (F,)
    return spatial, temporal / temporal.sum()


def overlay(said: FilePrediction, out: Path) -> Path:
    """Write a video with skeletons, the four hand boxes and their weights, a bar of p', and the classes.

    Returns `out`. Raises DataError when the clip has no video.
    """
    clip, prediction = said.clip, said.prediction
    spatial, temporal = attention_per_frame(prediction, len(clip))
    answer = class_bars(prediction.top(said.classes, BARS), WIDTH)
    images = (
        np.concatenate([attention_picture(
            image, clip, t, None if spatial is None else spatial[t], temporal, t,
            width=WIDTH, crop_size=said.crop_sides,
        ), answer])
        for t, image in clip_frames(clip)
    )  # fmt: skip
    return write_video(out, images, video_info(clip.video).fps if clip.video else 30)

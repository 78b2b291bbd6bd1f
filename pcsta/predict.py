"""One clip from its files to the top classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from pcsta.checkpoint import load
from pcsta.data import read_clip
from pcsta.data.clip import Clip
from pcsta.data.prepare import frame_crops, glimpse_crops, glimpse_features, sensor_for
from pcsta.evaluation import SUBSEQUENCES
from pcsta.files import read_json
from pcsta.people_order import exchange_hands, exchange_people, mean_of_orders
from pcsta.pose_tensor import PoseTensor
from pcsta.subsequences import frame_indices
from pcsta.two_stream import TwoStream


class Prediction(NamedTuple):
    """What a model says about one clip: mean over S sub-sequences (section 5).

    probabilities: (K,) softmax of the mean logits
    spatial:       (S, 20, 4) p_t, or None;  temporal: (S, 20) p', or None
    frames:        (S, 20) frame numbers
    """

    probabilities: Float[np.ndarray, "K"]
    spatial: Float[np.ndarray, "S T 4"] | None
    temporal: Float[np.ndarray, "S T"] | None
    frames: Int[np.ndarray, "S T"]

    def top(self, classes: tuple[str, ...], k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes, best first."""
        order = np.argsort(-self.probabilities)[:k]
        return [(classes[i], float(self.probabilities[i])) for i in order]

    def per_frame(self, length: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Both attentions spread over all frames of the clip, (length, 4) and (length,).

        A frame takes the mean over the sub-sequences of its nearest sampled frame; the temporal
        weights sum to 1 over the clip's frames.
        """
        if self.spatial is None:
            return None, None
        nearest = np.abs(self.frames[:, None, :] - np.arange(length)[None, :, None]).argmin(-1)
        spatial = np.take_along_axis(self.spatial, nearest[..., None], 1).mean(0)  # (length, 4)
        if self.temporal is None:
            return spatial, None
        temporal = np.take_along_axis(self.temporal, nearest, 1).mean(0)  # (length,)
        return spatial, temporal / temporal.sum()


@torch.no_grad()
def predict_clip(
    model: TwoStream, clip: Clip, glimpses: np.ndarray | None, sampling: Any = "segments"
) -> Prediction:
    """Ten sub-sequences of one clip, logits averaged (mean of ten, section 5).

    With `either_order` over both orders as well.

    glimpses: (T, N, D) features of every frame's hands, or of the frame; None without RGB
    """
    device = next(model.parameters()).device
    frames = frame_indices(len(clip), model.config.frames, sampling, count=SUBSEQUENCES)  # (S, 20)
    build = PoseTensor.from_config(model.config, clip.skeleton)
    joints = torch.from_numpy(clip.joints[build.frames(frames, len(clip))]).to(device)
    V = None if glimpses is None else torch.from_numpy(glimpses[frames]).float().to(device)
    there = np.isfinite(clip.hands[frames]).all(-1)  # (S, 20, 4)
    if model.config.crops == "frame":
        there = np.ones((*frames.shape, 1), bool)
    present = torch.from_numpy(there).to(device)
    out = model.eval()(build(joints), V, present)
    if model.config.either_order:
        other = None if V is None else exchange_hands(V, 2)
        exchanged = model(build(exchange_people(joints)), other, exchange_hands(present, 2))
        out = mean_of_orders(out, exchanged)

    def numpy(value: torch.Tensor | None) -> np.ndarray | None:
        return None if value is None else value.cpu().numpy()

    return Prediction(
        out.logits.mean(0).softmax(-1).cpu().numpy(),
        numpy(out.spatial_attention),
        numpy(out.temporal_attention),
        frames,
    )


class FilePrediction(NamedTuple):
    """What a run says about a recording's files, and what it looked at."""

    clip: Clip
    prediction: Prediction
    classes: tuple[str, ...]
    crop_size: int | None  # side of the hands' crops in pixels of the video; None: whole frames


def predict_files(
    run: Path,
    skeleton: Path,
    video: Path | None = None,
    weights: Path | None = None,
    device: str = "auto",
) -> FilePrediction:
    """What the model of a run says about one recording, read from its files.

    weights: checkpoint of the glimpse sensor, as for `GlimpseSensor`

    Raises ValueError when the model reads RGB and no video is given, or when the skeleton is of
    another sensor than the model's.
    """
    model = load(run, device)
    record = read_json(run / "record.json")
    clip = read_clip(skeleton, video)
    if clip.skeleton.name != record["skeleton"]:
        raise ValueError(
            f"{skeleton} is a {clip.skeleton.name} skeleton, the model was trained on "
            f"{record['skeleton']}"
        )
    glimpses = None
    # the same share of the image as in training, whatever the video's size
    share = record["crop_share"]
    crop_size = round(share * clip.image_size[0]) if share else None
    if model.config.streams != "pose":
        if clip.video is None:
            raise ValueError(
                "this model looks at the hands in the colour video: name it with --video"
            )
        where = next(model.parameters()).device
        sensor = sensor_for(model.config.crops, record["sensor"], weights).to(where)
        crops = (
            glimpse_crops(clip, crop_size) if crop_size else frame_crops(clip, sensor.input_size)
        )
        glimpses = glimpse_features(sensor, *crops, len(clip), where, model.config.glimpses)
    said = predict_clip(model, clip, glimpses, record["recipe"]["sampling"])
    return FilePrediction(clip, said, tuple(record["classes"]), crop_size)

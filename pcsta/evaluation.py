"""Evaluation and prediction: ten sub-sequences a clip, logits averaged (section 5).

All that is asked of a model goes through `infer`, one pass, and `collect`, which sorts by clip.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pcsta.attention import Intervention
from pcsta.batches import SubSequences
from pcsta.checkpoint import Whereabouts, load, read_record, read_run
from pcsta.data import Clip, read_clip
from pcsta.data.crop_size import crop_sides
from pcsta.data.features import glimpse_features
from pcsta.data.poses import read_film
from pcsta.data.prepare import glimpse_crops, sensor_for
from pcsta.data.shard import Crops, StoredClip
from pcsta.data.store import Store
from pcsta.files import write_json
from pcsta.skeletons import KINECT_V2
from pcsta.subsequences import Sampling
from pcsta.symmetries import exchanges, mean_of_exchanges
from pcsta.two_stream import Output, TwoStream

SUBSEQUENCES = 10  # per test clip, section 5


@dataclass(frozen=True)
class Prediction:
    """What a model says about C clips, over S sub-sequences of each. One clip alone has no axis C.

    clips:     (C,) positions in the store;  labels: (C,) -1 where unknown
    logits:    (C, K) mean over the sub-sequences; pose_logits and rgb_logits likewise, or None
    spatial:   (C, S, T, N) p_t, or None;  temporal: (C, S, T) p', or None
    frames:    (C, S, T) frame numbers within the clip
    """

    clips: Int[np.ndarray, "*C"]
    labels: Int[np.ndarray, "*C"]
    logits: Float[np.ndarray, "*C K"]
    pose_logits: Float[np.ndarray, "*C K"] | None
    rgb_logits: Float[np.ndarray, "*C K"] | None
    spatial: Float[np.ndarray, "*C S T N"] | None
    temporal: Float[np.ndarray, "*C S T"] | None
    frames: Int[np.ndarray, "*C S T"]

    def __getitem__(self, i: int) -> Prediction:
        """What is said about the i-th of the clips."""
        return replace(self, **{k: a[i, ...] for k, a in vars(self).items() if a is not None})

    @property
    def probabilities(self) -> Float[np.ndarray, "*C K"]:
        return torch.from_numpy(self.logits).softmax(-1).numpy()

    def top(self, classes: Sequence[str], k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes of one clip, best first."""
        order = np.argsort(-self.probabilities)[:k]
        return [(classes[i], float(self.probabilities[i])) for i in order]


def correct(logits: np.ndarray, labels: np.ndarray) -> Bool[np.ndarray, "*C"]:
    """Which clips have their largest logit where their label is; logits of NaN are wrong."""
    return np.asarray((logits.argmax(-1) == labels) & ~np.isnan(logits).any(-1))


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of clips that are `correct`, in [0, 1]."""
    return float(correct(logits, labels).mean())


def confusion(logits: Float[np.ndarray, "C K"], labels: np.ndarray) -> Int[np.ndarray, "K K"]:
    """Numbers of clips: rows are the truth, columns the class of the largest logit; NaN are in none."""
    K, cells = logits.shape[1], labels * logits.shape[1] + logits.argmax(-1)
    return np.bincount(cells[~np.isnan(logits).any(-1)], minlength=K * K).reshape(K, K)


class ModelInput(NamedTuple):
    """What `TwoStream.forward` takes, in its order, for M sub-sequences."""

    pose_tensor: Float[Tensor, "M C T W"] | None
    glimpses: Float[Tensor, "M T N D"] | None
    present: Bool[Tensor, "M T N"] | None
    projected: bool = False
    pose_features: Float[Tensor, "M S"] | None = None
    intervention: Intervention | None = None


@torch.no_grad()
def infer(model: TwoStream, *inputs: ModelInput) -> Output:
    """Logits and attention in evaluation mode: the mean over `exchanges` of the model, in their order."""
    was_training = model.training
    model.eval()
    known = zip(exchanges(model.config), inputs, strict=True)
    out = mean_of_exchanges({what: model(*read) for what, read in known})
    model.train(was_training)
    return out


def collect(
    outputs: Sequence[Output], clips: np.ndarray, labels: np.ndarray, frames: np.ndarray
) -> Prediction:
    """Outputs for all sub-sequences of `clips` as one prediction (mean of ten, section 5).

    labels: (C,);  frames: (C S, T), of every sub-sequence, clip by clip
    """
    axes = (len(clips), len(frames) // len(clips))  # (C, S)

    def joined(parts: Sequence[Tensor | None]) -> np.ndarray | None:
        there = [part for part in parts if part is not None]
        return torch.cat(there).reshape(axes + there[0].shape[1:]).cpu().numpy() if there else None

    logits, pose, rgb, p, q = map(joined, zip(*outputs, strict=True))
    assert logits is not None
    pose, rgb = (None if a is None else a.mean(1) for a in (pose, rgb))
    return Prediction(clips, labels, logits.mean(1), pose, rgb, p, q, frames.reshape(*axes, -1))


def predict_clips(
    model: TwoStream, batches: SubSequences, clips: np.ndarray, count: int = SUBSEQUENCES
) -> Prediction:
    """What `model` says of `clips` of a store, `count` sub-sequences each. ValueError for NaN."""
    if model.rgb is not None and model.config.glimpse_projection and not batches.projected:
        batches = batches.projected_by(model.rgb.scaling, clips, count)
    passes = [batches.testing(clips, count, exchanged=w) for w in exchanges(model.config)]
    outputs, frames = [], []
    for views in zip(*passes, strict=True):
        read = [ModelInput(b.pose_tensor, b.glimpses, b.present, batches.projected) for b in views]
        outputs.append(infer(model, *read))
        frames.append(views[0].frames)
    said = collect(outputs, clips, batches.store.labels[clips], np.concatenate(frames))
    if wrong := [batches.store.clips[i].name for i in clips[~np.isfinite(said.logits).all(-1)]]:
        do = "look at it with `pcsta inspect FILE`, and leave it out if its numbers are absurd"
        raise ValueError(f"the model's answer is no finite number at {', '.join(wrong[:5])}; {do}")
    return said


def with_unread(
    said: Prediction, store: Store, protocol: str
) -> tuple[Float[np.ndarray, "C K"], Int[np.ndarray, "C"]]:
    """Logits and labels of all test clips; where the protocol names every clip (`Dataset.complete`),
    those that could not be read come last, with logits of NaN."""
    unread = [clip.label for clip in store.unread(protocol)]
    logits = np.pad(said.logits, [(0, len(unread)), (0, 0)], constant_values=np.nan)
    return logits, np.append(said.labels, np.array(unread, np.int64))


class _Alone(Store):
    """One clip as a store that holds nothing else."""

    def __init__(self, clip: Clip, glimpses: np.ndarray | None, crops: Crops) -> None:
        self.clips = [StoredClip(clip.name, clip.label, "", 0, 0, length=len(clip))]
        self.labels, self.frames_total = np.array([clip.label]), len(clip)
        self.skeleton, self.crops = clip.skeleton, crops
        self.arrays = {"joints": clip.joints, "hands": clip.hands, "glimpses": glimpses}

    def take(self, name: str, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.arrays[name])[rows]


def predict_clip(
    model: TwoStream, clip: Clip, glimpses: np.ndarray | None, sampling: Sampling = "segments"
) -> Prediction:
    """What `model` says about one clip, over ten sub-sequences, as `predict_clips`.

    glimpses: (T, N, D) features of every frame's hands, or of the frame; None without RGB
    """
    store, device = _Alone(clip, glimpses, model.config.crops), next(model.parameters()).device
    batches = SubSequences(store, model.config, device, sampling)
    return predict_clips(model, batches, np.zeros(1, int))[0]


@dataclass(frozen=True)
class Evaluation:
    """How well a run does on the test clips of its protocol."""

    accuracy: float
    clips: int
    per_class: dict[str, float]  # accuracy of every class that has test clips
    confusion: list[list[int]]  # (K, K) numbers of clips, rows truth, columns answers
    streams: dict[str, float]  # accuracy of "pose" and of "RGB" alone, where both are summed
    protocol: str
    seed: int
    unread: int = 0  # of the clips, errors as they could not be read; `confusion` is without them


def evaluate(run: Path | str, store: Path | str | None = None, device: str = "auto") -> Evaluation:
    """Test a finished run on the test side of its protocol; writes evaluation.json as well.

    store: the store that the run was trained on; by default where it lay then
    Raises FileNotFoundError when the run is unfinished or its store unknown, ValueError when the store
    is another one, or has no clip to test on.

    >>> from pcsta import evaluate
    >>> result = evaluate(folder / "run")  # a run of `train`
    >>> result.clips, result.protocol, 0 <= result.accuracy <= 1
    (3, 'cross-subject', True)
    """
    run = Path(run)
    model, settings = load(run, device), read_record(run)
    if store is None and not (run / "store.json").exists():
        raise FileNotFoundError(f"{run} does not say which store it used; name it with --store")
    opened = Store(store or str(read_run(run / "store.json", Whereabouts)["path"]))
    if opened.fingerprint != settings["store"]["fingerprint"]:
        raise ValueError(f"{run} was trained on another store than {opened.path}; see --store")
    where, sampling = next(model.parameters()).device, settings["recipe"]["sampling"]
    protocol, both = settings["protocol"], model.config.streams == "both"
    test = opened.split(protocol)[1]
    if not len(test):
        why = f"`pcsta check {opened.settings['dataset']}` says which clips are left out and why"
        raise ValueError(f"{opened.path} has no usable clip on the test side of {protocol}; {why}")
    said = predict_clips(model, SubSequences(opened, model.config, where, sampling), test)
    logits, labels = with_unread(said, opened, protocol)
    share, matrix = accuracy(logits, labels), confusion(logits, labels)
    tested = np.bincount(labels, minlength=len(opened.classes))
    rows = zip(opened.classes, matrix.diagonal(), tested, strict=True)
    of_class = {name: float(right / clips) for name, right, clips in rows if clips}
    alone = {"pose": said.pose_logits, "RGB": said.rgb_logits} if both else {}
    read = len(test) / len(labels)
    streams = {k: read * accuracy(a, said.labels) for k, a in alone.items() if a is not None}
    counts, unread, seed = matrix.tolist(), len(labels) - len(test), settings["seed"]
    result = Evaluation(share, len(labels), of_class, counts, streams, protocol, seed, unread)
    note = run / "evaluation.json"
    try:
        write_json(note, asdict(result))
    except OSError as error:  # in a folder of somebody else's
        warnings.warn(f"{note} is not written ({error.strerror})", stacklevel=1)
    return result


class FilePrediction(NamedTuple):
    """What a run says about a recording's files, and what it looked at."""

    clip: Clip
    prediction: Prediction
    classes: tuple[str, ...]
    crop_sides: Int[np.ndarray, "4"] | None  # in pixels of the video; None: nothing is cropped


def predict(
    run: Path | str,
    skeleton: Path | str | None = None,
    video: Path | str | None = None,
    weights: Path | str | None = None,
    device: str = "auto",
) -> FilePrediction:
    """What the model of a run says about one recording, read from its files.

    skeleton: its skeleton file; without one, poses are estimated in the video
    weights:  checkpoint of the glimpse sensor, as for `GlimpseSensor`
    Raises ValueError without any file, for another sensor's skeleton, for other weights of the glimpse
    sensor than those of the run, or without the video that a model reads.

    >>> from pcsta import predict
    >>> said = predict(folder / "run", folder / "nturgb+d_skeletons" / "S001C001P003R001A002.skeleton")
    >>> len(said.prediction.top(said.classes, 3)), said.prediction.logits.shape
    (3, (60,))
    """
    run = Path(run)
    model, record = load(run, device), read_record(run)
    if skeleton is None and video is None:
        raise ValueError("name a video, or a skeleton file with --skeleton")
    if weights is not None and model.config.streams == "pose":
        raise ValueError(f"{run} reads poses alone: leave --weights out")
    expected = record["skeleton"]
    if skeleton is None and expected != KINECT_V2.name:
        raise ValueError(f"{run} reads {expected} skeletons, not those of video: see --skeleton")
    clip = read_film(str(video)) if skeleton is None else read_clip(skeleton, video)
    if (found := clip.skeleton.name) != expected:
        raise ValueError(f"{skeleton} is of {found}, and {run} reads {expected}: take another run")
    # the same share of the image or of the body as in training, whatever the video's size
    size = record["crop_share"]
    size = round(size * clip.image_size[0]) if isinstance(size, int | float) else size
    glimpses = None
    if model.config.streams != "pose":
        if clip.video is None:
            raise ValueError("this model sees the hands in the colour video: name it as well")
        where = next(model.parameters()).device
        sensor = sensor_for(model.config.crops, str(record["sensor"]), weights).to(where)
        if sensor.fingerprint != record["sensor_fingerprint"]:
            other = f"{run} was trained with other weights of {sensor.name}"
            raise ValueError(f"{other}; name them with --weights")
        crops = glimpse_crops(clip, size, sensor.input_size)
        glimpses = glimpse_features(sensor, *crops, len(clip), where, model.config.glimpses)
    said = predict_clip(model, clip, glimpses, record["recipe"]["sampling"])
    sides = crop_sides(size, clip) if size and glimpses is not None else None
    return FilePrediction(clip, said, tuple(record["classes"]), sides)

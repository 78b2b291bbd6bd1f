"""Evaluation: ten sub-sequences a clip, logits averaged (section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.metrics import confusion_matrix

from pcsta.batches import Batch, SubSequences
from pcsta.checkpoint import load
from pcsta.data.store import Store
from pcsta.files import fingerprint, read_json, write_json
from pcsta.people_order import mean_of_orders
from pcsta.two_stream import Output, TwoStream

SUBSEQUENCES = 10  # per test clip, section 5


@dataclass(frozen=True)
class Predictions:
    """What a model says about C clips, S sub-sequences each.

    logits:    (C, K) mean over the sub-sequences; pose_logits and rgb_logits likewise, or None
    spatial:   (C, S, T, 4) p_t, or None
    temporal:  (C, S, T) p', or None
    frames:    (C, S, T) frame numbers within the clip
    """

    clips: Int[np.ndarray, "C"]
    labels: Int[np.ndarray, "C"]
    logits: Float[np.ndarray, "C K"]
    pose_logits: np.ndarray | None
    rgb_logits: np.ndarray | None
    spatial: np.ndarray | None
    temporal: np.ndarray | None
    frames: Int[np.ndarray, "C S T"]

    @property
    def accuracy(self) -> float:
        return accuracy(self.logits, self.labels)


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of clips whose largest logit is the label's, in [0, 1]."""
    return float((logits.argmax(-1) == labels).mean())


@torch.no_grad()
def predict(
    model: TwoStream,
    batches: SubSequences,
    clips: np.ndarray,
    count: int = SUBSEQUENCES,
    blind: bool = False,
) -> Predictions:
    """Run `model` over `count` sub-sequences of each clip (mean of ten, section 5).

    Attention and logits come from one forward pass.

    blind: every glimpse is zero, so that h_{t-1} knows nothing and attention reads the pose alone

    With `either_order` every sub-sequence is seen twice, with the two people as in the file and
    exchanged, and the two outputs are averaged.
    """
    was_training = model.training
    model.eval()
    if model.rgb is not None and model.config.glimpse_projection and not batches.projected:
        batches = batches.projected_by(model.rgb.scaling, clips, count)
    outputs, labels, frames = [], [], []

    def run(batch: Batch) -> Output:
        glimpses = batch.glimpses
        if blind and glimpses is not None:
            glimpses = torch.zeros_like(glimpses)
        return model(batch.pose_tensor, glimpses, batch.present, batches.projected)

    orders = (False, True) if model.config.either_order else (False,)
    passes = (batches.testing(clips, count, exchanged=exchanged) for exchanged in orders)
    for views in zip(*passes, strict=True):
        outputs.append(mean_of_orders(*map(run, views)))
        labels.append(views[0].labels.cpu().numpy())
        frames.append(views[0].frames)
    model.train(was_training)
    return collect(outputs, clips, np.concatenate(labels), np.concatenate(frames))


def collect(
    outputs: list[Output], clips: np.ndarray, labels: np.ndarray, frames: np.ndarray
) -> Predictions:
    """Outputs for all sub-sequences of `clips`, clip by clip, as one record.

    labels: (C S,) of every sub-sequence;  frames: (C S, T)
    """
    count = len(frames) // len(clips)

    def joined(name: str) -> np.ndarray | None:
        if getattr(outputs[0], name) is None:
            return None
        values = torch.cat([getattr(o, name) for o in outputs]).cpu().numpy()
        return values.reshape(len(clips), count, *values.shape[1:])

    def mean(name: str) -> np.ndarray | None:
        values = joined(name)
        return None if values is None else values.mean(1)

    logits = mean("logits")
    assert logits is not None
    return Predictions(
        clips=np.asarray(clips),
        labels=labels[::count],
        logits=logits,
        pose_logits=mean("pose_logits"),
        rgb_logits=mean("rgb_logits"),
        spatial=joined("spatial_attention"),
        temporal=joined("temporal_attention"),
        frames=frames.reshape(len(clips), count, -1),
    )


def classification(predictions: Predictions, classes: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, per-class accuracy and confusion matrix (rows: truth, columns: prediction)."""
    matrix = confusion_matrix(
        predictions.labels, predictions.logits.argmax(-1), labels=range(len(classes))
    )
    totals = matrix.sum(1)
    return {
        "accuracy": predictions.accuracy,
        "clips": len(predictions.labels),
        "per_class": {
            name: float(matrix[i, i] / totals[i]) for i, name in enumerate(classes) if totals[i]
        },
        "confusion": matrix.tolist(),
    }


def planted(predictions: Predictions, store: Store) -> Int[np.ndarray, "C S T"]:
    """The planted hand of every sampled frame: 0..3, -1 where none, -2 where no truth is known."""
    return np.stack(
        [store.active(i)[f] for i, f in zip(predictions.clips, predictions.frames, strict=True)]
    )


def present(predictions: Predictions, store: Store) -> Bool[np.ndarray, "C S T 4"]:
    """Which hands are tracked in every sampled frame."""
    return np.stack(
        [store.present(i)[f] for i, f in zip(predictions.clips, predictions.frames, strict=True)]
    )


def people(store: Store, clips: np.ndarray) -> Int[np.ndarray, "C"]:
    """People tracked in most of each clip's frames."""
    there = [store.present(i).reshape(-1, 2, 2).any(-1) for i in clips]
    return np.array([(t.mean(0) > 0.5).sum() for t in there], int)


def performances(store: Store, clips: np.ndarray) -> list[str]:
    """One name for all clips of a performance: the same action, subject and replication, seen by
    several cameras. The group in which clips are drawn for confidence intervals."""
    chosen = (store.clips[i] for i in clips)
    return [f"{c.label}/{c.subject}/{c.replication}" for c in chosen]


def evaluate_run(run: Path, store_path: Path, device: str = "auto") -> dict[str, Any]:
    """Test a finished run on the test side of its protocol; the result also goes to evaluation.json.

    Raises FileNotFoundError for an unfinished run, ValueError when the store is not the run's.
    """
    model = load(run, device)
    settings = read_json(run / "config.json")
    store = Store(store_path)
    if fingerprint(store.settings) != settings["store"]["fingerprint"]:
        raise ValueError(
            f"{run} was trained on another store than {store_path}; name it with --store"
        )
    _, test = store.split(settings["protocol"])
    device_ = next(model.parameters()).device
    batches = SubSequences(store, model.config, device_, settings["recipe"]["sampling"])
    said = predict(model, batches, test)
    result = classification(said, store.classes)
    result |= {"protocol": settings["protocol"], "seed": settings["seed"]}
    write_json(run / "evaluation.json", result)
    return result

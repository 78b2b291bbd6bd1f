"""Evaluation: ten sub-sequences a clip, logits averaged (section 5); attention against truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.metrics import confusion_matrix

from pcsta.batches import SubSequences
from pcsta.data.store import Store
from pcsta.files import fingerprint, read_json, write_json
from pcsta.model.two_stream import TwoStream

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
    model: TwoStream, batches: SubSequences, clips: np.ndarray, count: int = SUBSEQUENCES
) -> Predictions:
    """Run `model` over `count` sub-sequences of each clip; attention and logits of one forward pass."""
    was_training = model.training
    model.eval()
    outputs: list[dict[str, np.ndarray]] = []
    labels, frames = [], []
    for batch in batches.testing(clips, count):
        out = model(batch.pose_tensor, batch.glimpses, batch.present, batches.projected)
        outputs.append({k: v.cpu().numpy() for k, v in out._asdict().items() if v is not None})
        labels.append(batch.labels.cpu().numpy())
        frames.append(batch.frames)
    model.train(was_training)

    def joined(name: str) -> np.ndarray | None:
        if name not in outputs[0]:
            return None
        values = np.concatenate([o[name] for o in outputs])
        return values.reshape(len(clips), count, *values.shape[1:])

    def mean(name: str) -> np.ndarray | None:
        values = joined(name)
        return None if values is None else values.mean(1)

    logits = mean("logits")
    assert logits is not None
    return Predictions(
        clips=np.asarray(clips),
        labels=np.concatenate(labels)[::count],
        logits=logits,
        pose_logits=mean("pose_logits"),
        rgb_logits=mean("rgb_logits"),
        spatial=joined("spatial_attention"),
        temporal=joined("temporal_attention"),
        frames=np.concatenate(frames).reshape(len(clips), count, -1),
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


def attention_scores(predictions: Predictions, store: Store, seed: int = 0) -> dict[str, Any]:
    """Attention against the planted truth, each figure beside its controls.

    Spatial, over informative frames, for clips of one person and of two:
      top_hand        share of frames whose largest p_t is the planted hand
      other_clip      the same with p_t of another clip of the same number of people
      best_constant   the same for always naming one hand, the best one
      uniform         chance: 1 / hands that are there
    Temporal, over clips that have an informative frame:
      mass            mean sum of p' over informative frames
      other_clip, uniform, best_constant   the same sum for p' of another clip, 1/T, and the best
                      single profile for all clips (chosen on these very clips: an upper bound)
    Empty when the store knows no truth.
    """
    truth = planted(predictions, store)  # (C, S, T)
    if (truth == -2).all():
        return {}
    rng = np.random.default_rng(seed)
    people = np.array([_people(store, i) for i in predictions.clips])
    scores: dict[str, Any] = {}
    if predictions.spatial is not None:
        scores["spatial"] = {}
        for count, name in ((1, "one_person"), (2, "two_people")):
            rows = np.flatnonzero(people == count)
            if len(rows) == 0:
                continue
            informative = truth[rows] >= 0
            p, active = predictions.spatial[rows], truth[rows]
            other = p[_derangement(len(rows), rng)]
            scores["spatial"][name] = {
                "top_hand": float((p.argmax(-1) == active)[informative].mean()),
                "other_clip": float((other.argmax(-1) == active)[informative].mean()),
                "best_constant": max(
                    float((active == i)[informative].mean()) for i in range(p.shape[-1])
                ),
                "uniform": 0.5 / count,
                "clips": len(rows),
                "frames": int(informative.sum()),
            }
    if predictions.temporal is not None:
        informative = (truth >= 0).astype(float)
        rows = np.flatnonzero(informative.any(axis=(1, 2)))
        inside, p = informative[rows], predictions.temporal[rows]
        other = p[_derangement(len(rows), rng)]
        scores["temporal"] = {
            "mass": float((p * inside).sum(-1).mean()),
            "other_clip": float((other * inside).sum(-1).mean()),
            "uniform": float(inside.mean()),
            "best_constant": float(inside.mean((0, 1)).max()),
            "clips": len(rows),
        }
    return scores


def _people(store: Store, i: SupportsIndex) -> int:
    """People tracked in most of the clip's frames."""
    there = np.isfinite(store.hands(i)).all(-1).reshape(-1, 2, 2).any(-1)  # (T, 2)
    return int((there.mean(0) > 0.5).sum())


def _derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random permutation without fixed point: every clip gets another clip's weights."""
    order = rng.permutation(n)
    shifted = np.empty(n, int)
    shifted[order] = np.roll(order, 1)
    return shifted


def evaluate_run(run: Path, store_path: Path, device: str = "auto") -> dict[str, Any]:
    """Test a finished run on the test side of its protocol; the result also goes to evaluation.json.

    Raises FileNotFoundError for an unfinished run, ValueError when the store is not the run's.
    """
    from pcsta.train import load

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
    if scores := attention_scores(said, store):
        result["attention"] = scores
    result |= {"protocol": settings["protocol"], "seed": settings["seed"]}
    write_json(run / "evaluation.json", result)
    return result

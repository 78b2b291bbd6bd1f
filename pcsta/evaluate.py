"""Evaluation: ten sub-sequences a clip, logits averaged (section 5); attention against truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.metrics import confusion_matrix

from pcsta import controls
from pcsta.augment import mean_of_orders
from pcsta.batches import Batch, SubSequences
from pcsta.data.store import Store
from pcsta.files import fingerprint, read_json, write_json
from pcsta.intervals import grouped_mean
from pcsta.model.two_stream import Output, TwoStream

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
        batches = batches.projected_by(model.rgb, clips, count)
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


def attention_scores(
    predictions: Predictions,
    store: Store,
    others: Mapping[str, Predictions] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Attention against the planted truth, each figure beside its controls (`pcsta.controls`).

    others: further attention to score on the same sub-sequences: another model's, or the same
            model's when it sees nothing (`predict(blind=True)`), by name

    "spatial" and "spatial_mass", over informative frames, for clips of "one_person" and "two_people":
      top_hand        share of frames whose largest p_t is the planted hand (ties are shared)
      mass            mean of p_t on the planted hand
    "temporal", over sub-sequences of clips that have an informative frame:
      mass            mean sum of p' over informative frames

    Beside each of the three figures:
      uniform, permuted, other_clip, best_constant (chosen on these very clips: an upper bound), and
                      each of `others`: the same for that attention
      intervals       {name: [low, high]}, 95 % for each of the above, from a bootstrap over
                      `performances`; it does not cover another training seed or other actors
      ahead           {control: [low, high]} of the model's figure minus the control's, paired
      clips, frames   how many it is taken over
    Empty when the store knows no truth.
    """
    truth = planted(predictions, store)  # (C, S, T)
    if (truth == -2).all():
        return {}
    others = others or {}
    for name, other in others.items():
        if not (
            np.array_equal(other.clips, predictions.clips)
            and np.array_equal(other.frames, predictions.frames)
        ):
            raise ValueError(f"{name!r} is attention on other sub-sequences; they must be the same")
    rng = np.random.default_rng(seed)
    count, there = people(store, predictions.clips), present(predictions, store)
    groups = np.array(performances(store, predictions.clips))
    scores: dict[str, Any] = {}
    if predictions.spatial is not None:
        scores |= {"spatial": {}, "spatial_mass": {}}
        for number, name in ((1, "one_person"), (2, "two_people")):
            rows = np.flatnonzero(count == number)
            informative, active = truth[rows] >= 0, truth[rows]
            if not informative.any():
                continue
            p = predictions.spatial[rows]
            weights = {
                "own": p,
                "uniform": controls.uniform(there[rows]),
                "permuted": controls.permuted_hands(p, there[rows], rng),
                "best_constant": controls.best_constant_hand(active),
            }
            if len(rows) > 1:
                weights["other_clip"] = controls.other_clip(p, count[rows], rng)
            weights |= {k: o.spatial[rows] for k, o in others.items() if o.spatial is not None}
            for part, measure, score in (
                ("spatial", "top_hand", _top_share),
                ("spatial_mass", "mass", _weight_on),
            ):
                values = {k: score(w, active) * informative for k, w in weights.items()}
                scores[part][name] = _beside(measure, values, informative, groups[rows])
    if predictions.temporal is not None:
        rows = np.flatnonzero((truth >= 0).any((1, 2)))
        q, active = predictions.temporal[rows], truth[rows]
        weights = {
            "own": q,
            "uniform": np.full_like(q, 1 / q.shape[-1]),
            "permuted": controls.permuted_steps(q, rng),
            "best_constant": controls.best_constant_step(active),
        }
        if (np.unique(count[rows], return_counts=True)[1] > 1).all():
            weights["other_clip"] = controls.other_clip(q, count[rows], rng)
        weights |= {k: o.temporal[rows] for k, o in others.items() if o.temporal is not None}
        inside = {k: (w * (active >= 0)).sum(-1) for k, w in weights.items()}  # (C, S)
        scores["temporal"] = _beside("mass", inside, np.ones(active.shape[:2], bool), groups[rows])
        scores["temporal"]["frames"] = int((active >= 0).sum())
    return scores


def describe_scores(scores: dict[str, Any]) -> str:
    """`attention_scores` as lines of text: each figure beside its controls, with intervals."""
    lines = []
    for part, found in scores.items():
        for who, block in found.items() if part != "temporal" else [("all", found)]:
            symbol = "p'" if part == "temporal" else "p"
            lines.append(f"{symbol}, {who.replace('_', ' ')}, {block['clips']} clips:")
            lines += [
                f"  {name.replace('_', ' '):<16}{100 * block[name]:6.1f} %  [{100 * low:.1f}, {100 * high:.1f}]"
                for name, (low, high) in block["intervals"].items()
            ]
    return "\n".join(lines)


def _weight_on(p: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """p_t of the named hand, (C, S, T); anything where none is named."""
    return np.take_along_axis(p, np.maximum(hand, 0)[..., None], -1)[..., 0]


def _top_share(p: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """1 where the named hand has the largest weight, 1/n where n hands share it, 0 elsewhere."""
    top = p == p.max(-1, keepdims=True)
    return _weight_on(top / top.sum(-1, keepdims=True), hand)


def _beside(
    measure: str, values: dict[str, np.ndarray], counted: np.ndarray, groups: np.ndarray
) -> dict[str, Any]:
    """The model's own figure under its name, those of the controls, and the intervals of all."""
    axes = tuple(range(1, counted.ndim))
    sums = np.stack([v.sum(axes) for v in values.values()])  # (figures, C)
    counts = counted.sum(axes)
    names = [measure if name == "own" else name for name in values]
    figure = grouped_mean(sums, counts, groups)
    ahead = grouped_mean(sums[0] - sums[1:], counts, groups)
    result: dict[str, Any] = dict(zip(names, figure.value.tolist(), strict=True))
    return result | {
        "intervals": dict(
            zip(names, np.stack([figure.low, figure.high], -1).tolist(), strict=True)
        ),
        "ahead": dict(zip(names[1:], np.stack([ahead.low, ahead.high], -1).tolist(), strict=True)),
        "clips": len(counts),
        "frames": int(counts.sum()),
    }


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
    others = (
        {"content_blind": predict(model, batches, test, blind=True)}
        if said.spatial is not None
        else None
    )
    if scores := attention_scores(said, store, others):
        result["attention"] = scores
    result |= {"protocol": settings["protocol"], "seed": settings["seed"]}
    write_json(run / "evaluation.json", result)
    return result

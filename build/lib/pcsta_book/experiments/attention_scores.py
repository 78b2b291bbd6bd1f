"""Attention against the planted truth, each figure beside controls that know less or more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pcsta.data.store import Store
from pcsta.evaluation import Predictions, people, performances, planted, present
from pcsta_book.experiments import attention_controls as controls
from pcsta_book.experiments.bootstrap import grouped_mean


def attention_scores(
    predictions: Predictions,
    store: Store,
    others: Mapping[str, Predictions] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Attention against the planted truth, each figure beside its controls (`pcsta_book.experiments.attention_controls`).

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

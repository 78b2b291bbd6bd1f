"""Attention against the planted truth, each figure beside controls that know less or more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from pcsta.data.store import Store
from pcsta.evaluation import Prediction
from pcsta_book.experiments import attention_controls as controls
from pcsta_book.experiments.bootstrap import Estimate, grouped_mean


# --- what the store knows of the clips ------------------------------------------------------------
def planted(said: Prediction, store: Store) -> Int[np.ndarray, "C S T"]:
    """The planted hand of every sampled frame: 0..3, -1 where none, -2 where no truth is known."""
    return np.stack([store.active(i)[f] for i, f in zip(said.clips, said.frames, strict=True)])


def present(said: Prediction, store: Store) -> Bool[np.ndarray, "C S T 4"]:
    """Which hands are tracked in every sampled frame."""
    return np.stack([store.present(i)[f] for i, f in zip(said.clips, said.frames, strict=True)])


def people(store: Store, clips: np.ndarray) -> Int[np.ndarray, "C"]:
    """People tracked in most of each clip's frames."""
    there = [store.present(i).reshape(-1, 2, 2).any(-1) for i in clips]
    return np.array([(t.mean(0) > 0.5).sum() for t in there], int)


def performances(store: Store, clips: np.ndarray) -> list[str]:
    """One name for all clips of a performance: the same action, subject and replication, seen by
    several cameras. The group in which clips are drawn for confidence intervals."""
    chosen = (store.clips[i] for i in clips)
    return [f"{c.label}/{c.subject}/{c.replication}" for c in chosen]


# --- scores ---------------------------------------------------------------------------------------
def attention_scores(
    said: Prediction, store: Store, others: Mapping[str, Prediction] | None = None
) -> dict[str, Any]:
    """Attention against the planted truth over informative frames, each figure beside its controls.

    Returns what there is to score, as records hold it; nothing when the store knows no truth:

        {"spatial": {"one_person": score, "two_people": score}, "spatial_mass": ..., "temporal": score}

    A score holds figures in [0, 1]. First the model's own: "top_hand" in `spatial`, the share of frames
    whose largest p_t is the planted hand (ties are shared); else "mass", the mean of p_t on it, or of
    the sum of p' over its frames. Then those of `attention_controls` by name (best_constant is chosen on
    these very clips: an upper bound) and of `others`, further attention on the same sub-sequences.

        intervals      {name: 95 % over `performances`}, not over training seeds or other actors
        ahead          {control: 95 % of the model's figure minus the control's, paired}
        clips, frames  how many it is taken over

    Raises ValueError for other sub-sequences.
    """
    truth, others = planted(said, store), others or {}  # (C, S, T)
    if (truth == -2).all():
        return {}
    for name, other in others.items():
        pairs = (other.clips, said.clips), (other.frames, said.frames)
        if not all(np.array_equal(*pair) for pair in pairs):
            raise ValueError(f"{name!r} is attention on other sub-sequences; they must be the same")
    rng = np.random.default_rng(0)
    count, there = people(store, said.clips), present(said, store)
    groups = np.array(performances(store, said.clips))
    found: dict[str, Any] = {}
    for number, who in ((1, "one_person"), (2, "two_people")):
        rows = np.flatnonzero(count == number)
        active, informative = truth[rows], truth[rows] >= 0
        if said.spatial is None or not informative.any():
            continue
        p = said.spatial[rows]
        weights = {
            "own": p,
            "uniform": controls.uniform(there[rows]),
            "permuted": controls.permuted_hands(p, there[rows], rng),
            "best_constant": controls.best_constant_hand(active),
        }
        if len(rows) > 1:
            weights["other_clip"] = controls.other_clip(p, count[rows], rng)
        weights |= {k: o.spatial[rows] for k, o in others.items() if o.spatial is not None}
        for part, measure, hit in (
            ("spatial", "top_hand", _top_share), ("spatial_mass", "mass", _weight_on),
        ):  # fmt: skip
            values = {name: hit(w, active) * informative for name, w in weights.items()}
            scores = found.setdefault(part, {})
            scores[who] = _score(measure, values, informative, groups[rows])
    if said.temporal is not None:
        rows = np.flatnonzero((truth >= 0).any((1, 2)))
        q, inside = said.temporal[rows], truth[rows] >= 0
        weights = {
            "own": q,
            "uniform": controls.uniform_steps(q),
            "permuted": controls.permuted_steps(q, rng),
            "best_constant": controls.best_constant_step(truth[rows]),
        }
        if (np.unique(count[rows], return_counts=True)[1] > 1).all():
            weights["other_clip"] = controls.other_clip(q, count[rows], rng)
        weights |= {k: o.temporal[rows] for k, o in others.items() if o.temporal is not None}
        mass = {name: (w * inside).sum(-1) for name, w in weights.items()}  # (C, S)
        score = _score("mass", mass, np.ones(inside.shape[:2], bool), groups[rows])
        found["temporal"] = score | {"frames": int(inside.sum())}
    return found


def _weight_on(p: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """p_t of the named hand, (C, S, T); anything where none is named."""
    return np.take_along_axis(p, np.maximum(hand, 0)[..., None], -1)[..., 0]


def _top_share(p: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """1 where the named hand has the largest weight, 1/n where n hands share it, 0 elsewhere."""
    top = p == p.max(-1, keepdims=True)
    return _weight_on(top / top.sum(-1, keepdims=True), hand)


def _score(
    measure: str, values: dict[str, np.ndarray], counted: np.ndarray, groups: np.ndarray
) -> dict[str, Any]:
    """One score; the model's own figure, first of `values`, gets the name `measure`."""
    axes = tuple(range(1, counted.ndim))
    sums = np.stack([v.sum(axes) for v in values.values()])  # (figures, C)
    counts, names = counted.sum(axes), [measure, *list(values)[1:]]
    figure = grouped_mean(sums, counts, groups)
    ahead = grouped_mean(sums[0] - sums[1:], counts, groups)

    def ends(estimate: Estimate) -> list[tuple[float, float]]:
        return list(zip(estimate.low.tolist(), estimate.high.tolist(), strict=True))

    return {
        **dict(zip(names, figure.value.tolist(), strict=True)),
        "intervals": dict(zip(names, ends(figure), strict=True)),
        "ahead": dict(zip(names[1:], ends(ahead), strict=True)),
        "clips": len(counts),
        "frames": int(counts.sum()),
    }

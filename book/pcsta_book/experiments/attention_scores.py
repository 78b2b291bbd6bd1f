"""Attention against the planted truth, each figure beside controls that know less or more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Int

from pcsta.data.store import Store
from pcsta.evaluation import Prediction
from pcsta_book.experiments import attention_controls as controls
from pcsta_book.experiments.bootstrap import Estimate, grouped_mean

Interval = tuple[float, float]


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
@dataclass(frozen=True)
class Score:
    """A figure of the model's attention, and the same figure of every control, each in [0, 1].

    values:     first the model's own: "top_hand", the share of frames whose largest p_t is the
                planted hand (ties are shared); or "mass", the mean of p_t on it, or of the sum of
                p' over its frames. Then the controls by name
    intervals:  95 % for each of them, from a bootstrap over `performances`; they do not cover
                another training seed or other actors
    ahead:      {control: 95 % of the model's figure minus the control's, paired}
    clips, frames: how many it is taken over
    """

    values: dict[str, float]
    intervals: dict[str, Interval]
    ahead: dict[str, Interval]
    clips: int
    frames: int


@dataclass(frozen=True)
class AttentionScores:
    """Scores over informative frames, for clips of "one_person" and "two_people".

    spatial: top hands;  spatial_mass: masses of p_t;  temporal: the mass of p' over all clips that
    have an informative frame, None without p'
    """

    spatial: dict[str, Score] = field(default_factory=dict)
    spatial_mass: dict[str, Score] = field(default_factory=dict)
    temporal: Score | None = None

    def to_dict(self) -> dict[str, object]:
        """As records hold it: values beside their intervals, and what was not scored left out."""

        def flat(score: Score) -> dict[str, object]:
            found: dict[str, object] = asdict(score)
            del found["values"]
            return {**score.values, **found}

        spatial = {"spatial": self.spatial, "spatial_mass": self.spatial_mass}
        found: dict[str, object] = {
            part: {who: flat(score) for who, score in scores.items()}
            for part, scores in spatial.items()
            if scores
        }
        return found if self.temporal is None else found | {"temporal": flat(self.temporal)}


def attention_scores(
    said: Prediction,
    store: Store,
    others: Mapping[str, Prediction] | None = None,
    seed: int = 0,
) -> AttentionScores:
    """Attention against the planted truth, each figure beside its controls.

    Controls (`pcsta_book.experiments.attention_controls`): uniform, permuted, best_constant (chosen
    on these very clips: an upper bound), other_clip, and each of `others`: further attention on the
    same sub-sequences by name, another model's, or the same model's when it sees nothing.

    Nothing is scored when the store knows no truth. Raises ValueError for other sub-sequences.
    """
    truth, others = planted(said, store), others or {}  # (C, S, T)
    if (truth == -2).all():
        return AttentionScores()
    for name, other in others.items():
        if not all(
            np.array_equal(getattr(other, k), getattr(said, k)) for k in ("clips", "frames")
        ):
            raise ValueError(f"{name!r} is attention on other sub-sequences; they must be the same")
    rng = np.random.default_rng(seed)
    count, there = people(store, said.clips), present(said, store)
    groups = np.array(performances(store, said.clips))
    spatial, spatial_mass, temporal = {}, {}, None
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
        top = {name: _top_share(w, active) * informative for name, w in weights.items()}
        mass = {name: _weight_on(w, active) * informative for name, w in weights.items()}
        spatial[who] = _score("top_hand", top, informative, groups[rows])
        spatial_mass[who] = _score("mass", mass, informative, groups[rows])
    if said.temporal is not None:
        rows = np.flatnonzero((truth >= 0).any((1, 2)))
        q, inside = said.temporal[rows], truth[rows] >= 0
        weights = {
            "own": q,
            "uniform": np.full_like(q, 1 / q.shape[-1]),
            "permuted": controls.permuted_steps(q, rng),
            "best_constant": controls.best_constant_step(truth[rows]),
        }
        if (np.unique(count[rows], return_counts=True)[1] > 1).all():
            weights["other_clip"] = controls.other_clip(q, count[rows], rng)
        weights |= {k: o.temporal[rows] for k, o in others.items() if o.temporal is not None}
        mass = {name: (w * inside).sum(-1) for name, w in weights.items()}  # (C, S)
        temporal = _score("mass", mass, np.ones(inside.shape[:2], bool), groups[rows])
        temporal = replace(temporal, frames=int(inside.sum()))
    return AttentionScores(spatial, spatial_mass, temporal)


def _weight_on(p: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """p_t of the named hand, (C, S, T); anything where none is named."""
    return np.take_along_axis(p, np.maximum(hand, 0)[..., None], -1)[..., 0]


def _top_share(p: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """1 where the named hand has the largest weight, 1/n where n hands share it, 0 elsewhere."""
    top = p == p.max(-1, keepdims=True)
    return _weight_on(top / top.sum(-1, keepdims=True), hand)


def _score(
    measure: str, values: dict[str, np.ndarray], counted: np.ndarray, groups: np.ndarray
) -> Score:
    """The model's own figure, first of `values`, under its name; the controls'; all intervals."""
    axes = tuple(range(1, counted.ndim))
    sums = np.stack([v.sum(axes) for v in values.values()])  # (figures, C)
    counts, names = counted.sum(axes), [measure, *list(values)[1:]]
    figure = grouped_mean(sums, counts, groups)
    ahead = grouped_mean(sums[0] - sums[1:], counts, groups)

    def by_name(names: list[str], estimate: Estimate) -> dict[str, Interval]:
        ends = zip(estimate.low.tolist(), estimate.high.tolist(), strict=True)
        return dict(zip(names, ends, strict=True))

    means = dict(zip(names, figure.value.tolist(), strict=True))
    intervals = by_name(names, figure), by_name(names[1:], ahead)
    return Score(means, *intervals, len(counts), int(counts.sum()))

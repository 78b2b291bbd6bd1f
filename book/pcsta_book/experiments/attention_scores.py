"""Attention against the planted truth, each figure beside controls that know less or more."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pcsta.data.clip import HANDS
from pcsta.data.store import Store
from pcsta.evaluation import Prediction
from pcsta_book.experiments import attention_controls as controls
from pcsta_book.experiments.bootstrap import Estimate, grouped_mean

NEAR = 3  # steps that attention's shift may lie from the truth's


# --- what the store knows of the clips ------------------------------------------------------------
def deciding(said: Prediction, store: Store) -> Bool[np.ndarray, "C S T 4"]:
    """Which hands decide in every sampled frame; none where no truth is known."""
    found = (store.deciding(i)[f] > 0 for i, f in zip(said.clips, said.frames, strict=True))
    return np.stack(list(found))


def present(said: Prediction, store: Store) -> Bool[np.ndarray, "C S T 4"]:
    """Which hands are tracked in every sampled frame."""
    return np.stack([store.present(i)[f] for i, f in zip(said.clips, said.frames, strict=True)])


def people(store: Store, clips: np.ndarray) -> Int[np.ndarray, "C"]:
    """People tracked in most of each clip's frames."""
    there = [store.present(i).reshape(-1, 2, 2).any(-1) for i in clips]
    return np.array([(t.mean(0) > 0.5).sum() for t in there], int)


def performances(store: Store, clips: np.ndarray) -> list[str]:
    """One name for all takes of one action by one person: clips of all cameras, which may have filmed
    it at once. The group in which clips are drawn for confidence intervals."""
    chosen = (store.clips[i] for i in clips)
    return [f"{c.label}/{c.subject}/{c.replication}" for c in chosen]


# --- scores ---------------------------------------------------------------------------------------
def attention_scores(
    said: Prediction, store: Store, others: Mapping[str, Prediction] | None = None
) -> dict[str, Any]:
    """Attention against the planted truth, each figure beside its controls.

    Returns what there is to score, as records hold it; nothing when no hand decides in any clip:

        {"spatial": {who: score}, "minimum": {figure: ...}, "spatial_mass": {who: score},
         "shift": score, "temporal": score}

    who is "one_person" or "two_people", over frames in which a hand decides; in `spatial` also each
    of HANDS, over frames in which it is the only one that does. The least of these four, "minimum",
    is the headline; it is missing where one of them never decides alone.

    A score holds figures in [0, 1]. First the model's own: "top_hand" in `spatial`, the share of frames
    whose largest p_t is on a hand that decides (ties are shared); "shown" in `shift`, the mean of
    `shift_shown`; else "mass", the mean of p_t on hands that decide, or of the sum of p' over frames
    that have one. Then those of `attention_controls` by name (best_constant is chosen on these very
    clips, of one and of two people: an upper bound) and of `others`, further attention on the same
    sub-sequences.

        intervals      {name: 95 % over `performances`}, not over training seeds or other actors
        ahead          {control: 95 % of the model's figure minus the control's, paired}
        clips, frames  how many it is taken over; for `shift` sub-sequences in place of frames

    Raises ValueError for other sub-sequences.
    """
    truth, others = deciding(said, store), others or {}
    for name, other in others.items():
        pairs = (other.clips, said.clips), (other.frames, said.frames)
        if not all(np.array_equal(*pair) for pair in pairs):
            raise ValueError(f"{name!r} is attention on other sub-sequences; they must be the same")
    count = people(store, said.clips)  # 0 where hardly anybody is tracked
    rows = np.flatnonzero(truth.any((1, 2, 3)) & (count > 0))
    if not len(rows):
        return {}
    truth, there, clips = truth[rows], present(said, store)[rows], said.clips[rows]
    count, informative = count[rows], truth.any(-1)  # (C,), (C, S, T)
    rng, groups = np.random.default_rng(0), np.array(performances(store, clips))

    def beside_controls(
        field: str, uniform: np.ndarray, permuted: np.ndarray, constant: np.ndarray
    ) -> dict[str, np.ndarray]:
        own = getattr(said, field)[rows]
        found = {"own": own, "uniform": uniform, "permuted": permuted, "best_constant": constant}
        if (np.unique(count, return_counts=True)[1] > 1).all():
            found["other_clip"] = controls.other_clip(own, count, rng)
        given = {name: getattr(other, field) for name, other in others.items()}
        return found | {name: w[rows] for name, w in given.items() if w is not None}

    found: dict[str, Any] = {}
    if said.spatial is not None:
        constant = np.empty(truth.shape)
        for alike in (count == number for number in np.unique(count)):
            constant[alike] = controls.best_constant_hand(truth[alike])
        permuted = controls.permuted_hands(said.spatial[rows], there, rng)
        weights = beside_controls("spatial", controls.uniform(there), permuted, constant)
        frames = {
            who: informative & (count == number)[:, None, None]
            for number, who in ((1, "one_person"), (2, "two_people"))
        }
        mass = {name: (w * truth).sum(-1) for name, w in weights.items()}  # (C, S, T)
        found["spatial_mass"] = _scores("mass", mass, frames, groups)
        alone = truth & (truth.sum(-1, keepdims=True) == 1)
        frames |= {hand: alone[..., i] for i, hand in enumerate(HANDS)}
        top = {name: (_top(w) * truth).sum(-1) for name, w in weights.items()}
        found["spatial"] = _scores("top_hand", top, frames, groups)
        if found["spatial"].keys() >= set(HANDS):
            hands = [found["spatial"][hand] for hand in HANDS]
            names = ("top_hand", *hands[0]["ahead"])
            found["minimum"] = {name: min(one[name] for one in hands) for name in names}
        shown = {name: shift_shown(w, truth) for name, w in weights.items()}  # (C, S)
        found |= _scores("shown", shown, {"shift": np.isfinite(shown["own"])}, groups)
    if said.temporal is not None:
        q = said.temporal[rows]
        permuted, constant = controls.permuted_steps(q, rng), controls.best_constant_step(truth)
        weights = beside_controls("temporal", controls.uniform_steps(q), permuted, constant)
        mass = {name: (w * informative).sum(-1) for name, w in weights.items()}  # (C, S)
        found |= _scores("mass", mass, {"temporal": np.ones(q.shape[:2], bool)}, groups)
        found["temporal"]["frames"] = int(informative.sum())
    return {part: one for part, one in found.items() if one}


def shift_shown(
    p: Float[np.ndarray, "C S T N"], deciding: Bool[np.ndarray, "C S T N"]
) -> Float[np.ndarray, "C S"]:
    """Whether the top hand changes where the deciding hand does: 1 or 0, NaN where that never does.

    The truth's change is the first from step u, the last at which only hand a decides, to step v, the
    next at which only one hand does, b. (Between them no hand may decide, or several.) Attention
    shows it if over steps u - 3 to v + 3 the top hand is a, then b, and never a again. Steps at which
    no hand decides, the top hand is a third one, or two hands share the largest weight, do not count.
    """
    sole = np.where(deciding.sum(-1) == 1, deciding.argmax(-1), -1)  # (C, S, T)
    top = np.where(deciding.any(-1) & (_top(p).max(-1) == 1), p.argmax(-1), -1)
    shown = np.full(sole.shape[:2], np.nan)
    for at in np.ndindex(shown.shape):
        steps = np.flatnonzero(sole[at] >= 0)
        changes = np.flatnonzero(np.diff(sole[at][steps]))
        if len(changes):
            u, v = steps[changes[0] : changes[0] + 2]
            window = top[at][max(u - NEAR, 0) : v + NEAR + 1]
            first, then = (np.flatnonzero(window == sole[at][t]) for t in (u, v))
            shown[at] = len(first) > 0 and len(then) > 0 and first[-1] < then[0]
    return shown


def _top(p: Float[np.ndarray, "*S N"]) -> Float[np.ndarray, "*S N"]:
    """1 on the hand of largest weight, 1/n on each of n that share it, 0 elsewhere."""
    return controls.uniform(p == p.max(-1, keepdims=True))


def _scores(
    measure: str, values: dict[str, np.ndarray], where: dict[str, np.ndarray], groups: np.ndarray
) -> dict[str, dict[str, Any]]:
    """A score for each of `where`, what is counted, unless that is nothing.

    The model's own figure, first of `values`, gets the name `measure`.
    """
    found, names = {}, [measure, *list(values)[1:]]
    for who, counted in where.items():
        axes = tuple(range(1, counted.ndim))
        clips = np.flatnonzero(counted.any(axes))
        if not len(clips):
            continue
        sums = np.stack([np.where(counted, v, 0)[clips].sum(axes) for v in values.values()])
        counts = counted[clips].sum(axes)
        figure, ahead = (
            grouped_mean(each, counts, groups[clips]) for each in (sums, sums[0] - sums[1:])
        )
        found[who] = {
            **dict(zip(names, figure.value.tolist(), strict=True)),
            "intervals": dict(zip(names, _ends(figure), strict=True)),
            "ahead": dict(zip(names[1:], _ends(ahead), strict=True)),
            "clips": len(clips),
            "frames": int(counts.sum()),
        }
    return found


def _ends(estimate: Estimate) -> list[tuple[float, float]]:
    return list(zip(estimate.low.tolist(), estimate.high.tolist(), strict=True))

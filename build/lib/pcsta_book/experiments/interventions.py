"""Is attention an explanation? Three ways to ask a trained model, none of which trains it.

Interventions replace its attention and leave the rest: what is right attention worth, and what does
wrong attention cost? Deletion removes what it attended to and what it did not: does the answer hang on
what the weights name? Leakage reads the class off the weights alone: how much do they say themselves
(section 5: pose "translated into direct cues ... through an innovative (but admittedly not originally
planned) use of the attention mechanism")?
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from pcsta.attention import Intervention
from pcsta.batches import SubSequences
from pcsta.data.store import Store
from pcsta.evaluation import Predictions, collect, people, performances, planted, present
from pcsta.two_stream import TwoStream
from pcsta_book.experiments import attention_controls
from pcsta_book.experiments.bootstrap import Estimate, grouped_mean

SHARES = np.linspace(0, 1, 11)  # of the frame-hands, deleted


class Inputs(NamedTuple):
    """What a model reads of C clips, S sub-sequences each, gathered once to be asked many times.

    M = C S rows, clip by clip. The pose network has run: no intervention touches it.
    """

    pose_features: Float[Tensor, "M S"] | None
    glimpses: Float[Tensor, "M T N K"]  # behind the model's frozen map, where it has one
    present: Bool[Tensor, "M T N"]
    labels: Int64[np.ndarray, "M"]
    clips: Int[np.ndarray, "C"]  # positions in the store
    frames: Int[np.ndarray, "M T"]


@torch.no_grad()
def gather(
    model: TwoStream, store: Store, clips: np.ndarray, count: int = 2, sampling: Any = "segments"
) -> Inputs:
    """Everything that `model` reads of `count` sub-sequences of each clip; it must fit in memory.

    Raises ValueError for a model without glimpses, or one that averages over both orders of people:
    it has two attentions a sub-sequence, and none of them is the one that decided.
    """
    if model.rgb is None:
        raise ValueError("row A has no glimpses and no attention to intervene on")
    if model.config.either_order:
        raise ValueError(
            "this model averages two passes (either_order); intervene on one that has one"
        )
    model.eval()
    device = next(model.parameters()).device
    batches = SubSequences(store, model.config, device, sampling)
    batches = batches.projected_by(model.rgb.scaling, clips, count)
    found = list(batches.testing(clips, count))
    s = None
    if model.pose_net is not None:
        s = torch.cat([model.pose_net(batch.pose_tensor) for batch in found])
    return Inputs(
        s,
        torch.cat([b.glimpses for b in found if b.glimpses is not None]),
        torch.cat([b.present for b in found]),
        np.concatenate([b.labels.cpu().numpy() for b in found]),
        np.asarray(clips),
        np.concatenate([b.frames for b in found]),
    )


@torch.no_grad()
def ask(
    model: TwoStream,
    inputs: Inputs,
    spatial: np.ndarray | None = None,
    temporal: np.ndarray | None = None,
    batch: int = 256,
) -> Predictions:
    """The model's answers, with its own attention or with what is given.

    spatial:  (C, S, T, N) in place of p_t;  temporal: (C, S, T) in place of p'
    """

    def rows(values: np.ndarray | None) -> list[Tensor | None]:
        if values is None:
            return [None] * len(range(0, len(inputs.frames), batch))
        flat = np.ascontiguousarray(values.reshape(-1, *values.shape[2:]), np.float32)
        return list(torch.from_numpy(flat).to(inputs.glimpses.device).split(batch))

    features = [None] * len(rows(None))
    if inputs.pose_features is not None:
        features = inputs.pose_features.split(batch)
    outputs = [
        model(None, V, there, projected=True, pose_features=s, intervention=Intervention(p, q))
        for V, there, s, p, q in zip(
            inputs.glimpses.split(batch), inputs.present.split(batch), features,
            rows(spatial), rows(temporal), strict=True,
        )
    ]  # fmt: skip
    return collect(outputs, inputs.clips, inputs.labels, inputs.frames)


# --- interventions ------------------------------------------------------------------------------
def blind(inputs: Inputs) -> Inputs:
    """The same with every glimpse zero: attention then comes from the pose alone."""
    return inputs._replace(glimpses=torch.zeros_like(inputs.glimpses))


def pose_less(model: TwoStream, inputs: Inputs) -> Inputs:
    """The same with one average s for all clips: attention then comes from the glimpses alone."""
    s = inputs.pose_features
    if s is None:
        return inputs
    average = (
        s.mean(0)
        if model.rgb is None or model.rgb.scaling.pose_mean is None
        else model.rgb.scaling.pose_mean
    )
    return inputs._replace(pose_features=average.expand_as(s))


def replacements(
    model: TwoStream, inputs: Inputs, store: Store, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Attention to put in place of the model's own: {name: (p, p')}, p' None where it has none.

    own; uniform; permuted (hands of p, steps of p'); other_clip; content_blind (what the model
    chooses when it sees nothing); pose_less (when it does not know the pose); and, where the truth is
    known, planted.

    Raises ValueError for a model without attention.
    """
    own = ask(model, inputs)
    if own.spatial is None:
        raise ValueError("this model has no attention to replace; rows E, G, I, K do")
    rng = np.random.default_rng(seed)
    there, count = present(own, store), people(store, own.clips)
    truth = planted(own, store)
    p, q = own.spatial, own.temporal
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {
        "own": (p, q),
        "uniform": (attention_controls.uniform(there), None if q is None else np.full_like(q, 1 / q.shape[-1])),
        "permuted": (
            attention_controls.permuted_hands(p, there, rng),
            None if q is None else attention_controls.permuted_steps(q, rng),
        ),
        "other_clip": (
            attention_controls.other_clip(p, count, rng),
            None if q is None else attention_controls.other_clip(q, count, rng),
        ),
    }  # fmt: skip
    for name, other in (
        ("content_blind", ask(model, blind(inputs))),
        ("pose_less", ask(model, pose_less(model, inputs))),
    ):
        assert other.spatial is not None
        found[name] = (other.spatial, other.temporal)
    if (truth >= 0).any():
        found["planted"] = (
            attention_controls.planted_hand(truth, there),
            None if q is None else attention_controls.planted_interval(truth),
        )
    return found


def interventions(
    model: TwoStream, inputs: Inputs, store: Store, seed: int = 0
) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Accuracy under each of `replacements`: {name: {what is replaced: {logits: Estimate}}}.

    what is replaced: "p" (p' stays the model's own), "p'" (p stays), "both"
    logits:           "rgb" (rows E and G), and "both streams" (I and K) where there is a pose stream
    """
    weights = replacements(model, inputs, store, seed)
    p, q = weights["own"]
    result: dict[str, dict[str, dict[str, Estimate]]] = {}
    for name, (other_p, other_q) in weights.items():
        ways = {"p": (other_p, q)}
        if q is not None:
            ways |= {"p'": (p, other_q), "both": (other_p, other_q)}
        result[name] = {
            what: accuracies(ask(model, inputs, *given), store) for what, given in ways.items()
        }
    return result


def accuracies(said: Predictions, store: Store) -> dict[str, Estimate]:
    """Accuracy of the RGB stream and, where there are two, of both streams, with intervals."""
    groups = performances(store, said.clips)
    logits = {"rgb": said.rgb_logits}
    if said.pose_logits is not None:
        logits["both streams"] = said.logits
    return {
        name: grouped_mean((values.argmax(-1) == said.labels).astype(float), groups=groups)
        for name, values in logits.items()
        if values is not None
    }


def entropy(p: Float[np.ndarray, "*B N"]) -> Float[np.ndarray, "*B"]:
    """-sum p log2 p, in bits: 0 when all weight is in one place, log2 N when it is spread evenly."""
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)


# --- deletion -----------------------------------------------------------------------------------
def deletion_orders(
    said: Predictions, store: Store, seed: int = 0
) -> dict[str, Float[np.ndarray, "C S T N"]]:
    """What goes first: {name: importance}, the largest is deleted first.

    most attended, least attended: by p_t p', both weights of a glimpse (p_t alone without p')
    random; and planted: the planted hand's glimpses, the others at random, where the truth is known

    Raises ValueError for a model without attention.
    """
    if said.spatial is None:
        raise ValueError("this model has no attention to order its glimpses by")
    weight = said.spatial.astype(float)
    if said.temporal is not None:
        weight = weight * said.temporal[..., None]
    chance = np.random.default_rng(seed).random(weight.shape)
    orders = {"most attended": weight, "least attended": -weight, "random": chance}
    truth = planted(said, store)
    if (truth >= 0).any():
        hands = np.arange(weight.shape[-1])
        orders["planted"] = chance + (truth[..., None] == hands)
    return orders


def deleted(
    importance: Float[np.ndarray, "C S T N"],
    there: Bool[np.ndarray, "C S T N"],
    share: float,
) -> Bool[np.ndarray, "C S T N"]:
    """The `share` of the frame-hands that are there, in each sub-sequence, that goes first."""
    keys = np.where(there, importance, -np.inf).reshape(*importance.shape[:2], -1)
    rank = (-keys).argsort(-1, kind="stable").argsort(-1)  # 0 goes first
    number = np.rint(share * there.sum((2, 3)))[..., None]
    return (rank < number).reshape(importance.shape)


def average_glimpse(model: TwoStream, store: Store, clips: np.ndarray) -> Float[Tensor, "K"]:
    """The mean glimpse of hands that are there, behind the model's frozen map.

    A model with that map has subtracted the mean of its training set: the average is 0.
    """
    assert model.rgb is not None
    if model.rgb.scaling.glimpse_mean is not None:
        return torch.zeros(model.rgb.scaling.width, device=model.rgb.scaling.glimpse_mean.device)
    total, seen = np.zeros(store.glimpse_features), 0
    for i in clips:
        glimpses = store.glimpses(i)
        there = store.present(i)
        total += glimpses[there].sum(0, dtype=float)
        seen += int(there.sum())
    device = next(model.parameters()).device
    return torch.from_numpy(total / seen).float().to(device)


def other_glimpses(inputs: Inputs, store: Store, seed: int = 0) -> Float[Tensor, "M T N K"]:
    """Every sub-sequence's glimpses taken from another clip with as many people, hand for hand."""
    V = inputs.glimpses
    by_clip = V.cpu().numpy().reshape(len(inputs.clips), -1, *V.shape[1:])
    count = people(store, inputs.clips)
    swapped = attention_controls.other_clip(by_clip, count, np.random.default_rng(seed))
    return torch.from_numpy(swapped).reshape(V.shape).to(V.device)


class Curve(NamedTuple):
    """A deletion curve over shares (P,), one column a clip.

    right: 1 where the RGB stream names the class;  logit: its logit of the class less the mean of
    all logits (which softmax does not see)
    """

    shares: Float[np.ndarray, "P"]
    right: Float[np.ndarray, "P C"]
    logit: Float[np.ndarray, "P C"]
    groups: list[str]

    def estimate(self, what: str = "right") -> Estimate:
        """The curve with its intervals, (P,) each."""
        return grouped_mean(getattr(self, what), groups=self.groups)

    def area(self, what: str = "right", less: Curve | None = None) -> Estimate:
        """Mean height of the curve, or of its difference from the curve `less` (paired by clip)."""
        values = getattr(self, what) - (0 if less is None else getattr(less, what))
        return grouped_mean(np.trapezoid(values, self.shares, axis=0), groups=self.groups)


def deletion_curve(
    model: TwoStream,
    inputs: Inputs,
    store: Store,
    importance: Float[np.ndarray, "C S T N"],
    fill: Tensor,
    shares: np.ndarray = SHARES,
) -> Curve:
    """What the RGB stream says while its glimpses go, the most important first.

    fill: what stands in a deleted glimpse's place: one (K,) for all (`average_glimpse`), or one
          for each, (M, T, N, K) (`other_glimpses`)

    A deleted hand stays *there*: only what it shows is lost. Were it declared absent, `mask_absent`
    would hand its weight to the hands that remain, and the curve would mix losing the evidence with
    looking elsewhere. The model runs anew each time; its later attention may respond.
    """
    there = inputs.present.cpu().numpy().reshape(importance.shape)
    right, logit = [], []
    for share in shares:
        gone = torch.from_numpy(deleted(importance, there, float(share))).to(fill.device)
        V = torch.where(gone.flatten(0, 1).unsqueeze(-1), fill, inputs.glimpses)
        said = ask(model, inputs._replace(glimpses=V))
        assert said.rgb_logits is not None
        own = np.take_along_axis(said.rgb_logits, said.labels[:, None], 1)[:, 0]
        right.append(said.rgb_logits.argmax(-1) == said.labels)
        logit.append(own - said.rgb_logits.mean(-1))
    groups = performances(store, inputs.clips)
    return Curve(np.asarray(shares), np.stack(right).astype(float), np.stack(logit), groups)


# --- leakage ------------------------------------------------------------------------------------
def leakage(model: TwoStream, store: Store, learn: Inputs, test: Inputs) -> dict[str, Estimate]:
    """Test accuracy of a linear probe that reads the class off parts of the model, glimpses unseen.

    P, p':                  the attention maps alone
    P, content blind; p', content blind:  the same when every glimpse is zero: what pose put there
    s:                      the pose features, which conditioned attention reads

    Probes learn on the sub-sequences of `learn` and average their probabilities over each test clip's.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for inputs in (learn, test):
        for condition, source in (("", inputs), (", content blind", blind(inputs))):
            said = ask(model, source)
            for name, weights in (("P", said.spatial), ("p'", said.temporal)):
                if weights is not None:
                    flat = weights.reshape(len(inputs.frames), -1)
                    parts.setdefault(name + condition, []).append(flat)
        if inputs.pose_features is not None:
            parts.setdefault("s", []).append(inputs.pose_features.cpu().numpy())
    count = len(test.frames) // len(test.clips)
    groups, labels = performances(store, test.clips), test.labels[::count]
    result = {}
    for name, (x, y) in parts.items():
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        probe.fit(x, learn.labels)
        scores = probe.predict_proba(y).reshape(len(labels), count, -1).mean(1)
        right = probe.classes_[scores.argmax(-1)] == labels
        result[name] = grouped_mean(right.astype(float), groups=groups)
    return result

"""Deletion: does a model's answer hang on what its attention names?

The glimpses that it attended to are removed, or those that it did not, and it is asked again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pcsta.data.store import Store
from pcsta.evaluation import Prediction
from pcsta.two_stream import TwoStream
from pcsta_book.experiments import attention_controls
from pcsta_book.experiments.attention_scores import deciding, people, performances
from pcsta_book.experiments.bootstrap import Estimate, grouped_mean
from pcsta_book.experiments.interventions import Inputs, answer

SHARES = np.linspace(0, 1, 11)  # of the frame-hands, deleted


def deletion_orders(said: Prediction, store: Store) -> dict[str, Float[np.ndarray, "C S T N"]]:
    """What goes first: {name: importance}, the largest is deleted first.

    most attended, least attended: by p_t p', both weights of a glimpse (p_t alone without p')
    random; and planted: glimpses of hands that decide, the others at random, where the truth is known

    Raises ValueError for a model without attention.
    """
    if said.spatial is None:
        raise ValueError("this model has no attention to order its glimpses by")
    weight = said.spatial.astype(float)
    if said.temporal is not None:
        weight = weight * said.temporal[..., None]
    chance = np.random.default_rng(0).random(weight.shape)
    orders = {"most attended": weight, "least attended": -weight, "random": chance}
    if (truth := deciding(said, store)).any():
        orders["planted"] = chance + truth
    return orders


def deleted(
    importance: Float[np.ndarray, "C S T N"], there: Bool[np.ndarray, "C S T N"], share: float
) -> Bool[np.ndarray, "C S T N"]:
    """The `share` of the frame-hands that are there, in each sub-sequence, that goes first."""
    keys = np.where(there, importance, -np.inf).reshape(*importance.shape[:2], -1)
    rank = (-keys).argsort(-1, kind="stable").argsort(-1)  # 0 goes first
    number = np.rint(share * there.sum((2, 3)))[..., None]
    return np.asarray(rank < number).reshape(importance.shape)


def average_glimpse(model: TwoStream, inputs: Inputs) -> Float[Tensor, "K"]:
    """The mean glimpse of hands that are there; 0 behind the frozen map, which has subtracted it."""
    V = inputs.glimpses
    if model.rgb is not None and model.rgb.scaling.glimpse_mean is not None:
        return V.new_zeros(V.shape[-1])
    return V[inputs.present].mean(0)


def other_glimpses(inputs: Inputs, store: Store) -> Float[Tensor, "M T N K"]:
    """Every sub-sequence's glimpses taken from another clip with as many people, hand for hand."""
    V = inputs.glimpses
    by_clip = V.cpu().numpy().reshape(len(inputs.clips), -1, *V.shape[1:])
    count = people(store, inputs.clips)
    swapped = attention_controls.other_clip(by_clip, count, np.random.default_rng(0))
    return torch.from_numpy(swapped).reshape(V.shape).to(V.device)


class Curve(NamedTuple):
    """A deletion curve over shares (P,), one column a clip.

    `what` it measures of the RGB stream: "right", 1 where it names the class; or "logit", that of the
    class less the mean of all logits (which softmax does not see).
    """

    shares: Float[np.ndarray, "P"]
    right: Float[np.ndarray, "P C"]
    logit: Float[np.ndarray, "P C"]
    groups: list[str]  # performances

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
        logits = answer(model, inputs._replace(glimpses=V)).rgb_logits
        assert logits is not None
        own = np.take_along_axis(logits, inputs.labels[:, None], 1)[:, 0]
        right.append(logits.argmax(-1) == inputs.labels)
        logit.append(own - logits.mean(-1))
    groups = performances(store, inputs.clips)
    return Curve(np.asarray(shares), np.stack(right).astype(float), np.stack(logit), groups)

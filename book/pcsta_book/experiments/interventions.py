"""Is attention an explanation? Ways to ask a trained model, none of which trains it.

Interventions replace its attention and leave the rest: what is right attention worth, and what does
wrong attention cost? Leakage reads the class off the weights alone: how much do they say themselves
(section 5: pose "translated into direct cues ... through an innovative (but admittedly not
originally planned) use of the attention mechanism")?
"""

from collections.abc import Callable
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
from pcsta.evaluation import ModelInput, Prediction, collect, infer
from pcsta.symmetries import exchanges
from pcsta.two_stream import TwoStream
from pcsta_book.experiments import attention_controls as controls
from pcsta_book.experiments.attention_scores import deciding, people, performances, present
from pcsta_book.experiments.bootstrap import Estimate, grouped_mean


class Inputs(NamedTuple):
    """What a model reads of C clips, read once to be asked many times: M = C S rows, clip by clip.

    The pose network has run: no intervention touches it.
    """

    pose_features: Float[Tensor, "M S"] | None
    glimpses: Float[Tensor, "M T N K"]  # behind the model's frozen map, where it has one
    present: Bool[Tensor, "M T N"]
    labels: Int64[np.ndarray, "C"]
    clips: Int[np.ndarray, "C"]  # positions in the store
    frames: Int[np.ndarray, "M T"]


@torch.no_grad()
def read_inputs(model: TwoStream, store: Store, clips: np.ndarray, count: int = 2) -> Inputs:
    """Everything that `model` reads of `count` sub-sequences of each clip; it must fit in memory.

    Raises ValueError for a model without glimpses, or one that averages over `exchanges`: it has
    several attentions a sub-sequence, and none of them is the one that decided.
    """
    if model.rgb is None:
        raise ValueError("row A has no glimpses and no attention to intervene on")
    if len(exchanges(model.config)) > 1:
        raise ValueError(
            "this model averages several passes (either_order, either_side): ask one that has one"
        )
    model.eval()
    batches = SubSequences(store, model.config, next(model.parameters()).device)
    read = list(batches.projected_by(model.rgb.scaling, clips, count).testing(clips, count))
    s = None
    if model.pose_net is not None:
        s = torch.cat([model.pose_net(batch.pose_tensor) for batch in read])
    return Inputs(
        s,
        torch.cat([batch.glimpses for batch in read if batch.glimpses is not None]),
        torch.cat([batch.present for batch in read]),
        store.labels[clips],
        np.asarray(clips),
        np.concatenate([batch.frames for batch in read]),
    )


def answer(
    model: TwoStream,
    inputs: Inputs,
    spatial: Float[np.ndarray, "C S T N"] | None = None,
    temporal: Float[np.ndarray, "C S T"] | None = None,
) -> Prediction:
    """What the model answers, with its own attention or with what is given in place of p, of p'."""

    def rows(weights: np.ndarray | None) -> Tensor | None:
        if weights is None:
            return None
        flat = np.ascontiguousarray(weights.reshape(-1, *weights.shape[2:]), np.float32)
        return torch.from_numpy(flat).to(inputs.glimpses.device)

    given = Intervention(rows(spatial), rows(temporal))
    read = ModelInput(None, inputs.glimpses, inputs.present, True, inputs.pose_features, given)
    return collect([infer(model, read)], inputs.clips, inputs.labels, inputs.frames)


def blind(inputs: Inputs) -> Inputs:
    """The same with every glimpse zero: attention then comes from the pose alone."""
    return inputs._replace(glimpses=torch.zeros_like(inputs.glimpses))


def pose_less(model: TwoStream, inputs: Inputs) -> Inputs:
    """The same with one average s for all clips: attention then comes from the glimpses alone."""
    s = inputs.pose_features
    if s is None:
        return inputs
    known = None if model.rgb is None else model.rgb.scaling.pose_mean
    return inputs._replace(pose_features=(s.mean(0) if known is None else known).expand_as(s))


def share(right: Bool[np.ndarray, "C"], store: Store, clips: np.ndarray) -> Estimate:
    """How many of the clips, with the interval over `performances`."""
    return grouped_mean(right.astype(float), groups=performances(store, clips))


# --- interventions ------------------------------------------------------------------------------
# p (C, S, T, N) and p' (C, S, T), None where a model has none
Attention = tuple[np.ndarray | None, np.ndarray | None]


def replacements(model: TwoStream, inputs: Inputs, store: Store) -> dict[str, Attention]:
    """Attention to put in place of the model's own, by name; without p' where it has none.

    own; uniform; permuted (hands of p, steps of p'); other_clip; content_blind (what the model
    chooses when it sees nothing); pose_less (when it does not know the pose); and, where the truth
    is known, planted.

    Raises ValueError for a model without attention.
    """
    own = answer(model, inputs)
    p, q = own.spatial, own.temporal
    if p is None:
        raise ValueError("this model has no attention to replace; rows E, G, I, K do")
    rng = np.random.default_rng(0)
    there, count, truth = present(own, store), people(store, own.clips), deciding(own, store)

    def steps(control: Callable[..., np.ndarray], *given: Any) -> np.ndarray | None:
        return None if q is None else control(*given)

    def chosen(changed: Inputs) -> Attention:
        said = answer(model, changed)
        return said.spatial, said.temporal

    found = {
        "own": (p, q),
        "uniform": (controls.uniform(there), steps(controls.uniform_steps, q)),
        "permuted": (
            controls.permuted_hands(p, there, rng),
            steps(controls.permuted_steps, q, rng),
        ),
        "other_clip": (
            controls.other_clip(p, count, rng),
            steps(controls.other_clip, q, count, rng),
        ),
        "content_blind": chosen(blind(inputs)),
        "pose_less": chosen(pose_less(model, inputs)),
    }
    if truth.any():
        found["planted"] = (
            controls.planted_hands(truth, there),
            steps(controls.planted_steps, truth),
        )
    return found


def interventions(
    model: TwoStream, inputs: Inputs, store: Store
) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Accuracy under each of `replacements`: {name: {what is replaced: {logits: Estimate}}}.

    what is replaced: "p" (p' stays the model's own), "p'" (p stays), "both"
    logits:           "rgb" (rows E and G), and with a pose stream "both streams" (I and K)
    """
    weights = replacements(model, inputs, store)
    p, q = weights["own"]
    result: dict[str, dict[str, dict[str, Estimate]]] = {}
    for name, (other_p, other_q) in weights.items():
        ways, result[name] = {"p": (other_p, q)}, {}
        if q is not None:
            ways |= {"p'": (p, other_q), "both": (other_p, other_q)}
        for what, given in ways.items():
            said = answer(model, inputs, *given)
            logits = {"rgb": said.rgb_logits}
            if said.pose_logits is not None:
                logits["both streams"] = said.logits
            result[name][what] = {
                who: share(values.argmax(-1) == said.labels, store, said.clips)
                for who, values in logits.items()
                if values is not None
            }
    return result


# --- leakage ------------------------------------------------------------------------------------
def leakage(model: TwoStream, store: Store, learn: Inputs, test: Inputs) -> dict[str, Estimate]:
    """Test accuracy of a linear probe that reads the class off parts of the model, glimpses unseen.

    P, p':                  the attention maps alone
    P, content blind; p', content blind:  the same when every glimpse is zero: what pose put there
    s:                      the pose features, which conditioned attention reads

    Probes learn on the sub-sequences of `learn`; their probabilities are averaged over those of each
    test clip.
    """

    def parts(inputs: Inputs) -> dict[str, np.ndarray]:
        s = inputs.pose_features
        said, unseen = answer(model, inputs), answer(model, blind(inputs))
        found = {
            "P": said.spatial,
            "p'": said.temporal,
            "P, content blind": unseen.spatial,
            "p', content blind": unseen.temporal,
            "s": None if s is None else s.cpu().numpy(),
        }
        rows = len(inputs.frames)
        return {name: x.reshape(rows, -1) for name, x in found.items() if x is not None}

    targets = np.repeat(learn.labels, len(learn.frames) // len(learn.clips))  # of sub-sequences
    asked, result = parts(test), {}
    for name, x in parts(learn).items():
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        scores = probe.fit(x, targets).predict_proba(asked[name])
        scores = scores.reshape(len(test.clips), -1, scores.shape[-1]).mean(1)
        right = probe.classes_[scores.argmax(-1)] == test.labels
        result[name] = share(right, store, test.clips)
    return result

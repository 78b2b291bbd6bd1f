"""The RGB stream: glimpses of the hands -> features u~ (sections 3.2 and 3.3, eq. 3 to 7).

One loop over time alternates f_p, which weighs the hands (eq. 4), the weighted sum (eq. 5) and the
LSTM f_h (eq. 3). Everything that is the same for all t, or can wait until every t is known, is
computed outside the loop.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import dropout

from pcsta.model.attention import HANDS_PER_PERSON, OWN, Given, SpatialAttention, TemporalAttention
from pcsta.model.config import ModelConfig


class _WeightLater(torch.autograd.Function):
    """A matrix that is used at every t, with its gradient taken once, after the loop.

    Forward gives zeros (T, B, 4H), one slice for the loop to add to each step's product with the
    *detached* matrix. Backward thereby receives the gradient of all the products at once, and the
    matrix's own gradient is one large product over B·T rows in place of T small ones, each of which
    would be added to a matrix of the same 50 MB. `inputs` is the list that the loop fills.
    """

    @staticmethod
    def forward(ctx, weight: Tensor, inputs: list[Tensor], steps: int, batch: int) -> Tensor:
        ctx.inputs = inputs
        return weight.new_zeros(steps, batch, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        inputs = torch.cat(ctx.inputs).to(grad.dtype)  # (T·B, D + H)
        return grad.flatten(0, 1).T @ inputs, None, None, None


def _buffer(value: Tensor, wanted: bool) -> nn.Buffer | None:
    """A frozen tensor of the model, or nothing."""
    return nn.Buffer(value) if wanted else None


class RGBStream(nn.Module):
    """Attention over hands, LSTM, attention over time (Figures 3 and 4).

    `config.hands` chooses the integration of the hands (Table 6): "attention" (eq. 5), their "sum"
    (row B), or "concat" (row C). `config.temporal` chooses p' (eq. 7) or the mean over time.

    Glimpse features may be scaled by a frozen affine map fitted to the training set (`fit_scaling`):
    the paper has none, and at its configuration the map is absent.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        hands = HANDS_PER_PERSON * config.people
        raw = config.glimpse_features
        self.glimpse_width = config.glimpse_projection or raw  # D, of what the LSTM sees
        context = self.glimpse_width * (hands if config.hands == "concat" else 1)
        # the LSTM's gates (input, forget, output) and candidate cell of [v~_t, h_{t-1}] in one matrix
        self.gates = nn.Linear(context + config.hidden, 4 * config.hidden)
        self.step = nn.Linear(config.hidden, config.step_features)  # f_u
        attends = config.hands == "attention"
        self.spatial = SpatialAttention(config) if attends else None
        self.temporal = TemporalAttention(config) if config.temporal else None
        projects, scales = bool(config.glimpse_projection), config.standardise
        self.components = _buffer(torch.eye(raw, self.glimpse_width), projects)
        self.glimpse_mean = _buffer(torch.zeros(raw), projects or scales)
        self.glimpse_std = _buffer(torch.ones(()), scales)
        self.pose_mean = _buffer(torch.zeros(config.pose_widths[2]), scales)
        self.pose_std = _buffer(torch.ones(config.pose_widths[2]), scales)
        with torch.no_grad():
            # a new LSTM remembers: forget gates start open, as TensorFlow's (the paper's) do
            self.gates.bias[config.hidden : 2 * config.hidden] += 1

    # --- frozen scaling, outside the paper ------------------------------------------------------
    def fit_scaling(
        self,
        glimpses: Float[Tensor, "M D"] | None = None,
        pose_features: Float[Tensor, "K S"] | None = None,
    ) -> None:
        """Fit the frozen maps to features of the training set; what the configuration lacks is left.

        glimpses:       raw features of present hands; with `glimpse_projection`, their principal
                        components become the projection. With `standardise` the result has mean 0
                        and one common scale: unit variance on average, so directions that vary
                        more keep saying more.
        pose_features:  s; with `standardise`, every feature gets mean 0 and variance 1.
        """
        if glimpses is not None and self.glimpse_mean is not None:
            x = glimpses.double()
            mean = x.mean(0)
            covariance = (x.T @ x) / len(x) - mean[:, None] * mean
            variance = covariance.diagonal()
            if self.components is not None:
                values, vectors = torch.linalg.eigh(covariance)  # ascending
                variance = values[-self.glimpse_width :]
                self.components.copy_(vectors[:, -self.glimpse_width :].flip(1))
            self.glimpse_mean.copy_(mean)
            if self.glimpse_std is not None:
                self.glimpse_std.copy_(variance.mean().clamp(min=1e-12).sqrt())
        if pose_features is not None and self.pose_mean is not None and self.pose_std is not None:
            self.pose_mean.copy_(pose_features.mean(0))
            std = pose_features.std(0, correction=0)
            # a feature that never fires (a dead ReLU) stays silent and is not blown up
            self.pose_std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def project(self, glimpses: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """The frozen affine map of the glimpse features; the identity at the paper's configuration.

        The zero glimpse of an absent hand stays zero.
        """
        if self.glimpse_mean is None:
            return glimpses
        there = (glimpses != 0).any(-1, keepdim=True)
        x = glimpses - self.glimpse_mean
        if self.components is not None:
            x = x @ self.components
        if self.glimpse_std is not None:
            x = x / self.glimpse_std
        return x * there

    def _scaled_pose(self, s: Tensor | None) -> Tensor | None:
        if s is None or self.pose_mean is None or self.pose_std is None:
            return s
        return (s - self.pose_mean) / self.pose_std

    # --- the paper ------------------------------------------------------------------------------
    def forward(
        self,
        glimpses: Float[Tensor, "B T N D"],
        s: Float[Tensor, "B S"] | None = None,
        present: Bool[Tensor, "B T N"] | None = None,
        projected: bool = False,
        given: Given = OWN,
    ) -> tuple[Float[Tensor, "B U"], Float[Tensor, "B T N"] | None, Float[Tensor, "B T"] | None]:
        """(features u~, spatial attention p or None, temporal attention p' or None).

        glimpses:   V_t for all t, one row per hand (eq. 2); zero rows for absent hands
        s:          pose features; None when the configuration is not conditioned on pose
        present:    which hands exist; read with `mask_absent` only
        projected:  True when `project` has already been applied (training does it once for all)
        given:      attention that replaces the networks' own (an intervention)

        Raises ValueError when the glimpses have another number of hands, features or frames, or when
        attention is given that the configuration does not have.
        """
        frames = glimpses.shape[1]
        hands = HANDS_PER_PERSON * self.config.people
        width = self.glimpse_width if projected else self.config.glimpse_features
        if glimpses.shape[2:] != (hands, width) or (self.temporal and frames != self.config.frames):
            raise ValueError(
                f"this RGB stream reads (B, {self.config.frames}, {hands}, {width}) "
                f"{'projected ' if projected else ''}glimpses, got {tuple(glimpses.shape)}"
            )
        for weights, network, symbol in (
            (given.spatial, self.spatial, "p"),
            (given.temporal, self.temporal, "p'"),
        ):
            if weights is not None and network is None:
                raise ValueError(f"{symbol} is given, and this configuration has no {symbol}")
        V = glimpses if projected else self.project(glimpses)  # (B, T, N, D)
        if self.training and self.config.glimpse_dropout:
            # one mask for all hands and times: what is dropped is a feature, not a moment
            mask = V.new_ones(len(V), 1, 1, V.shape[-1])
            V = V * dropout(mask, self.config.glimpse_dropout)
        s = self._scaled_pose(s)

        hidden, attention = self._recur(V, s, present, given.spatial)  # (B, T, H), (B, T, N)
        U = self.step(hidden).relu()  # (B, T, U) eq. 6
        if self.temporal is None or attention is None:
            return U.mean(1), attention, None
        weights = given.temporal
        if weights is None:
            weights = self.temporal(attention.flatten(1), s)  # p' (B, T) eq. 7
        return torch.einsum("btu,bt->bu", U, weights), attention, weights

    def _recur(
        self, V: Tensor, s: Tensor | None, present: Tensor | None, given: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Eq. 3, 4, 5 over time: all hidden states and, where there is one, all attention."""
        batch, frames = V.shape[:2]
        context = None  # v~ of all t, where it does not wait for h
        if given is not None:
            context = torch.einsum("btn,btnd->btd", given, V)  # eq. 5
        elif self.spatial:  # s describes the whole sub-sequence: its term is the same for every t
            pose_term = self.spatial.pose_term(s)
        else:  # rows B and C of Table 6
            context = V.sum(2) if self.config.hands == "sum" else V.flatten(2)
        inputs: list[Tensor] = []
        later = _WeightLater.apply(self.gates.weight, inputs, frames, batch)
        weight = self.gates.weight.detach().T

        size = self.config.hidden
        h = c = V.new_zeros(batch, size)  # (B, H)
        hidden, attention = [], []
        offsets = (later + self.gates.bias).unbind()
        for t, (V_t, offset) in enumerate(zip(V.unbind(1), offsets, strict=True)):
            if context is not None:
                v = context[:, t]
            else:
                p = self.spatial(h, pose_term, None if present is None else present[:, t])
                v = (p.unsqueeze(1) @ V_t).squeeze(1)  # (B, D) eq. 5
                attention.append(p)
            x = torch.cat([v, h], 1)  # (B, D + H)
            inputs.append(x.detach())
            # one sigmoid for three gates: at small sizes the number of operations is the cost
            gates, g = torch.addmm(offset, x, weight).split([3 * size, size], 1)
            i, f, o = gates.sigmoid().chunk(3, 1)  # (B, H) each
            c = f * c + i * g.tanh()
            h = o * c.tanh()  # eq. 3
            hidden.append(h)
        return torch.stack(hidden, 1), torch.stack(attention, 1) if attention else given

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

from pcsta.attention import OWN, Given, SpatialAttention, TemporalAttention
from pcsta.config import ModelConfig
from pcsta.glimpse_input import GlimpseInput


class _WeightLater(torch.autograd.Function):
    """A matrix that is used at every t, with its gradient taken once, after the loop.

    Forward gives zeros (T, B, 4H), one slice for the loop to add to each step's product with the
    *detached* matrix. Backward thereby receives the gradient of all the products at once, and the
    matrix's own gradient is one large product over B·T rows in place of T small ones, each of which
    would be added to a matrix of the same 50 MB. `inputs` is the list that the loop fills.
    """

    @staticmethod
    def forward(
        ctx, weight: Tensor, inputs: list[Tensor], steps: int, batch: int | torch.SymInt
    ) -> Tensor:
        ctx.inputs = inputs
        return weight.new_zeros(steps, batch, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        inputs = torch.cat(ctx.inputs).to(grad.dtype)  # (T·B, D + H)
        return grad.flatten(0, 1).T @ inputs, None, None, None


class RGBStream(GlimpseInput):
    """Glimpses of all steps -> u~ (eq. 6; baselines, pooling, section 3).

    Attention over hands, LSTM, attention over time, as in Figures 3 and 4.

    `config.hands` chooses the integration of the hands (Table 6): "attention" (eq. 5), their "sum"
    (row B), or "concat" (row C). `config.temporal` chooses p' (eq. 7) or the mean over time.

    Attribute `features`: the width of u~.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.features = config.step_features
        context = self.glimpse_width * (config.glimpses if config.hands == "concat" else 1)
        # the LSTM's gates (input, forget, output) and candidate cell of [v~_t, h_{t-1}] in one matrix
        self.gates = nn.Linear(context + config.hidden, 4 * config.hidden)
        self.step = nn.Linear(config.hidden, config.step_features)  # f_u
        attends = config.hands == "attention"
        self.spatial = SpatialAttention(config) if attends else None
        self.temporal = TemporalAttention(config) if config.temporal else None
        with torch.no_grad():
            # a new LSTM remembers: forget gates start open, as TensorFlow's (the paper's) do
            self.gates.bias[config.hidden : 2 * config.hidden] += 1

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
        self._check_given(given)
        V = self.read(glimpses, projected)  # (B, T, N, D)
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
        """All hidden states and, where there is one, all attention (eq. 3 to 5)."""
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

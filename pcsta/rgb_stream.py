"""The RGB stream: glimpses of the hands -> features u~ (sections 3.2 and 3.3, eq. 3 to 7).

One loop over time alternates f_p, which weighs the hands (eq. 4), the weighted sum (eq. 5) and the
LSTM f_h (eq. 3), as in Figure 4. What is the same for all t, or does not wait for h, is computed
before the loop.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pcsta.attention import Intervention, SpatialAttention, TemporalAttention
from pcsta.config import ModelConfig
from pcsta.scaling import Scaling


class RGBStream(nn.Module):
    """Glimpses of all steps -> u~ (eq. 6; baselines, pooling, section 3), as in Figures 3 and 4.

    `config.hands` chooses how the LSTM sees the hands (Table 6): weighed by "attention" (eq. 5), as
    their "sum" (row B), or as their "concat"enation (row C). `config.temporal` chooses how u~ is pooled
    from the u_t: by p' (eq. 7), or as their mean.

    Attribute `features`: the width of u~.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.features = config.step_features
        self.scaling = Scaling(config)
        context = self.scaling.width * (config.glimpses if config.hands == "concat" else 1)
        self.spatial = SpatialAttention(config) if config.hands == "attention" else None  # f_p
        self.lstm = nn.LSTMCell(context, config.hidden)  # f_h
        self.step = nn.Linear(config.hidden, config.step_features)  # f_u
        self.temporal = TemporalAttention(config) if config.temporal else None  # f_p'
        _initialise(self.lstm)

    def forward(
        self,
        glimpses: Float[Tensor, "B T N D"],
        s: Float[Tensor, "B S"] | None = None,
        present: Bool[Tensor, "B T N"] | None = None,
        projected: bool = False,
        intervention: Intervention | None = None,
        pose_tensor: Float[Tensor, "B C T W"] | None = None,
    ) -> tuple[Float[Tensor, "B U"], Float[Tensor, "B T N"] | None, Float[Tensor, "B T"] | None]:
        """(features u~, spatial attention p or None, temporal attention p' or None).

        glimpses:      V_t for all t, one row per hand (eq. 2); zero rows for absent hands
        s:             pose features as f_sk gives them, scaled here; None when not conditioned on pose
        present:       which hands exist; read with `mask_absent` only
        projected:     True when `scaling.project` has already been applied (training does it once)
        intervention:  attention in place of the networks' own
        pose_tensor:   X; read with `moment_in_attention` only

        Raises ValueError when the glimpses have another number of hands, features or frames, or when
        attention is replaced that the configuration does not have.
        """
        given = intervention or Intervention()
        given.check(self.spatial, self.temporal)
        V = self.scaling(glimpses, projected)  # (B, T, N, D)
        s = None if s is None else self.scaling.pose(s)

        hidden, attention = self.recur(V, s, present, given.spatial, pose_tensor)  # (B, T, H)
        U = self.step(hidden).relu()  # (B, T, U) eq. 6
        if self.temporal is None or attention is None:
            return U.mean(1), attention, None
        weights = given.temporal
        if weights is None:
            weights = self.temporal(attention.flatten(1), s)  # p' (B, T) eq. 7
        return torch.einsum("btu,bt->bu", U, weights), attention, weights

    def recur(
        self,
        V: Float[Tensor, "B T N D"],
        s: Float[Tensor, "B S"] | None,
        present: Bool[Tensor, "B T N"] | None,
        given: Float[Tensor, "B T N"] | None = None,
        X: Float[Tensor, "B C T W"] | None = None,
    ) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T N"] | None]:
        """All hidden states h_t and, where there is one, all spatial attention p_t (eq. 3 to 5)."""
        attend = self.spatial if given is None else None
        if attend is not None:
            pose_terms = attend.pose_terms(s, X, V.shape[1])
        elif given is not None:
            context = torch.einsum("btn,btnd->btd", given, V)  # eq. 5
        else:  # rows B and C of Table 6
            context = V.sum(2) if self.config.hands == "sum" else V.flatten(2)

        h = c = V.new_zeros(V.shape[0], self.config.hidden)  # (B, H)
        hidden, attention = [], []
        for t in range(V.shape[1]):
            if attend is not None:
                there = None if present is None else present[:, t]
                p = attend(h, pose_terms[t], there)  # (B, N) eq. 4
                v = torch.einsum("bn,bnd->bd", p, V[:, t])  # (B, D) eq. 5
                attention.append(p)
            else:
                v = context[:, t]
            h, c = self.lstm(v, (h, c))  # eq. 3
            hidden.append(h)
        return torch.stack(hidden, 1), torch.stack(attention, 1) if attention else given


@torch.no_grad()
def _initialise(lstm: nn.LSTMCell) -> None:
    """Uniform weights, bounded as those of one matrix of [v~_t, h_{t-1}]; forget gates start open.

    The bound is less than torch's own: with that, some seeds of row E settle on the wrong hand. And a
    new LSTM remembers, as TensorFlow's (the paper's) does.
    """
    bound = (lstm.input_size + lstm.hidden_size) ** -0.5
    for weights in (lstm.weight_ih, lstm.weight_hh, lstm.bias_ih):
        nn.init.uniform_(weights, -bound, bound)
    nn.init.zeros_(lstm.bias_hh)
    forget = lstm.bias_ih.chunk(4)[1]  # torch's order: input, forget, cell, output
    forget += 1

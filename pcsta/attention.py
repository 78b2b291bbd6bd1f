"""f_p and f_p', the two attention networks: where to look (eq. 4) and when (eq. 7).

Both are MLPs with one sigmoid hidden layer (section 4). Their outputs are called distributions in
the paper and sum to 1 in its figures, so the output is a softmax; `weights="sigmoid"` reads section 4
the other way. The weighted sum of the glimpses (eq. 5) is in `pcsta.rgb_stream`.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pcsta.config import ModelConfig
from pcsta.pose_tensor import PoseTensor


class Intervention(NamedTuple):
    """Attention to use in place of what f_p and f_p' would say; None leaves the network its own.

    The rest of the model runs on as if the networks had chosen these weights. With p alone given,
    f_p' computes p' from the given P.
    """

    spatial: Float[Tensor, "B T N"] | None = None  # p_t
    temporal: Float[Tensor, "B T"] | None = None  # p'

    def check(self, f_p: nn.Module | None, f_p_prime: nn.Module | None) -> None:
        """Raise ValueError when attention is given that a stream with these networks does not have."""
        given = (self.spatial, f_p, "p"), (self.temporal, f_p_prime, "p'")
        for weights, network, symbol in given:
            if weights is not None and network is None:
                raise ValueError(f"{symbol} is given, and this configuration has no {symbol}")


class _Attention(nn.Module):
    """softmax(W sigmoid(W_x x + W_s s + b) + b'), an MLP on (x, s); without s if not conditioned.

    W_x and W_s are two matrices, as s is the same for a whole sub-sequence: W_s s is computed once
    and not once per time step.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, conditioned: bool, config: ModelConfig
    ) -> None:
        super().__init__()
        S = config.pose_widths[2]
        self.weights = config.weights
        self.from_input = nn.Linear(inputs, hidden)  # W_x, b
        self.from_pose = nn.Linear(S, hidden, bias=False) if conditioned else None  # W_s
        self.score = nn.Linear(hidden, outputs)  # W, b'

    def pose_term(self, s: Float[Tensor, "B S"] | None) -> Float[Tensor, "B A"] | None:
        """W_s s, the same for every t; None when this network is not conditioned on pose."""
        if self.from_pose is None:
            return None
        if s is None:
            raise ValueError("attention conditioned on pose needs the pose features s")
        return self.from_pose(s)

    def _distribution(self, x: Tensor, pose_term: Tensor | None, mask: Tensor | None) -> Tensor:
        hidden = self.from_input(x)
        if pose_term is not None:
            hidden = hidden + pose_term
        scores: Tensor = self.score(hidden.sigmoid())
        if mask is not None:
            # finite, so that a frame with no hand at all gets equal weights and not NaN
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return scores.softmax(-1) if self.weights == "softmax" else scores.sigmoid()


class SpatialAttention(_Attention):
    """f_p: p_t = f_p(h_{t-1}, s) over the N hands (eq. 4).

    As printed, eq. 4 has h_t, which itself depends on p_t. Here, as in the authors' later version
    of the paper, it is the state before the glimpse is taken: zero at t = 0.
    """

    def __init__(self, config: ModelConfig) -> None:
        conditioned = config.spatial_conditioned
        super().__init__(config.hidden, config.spatial_hidden, config.glimpses, conditioned, config)
        self.mask_absent = config.mask_absent
        self.sees_hidden = config.hidden_in_attention
        self.from_moment = None  # W_X
        if config.moment_in_attention:
            reads = PoseTensor.from_config(config)
            inputs = reads.channels * reads.width
            self.from_moment = nn.Linear(inputs, config.spatial_hidden, bias=False)

    def pose_terms(
        self, s: Float[Tensor, "B S"] | None, X: Float[Tensor, "B C T W"] | None, steps: int
    ) -> list[Float[Tensor, "B A"] | None]:
        """What pose adds at each step: W_s s, the same for every t; with `moment_in_attention` also
        W_X X_t, where X_t is row t of X."""
        term = self.pose_term(s)
        if self.from_moment is None:
            return [term] * steps
        if X is None:
            raise ValueError("attention that sees the moment's pose needs the pose tensor X")
        moments = self.from_moment(X.transpose(1, 2).flatten(2))  # (B, T, A)
        return list((moments if term is None else moments + term[:, None]).unbind(1))

    def forward(
        self,
        hidden: Float[Tensor, "B H"],
        pose_term: Float[Tensor, "B A"] | None = None,
        present: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "B N"]:
        """Spatial attention p_t; it sums to 1 over the hands, unless `config.weights` is "sigmoid".

        hidden:     h_{t-1}
        pose_term:  `pose_term(s)`, computed once per sub-sequence
        present:    hands that exist; read with `mask_absent` only, where the others get weight 0
        """
        if not self.sees_hidden:
            hidden = torch.zeros_like(hidden)
        return self._distribution(hidden, pose_term, present if self.mask_absent else None)


class TemporalAttention(_Attention):
    """f_p': p' = f_p'(P, s) over the T time steps (eq. 7), P all spatial attentions in one vector."""

    def __init__(self, config: ModelConfig) -> None:
        inputs = config.frames * config.glimpses
        conditioned = config.temporal_conditioned
        super().__init__(inputs, config.temporal_hidden, config.frames, conditioned, config)

    def forward(
        self, P: Float[Tensor, "B TN"], s: Float[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "B T"]:
        """Temporal attention p'; it sums to 1 over time, unless `config.weights` is "sigmoid".

        P:  spatial attention of every step, `spatial_attention.flatten(1)`: time, then hand
        s:  pose features, or None when not conditioned
        """
        return self._distribution(P, self.pose_term(s), None)

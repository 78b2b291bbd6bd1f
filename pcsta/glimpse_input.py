"""What comes before any stream of glimpses: their check, their frozen scaling, their dropout.

The paper scales nothing and drops nothing here; at its configuration glimpses pass as they are.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout

from pcsta.attention import Given, SpatialAttention, TemporalAttention
from pcsta.config import ModelConfig


def _buffer(value: Tensor, wanted: bool) -> nn.Buffer | None:
    """A frozen tensor of the model, or nothing."""
    return nn.Buffer(value) if wanted else None


class GlimpseInput(nn.Module):
    """Base of the streams that read glimpses V.

    Glimpse features may be scaled by a frozen affine map fitted to the training set (`fit_scaling`):
    the paper has none, and at its configuration the map is absent. Attribute `glimpse_width`: D, of
    what the stream then sees. A stream says which attention it has, and the width of its features u~.
    """

    spatial: SpatialAttention | None
    temporal: TemporalAttention | None
    features: int

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        raw = config.glimpse_features
        self.glimpse_width = config.glimpse_projection or raw
        projects, scales = bool(config.glimpse_projection), config.standardise
        self.components = _buffer(torch.eye(raw, self.glimpse_width), projects)
        self.glimpse_mean = _buffer(torch.zeros(raw), projects or scales)
        self.glimpse_std = _buffer(torch.ones(()), scales)
        self.pose_mean = _buffer(torch.zeros(config.pose_widths[2]), scales)
        self.pose_std = _buffer(torch.ones(config.pose_widths[2]), scales)

    @property
    def scaling(self) -> GlimpseInput:
        return self

    @property
    def width(self) -> int:
        return self.glimpse_width

    def fit_glimpses(self, glimpses: Float[Tensor, "M D"]) -> None:
        self.fit_scaling(glimpses=glimpses)

    def fit_pose(self, s: Float[Tensor, "K S"]) -> None:
        self.fit_scaling(pose_features=s)

    def read(
        self, glimpses: Float[Tensor, "B T N D"], projected: bool = False
    ) -> Float[Tensor, "B T N K"]:
        """V as the stream uses it: projected unless it is already, thinned by dropout in training.

        Raises ValueError when the glimpses have another number of frames, glimpses or features.
        """
        width = self.glimpse_width if projected else self.config.glimpse_features
        expected = (self.config.glimpses, width)
        if glimpses.shape[2:] != expected or (
            self.config.temporal and glimpses.shape[1] != self.config.frames
        ):
            raise ValueError(
                f"this RGB stream reads (B, {self.config.frames}, {expected[0]}, {width}) "
                f"{'projected ' if projected else ''}glimpses, got {tuple(glimpses.shape)}"
            )
        V = glimpses if projected else self.project(glimpses)
        if self.training and self.config.glimpse_dropout:
            # one mask for all hands and times: what is dropped is a feature, not a moment
            mask = V.new_ones(len(V), 1, 1, V.shape[-1])
            V = V * dropout(mask, self.config.glimpse_dropout)
        return V

    def _check_given(self, given: Given) -> None:
        """Raise ValueError when attention is given that this stream does not have."""
        for weights, network, symbol in (
            (given.spatial, self.spatial, "p"),
            (given.temporal, self.temporal, "p'"),
        ):
            if weights is not None and network is None:
                raise ValueError(f"{symbol} is given, and this configuration has no {symbol}")

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

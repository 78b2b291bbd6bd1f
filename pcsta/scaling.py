"""What the laptop does to the inputs of the RGB stream: a frozen scaling of V and s, dropout of V.

The paper has none of it, and at its configuration everything passes as it is.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout

from pcsta.config import ModelConfig


class Scaling(nn.Module):
    """Affine maps of the glimpses V and of the pose features s, fitted to the training set, frozen.

    Attributes: `width`, K features of a projected glimpse; the buffers `components` (D, K),
    `glimpse_mean`, `glimpse_std`, `pose_mean` and `pose_std`, None where the configuration has none.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        D, S, scales = config.glimpse_features, config.pose_widths[2], config.standardise
        projects = config.glimpse_projection is not None
        self.width = config.glimpse_projection or D

        def frozen(value: Tensor, wanted: bool) -> nn.Buffer | None:
            return nn.Buffer(value) if wanted else None

        self.components = frozen(torch.eye(D, self.width), projects)
        self.glimpse_mean = frozen(torch.zeros(D), projects or scales)
        self.glimpse_std = frozen(torch.ones(()), scales)
        self.pose_mean = frozen(torch.zeros(S), scales)
        self.pose_std = frozen(torch.ones(S), scales)

    def forward(
        self, glimpses: Float[Tensor, "B T N D"], projected: bool = False
    ) -> Float[Tensor, "B T N K"]:
        """V as a stream uses it: projected unless it is already, thinned by dropout in training.

        Raises ValueError when the glimpses have another number of frames, glimpses or features.
        """
        config, width = self.config, self.width if projected else self.config.glimpse_features
        frames = config.frames if config.temporal else glimpses.shape[1]  # else any number will do
        if glimpses.shape[1:] != (frames, config.glimpses, width):
            raise ValueError(
                f"this RGB stream reads (B, {config.frames}, {config.glimpses}, {width}) "
                f"{'projected ' if projected else ''}glimpses, got {tuple(glimpses.shape)}"
            )
        V = glimpses if projected else self.project(glimpses)
        if self.training and config.glimpse_dropout:
            # one mask for all hands and times: what is dropped is a feature, not a moment
            V = V * dropout(V.new_ones(len(V), 1, 1, self.width), config.glimpse_dropout)
        return V

    def project(self, glimpses: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        """The frozen affine map of the glimpses; the zero glimpse of an absent hand stays zero."""
        if self.glimpse_mean is None:
            return glimpses
        x = glimpses - self.glimpse_mean
        if self.components is not None:
            x = x @ self.components
        if self.glimpse_std is not None:
            x = x / self.glimpse_std
        return x * (glimpses != 0).any(-1, keepdim=True)

    def pose(self, s: Float[Tensor, "B S"]) -> Float[Tensor, "B S"]:
        """The frozen affine map of the pose features s."""
        if self.pose_mean is None or self.pose_std is None:
            return s
        return (s - self.pose_mean) / self.pose_std

    @torch.no_grad()
    def fit_glimpses(self, blocks: Iterable[Float[Tensor, "_ D"]]) -> None:
        """Fit the map of V to glimpses that are there, M in a block; only their sums stay in memory.

        With `glimpse_projection` it projects onto their principal components; where there are fewer
        glimpses than K, the rest is zero. With `standardise` the result has mean 0 and one common
        scale: unit variance on average, so directions that vary more keep saying more.
        Raises ValueError when there is no glimpse at all.
        """
        if self.glimpse_mean is None:
            return
        count, total = 0, torch.zeros_like(self.glimpse_mean, dtype=torch.double, device="cpu")
        products = total.new_zeros(len(total), len(total))
        for block in blocks:
            x = block.double().cpu()
            count, total = count + len(x), total + x.sum(0)
            products.addmm_(x.T, x)
        if not count:
            raise ValueError("no hand is visible in any training clip: train row A, on poses alone")
        mean = total / count
        covariance = products / count - mean.outer(mean)  # (D, D)
        spread = covariance.trace()
        self.glimpse_mean.copy_(mean)
        if self.components is not None:
            values, vectors = torch.linalg.eigh(covariance)  # in rising order
            K = min(self.width, count)
            spread, best = values[-K:].sum(), vectors[:, -K:].flip(1)
            # a direction has no sign: its largest entry is made positive
            best = best * best.gather(0, best.abs().argmax(0, keepdim=True)).sign()
            self.components.zero_()
            self.components[:, :K] = best
        if self.glimpse_std is not None:
            self.glimpse_std.copy_((spread / self.width).clamp(min=1e-12).sqrt())

    @torch.no_grad()
    def fit_pose(self, s: Float[Tensor, "M S"]) -> None:
        """Fit the map of s: with `standardise`, every feature gets mean 0 and variance 1."""
        if self.pose_mean is None or self.pose_std is None:
            return
        self.pose_mean.copy_(s.mean(0))
        std = s.std(0, correction=0)
        # a feature that never fires (a dead ReLU) stays silent and is not blown up
        self.pose_std.copy_(std.where(std > 1e-6, 1))

"""ST-GCN (Yan, Xiong, Lin 2018): graph convolution over the skeleton, the modern baseline for pose.

The pose net sees the skeleton as a path; this network sees it as the graph that it is. A spatial
convolution mixes each joint with its neighbours, a temporal one follows each joint through time.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pcsta.config import ModelConfig
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import Skeleton
from pcsta_book.experiments.baselines.joints import joints

TEMPORAL_KERNEL = 9  # frames, as published


def partitions(skeleton: Skeleton) -> Float[Tensor, "3 J J"]:
    """D^-1/2 (A + I) D^-1/2, with A of the bones and D the degrees of A + I, in three parts.

    Entry [k, v, w] is how much joint w hears of joint v: of itself (root), of neighbours nearer to the
    middle of the spine (centripetal) and farther (centrifugal), as the bones count.
    """
    count = len(skeleton)
    depth = {skeleton.root_index: 0}
    linked = torch.eye(count)
    for parent, child in skeleton.bones:
        depth[child] = depth[parent] + 1
        linked[parent, child] = linked[child, parent] = 1
    scale = linked.sum(0).rsqrt()
    weights = scale[:, None] * linked * scale
    bones_away = torch.tensor([depth[joint] for joint in range(count)])
    nearer = bones_away[:, None] - bones_away  # of v against w
    # two joints of one bone are never equally far, so equal distance is the joint itself
    return torch.stack([weights * (nearer == 0), weights * (nearer < 0), weights * (nearer > 0)])


class STGCN(nn.Module):
    """Three units of spatial and temporal graph convolution; s is the mean over joints, time, people.

    Published are nine of 64 (three times), 128 and 256 channels; for a few hundred clips of 20 frames in
    place of 300, one of each width is left: S/4, S/2, S, the last two with a temporal stride of 2.
    People share all weights. Parameters for Kinect v2 at the laptop's sizes: 3.76 million, the pose net
    has 3.08.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.build = PoseTensor.from_config(config)
        adjacency = partitions(self.build.skeleton)
        self.normalise = nn.BatchNorm1d(3 * len(self.build.skeleton))
        width = config.pose_widths[2]
        self.units = nn.Sequential(
            Unit(3, width // 4, adjacency, residual=False),
            Unit(width // 4, width // 2, adjacency, stride=2),
            Unit(width // 2, width, adjacency, stride=2),
        )

    def forward(self, X: Float[Tensor, "B C T W"]) -> Float[Tensor, "B S"]:
        """Pose features s. Raises ValueError for another width of X."""
        entries = joints(self.build, X)  # (B, T, P, J, 3)
        batch, frames, people, count = entries.shape[:4]
        x = entries.permute(0, 2, 4, 3, 1).reshape(batch * people, 3 * count, frames)
        x = self.normalise(x).view(-1, 3, count, frames).transpose(2, 3)  # (B·P, 3, T, J)
        features: Tensor = self.units(x).mean((2, 3))  # (B·P, S)
        return features.view(batch, people, -1).mean(1)


class Unit(nn.Module):
    """Spatial graph convolution, then temporal convolution, each normalised; a residual around both.

    adjacency:  (3, J, J), see `partitions`; each entry has a learned factor, its importance
    stride:     of the temporal convolution
    """

    def __init__(
        self, inputs: int, outputs: int, adjacency: Tensor, stride: int = 1, residual: bool = True
    ) -> None:
        super().__init__()
        self.adjacency = nn.Buffer(adjacency, persistent=False)  # follows from the skeleton
        self.importance = nn.Parameter(torch.ones_like(adjacency))
        # W_k for the three partitions side by side; no bias, as a normalisation follows
        self.spatial = nn.Conv2d(3 * inputs, outputs, 1, bias=False)
        size, padding = (TEMPORAL_KERNEL, 1), (TEMPORAL_KERNEL // 2, 0)
        self.temporal = nn.Sequential(
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, size, (stride, 1), padding, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = None
        if residual:
            narrowed = nn.Conv2d(inputs, outputs, 1, (stride, 1), bias=False)
            self.shortcut = nn.Sequential(narrowed, nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "M C T J"]) -> Float[Tensor, "M C2 T2 J"]:
        """Features of every joint: C to C2 channels, T to T/stride frames."""
        weights = self.adjacency * self.importance  # (3, J, J)
        heard = torch.einsum("mctv,kvw->mkctw", x, weights).flatten(1, 2)  # (M, 3·C, T, J)
        y: Tensor = self.temporal(self.spatial(heard))
        return (y if self.shortcut is None else y + self.shortcut(x)).relu()

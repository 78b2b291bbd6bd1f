"""Deep LSTM (Shahroudy et al. 2016): the recurrent baseline of Table 1 for pose.

Stacked LSTM layers read the joints of one frame after the other. It knows nothing of the body: a
frame is one vector of coordinates.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from pcsta.config import ModelConfig
from pcsta.pose_tensor import PoseTensor
from pcsta_book.experiments.baselines.joints import joints


class DeepLSTM(nn.Module):
    """Two LSTM layers over the joints of both people; s is the mean over time of the last layer.

    Two layers as published. Ours: their width, S for both, and the mean over time, which makes one
    vector s of a sub-sequence as the pose net does. Parameters for Kinect v2 at the laptop's sizes:
    0.28 million, the pose net has 0.77.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.build = PoseTensor.from_config(config)
        coordinates = config.people * len(self.build.skeleton) * 3
        self.lstm = nn.LSTM(coordinates, config.pose_widths[2], num_layers=2, batch_first=True)

    def forward(self, X: Float[Tensor, "B C T W"]) -> Float[Tensor, "B S"]:
        """Pose features s. Raises ValueError for another width of X."""
        frames = joints(self.build, X).flatten(2)  # (B, T, P·J·3)
        hidden: Tensor = self.lstm(frames)[0]  # (B, T, S)
        return hidden.mean(1)

"""f_sk, the pose network: s = f_sk(X) (eq. 1, sizes in section 4).

Three convolutions, each followed by max-pooling and ReLU. Two habits make it several times faster
on a CPU than a literal transcription, with the same numbers:

- the third kernel (5 x 75) covers its whole input, so it meets each pixel once: it is a linear layer;
- max-pooling and ReLU commute (both are monotone), so ReLU runs on a quarter of the values.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pcsta.config import ModelConfig
from pcsta.pose_tensor import PoseTensor

KERNEL = (8, 3)  # frames x columns (section 4)


class PoseNet(nn.Module):
    """The convolutional pose network f_sk (eq. 1).

    At the paper's sizes the maps are 20 x 300 x 3 -> 10 x 150 -> 5 x 75 -> 1 x 1 x 1024. Another
    skeleton or joint order gives another width W, and the third kernel follows it: T//4 x W//4.

    "Same" padding with an even kernel height of 8 is 3 frames before and 4 after, TensorFlow's
    choice and so most likely the paper's. The 1 x 1 map of the third layer is not pooled: there is
    nothing to pool.

    With `batch_norm` each of the first two convolutions is followed by batch normalisation, which
    the paper does not have.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        reads = PoseTensor.from_config(config)
        self.frames, self.width, self.channels = config.frames, reads.width, reads.channels
        first, second, self.features = config.pose_widths
        self.conv1 = nn.Conv2d(self.channels, first, KERNEL)
        self.conv2 = nn.Conv2d(first, second, KERNEL)
        self.norm1 = nn.BatchNorm2d(first) if config.batch_norm else nn.Identity()
        self.norm2 = nn.BatchNorm2d(second) if config.batch_norm else nn.Identity()
        self.conv3 = nn.Linear(second * (self.frames // 4) * (self.width // 4), self.features)

    def forward(self, X: Float[Tensor, "B C T W"]) -> Float[Tensor, "B S"]:
        """Pose features s, (B, 1024) in the paper. Raises ValueError for another size of X."""
        size = (self.channels, self.frames, self.width)
        if X.shape[1:] != size:
            raise ValueError(f"the pose network reads (B, {str(size)[1:]}, got {tuple(X.shape)}")
        x = X.contiguous(memory_format=torch.channels_last)
        x = self._block(self.conv1, self.norm1, x)  # (B, 64, 10, 150)
        x = self._block(self.conv2, self.norm2, x)  # (B, 64, 5, 75)
        # flatten as frame, column, channel: free of a copy when channels come last
        return F.relu(self.conv3(x.permute(0, 2, 3, 1).flatten(1)))  # (B, 1024)

    @staticmethod
    def _block(conv: nn.Conv2d, norm: nn.Module, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 3, 4))
        return F.relu(F.max_pool2d(norm(conv(padded)), 2))

"""What the pose baselines read of X: the joints themselves, along no path."""

from jaxtyping import Float
from torch import Tensor

from pcsta.pose_tensor import PoseTensor


def joints(build: PoseTensor, X: Float[Tensor, "B C T W"]) -> Float[Tensor, "B T P J 3"]:
    """The body-centred joints that `build` made X from: each at its first entry on the path.

    Raises ValueError for another width.
    """
    if X.shape[3] != build.width:
        raise ValueError(f"this pose tensor has {build.width} columns, got {tuple(X.shape)}")
    # positions are the first channel, or with x, y, z as channels the first three
    x = X[:, :3].movedim(1, -1) if build.coordinates == "channels" else X[:, 0]
    entries = x.reshape(len(X), X.shape[2], build.people, -1, 3)  # (B, T, P, E, 3)
    return entries[:, :, :, [build.order.index(joint) for joint in range(len(build.skeleton))]]

"""Deep LSTM and part-aware LSTM (Shahroudy et al. 2016): the recurrent baselines of Table 1 for pose.

Deep LSTM knows nothing of the body: a frame is one vector of coordinates. The part-aware LSTM splits the
memory cell over the parts of the body. What a part stores and forgets is decided by its own joints and
the shared hidden state; one output gate reads all parts:

    i_p, f_p, g_p = sigmoid, sigmoid, tanh of W_p [x_p; h_{t-1}] + b_p      for each part p
    c_p           = f_p * c_p + i_p * g_p
    o             = sigmoid of W_o [x_1; ...; x_5; h_{t-1}] + b_o
    h             = o * tanh [c_1; ...; c_5]

Seen from afar it is an LSTM whose input matrix is zero wherever a part would see another's joints.

Both have two layers, as published. Ours: their width, S for both, and s as the mean over time of the last
one. Parameters for Kinect v2 at the laptop's sizes: 3.46 and 2.64 million, the pose net has 3.08.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pcsta.config import ModelConfig
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import Skeleton
from pcsta_book.experiments.baselines.joints import joints


class DeepLSTM(nn.Module):
    """Two LSTM layers over the joints of both people."""

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


def body_parts(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """The five parts of a body as joint indices: torso (with the head), two arms, two legs.

    A limb is all that hangs together on one side of the body; the one that holds the hand is the arm.
    """
    limb = {skeleton.root_index: skeleton.root_index}  # joint -> the joint where its limb begins
    side = [name.split()[0] for name in skeleton.joints]  # "left", "right", or of the torso
    for parent, child in skeleton.bones:
        limb[child] = limb[parent] if side[child] == side[parent] else child
    arms = {limb[hand] for hand in skeleton.hand_indices}
    found: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("torso", "left arm", "right arm", "left leg", "right leg"), ()
    )
    for joint in range(len(skeleton)):
        name = f"{side[joint]} {'arm' if limb[joint] in arms else 'leg'}"
        found[name if name in found else "torso"] += (joint,)
    return found


class PartLSTM(nn.Module):
    """Two part-aware layers over five body parts, each with its joints of both people.

    The width is shared out over the parts as evenly as it goes. The second layer's parts are the first
    layer's cells of the same part.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        build = self.build = PoseTensor.from_config(config)
        self.parts = list(body_parts(build.skeleton).values())
        coordinates = [config.people * len(part) * 3 for part in self.parts]
        width, count = config.pose_widths[2], len(self.parts)
        self.cells = [width // count + (p < width % count) for p in range(count)]
        layers = PartLayer(coordinates, self.cells), PartLayer(self.cells, self.cells)
        self.layers = nn.ModuleList(layers)

    def forward(self, X: Float[Tensor, "B C T W"]) -> Float[Tensor, "B S"]:
        """Pose features s. Raises ValueError for another width of X."""
        entries = joints(self.build, X)  # (B, T, P, J, 3)
        parts = [entries[:, :, :, list(part)].flatten(2) for part in self.parts]
        for layer in self.layers:
            hidden: Tensor = layer(parts)  # (B, T, S)
            parts = list(torch.split(hidden, self.cells, 2))
        return hidden.mean(1)


class PartLayer(nn.Module):
    """One layer of the equations above.

    inputs, cells: numbers that each part reads in a frame, and memory cells that it has; H in all
    """

    def __init__(self, inputs: list[int], cells: list[int]) -> None:
        super().__init__()
        # W_p and W_o, each in two matrices: what meets the frame, known for all t, and what meets h
        self.own = nn.ModuleList(
            nn.Linear(read, 3 * kept) for read, kept in zip(inputs, cells, strict=True)
        )
        self.output = nn.Linear(sum(inputs), sum(cells))
        self.recurrent = nn.Linear(sum(cells), 4 * sum(cells), bias=False)

    def forward(self, parts: list[Tensor]) -> Float[Tensor, "B T H"]:
        """Hidden states of all steps; `parts` holds one (B, T, inputs) tensor for each part."""
        own = [layer(x).unflatten(2, (3, -1)) for layer, x in zip(self.own, parts, strict=True)]
        output = self.output(torch.cat(parts, 2)).unsqueeze(2)
        # gates of all parts side by side: input, forget, candidate, then the one output gate
        frames = torch.cat([torch.cat(own, 3), output], 2).flatten(2)  # (B, T, 4H)
        h = c = frames.new_zeros(len(frames), output.shape[3])
        hidden = []
        for frame in frames.unbind(1):
            i, f, g, o = (frame + self.recurrent(h)).chunk(4, 1)  # (B, H) each
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            hidden.append(h)
        return torch.stack(hidden, 1)

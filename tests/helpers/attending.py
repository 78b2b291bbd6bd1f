"""Untrained models whose attention is far from uniform."""

import torch

from fakes import tiny
from pcsta.config import row
from pcsta.two_stream import TwoStream


def model(letter="K", seed=0, **changes):
    torch.manual_seed(seed)
    net = TwoStream(row(letter, tiny(**changes))).eval()
    for part in (net.rgb.spatial, net.rgb.temporal):
        if part is not None:  # weights that are far from uniform, so that to replace them matters
            part.score.weight.data *= 20
    net.rgb_head[1].weight.data *= 20
    return net

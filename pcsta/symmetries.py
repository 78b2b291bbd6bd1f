"""What may change places in a clip while its action stays: the two people, and left and right."""

from collections.abc import Mapping
from enum import IntFlag
from functools import cache

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from pcsta.config import ModelConfig
from pcsta.skeletons import Skeleton
from pcsta.two_stream import Output


class Exchange(IntFlag):
    """What has changed places. Every exchange is its own inverse."""

    NOTHING = 0
    PEOPLE = 1  # person 1 and person 2: who is which is chance
    SIDES = 2  # left and right, as in a mirror
    BOTH = 3


HANDS = {  # of left 1, right 1, left 2, right 2, after each exchange
    Exchange.NOTHING: [0, 1, 2, 3],
    Exchange.PEOPLE: [2, 3, 0, 1],
    Exchange.SIDES: [1, 0, 3, 2],
    Exchange.BOTH: [3, 2, 1, 0],
}


def exchanges(config: ModelConfig) -> tuple[Exchange, ...]:
    """Those that a configuration trains on at random and averages at test; the last of them is all."""
    people = (Exchange.NOTHING, Exchange.PEOPLE) if config.either_order else (Exchange.NOTHING,)
    sides = (Exchange.NOTHING, Exchange.SIDES) if config.either_side else (Exchange.NOTHING,)
    return tuple(side | order for side in sides for order in people)


def exchange_joints(
    joints: Float[Tensor, "*any 2 J 3"], what: Exchange, skeleton: Skeleton
) -> Float[Tensor, "*any 2 J 3"]:
    """The joints of both people, x to the right. Sides: x turns over, left joints become right ones."""
    if what & Exchange.PEOPLE:
        joints = joints[..., [1, 0], :, :]
    if what & Exchange.SIDES:
        joints = joints[..., other_side(skeleton), :]
        joints = torch.cat([-joints[..., :1], joints[..., 1:]], -1)
    return joints


def exchange_hands(
    values: Shaped[Tensor, "B T N *any"], what: Exchange
) -> Shaped[Tensor, "B T N *any"]:
    """What is known of four hands (glimpses V, their presence, p) in their order after an exchange.

    A glimpse keeps its pixels: it changes hands and is not turned over, since the photographs that f_g
    has learned from show hands either way. A whole frame, which is one glimpse, stays what it is.
    """
    return values if values.shape[2] == 1 else values[:, :, HANDS[what]]


@cache
def other_side(skeleton: Skeleton) -> list[int]:
    """Each joint's counterpart on the other side; a joint in the middle is its own."""
    turned = {"left": "right", "right": "left"}
    names = (" ".join(turned.get(w, w) for w in joint.split()) for joint in skeleton.joints)
    return [skeleton.index(name) for name in names]


def mean_of_exchanges(said: Mapping[Exchange, Output]) -> Output:
    """The mean over a clip's exchanges; attention is first put back to the hands of the file."""
    p = {what: out.spatial_attention for what, out in said.items()}
    back = {w: None if a is None else exchange_hands(a, w) for w, a in p.items()}
    outputs = [out._replace(spatial_attention=back[what]) for what, out in said.items()]
    parts = zip(*outputs, strict=True)
    return Output(*(None if a[0] is None else sum(a) / len(a) for a in parts))  # type: ignore[arg-type]

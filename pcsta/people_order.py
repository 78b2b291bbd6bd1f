"""Which of two people is person 1 is chance: the same clip seen with the two exchanged.

Arrays keep their layout; only the people change places, and with them their hands.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

from pcsta.two_stream import Output

Array = TypeVar("Array", np.ndarray, Tensor)

HANDS = [2, 3, 0, 1]  # left 1, right 1, left 2, right 2 with the people exchanged


def exchange_people(joints: Array) -> Array:
    """Person 1 becomes person 2 and back. joints: (*, P = 2, J, 3). Twice is the identity."""
    return joints[..., [1, 0], :, :]


def exchange_hands(values: Array, axis: int) -> Array:
    """The four hands on `axis` (glimpses V, their presence, p) in the order of exchanged people.

    A whole frame, which is one glimpse, stays what it is.
    """
    if values.shape[axis] == 1:
        return values
    index = [slice(None)] * values.ndim
    index[axis] = HANDS  # type: ignore[call-overload]
    return values[tuple(index)]


def mean_of_orders(plain: Output, exchanged: Output | None = None) -> Output:
    """The mean of what a model says of people as they are and exchanged; without the latter, `plain`.

    Attention over the hands of exchanged people is first put back to the hands of the file.
    """
    if exchanged is None:
        return plain
    if exchanged.spatial_attention is not None:
        back = exchange_hands(exchanged.spatial_attention, 2)
        exchanged = exchanged._replace(spatial_attention=back)
    pairs = zip(plain, exchanged, strict=True)
    return Output(*(None if a is None else (a + b) / 2 for a, b in pairs))  # type: ignore[arg-type,operator]

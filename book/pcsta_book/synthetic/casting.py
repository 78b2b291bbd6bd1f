"""Who acts: the hand, the seat, the side of the picture and the moment, evenly within every class.

A design, not dice: of the clips of one class, one camera and one side of the cross-subject split,
every cell of actor x hand x side of the picture gets as many (where their number allows).  Clips
that are left over, and factors beyond these three, are balanced pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pcsta_book.synthetic.actions import BY_NTU
from pcsta_book.synthetic.actors import TEST, TRAIN
from pcsta_book.synthetic.camera import YAW

REPLICATIONS = {1: 1, 2: 2}  # by number of people: two people are harder, and get more clips
PLAIN = 12  # one clip in so many has no distracting object: what is held is what matters


@dataclass(frozen=True)
class Name:
    """SsssCcccPpppRrrrAaaa. Every clip has one camera only, and its setup says which."""

    camera: int
    subject: int
    replication: int
    action: int

    def __str__(self) -> str:
        c, p, r, a = self.camera, self.subject, self.replication, self.action
        return f"S{c:03d}C{c:03d}P{p:03d}R{r:03d}A{a:03d}"


@dataclass(frozen=True)
class Cast:
    """actor: who decides first, 0 is the subject of the name;  side: of that actor's hand
    answer:   side of the hand that answers, the partner's;  left: the actor on the picture's left
    restless: the actor who moves more: whom a reader that sorts people by motion takes for person 1
    moment:   place of the gesture among the clip's frames, in [0, 1);  plain: without distractions
    """

    actor: int
    side: int
    answer: int
    left: int
    restless: int
    moment: float
    plain: bool


def cast(seed: int, name: Name) -> Cast:
    """The cast of one clip, the same whichever other clips are made."""
    return _design(seed, name.action, name.subject in TRAIN)[name]


@cache
def _design(seed: int, action: int, train: bool) -> dict[Name, Cast]:
    """The cast of every clip of a class on one side of the cross-subject split."""
    people = BY_NTU[action].people
    rng = np.random.default_rng([seed, action, int(train), 1])
    subjects = TRAIN if train else TEST
    takes = [(s, r) for s in subjects for r in range(1, REPLICATIONS[people] + 1)]
    count = len(takes) * len(YAW)
    moments = (rng.permutation(count) + rng.random(count)) / count
    plain = rng.permutation(count) < count // PLAIN
    found: dict[Name, Cast] = {}
    for block, camera in enumerate(YAW):
        for row, k in enumerate(rng.permutation(len(takes))):
            at = len(found)
            a, b, c = row & 1, row >> 1 & 1, row >> 2 & 1
            d = a ^ b ^ c ^ (block + row // 8) & 1
            e = (a ^ b, b ^ c, a ^ c)[(block + row // 8) % 3]
            if people == 1:
                a, b, e = 0, a, 0
            subject, replication = takes[k]
            found[Name(camera, subject, replication, action)] = Cast(
                a, b, d, a ^ c, a ^ e, float(moments[at]), bool(plain[at])
            )
    return found

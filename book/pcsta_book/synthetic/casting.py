"""Who acts: the hand, the seat, the side of the picture and the moment, evenly within every class.

A design, not dice: among the clips of one class and one side of the cross-subject split, all cells of
any two choices (actor, hand, seat, answer, who moves more) are equally full, with 24 clips or more
also those of any three, and each camera sees every hand act equally often.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from pcsta_book.synthetic.actions import BY_NTU
from pcsta_book.synthetic.actors import TEST, TRAIN
from pcsta_book.synthetic.camera import YAW

REPLICATIONS = {1: 1, 2: 1}  # of a class by a subject before a camera, by number of people
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


# Plackett and Burman's design: in 12 runs of 11 two-way choices all four cells of any two of them come
# three times; followed by its mirror image, all eight cells of any three.
_ROW = (1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0)
_RUNS = np.array([np.roll(_ROW, i) for i in range(11)] + [[0] * 11])


@cache
def _design(seed: int, action: int, train: bool) -> dict[Name, Cast]:
    """The cast of every clip of a class on one side of the cross-subject split."""
    people = BY_NTU[action].people
    rng = np.random.default_rng([seed, action, int(train), 1])
    takes = [(s, r + 1) for s in (TRAIN if train else TEST) for r in range(REPLICATIONS[people])]
    count = len(takes) * len(YAW)
    runs = np.array([_RUNS ^ (i & 1) for i in range(count // len(_RUNS))]).reshape(count, -1)
    runs = rng.permutation(runs)[:, :5]
    if people == 1:
        runs[:, 0] = 0
    moments = (rng.permutation(count) + rng.random(count)) / count
    plain = rng.permutation(count) < count // PLAIN
    # each camera gets a third of every hand's runs, in no order of subjects
    by_hand = np.lexsort((runs[:, 1], runs[:, 0]))
    found: dict[Name, Cast] = {}
    for turn, camera in enumerate(YAW):
        for (subject, replication), k in zip(
            rng.permutation(takes), by_hand[turn :: len(YAW)], strict=True
        ):
            actor, side, seat, answer, livelier = map(int, runs[k])
            found[Name(camera, int(subject), int(replication), action)] = Cast(
                actor, side, answer, actor ^ seat, actor ^ livelier, float(moments[k]), bool(plain[k])
            )  # fmt: skip
    return found

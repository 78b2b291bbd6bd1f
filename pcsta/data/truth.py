"""What was planted in a clip, beside it as JSON, and how it becomes a `Truth` of a read clip.

The file: `actors` (subject ids), `deciding` [actor][side] intervals [start, stop] of frames in which
that hand tells the class (stop exclusive), `hands` true pixels [t][actor][side] of the hands before
any sensor noise, `objects` [actor][side][t], `faults`.
"""

import json
from itertools import permutations
from pathlib import Path
from typing import TypedDict

import numpy as np
from jaxtyping import Float, Int

from pcsta.conforms import conforms
from pcsta.data.clip import Truth


class Planted(TypedDict):  # what the file says of it
    hands: list[list[list[list[float]]]]
    objects: list[list[list[str]]]
    deciding: list[list[list[list[int]]]]
    faults: list[str]


NEAR = 40.0  # pixels: a tracked hand further than this from every true hand shows something else


def read_truth(path: Path, hands: Float[np.ndarray, "T 4 2"]) -> Truth:
    """Planted truth of a clip whose four hands were found at pixels `hands` (NaN where absent).

    A slot of `hands` means the true hand that lies nearest, within 40 px; each true hand is meant by
    one slot at most, so that hands that meet stay two. A hand that tracking lost decides nowhere.
    Raises ValueError when the file is not such a truth or has another number of frames.
    """
    try:
        planted = json.loads(Path(path).read_text(encoding="utf-8"))
        if not conforms(planted, Planted):
            raise ValueError("a field is missing, or of another kind")
        true = np.array(planted["hands"], np.float64)  # (T, A, 2, 2)
        frames, people = true.shape[:2]
        names = np.array(planted["objects"]).reshape(people * 2, frames).T  # (T, A*2)
        decides = np.zeros((people * 2, frames), bool)
        for hand, intervals in enumerate(i for actor in planted["deciding"] for i in actor):
            for start, stop in intervals:
                if not 0 <= start <= stop <= frames:
                    raise ValueError(f"a hand decides in frames {start} to {stop} of {frames}")
                decides[hand, start:stop] = True
        faults = tuple(planted["faults"])
    except (IndexError, RecursionError, ValueError) as error:
        do = "make the dataset again with `pcsta data make`"
        raise ValueError(f"{path}: not a planted truth ({error}); {do}") from error
    if len(hands) != frames:
        raise ValueError(f"{path}: truth of {frames} frames for a clip of {len(hands)}")
    meant = _meant(hands, true.reshape(frames, -1, 2))
    t, known = np.arange(frames)[:, None], meant >= 0
    return Truth(known & decides.T[t, meant], np.where(known, names[t, meant], ""), faults)


def _meant(
    hands: Float[np.ndarray, "T 4 2"], true: Float[np.ndarray, "T A 2"]
) -> Int[np.ndarray, "T 4"]:
    """Which true hand each slot means, -1 for none: the pairing of least distance, at most 40 px."""
    T, A = true.shape[:2]
    distance = np.linalg.norm(hands[:, :, None] - true[:, None], axis=-1)  # (T, 4, A)
    distance = np.minimum(np.nan_to_num(distance, nan=np.inf), NEAR + 1)
    slots = np.array(list(permutations(range(hands.shape[1]), A)))  # (pairings, A)
    # (T, A) slot of each true hand
    best = slots[distance[:, slots, np.arange(A)].sum(-1).argmin(1)]
    meant = np.full(hands.shape[:2], -1)
    t, hand = np.indices((T, A))
    meant[t, best] = np.where(distance[t, best, hand] <= NEAR, hand, -1)
    return meant

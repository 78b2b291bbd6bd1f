"""What was planted in a clip, beside it as JSON, and how it becomes a `Truth` of a read clip.

The file: `actors` (subject ids), `active` (actor 0 or 1, side, start, stop), `hands` true pixels
[t][actor][side] of the hands before any sensor noise, `objects` [actor][side][t], `faults`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pcsta.data.clip import Truth

NEAR = 40.0  # pixels: a tracked hand further than this from every true hand shows something else


def read_truth(path: Path, hands: Float[np.ndarray, "T 4 2"]) -> Truth:
    """Planted truth of a clip whose four hands were found at pixels `hands` (NaN where absent).

    A slot of `hands` means the true hand that lies nearest, within 40 px; the active slot is the
    one nearest to the planted hand. Outside the informative interval, or when tracking lost the
    planted hand, active is -1.  Raises ValueError when the file is not such a truth or has another
    number of frames.
    """
    try:
        planted = json.loads(Path(path).read_text(encoding="utf-8"))
        true = np.array(planted["hands"], np.float64)  # (T, A, 2, 2)
        frames, people = true.shape[:2]
        names = np.array(planted["objects"]).reshape(people * 2, frames).T  # (T, A*2)
        active = planted["active"]
        planted_hand = 2 * active["actor"] + ("left", "right").index(active["side"])
        interval = range(active["start"], active["stop"])
        faults = tuple(planted["faults"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not a planted truth ({error}); make the dataset again with `pcsta data make`"
        ) from error
    if len(hands) != frames:
        raise ValueError(f"{path}: truth of {frames} frames for a clip of {len(hands)}")
    distance = np.linalg.norm(hands[:, :, None] - true.reshape(frames, 1, -1, 2), axis=-1)
    distance = np.nan_to_num(distance, nan=np.inf)  # (T, 4, A*2)
    nearest, slot = distance.argmin(2), distance[:, :, planted_hand].argmin(1)
    objects = np.where(distance.min(2) <= NEAR, np.take_along_axis(names, nearest, 1), "")
    t = np.arange(frames)
    shown = np.isin(t, interval) & (distance[t, slot, planted_hand] <= NEAR)
    return Truth(np.where(shown, slot, -1).astype(np.int64), objects, faults)

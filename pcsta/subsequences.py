"""Sub-sequences: which 20 frames of a clip the model sees (section 5, "Implementation details").

Section 5 trains on one sub-sequence per clip and visit, and averages the logits of ten at test.
"""

from typing import Literal

import numpy as np
from jaxtyping import Int64

Sampling = Literal["segments", "contiguous"]


def frame_indices(
    length: int,
    frames: int = 20,
    mode: Sampling = "segments",
    rng: np.random.Generator | None = None,
    count: int = 1,
) -> Int64[np.ndarray, "count frames"]:
    """Frame numbers of `count` sub-sequences of a clip, sorted (sub-sequence, section 5).

    length: frames of the clip; of each sub-sequence `frames`

    segments:   the clip is cut into `frames` equal segments and each gives one frame
    contiguous: `frames` frames in a row; a clip shorter than that is stretched as by segments

    With `rng` the draws are random (training); without, they are spread evenly, so that a test
    gives the same answer twice. A clip shorter than `frames` repeats frames, none is left out of
    reach. Raises ValueError for an empty clip or an unknown mode.
    """
    if min(length, frames, count) < 1:
        raise ValueError(f"need at least one frame, got {length=}, {frames=}, {count=}")
    if mode not in ("segments", "contiguous"):
        raise ValueError(f"mode is 'segments' or 'contiguous', not {mode!r}")
    spread = (np.arange(count)[:, None] + 0.5) / count  # (count, 1), inside (0, 1)
    if mode == "contiguous" and length >= frames:
        where = rng.random((count, 1)) if rng else spread
        start = np.floor(where * (length - frames + 1))
        return (start + np.arange(frames)).astype(np.int64)
    within = rng.random((count, frames)) if rng else spread  # place inside each segment
    indices = np.floor((np.arange(frames) + within) * length / frames)
    # the product may round up to `length` itself in its last bit
    return np.minimum(indices, length - 1).astype(np.int64)

"""The picture on the README and the welcome page: `python .github/cover.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcsta.evaluation import predict_clip
from pcsta_book import artifacts, figures
from pcsta_book.places import BOOK


def cover(path: Path = BOOK / "assets" / "attention.webp") -> Path:
    """Make the picture on the README and the welcome page from the trained model.

    The book's running example at its first step, and at the step with most temporal attention of those at
    which a hand decides, both from one forward pass. Run it after a change of the model or of the embedded dataset.
    """
    clip, store = artifacts.running_clip(), artifacts.store()
    model, _ = artifacts.model("K")
    prediction = predict_clip(model, clip, store.glimpses(store.index(clip.name)))
    assert prediction.spatial is not None and prediction.temporal is not None  # row K has both
    middle = len(prediction.frames) // 2
    frames, temporal = prediction.frames[middle], prediction.temporal[middle]
    assert clip.truth is not None
    informative = np.flatnonzero(clip.truth.deciding[frames].any(1))
    images, window = artifacts.frames(clip), figures.people_window(clip)
    pictures = [
        figures.attention_picture(
            images[frames[step]], clip, int(frames[step]), prediction.spatial[middle, step],
            temporal, step, window=window,
        )
        for step in (0, int(informative[temporal[informative].argmax()]))
    ]  # fmt: skip
    path.write_bytes(figures.encode(np.concatenate(pictures, axis=1), quality=85))
    return path


if __name__ == "__main__":
    print(cover())

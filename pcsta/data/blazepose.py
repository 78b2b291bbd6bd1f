"""BlazePose, MediaPipe's estimator, whose network comes with its package. It sees one person.

An estimator is a function of the form `Estimator`; another one is a page like this.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pcsta.data.dataset import DataError
from pcsta.data.estimated import Pose
from pcsta.data.video import Image

# Upright images of one video, in order -> the people in each, (P, K, 3): the same P and K in all. How
# many joints there are, K, tells the layout.
Estimator = Callable[[Iterable[Image]], Iterator[Pose]]
FOUND = 0.3  # confidence from which somebody is there: doubtful joints are marked, not left out


def blazepose(images: Iterable[Image]) -> Iterator[Pose]:
    """The one person that BlazePose follows, 33 joints. Raises DataError without MediaPipe."""
    with _silence():
        network = _solution().Pose(min_detection_confidence=FOUND, min_tracking_confidence=FOUND)
        network.process(np.zeros((64, 64, 3), np.uint8))  # it starts here
    with network:
        for picture in images:
            found = network.process(picture)
            pose = np.full((2, 1, 33, 3), np.nan)
            if found.pose_landmarks:
                height, width = picture.shape[:2]
                here, there = found.pose_landmarks.landmark, found.pose_world_landmarks.landmark
                pose[0, 0] = [(p.x * width, p.y * height, p.visibility) for p in here]
                pose[1, 0] = [(p.x, p.y, p.z) for p in there]
            yield Pose(*pose)


def _solution() -> Any:
    warnings.filterwarnings("ignore", module="google.protobuf")  # on what it uses of that
    try:
        from mediapipe.python.solutions import pose
    except ModuleNotFoundError as error:
        advice = '`pip install -e ".[video]"` brings it'
        if sys.version_info >= (3, 13):
            advice = "it is there for Python 3.11 and 3.12: make .venv with one of them"
        advice += "; or give `pcsta pose` the keypoints that another program found"
        problem = f"{error.name} is not installed, which finds people in video"
        raise DataError(problem, advice=advice) from None
    return pose


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing to standard error: its C++ logs there as it starts, whatever it is told."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

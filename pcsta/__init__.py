"""Pose-conditioned Spatio-Temporal Attention for Human Action Recognition, made to be read and run.

Data flows one way: files -> Clip -> store -> sub-sequence -> (X, V) -> (s, p, p', logits).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcsta.evaluation import evaluate, predict

__version__ = "0.1.0"
__all__ = ["evaluate", "predict"]

_HOME = {"evaluate": "pcsta.evaluation", "predict": "pcsta.evaluation"}


def __getattr__(name: str) -> object:
    """The package's face, loaded when it is used: `pcsta --help` answers before torch is there."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)

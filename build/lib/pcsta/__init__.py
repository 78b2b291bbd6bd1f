"""Pose-conditioned Spatio-temporal Attention for Human Action Recognition, made to be read and run.

Data flows one way: files -> Clip -> store -> sub-sequence -> (X, V) -> (s, p, p', logits).

>>> import torch
>>> from pcsta import ModelConfig, TwoStream
>>> model = TwoStream(ModelConfig()).eval()                             # the paper's sizes
>>> X, V = torch.zeros(1, 3, 20, 300), torch.zeros(1, 20, 4, 2048)      # pose tensor, glimpses
>>> for name, value in model(X, V)._asdict().items():
...     print(f"{name:<18} {tuple(value.shape)}")
logits             (1, 60)
pose_logits        (1, 60)
rgb_logits         (1, 60)
spatial_attention  (1, 20, 4)
temporal_attention (1, 20)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time each is loaded when first asked for
    from pcsta.config import ModelConfig
    from pcsta.data import open_dataset
    from pcsta.data.prepare import prepare
    from pcsta.evaluation import evaluate, predict
    from pcsta.pose_tensor import PoseTensor
    from pcsta.training import train
    from pcsta.two_stream import TwoStream

__version__ = "0.2.0"
__all__ = [
    "ModelConfig", "PoseTensor", "TwoStream", "evaluate", "open_dataset", "predict", "prepare", "train",
]  # fmt: skip

_HOMES = {
    "ModelConfig": "config", "PoseTensor": "pose_tensor", "TwoStream": "two_stream",
    "evaluate": "evaluation", "open_dataset": "data", "predict": "evaluation",
    "prepare": "data.prepare", "train": "training",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pcsta' has no attribute {name!r}")
    return getattr(import_module(f"pcsta.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

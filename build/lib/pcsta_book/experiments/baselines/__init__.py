"""What a reader will ask to see beside the paper's rows: other networks for pose, simpler ones for RGB.

Importing this package makes their names known to `pcsta.two_stream`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pcsta.config import ROWS, ModelConfig
from pcsta.two_stream import GLIMPSE_STREAMS, POSE_NETS
from pcsta_book.experiments.baselines.deep_lstm import DeepLSTM
from pcsta_book.experiments.baselines.glimpse_mean import GlimpseMean
from pcsta_book.experiments.baselines.part_lstm import PartLSTM
from pcsta_book.experiments.baselines.st_gcn import STGCN

POSE_NETS |= {"deep-lstm": DeepLSTM, "part-lstm": PartLSTM, "st-gcn": STGCN}
GLIMPSE_STREAMS["mean"] = GlimpseMean

# What a reader will ask to see beside them: three networks for pose; for RGB the mean of the
# glimpses, and the whole frame in place of the hands, with LSTM and as a mean.
BASELINES: dict[str, dict[str, Any]] = {
    "deep-lstm": {"streams": "pose", "pose_model": "deep-lstm"},
    "part-lstm": {"streams": "pose", "pose_model": "part-lstm"},
    "st-gcn": {"streams": "pose", "pose_model": "st-gcn"},
    "mean": {"streams": "rgb", "hands": "mean", "temporal": False, "conditioned": False},
    "frame": {
        "streams": "rgb", "crops": "frame", "hands": "sum", "temporal": False, "conditioned": False,
    },
    "frame-mean": {
        "streams": "rgb", "crops": "frame", "hands": "mean", "temporal": False,
        "conditioned": False,
    },
}  # fmt: skip


def row(name: str, base: ModelConfig) -> ModelConfig:
    """`base` switched to a row of Tables 5 and 6, or to a baseline.

    Raises ValueError for a name that is none of them.
    """
    rows = ROWS | BASELINES
    if name not in rows:
        raise ValueError(f"no row or baseline {name!r}; choose one of {', '.join(rows)}")
    return replace(base, **rows[name])

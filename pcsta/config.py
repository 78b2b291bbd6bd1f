"""Sizes and switches of the model: `paper` is section 4 to the letter, `laptop` is narrower.

One configuration names one row of Tables 5 and 6; see `row`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class ModelConfig:
    """Everything the model's shape depends on. Defaults are the paper's (section 4)."""

    classes: int = 60
    skeleton: str = "kinect_v2"
    # the joint-ordered tensor (section 3.1)
    order: Literal["tour", "single", "random", "random-doubles"] = "tour"
    order_seed: int = 0
    origin: Literal["first", "own"] = "first"
    derivatives: Literal["sampled", "video", "none"] = (
        "sampled"  # of which frames, or X is positions
    )
    view: Literal["camera", "people"] = "camera"  # "people": turned so that 1 looks at 2 along x
    coordinates: Literal["columns", "channels"] = "columns"  # where x, y, z of an entry stand in X
    frames: int = 20
    people: int = 2
    # who is person 1 is chance: at random in training, both orders averaged at test
    either_order: bool = False
    # streams (section 3.4) and integration of the hands (Table 6); "mean", a baseline, takes the
    # mean of all glimpses that are there, over hands and time, and has neither LSTM nor f_u
    streams: Literal["pose", "rgb", "both"] = "both"
    hands: Literal["sum", "concat", "attention", "mean"] = "attention"
    temporal: bool = True  # temporal attention (eq. 7); False: mean of u_t over time
    conditioned: bool = True  # f_p and f_p' see the pose features s (Table 5)
    # baselines: another f_sk, the whole frame as the one glimpse
    pose_model: Literal["cnn", "deep-lstm", "part-lstm", "st-gcn"] = "cnn"
    crops: Literal["hands", "frame"] = "hands"
    # sizes (section 4)
    pose_widths: tuple[int, int, int] = (64, 64, 1024)
    batch_norm: bool = False  # after each of the pose network's first two convolutions
    glimpse_features: int = 2048
    glimpse_projection: int | None = None  # laptop: frozen PCA of the glimpse features
    standardise: bool = False  # laptop: training statistics fix the scale of s and of V
    hidden: int = 1024
    step_features: int = 1024
    spatial_hidden: int = 256
    temporal_hidden: int = 512
    dropout: float = 0.5  # of what the classifiers read
    # open points (design: what the paper leaves open)
    weights: Literal["softmax", "sigmoid"] = "softmax"
    hidden_in_attention: bool = True  # f_p sees h_{t-1} (eq. 4); False: the pose features alone
    mask_absent: bool = False
    glimpse_dropout: float = 0.0  # laptop: drops features of V, the same for all hands and times

    def __post_init__(self) -> None:
        if self.temporal and self.streams != "pose" and self.hands != "attention":
            raise ValueError(
                "temporal attention reads the spatial attention (eq. 7): with "
                f"hands={self.hands!r} set temporal=False"
            )
        if self.crops == "frame" and self.streams != "pose" and self.hands == "attention":
            raise ValueError(
                "attention over hands needs hands, and crops='frame' has one whole frame: set "
                "hands='sum' (LSTM) or 'mean'"
            )

    @property
    def glimpses(self) -> int:
        """N, glimpses in a frame: two hands for each person, or the frame itself."""
        return 2 * self.people if self.crops == "hands" else 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Inverse of `to_dict`, also after a round trip through JSON (lists become tuples)."""
        values = dict(values)
        values["pose_widths"] = tuple(values["pose_widths"])
        return cls(**values)


def paper(**changes: Any) -> ModelConfig:
    """The sizes of section 4."""
    return replace(ModelConfig(), **changes)


def laptop(**changes: Any) -> ModelConfig:
    """A few hundred clips and two cores: the same model, narrower, on EfficientNet-Lite0 glimpses.

    Four things that the paper does not have: the glimpses' frozen projection and standardisation,
    dropout of their features, and no weight for absent hands.  The last follows from the dropout: a
    zero glimpse is the only one without its noise, and attention learns to hide there.
    """
    small = ModelConfig(
        pose_widths=(8, 16, 128), glimpse_features=1280, glimpse_projection=128, standardise=True,
        glimpse_dropout=0.5, mask_absent=True,
        hidden=128, step_features=128, spatial_hidden=64, temporal_hidden=64,
    )  # fmt: skip
    return replace(small, **changes)


def narrow(**changes: Any) -> ModelConfig:
    """The laptop's model with a pose net for a few hundred real clips (SBU)."""
    return replace(laptop(pose_widths=(16, 32, 256)), **changes)


def modern(**changes: Any) -> ModelConfig:
    """`narrow` with what the field has learned since: for two people, and few clips (SBU).

    Still the paper's family: a tensor ordered by a tour of the joints, read by a small CNN. The
    book's page on SBU says how the switches were chosen, and lists what else was tried.
    """
    return replace(
        narrow(view="people", coordinates="channels", batch_norm=True, either_order=True), **changes
    )


CONFIGS = {"paper": paper, "laptop": laptop, "narrow": narrow, "modern": modern}

# Rows of Table 6 by the paper's letters, and the unconditioned rows of Table 5.
ROWS: dict[str, dict[str, Any]] = {
    "A": {"streams": "pose"},
    "B": {"streams": "rgb", "hands": "sum", "temporal": False, "conditioned": False},
    "C": {"streams": "rgb", "hands": "concat", "temporal": False, "conditioned": False},
    "E": {"streams": "rgb", "hands": "attention", "temporal": False, "conditioned": True},
    "G": {"streams": "rgb", "hands": "attention", "temporal": True, "conditioned": True},
    "G-unconditioned": {
        "streams": "rgb", "hands": "attention", "temporal": True, "conditioned": False,
    },
    "H": {"streams": "both", "hands": "sum", "temporal": False, "conditioned": False},
    "I": {"streams": "both", "hands": "attention", "temporal": False, "conditioned": True},
    "K": {"streams": "both", "hands": "attention", "temporal": True, "conditioned": True},
    "K-unconditioned": {
        "streams": "both", "hands": "attention", "temporal": True, "conditioned": False,
    },
}  # fmt: skip


def row(letter: str, base: ModelConfig) -> ModelConfig:
    """`base` switched to one row of Table 6 (A, B, C, E, G, H, I, K), or Table 5's unconditioned.

    Raises ValueError for a name that is none of them.
    """
    if letter not in ROWS:
        raise ValueError(f"no row {letter!r} in Table 6; choose one of {', '.join(ROWS)}")
    return replace(base, **ROWS[letter])

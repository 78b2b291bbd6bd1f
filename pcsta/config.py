"""Sizes and switches of the model: `paper` is section 4 to the letter, `laptop` is narrower.

One configuration names one row of Tables 5 and 6; see `row`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any, Literal

from pcsta.conforms import conforms


@dataclass(frozen=True)
class ModelConfig:
    """Everything the model's shape depends on. Defaults are the paper's (section 4).

    >>> from pcsta import ModelConfig
    >>> ModelConfig().pose_widths, ModelConfig(hidden=128).hidden
    ((64, 64, 1024), 128)
    """

    classes: int = 60
    skeleton: str = "kinect_v2"
    # the joint-ordered tensor (section 3.1)
    order: Literal["tour", "single", "random", "random-doubles"] = "tour"
    order_seed: int = 0
    origin: Literal["first", "own"] = "first"
    # of which frames; "none": X is positions alone
    derivatives: Literal["sampled", "video", "none"] = "sampled"
    view: Literal["camera", "people"] = "camera"  # "people": turned so that 1 looks at 2 along x
    coordinates: Literal["columns", "channels"] = "columns"  # where x, y, z of an entry stand in X
    frames: int = 20
    people: int = 2
    # who is person 1 is chance: at random in training, both orders averaged at test
    either_order: bool = False
    either_side: bool = False  # the same for left and right, which a mirror exchanges
    # streams (section 3.4) and integration of the hands (Table 6); "mean", a baseline, takes the
    # mean of all glimpses that are there, over hands and time, and has neither LSTM nor f_u
    streams: Literal["pose", "rgb", "both"] = "both"
    hands: Literal["sum", "concat", "attention", "mean"] = "attention"
    temporal: bool = True  # temporal attention (eq. 7); False: mean of u_t over time
    # what sees the pose features s (Table 5): f_p (eq. 4), f_p' (eq. 7)
    spatial_conditioned: bool = True
    temporal_conditioned: bool = True
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
    moment_in_attention: bool = False  # f_p sees line t of X as well, which the paper's does not
    mask_absent: bool = False
    glimpse_dropout: float = 0.0  # laptop: drops features of V, the same for all hands and times

    def __post_init__(self) -> None:
        sizes = (
            self.classes, self.frames, self.people, *self.pose_widths, self.glimpse_features,
            self.hidden, self.step_features, self.spatial_hidden, self.temporal_hidden,
        )  # fmt: skip
        if not 1 <= min(sizes) <= max(sizes) <= 10**6:
            raise ValueError("the sizes of a network are from 1 to a million")
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
        """Inverse of `to_dict`, also after a round trip through JSON (lists become tuples).

        Raises TypeError for what is no configuration.
        """
        if not conforms(values, cls):
            raise TypeError("its options have values of another kind")
        return cls(**values | {"pose_widths": tuple(values["pose_widths"])})


def paper(**changes: Any) -> ModelConfig:
    """The sizes of section 4."""
    return ModelConfig(**changes)


def laptop(**changes: Any) -> ModelConfig:
    """A few hundred clips and two cores: the same model, narrower, on EfficientNet-Lite0 glimpses.

    Four things that the paper does not have: the glimpses' frozen projection and standardisation,
    dropout of their features, and no weight for absent hands.  The last follows from the dropout: a
    zero glimpse is the only one without its noise, and attention learns to hide there.
    """
    small = ModelConfig(
        pose_widths=(8, 16, 512), glimpse_features=1280, glimpse_projection=128, standardise=True,
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
    book's page on real skeletons says how the switches were chosen, and lists what else was tried.
    """
    return replace(
        narrow(view="people", coordinates="channels", batch_norm=True, either_order=True), **changes
    )


def film(**changes: Any) -> ModelConfig:
    """`laptop` for a few hundred clips of plain film (J-HMDB), in which left and right are chance.

    The book's chapter on real film says how it was chosen, and lists what else was tried.
    """
    return replace(laptop(either_side=True), **changes)


CONFIGS = {"paper": paper, "laptop": laptop, "narrow": narrow, "modern": modern, "film": film}

# Rows of Table 6 by the paper's letters, and the unconditioned rows of Table 5 as it can be read: no
# attention sees the pose, or the spatial does not.
_SWITCHES = ("streams", "hands", "temporal", "spatial_conditioned", "temporal_conditioned")
_TABLE: dict[str, tuple[str | bool, ...]] = {
    "A": ("pose",),
    "B": ("rgb", "sum", False, False),
    "C": ("rgb", "concat", False, False),
    "E": ("rgb", "attention", False, True),
    "G": ("rgb", "attention", True, True, True),
    "G-unconditioned": ("rgb", "attention", True, False, False),
    "G-spatially-unconditioned": ("rgb", "attention", True, False, True),
    "H": ("both", "sum", False, False),
    "I": ("both", "attention", False, True),
    "K": ("both", "attention", True, True, True),
    "K-unconditioned": ("both", "attention", True, False, False),
    "K-spatially-unconditioned": ("both", "attention", True, False, True),
}
ROWS: dict[str, dict[str, Any]] = {
    letter: dict(zip(_SWITCHES, values, strict=False)) for letter, values in _TABLE.items()
}


def row(letter: str, base: ModelConfig) -> ModelConfig:
    """`base` switched to one row of Table 6 (A, B, C, E, G, H, I, K), or Table 5's unconditioned.

    Raises ValueError for a name that is none of them.
    """
    if letter not in ROWS:
        raise ValueError(f"no row {letter!r} in Table 6; choose one of {', '.join(ROWS)}")
    return replace(base, **ROWS[letter])


def needs_pose(config: ModelConfig) -> bool:
    """Whether a configuration has a pose network: for its own logits, or to condition attention."""
    seen = config.spatial_conditioned or (config.temporal and config.temporal_conditioned)
    return config.streams != "rgb" or (config.hands == "attention" and seen)


# --- training (section 5) ------------------------------------------------------------------------
@dataclass(frozen=True)
class TrainConfig:
    """How to train. Defaults are section 5's where the paper says anything.

    pose_epochs, rgb_epochs: at most so many per stage; the paper does not say
    schedule:   "constant", or "one-cycle" (warm up to `rate`, then down to zero)
    rgb_rate, rgb_weight_decay: of the RGB stage, where they differ from the pose stage's
    keep:       "best" ends with the epoch of lowest validation loss (early stopping, section 5);
                "last" with the last one, right where a schedule has brought the rate to zero
    patience:   epochs without a lower validation loss before a stage stops, with keep="best"
    validation: share of the training clips kept for early stopping (section 5: 5 %)
    """

    name: str = "paper"
    pose_epochs: int = 100
    rgb_epochs: int = 100
    rate: float = 1e-4
    schedule: Literal["constant", "one-cycle"] = "constant"
    batch: int = 64
    weight_decay: float = 0.0
    rgb_rate: float | None = None
    rgb_weight_decay: float | None = None
    label_smoothing: float = 0.0
    keep: Literal["best", "last"] = "best"
    patience: int = 10
    validation: float = 0.05
    validation_by: Literal["clip", "subject"] = "clip"
    sampling: Literal["segments", "contiguous"] = "segments"

    def at(self, share: float) -> TrainConfig:
        """This recipe with its learning rates times `share`."""
        if not 0 < share < inf:
            raise ValueError(f"a share of the learning rate is above 0, such as 0.1: not {share}")
        rgb = None if self.rgb_rate is None else self.rgb_rate * share
        return replace(self, rate=self.rate * share, rgb_rate=rgb)


RECIPES = {
    "paper": TrainConfig(),
    # Measured on the embedded dataset; every value that differs from the paper's is stated here. Pose
    # epochs were chosen by the loss on two training people held out: 1.68 after 30, 1.12 after 60.
    "laptop": TrainConfig(
        name="laptop", pose_epochs=60, rgb_epochs=100, rate=3e-3, schedule="one-cycle",
        weight_decay=1e-4, rgb_rate=6e-3, rgb_weight_decay=3e-4, keep="last",
    ),
    # A few hundred clips of real poses (SBU), narrow pose net. Batch, rate and epochs were chosen
    # on training folds alone, a fifth of each fold's training pairs held out.
    "small": TrainConfig(
        name="small", pose_epochs=60, rgb_epochs=40, rate=4e-3, schedule="one-cycle", batch=16,
        weight_decay=1e-4, keep="last",
    ),
    # The paper's recipe where an epoch is three batches (SBU): the same, with epochs to get there.
    "paper-sbu": TrainConfig(name="paper-sbu", pose_epochs=300, patience=50),
    # SBU with the `modern` configuration; the book's page on real skeletons says how it was chosen.
    "modern": TrainConfig(
        name="modern", pose_epochs=50, rgb_epochs=40, rate=2e-3, schedule="one-cycle", batch=32,
        weight_decay=1e-4, label_smoothing=0.05, keep="last",
    ),
    # J-HMDB with the `film` configuration: the laptop's, but after 100 epochs the RGB stream knows its
    # clips by heart. The book's chapter on real film says how it was chosen.
    "film": TrainConfig(
        name="film", pose_epochs=60, rgb_epochs=30, rate=3e-3, schedule="one-cycle",
        weight_decay=1e-4, rgb_rate=6e-3, rgb_weight_decay=3e-4, keep="last",
    ),
}  # fmt: skip

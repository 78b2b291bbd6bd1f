"""The variants of the experiments: Tables 4 to 6, what the paper leaves open, baselines.

A variant is the base configuration with a few named changes. Most train one model; a fused row of
Tables 5 and 6 adds two variants' logits (section 3.4; the paper writes K as A+G), an ensemble more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from pcsta.config import ROWS, ModelConfig, TrainConfig
from pcsta_book.experiments.baselines import BASELINES

_Config = TypeVar("_Config", ModelConfig, TrainConfig)
Fields = Mapping[str, object]  # of ModelConfig or TrainConfig, with the values that they take
OTHER = "other"  # in place of a value: the one of two that the base configuration does not have


@dataclass(frozen=True)
class Variant:
    """One line of a table of results.

    says:    what it is, in words         table: of the paper, 0 for what the paper does not have
    model, recipe: the fields of ModelConfig and TrainConfig that it changes, and nothing else
    against: the variant that it differs from in these changes alone
    pose:    the variant whose trained pose stream it takes over
    adds:    the variants whose logits it adds; it trains nothing
    """

    says: str
    table: int = 0
    model: Fields = field(default_factory=dict)
    recipe: Fields = field(default_factory=dict)
    against: str = ""
    pose: str = ""
    adds: tuple[str, ...] = ()

    @property
    def reads_frames(self) -> bool:
        """Whether it sees whole frames in place of hands, which another store holds."""
        return self.model.get("crops") == "frame"

    @property
    def reads_video(self) -> bool:
        return bool(self.pose) or any(VARIANTS[name].reads_video for name in self.adds)

    def configure(
        self, base: ModelConfig, recipe: TrainConfig, seed: int
    ) -> tuple[ModelConfig, TrainConfig]:
        """`base` and `recipe` with the variant's changes; relative changes are resolved here.

        A random joint order is another one for every seed: what is measured is any random order.
        """
        values = base.to_dict() | dict(self.model)
        for name in (name for name, value in self.model.items() if value == OTHER):
            pair = _PAIRS.get(name, (False, True))
            values[name] = pair[1 - pair.index(getattr(base, name))]
        if "pose_widths" in self.model:
            first, second, third = base.pose_widths
            values["pose_widths"] = (first, round(second * 60 / 64), third)
        if str(self.model.get("order", "")).startswith("random"):
            values["order_seed"] = seed
        return ModelConfig.from_dict(values), TrainConfig(**asdict(recipe) | dict(self.recipe))


# The two values of switches that a variant turns to the other one; all others are False or True.
_PAIRS: Mapping[str, tuple[object, object]] = {
    "view": ("camera", "people"),
    "coordinates": ("columns", "channels"),
}


def changed_fields(before: _Config, after: _Config) -> dict[str, object]:
    """The fields that differ, with their new values."""
    old, new = asdict(before), asdict(after)
    return {name: value for name, value in new.items() if old[name] != value}


def select(names: Iterable[str], video: bool = True, frames: bool = True) -> list[str]:
    """These variants in the order of VARIANTS, each with those that it builds on or varies.

    video, frames: whether there is a store to read hands, or whole frames, from; the variants that
    would read what is not there are left out
    Raises ValueError for an unknown name.
    """
    wanted = set(names)
    if unknown := wanted - set(VARIANTS):
        raise ValueError(f"no variant {sorted(unknown)[0]!r}; choose from {', '.join(VARIANTS)}")
    waiting = list(wanted)
    while waiting:
        variant = VARIANTS[waiting.pop()]
        more = {n for n in (variant.pose, variant.against, *variant.adds) if n} - wanted
        wanted |= more
        waiting += more
    return [
        name
        for name, variant in VARIANTS.items()
        if name in wanted
        and (video or not variant.reads_video)
        and (frames or not variant.reads_frames)
    ]


# --- the table ------------------------------------------------------------------------------------
def _of_paper(letter: str, says: str, table: int = 6) -> Variant:
    return Variant(says, table, ROWS[letter], pose="" if letter == "A" else "A")


def _pose(says: str, table: int = 0, recipe: Fields | None = None, **model: object) -> Variant:
    return Variant(says, table, {**ROWS["A"], **model}, recipe or {}, "A")


def _attention(says: str, recipe: Fields | None = None, **model: object) -> Variant:
    return Variant(says, 0, {**ROWS["G"], **model}, recipe or {}, "G", "A")


def _baseline(name: str, says: str, against: str, **recipe: object) -> Variant:
    pose = "" if against == "A" else "A"
    return Variant(says, 0, BASELINES[name], recipe, against, pose)


# Row A and what changes one thing of it: to add their logits is to choose none of them.
POSE_ROWS = (
    "A", "order-single", "order-random", "order-random-doubles", "view-other", "coordinates-other",
    "batch-norm-other", "either-order-other", "origin-own", "derivatives-video",
    "derivatives-none", "contiguous",
)  # fmt: skip

VARIANTS: dict[str, Variant] = {
    # Tables 5 and 6
    "A": _of_paper("A", "pose only"),
    "B": _of_paper("B", "RGB only, sum of hands"),
    "C": _of_paper("C", "RGB only, concatenation"),
    "E": _of_paper("E", "RGB only, spatial attention"),
    "G": _of_paper("G", "RGB only, spatio-temporal attention"),
    "G-unconditioned": _of_paper("G-unconditioned", "G, not conditioned on pose", 5),
    "H": Variant("A + B: fused, no attention", 6, adds=("A", "B")),
    "I": Variant("A + E: fused, spatial attention", 6, adds=("A", "E")),
    "K": Variant("A + G: fused, spatio-temporal attention", 6, adds=("A", "G")),
    "K-unconditioned": Variant("K, not conditioned on pose", 5, adds=("A", "G-unconditioned")),
    # Table 4; the control that it lacks is the fourth order
    "order-single": _pose("tour without double entries", 4, order="single"),
    "order-random": _pose("joints in random order", 4, order="random"),
    "order-random-doubles": _pose("the tour's entries in random order", order="random-doubles"),
    "orders": Variant("logits of three orders added", adds=("A", "order-single", "order-random")),
    # what the field has learned since, each alone: on the paper's network it is switched on, on the
    # modern one off
    "view-other": _pose("seen by the camera or from the people's side, the other way", view=OTHER),
    "coordinates-other": _pose("x, y, z as columns or channels, the other way", coordinates=OTHER),
    "batch-norm-other": _pose("batch normalisation or not, the other way", batch_norm=OTHER),
    "either-order-other": _pose("people in either order or not, the other way", either_order=OTHER),
    # what the paper leaves open, each alone
    "origin-own": _pose("each person on their own spine", origin="own"),
    "derivatives-video": _pose("derivatives of the video's frames", derivatives="video"),
    "derivatives-none": _pose("positions alone", derivatives="none"),
    "contiguous": _pose("20 frames in a row", recipe={"sampling": "contiguous"}),
    "together": Variant("logits of twelve pose rows added", adds=POSE_ROWS),
    "widths-64-60": _pose("second layer 60/64 as wide", pose_widths=(64, 60, 1024)),
    "G-contiguous": Variant(
        "20 frames in a row", 0, ROWS["G"], {"sampling": "contiguous"}, "G", "contiguous"
    ),
    "G-absent": _attention("absent hands masked or not, the other way", mask_absent=OTHER),
    "G-without-h": _attention("f_p does not see h", hidden_in_attention=False),
    "G-sigmoid": _attention("sigmoid weights that need not sum to 1", weights="sigmoid"),
    "G-no-dropout": _attention("no dropout of glimpse features", glimpse_dropout=0.0),
    # how it is trained, each choice of the laptop's taken back or another one tried, alone
    "dropout-none": _pose("no dropout before the classifier", dropout=0.0),
    "rate-constant": _pose("constant learning rate", recipe={"schedule": "constant"}),
    "keep-best": _pose("epoch of lowest validation loss", recipe={"keep": "best"}),
    "decay-none": _pose("no weight decay", recipe={"weight_decay": 0.0}),
    "smoothing": _pose("label smoothing 0.1", recipe={"label_smoothing": 0.1}),
    "validation-subject": _pose(
        "validated on a whole subject", recipe={"validation_by": "subject"}
    ),
    "G-dropout-none": _attention("no dropout before the classifier", dropout=0.0),
    "G-rate-constant": _attention("constant learning rate", {"schedule": "constant"}),
    "G-keep-best": _attention("epoch of lowest validation loss", {"keep": "best"}),
    "G-decay-none": _attention("no weight decay", {"rgb_weight_decay": 0.0}),
    "G-smoothing": _attention("label smoothing 0.1", {"label_smoothing": 0.1}),
    "G-step-1024": _attention("u_t as wide as the paper's model has it", step_features=1024),
    "G-unscaled": _attention("features as they come, no common scale", standardise=False),
    "G-unprojected": _attention("all features of the sensor", glimpse_projection=None),
    # baselines; what was tried for each, on held-out training subjects, stands in their record
    "deep-lstm": _baseline(
        "deep-lstm", "baseline: LSTM on the joints", "A", pose_epochs=60, batch=16
    ),
    "part-lstm": _baseline("part-lstm", "baseline: part-aware LSTM", "A", pose_epochs=60, batch=16),
    "A-longer": _pose("trained as the LSTMs are", recipe={"pose_epochs": 60, "batch": 16}),
    "st-gcn": _baseline("st-gcn", "baseline: graph convolution, ST-GCN", "A"),
    "mean": _baseline("mean", "baseline: mean of all glimpses, no LSTM", "B"),
    "frame": _baseline("frame", "baseline: whole frame, LSTM", "B"),
    "frame-mean": _baseline("frame-mean", "baseline: whole frame, mean over time", "B"),
}

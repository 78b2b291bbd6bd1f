"""The variants of the experiments: Tables 4 to 6, what the paper leaves open, baselines.

A variant is the base configuration with a few named changes. Most train one model; a fused row of
Tables 5 and 6 adds two variants' logits (section 3.4; the paper writes K as A+G), an ensemble more.
All of them stand in variants.toml beside this file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pcsta.config import ROWS, ModelConfig, TrainConfig
from pcsta_book import assets
from pcsta_book.experiments import baselines  # noqa: F401  their names become known

Fields = Mapping[str, object]  # of ModelConfig or TrainConfig, with the values that they take

# The two values of switches that a variant turns to the other one; all others are False or True.
_PAIRS = {"view": ("camera", "people"), "coordinates": ("columns", "channels")}


@dataclass(frozen=True)
class Variant:
    """One line of a table of results.

    says:    what it is, in words         table: of the paper, 0 for what the paper does not have
    model, recipe: the fields of ModelConfig and TrainConfig that it changes, and nothing else
    pose:    the variant whose trained pose stream it takes over
    against: the variant that it differs from in these changes alone
    adds:    the variants whose logits it adds; it trains nothing
    """

    says: str
    model: Fields
    recipe: Fields
    pose: str
    table: int = 0
    against: str = ""
    adds: Sequence[str] = ()

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
        for name in (name for name, value in self.model.items() if value == "other"):
            pair: tuple[object, object] = _PAIRS.get(name, (False, True))
            values[name] = pair[1 - pair.index(getattr(base, name))]
        if "pose_widths" in self.model:
            first, second, third = base.pose_widths
            values["pose_widths"] = (first, round(second * 60 / 64), third)
        if str(self.model.get("order", "")).startswith("random"):
            values["order_seed"] = seed
        return ModelConfig.from_dict(values), TrainConfig(**asdict(recipe) | dict(self.recipe))


def _read(table: Mapping[str, Any]) -> dict[str, Variant]:
    found = {}
    for name, line in table.items():
        row = {} if "adds" in line else ROWS[name if name in ROWS else line["against"]]
        model = row | {k: None if v == "nothing" else v for k, v in line.get("model", {}).items()}
        pose = "A" if model.get("streams") == "rgb" else ""
        found[name] = Variant(**{"recipe": {}, "pose": pose, **line, "model": model})
    return found


VARIANTS = _read(assets.table("experiments/variants.toml"))


def in_words(name: str, line: Mapping[str, Any]) -> str:
    """What a line of a record is, in words; of a variant that turns a switch, also which way."""
    changes = VARIANTS[name].model if name in VARIANTS else {}
    ways = [line["changes"].get(k) for k, value in changes.items() if value == "other"]
    says = VARIANTS[name].says if ways else line["says"]
    return ": ".join([says, *({True: "on", False: "off"}.get(way, way) for way in ways)])


def changed_fields(before: Any, after: Any) -> dict[str, object]:
    """The fields of a configuration that differ, with their new values."""
    old, new = asdict(before), asdict(after)
    return {name: value for name, value in new.items() if old[name] != value}


def select(names: Iterable[str], video: bool = True, frames: bool = True) -> list[str]:
    """These variants in the order of VARIANTS, each with those that it builds on or varies.

    video, frames: whether there is a store to read hands, or whole frames, from; the variants that
    would read what is not there are left out
    Raises ValueError for an unknown name.
    """
    wanted = list(names)
    if unknown := set(wanted) - set(VARIANTS):
        raise ValueError(f"no variant {sorted(unknown)[0]!r}; choose from {', '.join(VARIANTS)}")
    for name in wanted:  # which grows
        variant = VARIANTS[name]
        needs = (variant.pose, variant.against, *variant.adds)
        wanted += [other for other in needs if other and other not in wanted]
    return [
        name
        for name, variant in VARIANTS.items()
        if name in wanted
        and (video or not variant.reads_video)
        and (frames or not variant.reads_frames)
    ]

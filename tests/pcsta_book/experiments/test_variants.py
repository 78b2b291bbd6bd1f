"""Variants: each changes what it says, and comes with what it builds on."""

from dataclasses import asdict, replace

import pytest

from fakes import tiny
from pcsta.config import RECIPES, ModelConfig, TrainConfig, laptop, modern, paper
from pcsta_book.experiments.variants import VARIANTS, changed_fields, in_words, select

RECIPE = TrainConfig(name="test", pose_epochs=2, rgb_epochs=2, rate=1e-2, batch=8, validation=0.2)


def test_without_video_the_pose_rows_are_left():
    names = select(VARIANTS, video=False)
    assert "A" in names and "order-random" in names and "derivatives-none" in names
    assert "orders" in names  # adds poses alone
    assert not set(names) & set("BCEGHIK")
    with pytest.raises(ValueError, match=r"no variant .D.; choose from"):
        select(["A", "D"])


@pytest.mark.parametrize("base", [paper(), laptop()], ids=["paper", "laptop"])
@pytest.mark.parametrize("name", [n for n, v in VARIANTS.items() if not v.adds])
def test_a_variant_changes_what_it_says_and_nothing_else(name, base):
    """Line by line (Tables 4 to 6)."""
    variant = VARIANTS[name]
    trained = RECIPES["laptop" if base == laptop() else "paper"]
    config, recipe = variant.configure(base, trained, seed=3)
    changed = changed_fields(base, config) | changed_fields(trained, recipe)
    allowed = {*variant.model, *variant.recipe}
    if variant.model.get("order", "").startswith("random"):
        allowed.add("order_seed")
    assert set(changed) <= allowed
    if variant.against:  # beside its reference it differs, and in its own fields alone
        reference, how = VARIANTS[variant.against].configure(base, trained, seed=3)
        before = VARIANTS[variant.against].model
        own = {k for k, v in variant.model.items() if k not in before or before[k] != v}
        own |= set(variant.recipe)
        beside = set(changed_fields(reference, config)) | set(changed_fields(how, recipe))
        if base == laptop():
            assert beside
        assert beside <= own | {"order_seed"}


def test_a_random_order_is_another_one_for_every_seed():
    first, second = (VARIANTS["order-random"].configure(tiny(), RECIPE, s)[0] for s in (0, 1))
    assert first.order_seed != second.order_seed
    assert replace(first, order_seed=1) == second


def test_the_other_value_of_a_switch_is_the_other_one():
    for base in (tiny(), modern()):
        for field in ("view", "coordinates", "batch_norm", "either_order", "either_side"):
            name = f"{field.replace('_', '-')}-other"
            config, _ = VARIANTS[name].configure(base, RECIPE, seed=0)
            assert getattr(config, field) != getattr(base, field)
            changes = changed_fields(base, config)
            ways = {True: ": on", False: ": off"}
            told = in_words(name, {"says": "as an old record says it", "changes": changes})
            assert told.endswith(ways.get(changes[field], f": {changes[field]}"))


def test_every_switch_of_the_model_is_a_field(monkeypatch):
    fields, of_recipe = asdict(ModelConfig()), asdict(TrainConfig())
    for name, variant in VARIANTS.items():
        assert set(variant.model) <= set(fields), name
        assert set(variant.recipe) <= set(of_recipe), name
        for other in (variant.pose, variant.against, *variant.adds):
            assert not other or other in VARIANTS, name

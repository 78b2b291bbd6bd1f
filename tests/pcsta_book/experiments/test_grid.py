"""The grid of Tables 4 to 6: every variant, seed and protocol, resumable, nothing mixed."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from fakes import make_store, tiny
from pcsta.batches import SubSequences
from pcsta.checkpoint import load
from pcsta.config import RECIPES, ModelConfig, TrainConfig, laptop, modern, paper
from pcsta.evaluation import accuracy, predict
from pcsta.files import fingerprint, read_json
from pcsta_book.experiments import grid as module
from pcsta_book.experiments.grid import (
    VARIANTS,
    chosen,
    configured,
    differences,
    per_seed,
    run_grid,
    table,
)

RECIPE = TrainConfig(name="test", pose_epochs=2, rgb_epochs=2, rate=1e-2, batch=8, validation=0.2)
NAMES = ("K", "H", "order-random", "G-contiguous", "derivatives-video")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=24)


def grid_of(store, out, names=NAMES, base=None, recipe=RECIPE, **options):
    options = {"seeds": (0, 1), "processes": 1, "progress": False} | options
    return run_grid(store, base or tiny(), recipe, out, names, **options)


@pytest.fixture(scope="module")
def grid(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("grid")
    return out, grid_of(store, out)


def test_what_a_variant_builds_on_comes_with_it(grid):
    _, lines = grid
    assert set(lines) == {*NAMES, "A", "B", "G", "contiguous"}
    for line in lines.values():
        rows = line["results"]["cross-subject"]
        assert [row["seed"] for row in rows] == [0, 1]
        assert all(0 <= row["accuracy"] <= 1 for row in rows)
        confusion = np.array(line["confusion"]["cross-subject"])
        assert confusion.sum() == sum(row["clips"] for row in rows)
        assert np.isclose(confusion.trace() / confusion.sum(), per_seed(line).mean())


def test_without_video_the_pose_rows_are_left():
    names = chosen(VARIANTS, poses_alone=True)
    assert "A" in names and "order-random" in names and "derivatives-none" in names
    assert "orders" in names  # adds poses alone
    assert not set(names) & set("BCEGHIK")
    with pytest.raises(ValueError, match=r"no variant .D.; choose from"):
        chosen(["A", "D"])


@pytest.mark.parametrize("base", [paper(), laptop()], ids=["paper", "laptop"])
@pytest.mark.parametrize("name", [n for n, v in VARIANTS.items() if not v.adds])
def test_a_variant_changes_what_it_says_and_nothing_else(name, base):
    """Line by line (Tables 4 to 6)."""
    variant = VARIANTS[name]
    trained = RECIPES["laptop" if base == laptop() else "paper"]
    config, recipe = configured(variant, base, trained, seed=3)
    changed = differences(base, config) | differences(trained, recipe)
    allowed = {*variant.model, *variant.recipe}
    if variant.model.get("order", "").startswith("random"):
        allowed.add("order_seed")
    assert set(changed) <= allowed
    if variant.against:  # beside its reference it differs, and in its own fields alone
        reference, how = configured(VARIANTS[variant.against], base, trained, seed=3)
        before = VARIANTS[variant.against].model
        own = {k for k, v in variant.model.items() if k not in before or before[k] != v}
        own |= set(variant.recipe)
        beside = set(differences(reference, config)) | set(differences(how, recipe))
        if base == laptop():
            assert beside
        assert beside <= own | {"order_seed"}


def test_whole_frames_come_from_their_own_store(store, tmp_path):
    names = ("frame", "mean")
    lines = grid_of(store, tmp_path / "without", names, seeds=(0,))
    assert "mean" in lines and "frame" not in lines  # nothing to read: left out, not made up
    whole = make_store(tmp_path / "frames", clips=24, crop_size=None)
    lines = grid_of(store, tmp_path / "with", names, seeds=(0,), frames=whole)
    run = read_json(tmp_path / "with/cross-subject/seed-0/frame/record.json")
    assert run["store"]["fingerprint"] == fingerprint(whole.settings)
    assert set(lines) == {"A", "B", "mean", "frame"}


def test_rows_share_a_seeds_pose_stream_and_its_clips(grid):
    out, _ = grid
    pose = load(out / "cross-subject" / "seed-1" / "A").pose_net.state_dict()
    rgb = load(out / "cross-subject" / "seed-1" / "G").pose_net.state_dict()
    other = load(out / "cross-subject" / "seed-0" / "A").pose_net.state_dict()
    assert all(torch.equal(pose[k], rgb[k]) for k in pose)
    assert not all(torch.equal(pose[k], other[k]) for k in pose)


def test_a_random_order_is_another_one_for_every_seed():
    first, second = (configured(VARIANTS["order-random"], tiny(), RECIPE, s)[0] for s in (0, 1))
    assert first.order_seed != second.order_seed
    assert replace(first, order_seed=1) == second


def test_a_fused_row_is_the_sum_of_two_rows_logits(grid, store):
    out, lines = grid
    _, test = store.split("cross-subject")
    said = {}
    for letter in ("A", "G"):
        model = load(out / "cross-subject" / "seed-1" / letter)
        said[letter] = predict(model, SubSequences(store, model.config, torch.device("cpu")), test)
    fused = accuracy(said["A"].logits + said["G"].logits, said["A"].labels)
    assert lines["K"]["results"]["cross-subject"][1]["accuracy"] == pytest.approx(fused)
    assert lines["K"]["changes"] == {"adds": ["A", "G"]}


def test_an_ensemble_adds_all_seeds_logits(grid):
    out, lines = grid
    parts = [np.load(out / f"cross-subject/seed-{s}/A/predictions.npz") for s in (0, 1)]
    together = accuracy(parts[0]["logits"] + parts[1]["logits"], parts[0]["labels"])
    found = lines["A"]["ensemble"]["cross-subject"]
    assert found["accuracy"] == pytest.approx(together)
    confusion = np.array(found["confusion"])
    assert confusion.trace() / confusion.sum() == pytest.approx(together)


def test_the_other_value_of_a_switch_is_the_other_one():
    for base in (tiny(), modern()):
        for field in ("view", "coordinates", "batch_norm", "either_order"):
            name = f"{field.replace('_', '-')}-other"
            config, _ = configured(VARIANTS[name], base, RECIPE, seed=0)
            assert getattr(config, field) == getattr(modern() if base == tiny() else tiny(), field)


def test_the_table_shows_mean_and_spread(grid):
    _, lines = grid
    text = {line.split()[0]: line for line in table(lines).splitlines()}
    values = 100 * per_seed(lines["K"])
    assert f"{values.mean():.1f}" in text["K"] and f"{values.std(ddof=1):.1f}" in text["K"]


def test_a_finished_grid_is_not_computed_again(grid, store, monkeypatch):
    out, lines = grid
    monkeypatch.setattr("pcsta.training._Run", None)  # what trains
    monkeypatch.setattr(module, "predict", None)
    assert grid_of(store, out) == lines


def test_a_grid_of_other_settings_is_refused(grid, store):
    out, _ = grid
    for base, recipe in ((tiny(hidden=9), RECIPE), (tiny(), replace(RECIPE, rate=2e-2))):
        with pytest.raises(ValueError, match="holds another run"):
            grid_of(store, out, base=base, recipe=recipe)


def test_processes_side_by_side_give_the_same_rows(grid, store, tmp_path):
    _, lines = grid
    again = grid_of(store, tmp_path, ("K",), processes=2)
    for name in again:
        assert np.array_equal(per_seed(again[name]), per_seed(lines[name]))


def test_every_switch_of_the_model_is_a_field(monkeypatch):
    fields, of_recipe = asdict(ModelConfig()), asdict(TrainConfig())
    for name, variant in VARIANTS.items():
        assert set(variant.model) <= set(fields), name
        assert set(variant.recipe) <= set(of_recipe), name
        for other in (variant.pose, variant.against, *variant.adds):
            assert not other or other in VARIANTS, name

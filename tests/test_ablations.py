"""The grid of Tables 5 and 6: every row, every seed, resumable, nothing mixed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import make_store, tiny

from pcsta import ablations
from pcsta.ablations import FUSED, TRAINED, table, table6
from pcsta.batches import SubSequences
from pcsta.evaluate import accuracy, predict
from pcsta.model.config import ROWS
from pcsta.train import Recipe, load

RECIPE = Recipe(name="test", pose_epochs=2, rgb_epochs=2, rate=1e-2, batch=8, validation=0.2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=24)


@pytest.fixture(scope="module")
def grid(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("grid")
    return out, table6(store, tiny(), RECIPE, out, (0, 1), processes=1, progress=False)


def test_every_row_of_both_tables_for_every_seed(grid):
    _, result = grid
    assert set(result["rows"]) == set(ROWS) == {*TRAINED, *FUSED}
    for letter, figures in result["rows"].items():
        assert len(figures["accuracy"]) == 2, letter
        assert all(0 <= a <= 1 for a in figures["accuracy"])
    assert "attention" in result["rows"]["G"] and "attention" not in result["rows"]["B"]


def test_a_fused_row_is_the_sum_of_two_rows_logits(grid, store):
    out, result = grid
    _, test = store.split("cross-subject")
    said = {}
    for letter in ("A", "G"):
        model = load(out / "seed-1" / letter)
        said[letter] = predict(model, SubSequences(store, model.config, torch.device("cpu")), test)
    fused = accuracy(said["A"].logits + said["G"].logits, said["A"].labels)
    assert result["rows"]["K"]["accuracy"][1] == pytest.approx(fused)


def test_the_table_shows_mean_and_spread(grid):
    _, result = grid
    lines = {line.split()[0]: line for line in table(result).splitlines()}
    values = 100 * np.array(result["rows"]["K"]["accuracy"])
    assert f"{values.mean():.1f}" in lines["K"] and f"{values.std(ddof=1):.1f}" in lines["K"]


def test_a_finished_grid_is_not_computed_again(grid, store, monkeypatch):
    out, result = grid
    monkeypatch.setattr(ablations, "train", None)
    assert table6(store, tiny(), RECIPE, out, (0, 1), processes=1, progress=False) == result


def test_a_grid_of_other_settings_is_refused(grid, store):
    out, _ = grid
    for base, recipe in ((tiny(hidden=9), RECIPE), (tiny(), replace(RECIPE, rate=2e-2))):
        with pytest.raises(ValueError, match="holds another grid"):
            table6(store, base, recipe, out, (0,), processes=1, progress=False)


def test_processes_side_by_side_give_the_same_rows(grid, store, tmp_path):
    _, result = grid
    again = table6(store, tiny(), RECIPE, tmp_path, (0, 1), processes=2, progress=False)
    assert again == result

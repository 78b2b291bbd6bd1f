"""The book's commands: what they refuse before they begin, and the command line that they record."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from command import call, parses
from fakes import make_store, plan_of, tiny
from pcsta import options
from pcsta.config import CONFIGS, RECIPES, TrainConfig
from pcsta.files import read_json
from pcsta.skeletons import SBU
from pcsta_book import cli
from recordings import person, sbu_text


@pytest.fixture
def opened(monkeypatch):
    dataset = SimpleNamespace(protocols=("cross-subject", "cross-view"), samples=[])
    monkeypatch.setattr(cli, "_opened", lambda *_: dataset)


@pytest.fixture
def small(opened, monkeypatch, tmp_path):
    """A store, a network and a recipe that train at once."""
    store = make_store(tmp_path / "store", clips=12)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)  # no pool
    monkeypatch.setattr(options, "Plan", lambda *_: plan_of(store))
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, batch=8, validation=0.2)
    monkeypatch.setitem(RECIPES, "laptop", recipe)
    return SimpleNamespace(store=store, recipe=recipe)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--rows", "A,Z"], "no variant 'Z'"),
        (["--protocol", "cross-setup"], "no protocol 'cross-setup'"),
        (["--protocol", "folds"], "no protocol 'folds'"),
        (["--config", "huge"], "no configuration 'huge'"),
    ],
)
def test_ablate_refuses_wrong_words_before_it_prepares(words, said, opened, monkeypatch, tmp_path):
    monkeypatch.setattr(options, "Plan", lambda *_: pytest.fail("it prepares"))
    assert said in str(call("ablate", "--out", tmp_path, *words, ok=False).exception)


@pytest.mark.parametrize(
    "command",
    [("ablate", "sbu", "--rows", "A"), ("table", 2), ("transfer", "sbu", "sbu", "--large-root")],
)
def test_what_cannot_be_trained_is_told_before_anything_is_made(command, monkeypatch, tmp_path):
    """One pair of people: whoever is tested is all that there is."""
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    raw = tmp_path / "raw"
    for action in ("01", "02"):
        file = raw / f"s01s02/{action}/001/skeleton_pos.txt"
        file.parent.mkdir(parents=True)
        file.write_text(sbu_text(*(person(22, (x, 0, 2.5), SBU) for x in (-0.5, 0.5))))
    words = [*command, *([raw] if command[0] == "transfer" else []), "--root", raw]
    said = str(call(*words, "--out", tmp_path / "new", ok=False).exception)
    assert "leaves 0 usable clips to train on" in said and "pcsta check sbu" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_a_grid_of_other_settings_is_refused_before_it_prepares(small, monkeypatch, tmp_path):
    words = ["ablate", "--out", tmp_path / "new", "--rows", "A", "--seeds", 1, "--device", "cpu"]
    call(*words)
    monkeypatch.setitem(RECIPES, "laptop", replace(small.recipe, batch=4))
    plan = plan_of(small.store)
    plan.store = lambda *_: pytest.fail("it prepares")
    monkeypatch.setattr(options, "Plan", lambda *_: plan)
    assert "holds another run" in str(call(*words, ok=False).exception)


def test_a_record_can_be_made_again_and_continued(small, monkeypatch, tmp_path):
    """Its command names the folder in which the runs lie, and what stood there by default."""
    words = ["--out", tmp_path / "somewhere/mine", "--rows", "A", "--seeds", 1, "--device", "cpu"]
    text = call("ablate", *words).stdout
    assert call("ablate", *words, "--record", tmp_path / "one.json").stdout == text
    command = read_json(tmp_path / "one.json")["command"]
    assert command == (
        "pcsta ablate --out runs/mine synthetic --config laptop --recipe laptop --seeds 1 --rows A"
    )
    given = parses(command)
    assert (given["dataset"], given["out"].name, given["rows"]) == ("synthetic", "mine", "A")

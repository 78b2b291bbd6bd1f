"""The book's commands: what they refuse before they begin, and the command line that they record."""

from types import SimpleNamespace

import pytest

from command import call, parses
from fakes import make_store, tiny
from pcsta import options
from pcsta.config import CONFIGS, RECIPES, TrainConfig
from pcsta.files import read_json
from pcsta_book import cli


@pytest.fixture
def opened(monkeypatch):
    dataset = SimpleNamespace(protocols=("cross-subject", "cross-view"))
    monkeypatch.setattr(cli, "_opened", lambda *_: dataset)


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
    monkeypatch.setattr(options, "prepared", lambda *_: pytest.fail("it prepares"))
    assert said in str(call("ablate", "--out", tmp_path, *words, ok=False).exception)


def test_a_record_can_be_made_again_and_continued(opened, monkeypatch, tmp_path):
    """Its command names the folder in which the runs lie, and what stood there by default."""
    store = make_store(tmp_path / "store", clips=12)
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # no pool
    monkeypatch.setattr(options, "prepared", lambda *_: store)
    monkeypatch.setitem(CONFIGS, "laptop", tiny)
    recipe = TrainConfig(pose_epochs=1, rgb_epochs=1, batch=8, validation=0.2)
    monkeypatch.setitem(RECIPES, "laptop", recipe)
    words = ["--out", tmp_path / "somewhere/mine", "--rows", "A", "--seeds", 1, "--device", "cpu"]
    text = call("ablate", *words).stdout
    assert call("ablate", *words, "--record", tmp_path / "one.json").stdout == text
    command = read_json(tmp_path / "one.json")["command"]
    assert command == (
        "pcsta ablate --out runs/mine synthetic --config laptop --recipe laptop "
        "--protocol cross-subject --seeds 1 --rows A"
    )
    given = parses(command)
    assert (given["dataset"], given["out"].name, given["rows"]) == ("synthetic", "mine", "A")

"""Records: no figure without its provenance, no command that does not parse."""

import json
from copy import deepcopy

import pytest

from command import parses
from fakes import cores, make_store, tiny
from pcsta.config import TrainConfig
from pcsta.files import read_json
from pcsta_book.experiments import grid, records
from pcsta_book.places import ROOT

RECORDS = sorted(p for p in records.FOLDER.glob("*.json") if not p.name.startswith("performance"))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    store = make_store(folder / "store", clips=12)
    recipe = TrainConfig(name="test", pose_epochs=1, rgb_epochs=1, batch=8, validation=0.2)
    asked = grid.Experiment(store, tiny(), recipe, folder / "runs", ("A",))
    with cores(1):
        lines = grid.run_grid(asked)
    command = "pcsta ablate --rows A --out runs/x"
    told = records.describe(asked, lines, "A test", command, source={"dataset": "large"})
    record = read_json(records.write(folder / "mine.json", told))
    assert record["lines"] == json.loads(json.dumps(lines))
    return record


def test_a_record_comes_back_as_it_was_written(found, tmp_path, monkeypatch):
    path = records.write(tmp_path / "one.json", found)
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    assert records.read("one") == found
    assert found["source"] == {"dataset": "large"}
    assert "[0, 1]" in path.read_text()  # short lists stand in one line


@pytest.mark.parametrize("name", records.FIELDS)
def test_a_record_without_provenance_is_refused(found, name):
    broken = deepcopy(found)
    del broken[name]
    with pytest.raises(ValueError, match=name):
        records.validate(broken)
    broken[name] = object()
    with pytest.raises(ValueError, match=name):
        records.validate(broken)


@pytest.mark.parametrize(
    "name, part", [(name, part) for name, parts in records.PARTS.items() for part in parts]
)
def test_a_record_with_half_a_provenance_is_refused(found, name, part):
    broken = deepcopy(found)
    del broken[name][part]
    with pytest.raises(ValueError, match=f"'{name}' lacks {part}"):
        records.validate(broken)


@pytest.mark.parametrize("name, wrong", [("date", "soon"), ("commit", "the last one")])
def test_a_record_with_a_vague_provenance_is_refused(found, name, wrong):
    with pytest.raises(ValueError, match=wrong):
        records.validate(found | {name: wrong})


def test_a_record_that_lacks_a_seed_is_refused(found):
    broken = deepcopy(found)
    broken["lines"]["A"]["results"]["cross-subject"].pop()
    with pytest.raises(ValueError, match="one result for each seed"):
        records.validate(broken)


@pytest.mark.parametrize(
    "field, value",
    [
        ("clips", 0), ("clips", 7), ("clips", True), ("accuracy", float("nan")), ("accuracy", None),
        ("accuracy", 0.9), ("right", "zz"), ("right", "ff"), ("right", "0000"), ("seed", "0"),
        ("seconds", []), ("validation_loss", "0.1"), ("attention", {"spatial": {"x": {"mass": 1}}}),
        ("attention", {"temporal": dict.fromkeys(("uniform", "permuted", "best_constant"), 0.5) | {"mass": None}}),
    ],
)  # fmt: skip
def test_a_figure_that_is_none_or_does_not_add_up_is_refused(found, tmp_path, field, value):
    """A digit that has changed: accuracy, clips and which of them are right tell it of each other."""
    broken = deepcopy(found)
    broken["lines"]["A"]["results"]["cross-subject"][0][field] = value
    with pytest.raises(ValueError, match=r"rec\.json: "):
        records.validate(broken, tmp_path / "rec.json")


@pytest.mark.parametrize(
    "wrong", [{"tested": []}, {"note": 1}, {"seeds": ["0", "1"]}, {"seconds": [1]}]
)
def test_a_field_of_another_kind_is_refused(found, wrong):
    with pytest.raises(ValueError, match="record"):
        records.validate(found | wrong)


def test_seeds_with_different_scores_are_refused(found):
    broken = deepcopy(found)
    score = {"uniform": 0.5, "permuted": 0.5, "best_constant": 0.5}
    for row, name in zip(
        broken["lines"]["A"]["results"]["cross-subject"], ("mass", "nass"), strict=True
    ):
        row["attention"] = {"temporal": {name: 0.5, **score}}
    with pytest.raises(ValueError, match="its seeds hold different scores"):
        records.validate(broken)


def test_json_that_is_no_record_is_refused(tmp_path, monkeypatch):
    (tmp_path / "one.json").write_text("[]")
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"one\.json is no record"):
        records.read("one")


def test_a_record_knows_which_clips_are_right_and_whose_they_are(found):
    for protocol in found["protocols"]:
        cells = found["lines"]["A"]["results"][protocol]
        right = records.right(found, "A", protocol)
        assert right.shape == (len(found["seeds"]), cells[0]["clips"])
        assert right.mean(1).tolist() == pytest.approx([cell["accuracy"] for cell in cells])
        assert 0 < right.mean() < 1 and len(set(found["tested"][protocol]["subjects"])) > 1


def test_the_accuracy_inside_a_fold_pools_its_clips():
    rows = {
        "fold-1/fold-2": [{"clips": 30, "accuracy": 1.0}],
        "fold-1/fold-3": [{"clips": 10, "accuracy": 0.5}],
        "fold-2/fold-1": [{"clips": 99, "accuracy": 0.0}],
    }
    nested = {"lines": {"A": {"results": rows}}}
    assert records.accuracy_inside(nested, "A", "fold-1") == pytest.approx(100 * 35 / 40)


def test_each_fold_picks_what_is_best_inside_it():
    inner = {  # of two lines in each protocol
        "fold-1/fold-2": (0.7, 0.8), "fold-1/fold-3": (0.8, 0.9),
        "fold-2/fold-1": (0.5, 0.5), "fold-2/fold-3": (0.6, 0.6),
    }  # fmt: skip
    lines = {
        name: {"results": {p: [{"clips": 10, "accuracy": a[i]}] for p, a in inner.items()}}
        for i, name in enumerate("AB")
    }
    nested = {"protocols": list(inner), "lines": lines}
    assert records.best_inside(nested) == {"fold-1": "B", "fold-2": "A"}  # the first of equals


def test_what_was_not_run_says_so():
    with pytest.raises(FileNotFoundError, match="this was not run"):
        records.read("nothing")


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_every_record_of_the_book(path):
    record = records.read(path.stem)
    parses(record["command"])
    assert not record["commit"].endswith("+"), "recorded from files that no commit holds"


def test_a_command_that_does_not_parse_is_seen():
    assert parses("pcsta ablate --rows A,B --out runs/x")["rows"] == "A,B"
    assert parses("pcsta check sbu")["dataset"] == "sbu"
    with pytest.raises(Exception, match="No such option: --sides"):
        parses("pcsta ablate --sides A --out runs/x")
    with pytest.raises(Exception, match="No such command 'conjure'"):
        parses("pcsta conjure")


DOCUMENTS = [ROOT / "README.md", ROOT / "data" / "README.md"]


def test_commands_of_the_documents_parse():
    lines = [line for file in DOCUMENTS for line in file.read_text().splitlines()]
    commands = [line.partition(" #")[0] for line in lines if line.startswith("pcsta ")]
    assert len(commands) > 10
    for command in commands:
        parses(command)

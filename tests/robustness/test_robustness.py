"""Short forms of the long runs: spoiled files, commands that are stopped, data that wants to be code."""

import pickle
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # fuzz and kills are programs, and no package

import fuzz
import kills
from formats import FORMATS, RECIPE

from fakes import make_store, tiny
from pcsta import checkpoint, evaluation
from pcsta.config import row
from pcsta.data import open_dataset
from pcsta.glimpse import GlimpseSensor
from pcsta.training import train
from pcsta_book.places import BOOK


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_spoiled_files_are_taken_repaired_or_refused(name):
    found = fuzz.fuzz(name, start=10**6, count=60)
    assert found["faults"] == []
    outcomes = found["outcomes"]
    assert sum(outcomes.values()) == 60
    assert outcomes["refused"] + outcomes["repaired"] > 10, "most are spoiled beyond use"
    assert outcomes["taken"] + outcomes["repaired"] > 0, "and some are not"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["prepare", "train", "ablate", "data make", "rehearse", "train rehearsal, 2 ranks"]
)
def test_a_command_that_was_stopped_ends_with_the_same_bits(tmp_path, name):
    *_, found = kills.trials(1, seed=1, names=[name], scratch=tmp_path)
    assert found["kills"] >= 1 and found["faults"] == []


class Evil:
    """Pickle runs a function of the file's choice when it reads this."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "zip", "lying"])
def test_a_checkpoint_runs_no_code(tmp_path, kind):
    trace = tmp_path / "it ran"
    run = train(
        make_store(tmp_path / "s"), row("A", tiny()), RECIPE, tmp_path / "r", progress=False
    )
    evil = pickle.dumps(Evil(trace))
    pickle.loads(evil)
    assert trace.exists(), "it would"
    trace.unlink()
    for file in (run / "model.safetensors", tmp_path / "sensor.pth"):
        if kind == "zip":  # as torch.save writes it
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("archive/data.pkl", evil)
                archive.writestr("archive/version", "3")
        else:
            file.write_bytes((len(evil).to_bytes(8, "little") if kind == "lying" else b"") + evil)
    for use in (
        lambda: checkpoint.load(run),
        lambda: evaluation.evaluate(run),
        lambda: GlimpseSensor("efficientnet-lite0", run / "model.safetensors"),
        lambda: GlimpseSensor("efficientnet-lite0", tmp_path / "sensor.pth"),
    ):
        with pytest.raises((ValueError, OSError)):
            use()
        assert not trace.exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "..\\out"])
def test_a_name_in_a_table_does_not_become_a_place(tmp_path, name):
    """Files may lie anywhere; what is written is named after the sample, which has no folders."""
    folder = tmp_path / "own"
    folder.mkdir()
    rows = [f"{name}.skeleton,wave,ann,train", "b.skeleton,wave,bob,test"]
    (folder / "recordings.csv").write_text("skeleton,action,subject,side\n" + "\n".join(rows))
    (folder / "b.skeleton").write_text("x")
    data = open_dataset("own", folder)
    for known in (*data.unusable, *(sample.name for sample in data)):
        assert not {"/", "\\"} & set(known) and known not in ("..", ".")


def test_the_page_has_a_line_for_every_format():
    page = (BOOK / "robustness.md").read_text("utf-8")
    assert f'FORMATS = "{" ".join(FORMATS)}".split()' in page

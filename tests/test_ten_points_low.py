"""The page for a figure that is too low: every planted fault is found by its own branch, and by no other."""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from command import call
from pcsta_book.places import BOOK
from pcsta_book.rehearsal import Rehearsal
from planted import IN_RUN, IN_STORE, train

MISSING = "Inception's weights are missing"


class Branch(NamedTuple):
    command: str
    line: str  # what the first word or words of its line are
    sound: re.Pattern  # what is printed where all is well, and where this is the fault
    culprit: re.Pattern


def pattern(printed):
    """These lines, with any numbers, and any text in place of a dot of three."""
    numbers = re.sub(r"\d+(\\\.\d+)?(e\\-\d+)?", r"\\d+(\\.\\d+)?(e-\\d+)?", re.escape(printed))
    return re.compile("^" + numbers.replace("…", ".*") + "$", re.M)


def branches():
    text = (BOOK / "ten-points-low.md").read_text("utf-8")
    found = {}
    for section in re.split(r"^### ", text, flags=re.M)[1:]:
        title, rest = section.split("\n", 1)
        (command,) = re.findall(r"```sh\n(.*?)\n```", rest, re.S)
        sound, culprit = re.findall(r"```text\n(.*?)\n```", rest, re.S)
        line = re.match(r"ok  (.+?)  ", sound)[1]
        found[title] = Branch(command, line, pattern(sound), pattern(culprit))
    return found


TREE = branches()


def follow(store, run=None):
    """The branches at which the tree ends, all of the first command that finds any, by their titles; and
    those whose line is not printed.  Every other line must be the sound one."""
    unsaid = []
    for command in dict.fromkeys(branch.command for branch in TREE.values()):
        if "RUN" in command and run is None:
            break
        words = [{"STORE": store, "RUN": run}.get(word, word) for word in shlex.split(command)]
        printed = call(*words[1:]).output
        here = {title: branch for title, branch in TREE.items() if branch.command == command}
        found = [title for title, branch in here.items() if branch.culprit.search(printed)]
        own = {TREE[title].line for title in found}
        for title, branch in here.items():
            if not re.search(rf"^(ok|--)  {branch.line}  ", printed, re.M):
                unsaid.append(title)
            elif branch.line not in own:
                assert branch.sound.search(printed), f"{title}: {printed}"
        if found:
            return found, unsaid
        if "check" in command:
            assert not re.search(r"^--  ", printed, re.M), f"a fault without a branch: {printed}"
    return [], unsaid


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """A machine on which Inception's weights are there, as far as `pcsta doctor` looks."""
    from torchvision.models import Inception_V3_Weights

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    name = Path(Inception_V3_Weights.IMAGENET1K_V1.url).name
    there = tmp_path / "torch/hub/checkpoints" / name
    there.parent.mkdir(parents=True)
    there.touch()
    return there


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "store"
    Rehearsal(600, 128).write(path, progress=False)
    return path


def test_each_branch_is_planted():
    assert set(TREE) == {MISSING, *IN_STORE, *IN_RUN}


def test_each_branch_stands_in_the_tree_drawn_above():
    text = (BOOK / "ten-points-low.md").read_text("utf-8")
    drawn = re.search(r"^## The tree\n(.*?)^## ", text, re.M | re.S)[1]
    places = re.findall(r"^\((.+?)\)=\n##+ ", text, re.M)
    assert re.findall(r"\(#(.+?)\)", drawn) == places and len(places) == len(TREE) + 1
    assert set(re.findall(r"`(pcsta .+?)`", drawn)) == {branch.command for branch in TREE.values()}


@pytest.mark.slow
def test_a_sound_store_passes_and_missing_weights_are_seen(sound, weights):
    assert follow(sound) == ([], [])
    weights.unlink()
    assert follow(sound) == ([MISSING], [])


@pytest.mark.slow
@pytest.mark.parametrize("fault", IN_STORE)
def test_a_fault_of_a_store_is_found_and_no_other(fault, sound, tmp_path):
    shutil.copytree(sound, tmp_path / "store")
    IN_STORE[fault](tmp_path / "store")
    assert follow(tmp_path / "store") == ([fault], [])


@pytest.mark.slow
def test_a_fault_of_a_run_is_found_and_no_other(sound, tmp_path):
    whole = train(sound, tmp_path / "sound", row="K")
    assert follow(sound, whole) == ([], [])
    for number, (fault, plant) in enumerate(IN_RUN.items()):
        plant(sound, whole, tmp_path / str(number))
        found, unsaid = follow(sound, tmp_path / str(number))
        assert found == [fault]
        # of runs of the pose stream alone
        assert set(unsaid) <= {"The pose stream is dead", "The RGB stream is dead"}

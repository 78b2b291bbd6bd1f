"""Machines as they are: full disks, folders of others, processes that die, no network."""

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from fakes import make_store
from pcsta import batches
from pcsta.config import RECIPES
from recordings import write_own

TRAIN = ("--row", "A", "--config", "narrow", "--recipe", "small", "--device", "cpu")
OWN = ("own", "--root", "own")


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_own(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(RECIPES, "small", replace(RECIPES["small"], pose_epochs=2))
    return tmp_path


# --- full disks -----------------------------------------------------------------------------------
@pytest.fixture
def disk(here):
    """A disk of a few kilobytes at `disk`, and the function that changes its size."""
    place = here / "disk"
    place.mkdir()

    def mount(options: str) -> None:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")

    if not shutil.which("mount"):
        pytest.skip("there is no mount here")
    mount("size=48k")
    yield lambda size: mount(f"remount,size={size}")
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize(
    "words",
    [
        ("prepare", *OWN, "--sensor", "none", "--workers", "0", "--out", "disk/store"),
        ("train", *OWN, *TRAIN, "--out", "disk/run"),
    ],
)
def test_a_full_disk_costs_nothing_that_was_whole(here, said, disk, words):
    told = said(*words)
    last = told.err.strip().splitlines()[-1]
    assert told.rc == 1 and last.startswith("pcsta: disk/") and "Traceback" not in told.err
    assert "No space left on device" in last and "make room and run the same command again" in last
    assert not list((here / "disk").rglob("*part*")), "the space is given back"
    disk("16m")
    assert said(*words).rc == 0


def test_a_full_disk_while_the_embedded_dataset_is_made(here, said, disk):
    told = said("data", "make", "--root", "disk/made", "--workers", "1")
    last = told.err.strip().splitlines()[-1]
    assert told.rc == 1 and "No space left on device; make room" in last
    assert "disk/made/" in last and "Traceback" not in told.err
    assert not list((here / "disk").rglob("*part*"))


# --- folders of others ----------------------------------------------------------------------------
@pytest.fixture
def locked():
    """Run a command as somebody who must obey permissions, which root does not have to."""
    drop = []
    if os.geteuid() == 0:
        rights = "-dac_override,-dac_read_search"
        drop = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
        if not shutil.which("setpriv"):
            pytest.skip("this is root, whom nothing is forbidden, and there is no setpriv")

    def run(*words):
        return subprocess.run(
            [*drop, sys.executable, "-m", "pcsta", *words],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.mark.slow
def test_a_store_that_is_only_to_be_read_trains(here, said, locked):
    assert said("train", *OWN, *TRAIN, "--out", "one").rc == 0
    for path in [*(here / "data").rglob("*"), here / "data"]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    done = locked("train", *OWN, *TRAIN, "--seed", "1", "--out", "two")
    assert done.returncode == 0 and (here / "two/record.json").exists(), done.stderr


@pytest.mark.slow
def test_a_folder_that_is_not_to_be_written_is_told_first(here, locked):
    (here / "theirs").mkdir(mode=0o555)
    for words in (
        ("train", *OWN, *TRAIN, "--out", "theirs/run"),
        ("prepare", *OWN, "--sensor", "none", "--out", "theirs/store"),
        ("ablate", *OWN, "--rows", "A", "--out", "theirs/grid"),
    ):
        done = locked(*words)
        assert done.returncode == 1 and "theirs" in done.stderr, done.stderr
        assert "ermission denied" in done.stderr and "Traceback" not in done.stderr
        assert not (here / "data").exists(), "nothing was prepared"


@pytest.mark.slow
def test_a_recording_that_is_not_to_be_read_is_left_out_and_named(here, locked):
    (here / "own/ann-stir.skeleton").chmod(0)
    for words in (("check", *OWN), ("prepare", *OWN, "--sensor", "none", "--workers", "0")):
        done = locked(*words)
        assert done.returncode == 0, done.stderr
        assert "ann-stir" in done.stdout + done.stderr
        assert "ermission denied" in done.stdout + done.stderr


# --- processes that die ---------------------------------------------------------------------------
def test_a_reader_that_is_killed_while_training(here, said, monkeypatch):
    monkeypatch.setattr(
        batches._Gather, "__getitem__", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    )
    told = said("train", *OWN, *TRAIN, "--workers", "1", "--out", "new")
    assert told.rc == 1 and "fewer --workers, and it continues" in told.err
    assert "Traceback" not in told.err
    monkeypatch.undo()
    assert not list((here / "new").glob(".*part*"))


RANK = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {helpers!r})
from fakes import plan_of, tiny
from pcsta import cli, epoch_figures, options, training
from pcsta.config import CONFIGS, RECIPES, TrainConfig
from pcsta.data.store import Store

options.Plan = lambda *_: plan_of(Store({store!r}))
CONFIGS["laptop"] = tiny
RECIPES["laptop"] = TrainConfig(pose_epochs=4, batch=5, validation=0.25)
training.SAVE_SECONDS = -1
add, dies, steps = epoch_figures.EpochFigures.add, Path({dies!r}), []

def dying(*step):
    add(*step)
    steps.append(step)
    if len(steps) == 12 and os.environ["RANK"] == "1" and dies.exists():
        dies.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

epoch_figures.EpochFigures.add = dying
sys.argv = ["pcsta", "train", "synthetic", "--row", "A", "--device", "cpu", "--out", {out!r}]
cli.main()
"""


@pytest.mark.slow
def test_a_dead_process_among_several_ends_them_all_and_the_run_continues(tmp_path):
    """Within an epoch, and dropout goes on where it stood in each of them."""
    store, dies = make_store(tmp_path / "store", clips=34), tmp_path / "dies"
    helpers = str(Path(__file__).parents[1] / "helpers")

    def together(out):
        script = tmp_path / "command.py"
        script.write_text(
            RANK.format(helpers=helpers, store=str(store.path), dies=str(dies), out=str(out))
        )
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        return subprocess.run(
            [sys.executable, *launch, script],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    dies.touch()
    done = together(tmp_path / "two")
    assert done.returncode == 1 and not dies.exists()
    assert not (tmp_path / "two/record.json").exists()
    for out in ("two", "whole"):
        done = together(tmp_path / out)
        assert done.returncode == 0, done.stderr[-2000:]
    one, other = (load_file(tmp_path / out / "model.safetensors") for out in ("two", "whole"))
    assert all(np.array_equal(one[name], other[name]) for name in other)


# --- no network -----------------------------------------------------------------------------------
@pytest.fixture
def offline(monkeypatch):
    """Whoever asks for a way out of this machine is refused, as in a container without network."""

    class Refused(socket.socket):
        def __init__(self, family=-1, *others, **named):
            if family in (-1, socket.AF_INET, socket.AF_INET6):
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            super().__init__(family, *others, **named)

    def nobody(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "socket", Refused)
    monkeypatch.setattr(socket, "getaddrinfo", nobody)


def test_who_needs_no_network_does_without(here, said, offline):
    file = "own/ann-stir.skeleton"
    for words in (
        ("check", *OWN),
        ("inspect", file),
        ("prepare", *OWN, "--sensor", "none", "--workers", "1"),
        ("train", *OWN, *TRAIN, "--workers", "1", "--out", "run"),
        ("evaluate", "run"),
        ("predict", "run", "--skeleton", file),
        ("doctor",),
    ):
        told = said(*words)
        assert told.rc == 0, told.err


def test_who_needs_a_network_says_so(here, said, offline, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(here / "weights"))
    from pcsta_book.site import serve

    monkeypatch.setattr(serve, "make", lambda: None)
    monkeypatch.setattr(serve, "PAGES", here / "pages")
    rows = (here / "own/recordings.csv").read_text("utf-8").splitlines()
    (here / "own/a.avi").touch()
    rows = ["video," + rows[0], "a.avi," + rows[1], *("," + row for row in rows[2:])]
    (here / "own/recordings.csv").write_text("\n".join(rows), "utf-8")
    for words, sentence in (
        (("prepare", *OWN, "--sensor", "inception-v3"), "could not be downloaded"),
        (("book",), "port 8000 cannot be had (Operation not permitted)"),
    ):
        told = said(*words)
        assert told.rc == 1 and "Traceback" not in told.err
        assert sentence in told.err.strip().splitlines()[-1]

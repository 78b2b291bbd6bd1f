"""Whatever a user can do wrong is told in a sentence or two, through the command itself."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pcsta import cli, console, options, tensors
from pcsta.config import RECIPES
from pcsta.data.own import OwnRecordings
from pcsta.files import exclusive
from recordings import write_own

TRAIN = ("--row", "A", "--config", "narrow", "--recipe", "small", "--device", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Recordings, and a run trained on them by the command."""
    root = tmp_path_factory.mktemp("words")
    write_own(root / "own")
    environment = os.environ | {"PCSTA_DATA": str(root / "data")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSTA_DATA", environment["PCSTA_DATA"])
        patch.setitem(RECIPES, "small", replace(RECIPES["small"], pose_epochs=2))
        words = ["pcsta", "train", "own", "--root", root / "own", *TRAIN, "--out", root / "run"]
        patch.setattr(sys, "argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    return root


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of these recordings and this run, to spoil."""
    shutil.copytree(made / "own", tmp_path / "own")
    shutil.copytree(made / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PCSTA_DATA", str(made / "data"))
    monkeypatch.setitem(RECIPES, "small", replace(RECIPES["small"], pose_epochs=2))
    return tmp_path


PREDICT = ("predict", "run", "--skeleton", "own/ann-stir.skeleton")
AGAIN = ("train", "own", "--root", "own", *TRAIN, "--out", "run")
NEW = (*AGAIN[:-1], "new")
PREPARE = ("prepare", "own", "--root", "own", "--sensor", "none")


def cut(name):
    return lambda here: os.truncate(here / "run" / name, 1000)


def text(name, said):
    return lambda here: (here / "run" / name).write_text(said)


def one_class(here):
    path = here / "run/record.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"classes": ["stir"]}))


def gone(name):
    return lambda here: (here / "run" / name).unlink()


def unfinished(here):
    for name in ("model.safetensors", "record.json"):
        (here / "run" / name).unlink()


def half_a_state(here):
    unfinished(here)
    (here / "run/state.safetensors").write_bytes(b"half")


def other_tensors(here):
    save_file({"weight": torch.zeros(2)}, here / "run/model.safetensors")


def nobody_to_train(here):
    for path in here.glob("own/[ab]*.skeleton"):
        path.unlink()


def file_in_the_way(here):
    (here / "new").write_text("")


def file_as_dataset(here):
    (here / "file").write_text("")


def no_number(here):
    log = here / "run/log.csv"
    head, *lines = log.read_text().splitlines()
    broken = [
        "nan" if name == "loss" else cell
        for name, cell in zip(head.split(","), lines[0].split(","), strict=True)
    ]
    log.write_text("\n".join([head, ",".join(broken), *lines[1:]]))


def grid(here):
    """Runs as `pcsta ablate` leaves them; the pose stream of one lies within it."""
    for run in ("0/A", "0/K", "1/A", "1/K"):
        shutil.copytree(here / "run", here / "grid/a" / run)
    shutil.copytree(here / "run", here / "grid/a/0/K/pose")


def nothing(here):
    pass


@pytest.mark.parametrize(
    ("spoil", "arguments", "words"),
    [
        (nothing, (*PREDICT, "--device", "gpu"), ["no device 'gpu'", "choose auto"]),
        (nothing, (*PREDICT, "--device", "cuda:99"), ["torch sees no cuda:99", "pcsta doctor"]),
        (cut("model.safetensors"), PREDICT, ["run/model.safetensors is cut short"]),
        (other_tensors, PREDICT, ["does not hold the weights of the network of run", "Missing key"]),
        (text("record.json", "{"), PREDICT, ["run/record.json is damaged, or no JSON"]),
        (text("record.json", "[1]"), ("evaluate", "run"), ["record.json does not describe a run"]),
        (text("config.json", "{}"), AGAIN, ["config.json does not describe a run"]),
        (text("store.json", "{}"), ("evaluate", "run"), ["store.json does not describe a run"]),
        (half_a_state, AGAIN, ["run/state.safetensors is cut short"]),
        (unfinished, ("evaluate", "run"), ["run is unfinished", "pcsta train own --root", "continues"]),
        (unfinished, PREDICT, ["run is unfinished"]),
        (unfinished, ("export", "run", "--out", "a.onnx"), ["run is unfinished"]),
        (unfinished, (*NEW, "--from", "run", "--config", "narrow"), ["leave --config out"]),
        (nothing, ("evaluate", "nowhere"), ["nowhere holds no run", "pcsta train DATASET"]),
        (nothing, (*AGAIN, "--seed", "5"), ["run holds another run", "another --out"]),
        (nothing, (*AGAIN[:-1], "own"), ["own holds other files, such as ann-stir.skeleton", "--out"]),
        (nothing, (*PREPARE, "--out", "own"), ["own holds other files, such as ann-stir.skel", "--out"]),
        (nothing, (*PREPARE, "--out", "run"), ["run holds other files, such as config.json", "--out"]),
        (nothing, (*NEW, "--row", "K"), ["no recording in own has a video", "train row A"]),
        (nothing, (*NEW, "--row", "K", "--sensor", "none"), ["poses alone", "train row A"]),
        (nothing, (*NEW, "--protocol", "folds"), ["no protocol 'folds'", "cross-subject"]),
        (nothing, (*NEW, "--protocol", "cross-view"), ["no protocol 'cross-view'", "cross-subject"]),
        (nobody_to_train, NEW, ["0 usable clips to train on", "pcsta check own"]),
        (file_in_the_way, NEW, ["new: Not a directory"]),
        (nothing, ("predict", "run", "--skeleton", "no.skeleton"), ["no.skeleton"]),
        (nothing, ("ablate", "--rows", "A,Z", "--out", "new"), ["no variant 'Z'"]),
        (
            nothing,
            ("ablate", "own", "--root", "own", "--protocol", "folds", "--out", "new"),
            ["no protocol 'folds'"],
        ),
        (nothing, (*PREDICT, "a.avi", "--overlay", "o.txt"), ["--overlay writes", ".mp4"]),
        (nothing, (*PREDICT, "--overlay", "o.mp4"), ["onto a video"]),
        (nothing, (*PREDICT, "a.mp4", "--overlay", "./a.mp4"), ["would replace the video", "another name"]),
        (nothing, PREDICT[:2], ["name a video, or a skeleton file with --skeleton"]),
        (nothing, (*PREDICT[:2], "gone.mp4"), ["gone.mp4: no such video"]),
        (nothing, ("pose", "gone.mp4", "--out", "new"), ["gone.mp4: no such file"]),
        (nothing, (*PREDICT, "--weights", "any.pth"), ["run reads poses alone: leave --weights out"]),
        (nothing, (*NEW, "--weights", "any.pth"), ["no glimpse sensor", "leave --weights out"]),
        (nothing, (*NEW, "--rate-share", "0"), ["above 0, such as 0.1: not 0.0"]),
        (nothing, (*NEW, "--rate-share", "-1"), ["above 0, such as 0.1: not -1.0"]),
        (nothing, (*NEW, "--rate-share", "nan"), ["above 0, such as 0.1: not nan"]),
        (nothing, (*NEW, "--rate-share", "inf"), ["above 0, such as 0.1: not inf"]),
        (nothing, ("export", "run", "--out", "new"), ["a file such as model.onnx: not new"]),
        (nothing, ("export", "run", "--out", "run/config.json"), ["such as model.onnx: not run/config"]),
        (file_as_dataset, ("export", "run", "--out", "file/a.onnx"), ["file: Not a directory"]),
        (gone("model.safetensors"), PREDICT, ["run/model.safetensors is", "gone", "put it back, or"]),
        (gone("model.safetensors"), ("evaluate", "run"), ["train the same again"]),
        (one_class, PREDICT, ["names 1 classes", "train it again"]),
        (text("log.csv", ""), ("evaluate", "run"), ["run/log.csv is damaged", "delete it"]),
        (text("log.csv", "rate,loss\n1,2\n"), ("evaluate", "run"), ["run/log.csv is damaged"]),
        (no_number, ("evaluate", "run"), ["run/log.csv is damaged"]),
        (grid, ("evaluate", "grid"), ["grid holds no run", "one of those below it: grid/a/0/A, grid/a/0/K"]),
        (grid, ("predict", "grid", *PREDICT[2:]), ["grid holds no run", "grid/a/1/A, ..."]),
        (text("record.json", "[" * 100_000), ("evaluate", "run"), ["record.json is damaged"]),
    ],
)  # fmt: skip
def test_what_is_wrong_and_what_to_do(here, said, spoil, arguments, words):
    spoil(here)
    there = (here / "new").exists()
    told = said(*arguments)
    assert told.rc in (1, 2), told.err
    last = told.err.strip().splitlines()[-1]
    for word in words:
        assert word in last
    assert "Traceback" not in told.err and last.startswith("pcsta: ")
    assert len(re.findall(r"[.;:] ", last)) <= 4
    assert (here / "new").exists() == there, "nothing is written"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*NEW, "--seed", "-1"), ["--seed", "0"]),
        ((*NEW, "--seed", "99999999999999999999"), ["--seed", "4294967295"]),
        ((*NEW, "--workers", "-1"), ["--workers", "0"]),
        ((*NEW, "--root", "file"), ["--root", "file"]),
        (("check", "own", "--root", "file"), ["--root", "is a file"]),
        (("ablate", "own", "--root", "own", "--out", "new", "--seeds", "0"), ["--seeds", "1"]),
        (("table", "1", "--out", "new", "--epochs", "0"), ["--epochs", "1"]),
        (("rehearse", "ntu", "--out", "new", "--clips", "-5"), ["--clips", "1"]),
    ],
)  # fmt: skip
def test_absurd_numbers_and_a_file_for_a_folder_are_refused_first(here, said, arguments, words):
    file_as_dataset(here)
    told = said(*arguments)
    assert told.rc == 2 and "Traceback" not in told.err and not (here / "new").exists()
    assert all(word in told.err.splitlines()[-1] for word in words)


def test_a_system_library_that_opencv_lacks_is_named(said, monkeypatch):
    def lacking():
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(cli, "full_app", lambda: lacking)
    told = said("data", "make")
    assert told.rc == 1 and "libGL.so.1" in told.err and "apt-get install libgl1" in told.err


def test_without_the_book_nothing_is_drawn(here, said, monkeypatch):
    cli.full_app()
    monkeypatch.setattr(options, "draw", None)
    told = said(*PREDICT, "a.avi", "--overlay", "o.mp4")
    assert told.rc == 1 and 'pip install -e ".[book]"' in told.err


@pytest.mark.parametrize(("port", "end"), [("-1", "0"), ("65536", "65535"), ("99999", "65535")])
def test_a_port_that_is_none_is_refused_before_the_build(said, port, end):
    told = said("book", "--port", port)
    assert told.rc == 2 and end in told.err and "Traceback" not in told.err


def test_nobody_to_test_and_a_class_that_nobody_trains_are_told_first(here, said):
    for path in here.glob("own/[ab]*-stir.skeleton"):
        path.unlink()
    told = said(*NEW)
    assert told.rc == 0 and "pcsta: cross-subject has no clip to train stir\n" in told.err
    for path in here.glob("own/[cd]*.skeleton"):
        path.unlink()
    told = said(*AGAIN[:-1], "lonely")
    assert told.rc == 0 and "no usable clip to test on" in told.err
    told = said("evaluate", "lonely")
    assert told.rc == 1 and "no usable clip on the test side" in told.err


def test_a_loss_that_is_no_number_names_the_clip(here, said):
    told = said(*NEW, "--rate-share", "1e30")
    assert told.rc == 1 and "the loss is no finite number at" in told.err and "ann-" in told.err
    assert not (here / "new/model.safetensors").exists()


def test_a_precision_that_there_is_not_is_refused_first(here, said):
    told = said(*NEW, "--precision", "half")
    assert told.rc == 1 and "choose auto, float32 or bfloat16" in told.err
    assert not (here / "new").exists()
    assert said(*NEW, "--precision", "float32").rc == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing(here, said, monkeypatch, number):
    def full(*_):
        raise OSError(number, os.strerror(number), "new/model.safetensors")

    monkeypatch.setattr(tensors.Path, "write_bytes", full)
    told = said(*NEW)
    assert told.rc == 1
    last = told.err.strip().splitlines()[-1]
    assert last.startswith(f"pcsta: new/model.safetensors: {os.strerror(number)}; ")
    assert not list((here / "new").glob(".*part*"))


def test_a_killed_reader(here, said, monkeypatch):
    monkeypatch.setenv("PCSTA_DATA", str(here / "data"))
    monkeypatch.setattr(OwnRecordings, "tracks", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    told = said("prepare", "own", "--root", "own", "--sensor", "none", "--workers", "1")
    assert told.rc == 1 and "fewer --workers" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("[..gloo/transport/tcp/pair.cc:534] Connection closed by peer"), "beside this"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "fewer --workers"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "too little free memory"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (
            OSError("Caught OSError in DataLoader worker process 0.\nOriginal Traceback (most recent"
                    " call last):\n  File x\nOSError: [Errno 5] Input/output error: 'a.npy'\n"),
            "Input/output error: 'a.npy'",
        ),
    ],
)  # fmt: skip
def test_words_of_libraries(error, words):
    found = console.words(error)
    assert found == "" if words is None else words in found and "\n" not in found


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_labels_outside_the_consoles_code_page_are_printed_with_a_replacement(made, encoding):
    done = subprocess.run(
        [sys.executable, "-m", "pcsta", "evaluate", made / "run"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = {"ascii": "摇".encode(), "cp1252": b"?"}[encoding]  # typer takes ASCII for a mistake
    assert b"  " + shown + b"  " in done.stdout


@pytest.mark.slow
def test_ctrl_c_ends_at_once_and_says_how_to_go_on(made, tmp_path):
    wide = [
        word.replace("narrow", "paper").replace("small", "paper") for word in TRAIN
    ]  # it takes time
    arguments = ["train", "own", "--root", str(made / "own"), *wide, "--out", str(tmp_path / "r")]
    # in the background of a script it would be ignored, and by who is started from there
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "pcsta", *arguments],
        env=os.environ | {"PCSTA_DATA": str(made / "data"), "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    end = time.monotonic() + 120
    while not (tmp_path / "r/log.csv").exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)  # how soon it ends: tests/robustness/kills.py
    assert process.returncode == 130
    assert f"pcsta: stopped; to go on: pcsta {' '.join(arguments)}" in err
    assert "Traceback" not in err
    assert not list((tmp_path / "r").glob(".*part*"))


def interrupted(code):
    """How a program ends, and what it says, that gets Ctrl-C once it has printed a line."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, err


def test_ctrl_c_ends_what_a_library_computes():
    """In a call that comes back to Python much later: its handler is not asked before."""
    code, out, err = interrupted(
        "import hashlib; from pcsta import console; console.hear_interrupts(); print(flush=True);"
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1); print('computed')"
    )
    assert code == 130 and "computed" not in out
    assert err.count("pcsta: stopped; to go on: ") == 1


def test_ctrl_c_does_not_speak_of_what_pythons_tracker_tidies_up():
    code, _, err = interrupted(
        "from pcsta import console; console.hear_interrupts(); import multiprocessing, time;"
        "kept = multiprocessing.get_context('spawn').Lock(); print(flush=True); time.sleep(99)"
    )
    assert code == 130 and "leaked" not in err


def test_a_finished_run_without_its_model_is_trained_again(here, said):
    whole = (here / "run/model.safetensors").read_bytes()
    gone("model.safetensors")(here)
    assert said(*AGAIN).rc == 0
    assert (here / "run/model.safetensors").read_bytes() == whole


def test_a_finished_run_without_its_settings_is_tested(here, said):
    gone("config.json")(here)
    assert said("evaluate", "run").rc == 0


def test_a_run_that_is_older_than_an_option_is_tested(here, said):
    record = json.loads((here / "run/record.json").read_text("utf-8"))
    del record["recipe"]["sampling"]
    (here / "run/record.json").write_text(json.dumps(record))
    assert said("evaluate", "run").rc == 0 and said(*PREDICT).rc == 0


def test_json_is_json(here, said):
    told = said("evaluate", "run", "--json")
    found = json.loads(told.out, parse_constant=pytest.fail)
    assert np.sum(found["runs"]["run"]["confusion"]) == 4
    assert set(found["runs"]["run"]["per_class"]) == {"摇", "stir"}


def test_a_second_train_into_one_folder_is_refused(here, said):
    unfinished(here)
    with exclusive(here / "run/.lock"):
        told = said(*AGAIN)
    assert told.rc == 1 and "is at work in run: wait until it has ended" in told.err
    assert said(*AGAIN).rc == 0


def test_a_run_obeys_the_umask(here, said):
    before = os.umask(0o027)
    try:
        assert said(*NEW).rc == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (here / "new").iterdir()} == {0o640}

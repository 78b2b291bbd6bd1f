"""Files that several processes use: nothing half-written, and nobody waits without a word."""

import multiprocessing
import threading

import pytest

from pcsta import files


def test_the_second_process_is_refused_and_told_who_works_there(tmp_path):
    lock = tmp_path / "run/.lock"
    refused = pytest.raises(BlockingIOError, match=r"process \d+ on .* is at work")
    with files.exclusive(lock), refused, files.exclusive(lock):
        pass
    with files.exclusive(lock):
        pass
    assert list(lock.parent.iterdir()) == [], "nothing is left"


def hold_until(path, held, done):
    lock = files.hold(path)
    held.set()
    done.wait()
    lock.release()


def test_who_waits_says_for_whom(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=hold_until, args=(tmp_path / ".lock", held, done))
    other.start()
    held.wait(60)
    threading.Timer(1, done.set).start()
    files.hold(tmp_path / ".lock").release()
    other.join(60)
    said = capsys.readouterr().err
    assert f"waiting for process {other.pid} on" in said and "has ended: going on" in said

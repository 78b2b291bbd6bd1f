"""Processes beside each other end with their parent, however it ends."""

import signal
import subprocess
import sys
import time

import pytest

from pcsta_book.pools import pool

PARENT = """
import os, sys, time
from pathlib import Path
from pcsta_book.pools import pool

def work(folder):
    for beat in range(6000):
        (folder / str(os.getpid())).write_text(str(beat))
        time.sleep(0.01)

if __name__ == "__main__":
    with pool(2) as both:
        for _ in range(2):
            both.submit(work, Path(sys.argv[1]))
"""


def until(condition, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
    return False


def test_a_killed_parent_takes_its_processes_along(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    (folder := tmp_path / "at-work").mkdir()

    def beats() -> list[str]:
        return [path.read_text() for path in folder.iterdir()]

    def still() -> bool:
        before = beats()
        time.sleep(1)
        return beats() == before

    parent = subprocess.Popen([sys.executable, script, folder])
    try:
        assert until(lambda: len(beats()) == 2)
        assert not still()
    finally:
        parent.kill()
        parent.wait()
    assert until(still)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signal masks")
def test_its_processes_never_hear_ctrl_c():
    with pool(1) as processes:
        assert (
            signal.SIGINT in processes.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
        )
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())

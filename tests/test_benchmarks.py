"""The script for a GPU runs, here in tiny, and does not take this machine for one."""

import json
import os
import subprocess
import sys

import pytest

from pcsta_book.places import BOOK, ROOT


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_and_records_no_cpu():
    record, script = BOOK / "results/performance.json", ROOT / "tests/benchmarks/gpu.py"
    before = record.read_bytes() if record.exists() else None

    def measured(*arguments):
        return subprocess.run(
            [sys.executable, script, "--device", "cpu", *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    done = measured("--quick")
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert {"glimpse sensor", "film", "preparing", "training", "profile"} <= found.keys()
    assert found["hardware"].startswith("cpu")
    done = measured()
    assert done.returncode == 2 and "torch sees none" in done.stderr
    assert (record.read_bytes() if record.exists() else None) == before

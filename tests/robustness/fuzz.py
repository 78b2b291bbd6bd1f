"""Spoiled files of every format, and what pcsta makes of them.

    python tests/robustness/fuzz.py --inputs 10000 --record book/results/robustness/fuzz.json
    python tests/robustness/fuzz.py --formats ntu --start 1234 --inputs 1   # one input again

An input is known by its format and number.  Its outcome is one of

    taken       what it says was used
    repaired    it was used, and what was mended is said
    refused     one of the errors that a user reads, and it names the file
    FAULT       anything else: another error, no file named, a number that is none, more than
                SECONDS, more than MEGABYTES, or the end of the process
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).resolve()
SECONDS, MEGABYTES = 20, 400
OUTCOMES = ("taken", "repaired", "refused", "FAULT")


def worker(name: str, start: int, count: int) -> None:
    """Print a line of JSON for each input."""
    import numpy as np
    import torch
    from formats import FORMATS
    from mutations import mutate

    torch.set_num_threads(1)
    answer, nowhere = os.fdopen(os.dup(1), "w"), os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what commands and FFmpeg print
        os.dup2(nowhere, stream)
    make, use = FORMATS[name]
    with tempfile.TemporaryDirectory() as scratch:
        good, bad = Path(scratch) / "good", Path(scratch) / "bad"
        good.mkdir()
        spoil = make(good)
        peak = _megabytes()
        for i in range(start, start + count):
            rng = np.random.default_rng([i, *name.encode()])
            shutil.rmtree(bad, ignore_errors=True)
            shutil.copytree(good, bad)
            file, ways = list(spoil.items())[rng.integers(len(spoil))]
            (bad / file).write_bytes(mutate((good / file).read_bytes(), ways, rng))
            began = time.perf_counter()
            outcome, why = _outcome(use, bad, file)
            seconds = time.perf_counter() - began
            if _megabytes() - peak > MEGABYTES:
                outcome, why, peak = "FAULT", f"{_megabytes() - peak} MB", _megabytes()
            line = {"i": i, "file": file, "outcome": outcome, "why": why, "seconds": seconds}
            print(json.dumps(line), file=answer, flush=True)


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class TooSlow(BaseException):
    pass


def _outcome(use, folder: Path, file: str) -> tuple[str, str]:
    def stop(*_):
        raise TooSlow

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        return ("repaired" if use(folder) else "taken"), ""
    except (ValueError, OSError) as error:
        said = f"{type(error).__name__}: {error}"
        parts = [part for part in Path(file).parts if part != "."]
        named = any(part in said for part in parts)
        ours = type(error).__module__.startswith("pcsta") or type(error) in (ValueError, OSError)
        known = ours or isinstance(error, OSError)
        return ("refused" if named and known else "FAULT"), said[:300]
    except TooSlow:
        return "FAULT", f"more than {SECONDS} s"
    except BaseException as error:
        return "FAULT", f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.alarm(0)


def fuzz(name: str, start: int, count: int) -> dict:
    """Outcomes of inputs start to start + count - 1 of a format; ended processes are begun again."""
    outcomes, faults, slowest, at = Counter(), [], 0.0, start
    began = time.perf_counter()
    while at < start + count:
        words = [sys.executable, str(HERE), "--worker", name, str(at), str(start + count - at)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        for text in process.stdout:
            line = json.loads(text)
            at = line["i"] + 1
            outcomes[line["outcome"]] += 1
            slowest = max(slowest, line["seconds"])
            if line["outcome"] == "FAULT":
                faults.append(line)
        if process.wait() and at < start + count:
            outcomes["FAULT"] += 1
            faults.append({"i": at, "why": f"the process ended with {process.returncode}"})
            at += 1
    return {
        "inputs": count, "outcomes": {o: outcomes[o] for o in OUTCOMES},
        "slowest": round(slowest, 2), "seconds": round(time.perf_counter() - began), "faults": faults,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--formats", default="", help="with commas; all by default")
    parser.add_argument("--inputs", type=int, default=100, help="of each format")
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    from formats import FORMATS

    from pcsta.files import read_json, write_json
    from pcsta_book.experiments.records import git_commit

    names = options.formats.split(",") if options.formats else list(FORMATS)
    record = {"formats": {}}
    if options.record and options.record.exists():  # goes on where it was stopped
        record = read_json(options.record)
        known = record["formats"]
        names = [n for n in names if known.get(n, {"inputs": 0})["inputs"] < options.inputs]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(fuzz, name, options.start, options.inputs): name for name in names}
        for done in as_completed(running):
            name, found = running[done], done.result()
            print(f"{name:<14}", found["outcomes"], f"slowest {found['slowest']} s", flush=True)
            for fault in found["faults"][:20]:
                print("    ", fault, flush=True)
            record["formats"][name] = found | {
                "date": time.strftime("%Y-%m-%d"), "commit": git_commit()
            }  # fmt: skip
            if options.record:
                hardware = f"{os.cpu_count()} cores {platform.machine()}"
                command = f"python {HERE.relative_to(Path.cwd())} {shlex.join(sys.argv[1:])}"
                record |= {"command": command, "hardware": hardware}
                record["formats"] = {
                    n: record["formats"][n] for n in FORMATS if n in record["formats"]
                }
                write_json(options.record, record)


if __name__ == "__main__":
    sys.path[:0] = [
        str(HERE.parents[1] / "helpers"),
        str(HERE.parents[2] / "book"),
        str(HERE.parents[2]),
    ]
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()

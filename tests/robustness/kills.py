"""Commands that are stopped at random moments, begun again, and must end with the same bits.

    python tests/robustness/kills.py --kills 100 --record book/results/robustness/kills.json

A trial runs one command in an empty folder, stops it up to three times (KILL, TERM: the command
alone; INT: all its processes, as Ctrl-C does), and then lets it end.  What it leaves must equal what
an undisturbed run leaves, apart from dates and durations.  Nobody of a stopped command may live on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
CHANGES = {"date", "seconds", "began", "hardware", "commit", "path", "modified"}  # from run to run

DATA = "synthetic --root {data} --workers 2"
REHEARSED = "{data}/rehearsal --config narrow --recipe small --device cpu --workers 0"
COMMANDS = {  # {out}: what is compared
    "prepare": f"prepare {DATA} --out {{out}}",
    "train": "train synthetic --root {data} --row K --recipe small --workers 0 --out {out}",
    "ablate": f"ablate {DATA} --rows A,B --seeds 2 --recipe small --out {{out}} --record {{out}}/r.json",
    "table": "table 1 --root {data} --workers 2 --config laptop --recipe small --epochs 3"
    " --sensor efficientnet-lite0 --out {out}",
    "data make": "data make --root {out} --workers 2",
    "rehearse": "rehearse ntu --clips 64 --out {out}",
    "train rehearsal": f"train {REHEARSED} --row K --out {{out}}",
    "train rehearsal, 2 ranks": f"train {REHEARSED} --row A --out {{out}}",
}
RANKS = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
# `pcsta`, but of the embedded dataset it makes a few clips
FEW = """
import functools, sys
from pcsta import __main__, console
console.hear_interrupts()
try:
    from pcsta_book import synthetic
    synthetic.make = functools.partial(synthetic.make, subjects=[1, 2], actions=[1, 2], frames=24)
    __main__.main()
except KeyboardInterrupt:
    sys.exit(130)
"""


def make_dataset(root: Path, clips: int = 24) -> None:
    """Films in NTU's layout: a person who waves, one colour an action."""
    import numpy as np

    from pcsta.data.video import write_video
    from recordings import ntu_text, person, write_ntu

    for i in range(clips):
        action, camera, subject = 1 + i % 2, 1 + i // 2 % 2, 1 + i // 4
        name = f"S001C{camera:03d}P{subject:03d}R001A{action:03d}"
        write_ntu(root, name, ntu_text(24, [(1, 0, person(24, wave=0.2 * action, seed=i))]))
        rng = np.random.default_rng(i)
        image = rng.integers(0, 99, (108, 192, 3), np.uint8)
        image[..., action] += 100
        write_video(root / "nturgb+d_rgb" / f"{name}_rgb.avi", [image] * 24)
    about = {"name": "synthetic", "actions": [1, 2], "image_size": [1920, 1080], "crop_size": 100}
    (root / "dataset.json").write_text(json.dumps(about))


def start(name: str, folder: Path, data: Path) -> subprocess.Popen:
    words = [word.format(data=data, out=folder / "out") for word in COMMANDS[name].split()]
    environment = {
        **os.environ, "PCSTA_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'book'}",
    }  # fmt: skip
    # a script's background ignores Ctrl-C, and whoever starts there inherits that
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    python = ["-c", FEW] if name == "data make" else ["-m", *RANKS * ("ranks" in name), "pcsta"]
    with (folder / "said").open("w") as said:  # a pipe would be held by whoever lives on
        return subprocess.Popen(
            [sys.executable, *python, *words], env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip


def alive(process: int, known: Iterable[int] = ()) -> list[int]:
    """Processes that have not ended: of its session, their children (ranks have sessions of their
    own), and those that are known."""
    found, parents = {process, *known}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if state != "Z":
                parents[int(stat.parent.name)] = {int(parent), int(session)}
    for _ in range(2):  # a rank, and its own children
        found |= {pid for pid, above in parents.items() if above & found}
    return sorted(found & parents.keys())


def content(folder: Path) -> dict[str, str]:
    """Every file by a hash of its bytes; of JSON without what changes from run to run."""

    def still(value):
        if isinstance(value, dict):
            return {k: still(v) for k, v in value.items() if k not in CHANGES}
        return [still(v) for v in value] if isinstance(value, list) else value

    found = {}
    for path in sorted(p for p in (folder / "out").rglob("*") if p.is_file()):
        data = path.read_bytes().replace(str(folder).encode(), b"")
        if path.suffix == ".json":
            data = json.dumps(still(json.loads(data))).encode()
        elif path.suffix == ".jsonl":
            data = json.dumps([still(json.loads(line)) for line in data.splitlines()]).encode()
        elif path.suffix == ".csv":  # the last column of a log is the seconds of an epoch
            data = b"\n".join(line.rpartition(b",")[0] for line in data.splitlines())
        if not path.name.startswith("."):
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def whole_run(name: str, folder: Path, data: Path) -> str:
    """Run a command to its end. Returns what is wrong, if anything."""
    folder.mkdir(exist_ok=True)
    if code := start(name, folder, data).wait():
        return f"{name} ended with {code}: {(folder / 'said').read_text()[-500:]}"
    return ""


def stop(process: subprocess.Popen, sign: int, said: Path, ranks: bool) -> tuple[list[str], float]:
    """Stop a command that runs. Returns what is wrong, and how long it took to end.

    Of several ranks KILL stops one, and torchrun then ends the other; how torchrun itself speaks of
    Ctrl-C is its own affair.
    """
    began, faults = time.monotonic(), []
    known = alive(process.pid)
    victim = known[-1] if ranks and sign == signal.SIGKILL else process.pid
    with suppress(ProcessLookupError):  # it has just ended
        (os.killpg if sign == signal.SIGINT else os.kill)(victim, sign)
    process.wait()
    seconds = time.monotonic() - began
    # -2: the interpreter itself had not begun to listen. A shell says 130 for it, too.
    if sign == signal.SIGINT and not ranks and process.returncode not in (0, 130, -signal.SIGINT):
        faults.append(f"Ctrl-C: it ended with {process.returncode}")
    if sign == signal.SIGINT and not ranks and re.search("Traceback|leaked", said.read_text()):
        faults.append(f"Ctrl-C: {said.read_text()[-300:]}")
    while left := alive(process.pid, known):
        if time.monotonic() - began > 60:  # a process that has just begun ends when it has
            faults.append(f"processes {left} outlive it")
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    return faults, seconds


def trials(kills: int, seed: int, names: list[str], scratch: Path) -> Iterator[dict]:
    """Stop the commands `kills` times in all. After each trial: counts, faults, the slowest Ctrl-C."""
    data, rng = scratch / "dataset", random.Random(seed)
    make_dataset(data)
    if any("rehearsal" in name for name in names):
        if wrong := whole_run("rehearse", scratch / "drawn", data):
            raise SystemExit(wrong)
        (scratch / "drawn/out").rename(data / "rehearsal")
    wholes, lasts, found, faults = {}, {}, Counter(), []
    slowest = 0.0
    for name in names:
        began, folder = time.monotonic(), scratch / name.replace(" ", "-")  # no quotes in a record
        if wrong := whole_run(name, folder, data):
            raise SystemExit(wrong)
        lasts[name], wholes[name] = time.monotonic() - began, content(folder)
    turns = iter(names)  # each once; then the longer a command takes, the seldomer
    weights = [lasts[name] ** -0.5 for name in names]
    while sum(found.values()) < kills:
        name, folder = next(turns, rng.choices(names, weights)[0]), scratch / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for _ in range(rng.randint(1, 3)):
            sign = rng.choice((signal.SIGKILL, signal.SIGINT, signal.SIGTERM))
            process, moment = start(name, folder, data), rng.uniform(0.2, 0.9 * lasts[name])
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                wrong, seconds = stop(process, sign, folder / "said", "ranks" in name)
                found[f"{name}, {sign.name}"] += 1
                faults += [f"{name}: {w}" for w in wrong]
                if sign == signal.SIGINT:
                    slowest = max(slowest, seconds)
                    if seconds > 2:  # what a slow end said, for who has to find out why
                        said = (folder / "said").read_text()[-2000:]
                        print(f"{name}: Ctrl-C after {moment:.2f} s took {seconds:.1f} s\n{said}")
        if wrong := whole_run(name, folder, data):
            faults.append(wrong)
        elif (now := content(folder)) != wholes[name]:
            others = {k for k in now.keys() | wholes[name] if now.get(k) != wholes[name].get(k)}
            faults.append(f"{name}: other bits in {sorted(others)[:5]}")
        yield {
            "kills": sum(found.values()), "by": dict(sorted(found.items())), "faults": faults,
            "slowest_ctrl_c": round(slowest, 2),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default="prepare;train;ablate;table", help="with semicolons")
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    from pcsta.files import write_json
    from pcsta_book.experiments.records import git_commit

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        names = [name.strip() for name in options.commands.split(";")]
        for found in trials(options.kills, options.seed, names, Path(scratch)):
            print(f"{found['kills']} kills, faults: {found['faults']}", flush=True)
            if options.record:
                write_json(options.record, {
                    "command": f"python {HERE.relative_to(Path.cwd())} {shlex.join(sys.argv[1:])}",
                    "date": time.strftime("%Y-%m-%d"), "commit": git_commit(),
                    "hardware": f"{os.cpu_count()} cores {platform.machine()}",
                    "seconds": round(time.perf_counter() - began), **found,
                })  # fmt: skip


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1] / "helpers"), str(ROOT / "book"), str(ROOT)]
    main()

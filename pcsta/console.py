"""How the command speaks: errors in words, Ctrl-C, letters that a console lacks."""

from __future__ import annotations

import _thread
import atexit
import errno
import os
import re
import shlex
import sys
import time
import warnings
from typing import Any


def command_line() -> str:
    """What was typed, to be typed again."""
    return shlex.join(["pcsta", *sys.argv[1:]])


_ADVICE = {
    errno.ENOSPC: "make room and run the same command again, and it continues",
    errno.EACCES: "choose another place, or change who may read and write there",
    errno.EROFS: "choose another place",
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.EISDIR: "name a file in it",
}
# What libraries say when it is not the program that is wrong, as patterns.
_SIGNS = {
    "DataLoader worker|can't allocate memory": "a process that reads was killed, as happens when memory "
    "runs out; run the same command again with fewer --workers, and it continues",
    "process pool": "a process that computes was killed, as happens when memory runs out; run the same "
    "command again, and it continues",
    "out of memory": "the GPU has too little free memory; end what else uses it, or take --device cpu",
    "gloo|NCCL": "a process that trains beside this one has ended, and its own message says why; run "
    "the same command again, and it continues",
}


def words(error: Exception) -> str:
    """What to tell of an error that is not ours, in a line; nothing of one that is."""
    text = str(error)
    if "Original Traceback" in text:  # of a process that reads: its last line is the error
        text = re.sub(r"^\S+: (\[Errno \d+\] )?", "", text.strip().splitlines()[-1])
    elif isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        own = error.strerror != os.strerror(error.errno or 0)  # then it says what to do
        advice = "" if own else _ADVICE.get(error.errno or 0, "")
        return f"{where}{error.strerror}" + (f"; {advice}" if advice else "")
    if isinstance(error, RuntimeError):
        return next((said for sign, said in _SIGNS.items() if re.search(sign, text)), "")
    return text


def interrupted(number: int, frame: Any, main: int = os.getpid()) -> None:
    """Ctrl-C: unwind, so that nothing half-written stays, but do not wait for who computes beside."""
    if os.getpid() != main:
        os._exit(130)
    os.write(2, f"\npcsta: stopped; to go on: {command_line()}\n".encode(errors="replace"))
    sys.unraisablehook = lambda _: None  # where it cannot unwind, the thread ends it
    atexit.register(os._exit, 130)  # taking an interpreter with torch apart costs a second
    # not of `threading`, whose lock may be held by what was just interrupted
    _thread.start_new_thread(_end, ())
    raise KeyboardInterrupt


def _end() -> None:
    time.sleep(1.0)
    os._exit(130)


def begin() -> None:
    """Set this process up to speak so."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    usual = warnings.showwarning

    def show(said: Warning | str, kind: type[Warning], *where: Any) -> None:
        if kind is UserWarning:  # ours
            print(f"pcsta: {said}", file=sys.stderr)
        else:
            usual(said, kind, *where)

    warnings.showwarning = show  # type: ignore[assignment]

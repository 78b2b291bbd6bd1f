"""How the command speaks: errors in words, Ctrl-C, letters that a console lacks."""

import _thread
import atexit
import errno
import os
import re
import shlex
import signal
import sys
import time
import warnings
from typing import Any


def command_line() -> str:
    """What was typed, to be typed again."""
    return shlex.join(["pcsta", *sys.argv[1:]])


_ADVICE = {
    errno.ENOSPC: "make room and run the same command again, and it continues",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "choose another place, or change who may read and write there",
    ),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.EEXIST), "check the name"),
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


_untold = _thread.allocate_lock()  # not of `threading`, which may itself be what is interrupted


def hear_interrupts() -> None:
    """Ctrl-C unwinds, so that nothing half-written stays; what has not unwound in a second is ended.

    Python calls a handler between two steps of its own, and one call of a library can last for
    most of a minute on a busy machine. The thread hears the signal meanwhile.
    """
    sys.warnoptions.append("ignore:resource_tracker")  # it tidies up: no need to say so
    reads, writes = os.pipe()
    if hasattr(os, "set_blocking"):  # Windows has it since Python 3.12, and does without
        os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    _thread.start_new_thread(_end, (reads,))
    signal.signal(signal.SIGINT, _unwind)


def _unwind(number: int, frame: Any, main: int = os.getpid()) -> None:
    if os.getpid() != main:
        os._exit(130)
    _tell()
    sys.unraisablehook = lambda _: None  # where it cannot unwind, the thread ends it
    atexit.register(os._exit, 130)  # taking an interpreter with torch apart costs a second
    raise KeyboardInterrupt


def _tell() -> None:
    if _untold.acquire(blocking=False):
        os.write(2, f"\npcsta: stopped; to go on: {command_line()}\n".encode(errors="replace"))


def _end(reads: int) -> None:
    while os.read(reads, 1) != bytes([signal.SIGINT]):
        pass
    time.sleep(1.0)
    _tell()
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

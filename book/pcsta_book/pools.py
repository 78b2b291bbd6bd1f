"""Processes that work beside each other on one machine."""

import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from pcsta.common import begin_worker


class _Process(SpawnProcess):
    """A process that never hears Ctrl-C, not even while it imports: its parent decides what to do."""

    def start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return super().start()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process  # type: ignore[assignment]


def pool(processes: int, *limits: Callable[[int], Any]) -> ProcessPoolExecutor:
    """A pool whose processes are begun by `begin_worker`; `limits`: what else is to take one thread.

    Started afresh (spawn): a fork of a process that has run torch's threads may hang.
    """
    return ProcessPoolExecutor(processes, _Context(), _begin, limits)


def _begin(*limits: Callable[[int], Any]) -> None:
    begin_worker()
    for limit in limits:
        limit(1)

"""Processes that work beside each other on one machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any


def pool(processes: int, begin: Callable[..., Any], *arguments: Any) -> ProcessPoolExecutor:
    """A pool whose processes first call `begin(*arguments)`, such as a limit on their threads.

    Started afresh (spawn): a fork of a process that has run torch's threads may hang. They end with
    their parent, also a killed one: they would work on what is queued, beside whoever continues.
    """
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begin, *arguments))


def _begin(begin: Callable[..., Any], *arguments: Any) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()  # returns when it has ended, however it did
        os._exit(1)

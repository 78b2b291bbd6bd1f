"""Processes beside each other: started afresh, and gone when their parent is gone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any


def pool(processes: int, begin: Callable[..., Any], *arguments: Any) -> ProcessPoolExecutor:
    """A pool whose processes first call `begin(*arguments)`.

    Started afresh (spawn): a fork of a process that has run torch's threads may hang. A parent that
    is killed takes them along: they would work on what is queued, beside whoever continues.
    """
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begin, *arguments))


def _begin(begin: Callable[..., Any], *arguments: Any) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # returns when it has ended, however it did
        os._exit(1)

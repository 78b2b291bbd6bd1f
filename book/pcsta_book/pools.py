"""Processes that work beside each other on one machine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import torch

from pcsta.common import begin_worker


def pool(
    processes: int, limit: Callable[[int], Any] = torch.set_num_threads
) -> ProcessPoolExecutor:
    """A pool whose processes are begun by `begin_worker`, and have one thread each by `limit`.

    Started afresh (spawn): a fork of a process that has run torch's threads may hang.
    """
    return ProcessPoolExecutor(processes, get_context("spawn"), _begin, (limit,))


def _begin(limit: Callable[[int], Any]) -> None:
    begin_worker()
    limit(1)

"""Which device computes, and with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import torch

from pcsta.processes import pool


def choose(device: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises ValueError, saying what to do, when the named device is not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "no CUDA GPU is visible to torch; use --device auto, or see `pcsta doctor`"
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("torch finds no MPS here; use --device auto, or see `pcsta doctor`")
    return chosen


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order: what is computed here does not depend on how many cores a machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(processes: int) -> ProcessPoolExecutor:
    """Processes that train beside each other, one torch thread each."""
    return pool(processes, torch.set_num_threads, 1)

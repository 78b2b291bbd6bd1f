"""Where and beside whom code runs: the device, its threads, distributed training."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


# --- device -------------------------------------------------------------------------------------
def resolve_device(device: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises ValueError, saying what to do, when the named device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next((name for name, is_there in there.items() if is_there), "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f"no device {device!r}; choose auto, cpu, cuda, cuda:1 or mps") from None
    if not there.get(chosen.type, True):
        raise ValueError(
            f"no {chosen.type} device is visible to torch; use --device auto, or see `pcsta doctor`"
        )
    return chosen


def hardware(device: torch.device) -> str:
    """One line that says what computed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads, {platform.machine()}"


@contextmanager
def single_thread() -> Iterator[None]:
    """Sums in one order: what is computed here does not depend on how many cores a machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# --- several processes train one model, one per GPU, as `torchrun` starts them ------------------
@contextmanager
def distributed_session() -> Iterator[None]:
    """Join the processes that `torchrun` started; each takes the GPU of its number, if there are any.

    Once in the life of a process: torchrun's meeting point serves for one meeting.
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group()  # talks by gloo between CPUs, by NCCL between GPUs
    try:
        yield
    finally:
        distributed.destroy_process_group()


def rank_and_world_size() -> tuple[int, int]:
    """This process's number, from 0, and how many there are."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def all_reduce(*values: float | int) -> list[float]:
    """Each value summed over all processes, to the same bits in each. It waits for all of them."""
    sums = torch.tensor(values, dtype=torch.float64)
    if distributed.is_initialized():
        distributed.all_reduce(sums)
    return sums.tolist()


def data_parallel(model: nn.Module) -> nn.Module:
    """The model; among several processes its backward pass averages the gradients over them.

    Raises ValueError for batch normalisation: its statistics would be those of a part of the batch.
    """
    if not distributed.is_initialized():
        return model
    if any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules()):
        raise ValueError("batch normalisation needs whole batches: train this model in one process")
    return DistributedDataParallel(model)

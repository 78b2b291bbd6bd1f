"""Several processes that train one model together, one per GPU, as `torchrun` starts them.

Each holds the whole model and reads its part of every batch. Gradients are averaged over the
processes, so N of them take the very step that one takes with the whole batch; only dropout draws
other numbers. Alone, everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def together() -> Iterator[None]:
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


def place() -> tuple[int, int]:
    """This process's number, from 0, and how many there are."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def total(*values: float | int) -> list[float]:
    """Each value summed over all processes, to the same bits in each. It waits for all of them."""
    sums = torch.tensor(values, dtype=torch.float64)
    if distributed.is_initialized():
        distributed.all_reduce(sums)
    return sums.tolist()


def averaging(model: nn.Module) -> nn.Module:
    """The model; among several processes its backward pass averages the gradients over them.

    Raises ValueError for batch normalisation: its statistics would be those of a part of the batch.
    """
    if not distributed.is_initialized():
        return model
    if any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules()):
        raise ValueError("batch normalisation needs whole batches: train this model in one process")
    return DistributedDataParallel(model)

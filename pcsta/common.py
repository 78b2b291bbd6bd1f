"""Where and beside whom code runs: the device, its threads, distributed training."""

import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from threading import Thread
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


# --- device -------------------------------------------------------------------------------------
def resolve_device(device: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. ValueError for one that is not there."""
    mps = int(torch.backends.mps.is_available())
    there = {"cuda": torch.cuda.device_count(), "mps": mps, "cpu": 1}
    if device == "auto":
        device = next(name for name, count in there.items() if count)
    kind, _, number = device.partition(":")
    if kind not in there or not (number or "0").isdecimal():
        raise ValueError(f"no device {device!r}; choose auto, cpu, cuda, cuda:1 or mps")
    if int(number or 0) >= there[kind]:
        raise ValueError(f"torch sees no {device} here; use --device auto, or see `pcsta doctor`")
    return torch.device(device)


def hardware(device: torch.device) -> str:
    """One line that says what computed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads, {platform.machine()}"


def cores() -> int:
    """Processes that can work side by side: one for each core, 32 at most; ranks of `torchrun` share."""
    all_of_it = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    return max(1, min(32, len(all_of_it) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def resolve_precision(precision: str, device: torch.device) -> str:
    """`auto` takes bfloat16 on CUDA that has it, else float32. ValueError for what is not there."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"no precision {precision!r}; choose auto, float32 or bfloat16")
    has = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bfloat16" and device.type == "cuda" and not has:
        raise ValueError("this GPU does not compute in bfloat16: leave --precision out")
    return ("bfloat16" if has else "float32") if precision == "auto" else precision


@contextmanager
def fast_products(device: torch.device, precision: str) -> Iterator[None]:
    """Beside bfloat16 on CUDA, products of float32 matrices by TF32: with factors of 10 bits."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda" and precision == "bfloat16":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def random_state(device: torch.device, state: Tensor | None = None) -> Tensor:
    """(R,) uint8 of the generator of `device`, set to `state` if given; RuntimeError if it is none."""
    of: Any = {"cuda": torch.cuda, "mps": torch.mps}.get(device.type, torch)
    which = (device,) if device.type == "cuda" else ()
    if state is not None:
        of.set_rng_state(state.clone(), *which)  # torch 2.14 takes a row for its tensor's beginning
    found: Tensor = of.get_rng_state(*which)
    return found


@contextmanager
def single_thread() -> Iterator[None]:
    """Sums in one order: what is computed here does not depend on how many cores a machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def begin_worker(_: int = 0) -> None:
    """Begin a process that serves another: one torch thread, and it ends with its parent.

    Also with a killed one: it would wait for ever for somebody to take what it has made. Ctrl-C
    goes to all processes of a command; what to do about it is the parent's to decide.
    """
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()  # returns when it has ended, however it did
        os._exit(1)


# --- several processes train one model, one per GPU, as `torchrun` starts them ------------------
@contextmanager
def distributed_session() -> Iterator[None]:
    """Join what `torchrun` started, once in a process; each takes the GPU of its number, if any."""
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


def gather(value: Tensor) -> Tensor:
    """The values of all processes, stacked in order of their numbers; all of one shape, on the CPU."""
    if not distributed.is_initialized():
        return value[None]
    parts = [torch.empty_like(value) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, value)
    return torch.stack(parts)


def data_parallel(model: nn.Module) -> nn.Module:
    """The model; among several processes its backward pass averages the gradients over them.

    Raises ValueError for batch normalisation: its statistics would be those of a part of the batch.
    """
    if not distributed.is_initialized():
        return model
    if any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules()):
        raise ValueError("batch normalisation needs whole batches: train this model in one process")
    return DistributedDataParallel(model)

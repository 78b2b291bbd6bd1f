"""V, eq. 2: f_g over the crops of clips; on an accelerator in batches that fill across clips."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from pcsta.data.progress import Progress
from pcsta.data.shard import StoredClip
from pcsta.data.store_writer import BLOCK
from pcsta.glimpse import GPU_BATCH, GlimpseSensor

Prepared = tuple[StoredClip, dict[str, np.ndarray]]  # a line of the index and its arrays

_GROUP = 4 * GPU_BATCH  # crops that clips go to an accelerator in: most of its batches are full
_AHEAD = 2  # groups that wait for it, while the readers fill the next


@torch.no_grad()
def glimpse_features(
    sensor: GlimpseSensor,
    crops: np.ndarray,
    where: np.ndarray,
    length: int,
    device: torch.device,
    glimpses: int = 4,
) -> np.ndarray:
    """V of a clip, eq. 2: (T, N, D) float16; hands that are not in `where` are zero and cost nothing.

    crops, where:  see `glimpse_crops`
    length:        T
    glimpses:      N, 4 hands or 1 frame
    """
    V = np.zeros((length, glimpses, sensor.features), np.float16)
    if len(crops):
        V[tuple(where.T)] = sensor(torch.from_numpy(crops).to(device)).half().cpu().numpy()
    return V


def add_glimpses(
    clips: list[Prepared], sensor: GlimpseSensor, device: torch.device, glimpses: int
) -> list[Prepared]:
    """Features in place of crops; batches of f_g fill across these clips, as if they were one."""
    seen = [(clip.length, arrays) for clip, arrays in clips if "crops" in arrays]
    if seen:
        ends = np.cumsum([length for length, _ in seen])
        crops = np.concatenate([arrays.pop("crops") for _, arrays in seen])
        places = zip(ends, seen, strict=True)
        where = np.concatenate([a["where"] + (end - length, 0) for end, (length, a) in places])
        V = glimpse_features(sensor, crops, where, int(ends[-1]), device, glimpses)
        for (_, arrays), part in zip(seen, np.split(V, ends[:-1]), strict=True):
            arrays["glimpses"] = part
    return clips


def with_glimpses(
    read: Iterator[Prepared],
    sensor: GlimpseSensor | None,
    device: torch.device,
    glimpses: int,
    progress: Progress,
) -> Iterator[Prepared]:
    """Clips with their features: an accelerator computes for one group while the next is read."""
    if sensor is None or device.type == "cpu":  # then the readers have computed them
        yield from read
        return
    computing: deque[Future[list[Prepared]]] = deque()
    with ThreadPoolExecutor(1) as accelerator:
        for group in _groups(read):
            computing.append(accelerator.submit(add_glimpses, group, sensor, device, glimpses))
            if len(computing) > _AHEAD:
                yield from progress.wait("accelerator", computing.popleft().result)
        while computing:
            yield from progress.wait("accelerator", computing.popleft().result)


def _groups(read: Iterator[Prepared]) -> Iterator[list[Prepared]]:
    """Clips with enough crops together to fill batches of f_g; so many as a shard has, at most."""
    group: list[Prepared] = []
    for prepared in read:
        group.append(prepared)
        crops = sum(len(arrays.get("crops", ())) for _, arrays in group)
        if crops >= _GROUP or len(group) == BLOCK:
            yield group
            group = []
    if group:
        yield group

"""Sub-sequences of a store as batches: which 20 frames of which clips (section 5), then X and V."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pcsta.common import begin_worker
from pcsta.config import ModelConfig, row
from pcsta.data.shard import GLIMPSES
from pcsta.data.store import Store
from pcsta.pose_tensor import PoseTensor
from pcsta.scaling import Scaling
from pcsta.subsequences import Sampling, frame_indices
from pcsta.symmetries import Exchange, exchange_hands, exchange_joints, exchanges
from pcsta.two_stream import TwoStream

PROJECTED_BYTES = 2 * 2**30  # of projected glimpses kept in memory, at most


class Batch(NamedTuple):
    """What one step of training or testing sees."""

    pose_tensor: Float[Tensor, "B C T W"]
    glimpses: Float[Tensor, "B T N D"] | None
    present: Bool[Tensor, "B T N"]  # hands that are tracked; a whole frame always is
    labels: Int64[Tensor, "B"]
    clips: np.ndarray  # (B,) positions in the store
    frames: np.ndarray  # (B, T) frame numbers within each clip
    weight: float = 1.0  # clips in this part, over the mean of all parts: see `SubSequences`


_Item = tuple[np.ndarray, ...]  # clips (B,), frames (B, T), what is exchanged (B,)
_Read = tuple[Tensor | None, Tensor, Tensor, Tensor, np.ndarray, np.ndarray]


class _Gather(Dataset[_Read]):
    """What a batch reads of the store: glimpses, joints, present, labels, clips, frames."""

    def __init__(
        self, store: Store, build: PoseTensor, features: np.ndarray | None, wants_glimpses: bool
    ):
        self.store, self.build = store, build
        self.features, self.wants_glimpses = features, wants_glimpses
        self.start = np.array([clip.start for clip in store.clips])
        self.length = np.array([clip.length for clip in store.clips])
        self.labels = store.labels

    def __getitem__(self, item: _Item) -> _Read:
        clips, frames, exchanged = item
        rows = self.start[clips, None] + frames  # (B, T)
        seen = self.start[clips, None] + self.build.frames(frames, self.length[clips])
        joints = torch.from_numpy(self.store.take("joints", seen))
        present, glimpses = torch.ones((*rows.shape, 1), dtype=torch.bool), None
        if self.store.crops == "hands":
            present = torch.from_numpy(np.isfinite(self.store.take("hands", rows)).all(-1))
        if self.features is not None:
            glimpses = torch.from_numpy(self.features[rows])
        elif self.wants_glimpses:
            glimpses = torch.from_numpy(self.store.take("glimpses", rows))
        for what in map(Exchange, np.unique(exchanged[exchanged > 0])):
            them = torch.from_numpy(exchanged == what)
            joints[them] = exchange_joints(joints[them], what, self.store.skeleton)
            present[them] = exchange_hands(present[them], what)
            if glimpses is not None:
                glimpses[them] = exchange_hands(glimpses[them], what)
        return glimpses, joints, present, torch.from_numpy(self.labels[clips]), clips, frames


class SubSequences:
    """Batches of sub-sequences for one model configuration.

    features: (F, N, D') array to take V from instead of the store's glimpses (already projected)
    workers:  processes that read ahead; they stay from epoch to epoch. 0 is right while the store
              fits in memory. The batches are the same.
    part:     (k, N): read every Nth clip of each batch, from the kth; the N parts' mean losses, each
              times its `Batch.weight`, average to the mean loss of the whole batch
    """

    def __init__(
        self,
        store: Store,
        config: ModelConfig,
        device: torch.device,
        sampling: Sampling = "segments",
        features: np.ndarray | None = None,
        workers: int = 0,
        part: tuple[int, int] = (0, 1),
    ):
        self.store, self.config, self.device = store, config, device
        self.sampling, self.workers, self.part = sampling, workers, part
        self.projected = features is not None
        self.build = PoseTensor.from_config(config, store.skeleton)
        self._gather = _Gather(store, self.build, features, config.streams != "pose")
        self._idle: list[tuple[list[_Item], DataLoader[_Read]]] = []  # see `_batches`

    def _indices(
        self, clips: np.ndarray, rng: np.random.Generator | None, count: int
    ) -> Int[np.ndarray, "C count T"]:
        T, lengths = self.config.frames, self._gather.length[clips].tolist()
        return np.stack([frame_indices(n, T, self.sampling, rng, count) for n in lengths])

    def projected_by(self, scaling: Scaling, clips: np.ndarray, count: int) -> SubSequences:
        """These batches for `testing(clips, count)`, each frame projected once if memory allows."""
        frames = self._indices(clips, None, count)  # (C, count, T)
        rows = np.unique(self._gather.start[clips, None, None] + frames)
        features = project_glimpses(scaling, self.store, rows)
        if features is None:
            return self
        return type(self)(
            self.store, self.config, self.device, self.sampling, features, self.workers, self.part
        )

    def _loader(self) -> tuple[list[_Item], DataLoader[_Read]]:
        """A loader, and the list of what it reads, to be filled anew for every pass."""
        items: list[_Item] = []
        return items, DataLoader(
            self._gather, sampler=items, batch_size=None, collate_fn=tuple,
            num_workers=self.workers, persistent_workers=self.workers > 0,
            worker_init_fn=begin_worker,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its own: the model's dropout draws from torch's
        )  # fmt: skip

    def _batches(self, items: list[_Item]) -> Iterator[Batch]:
        rank, processes = self.part
        items = [item for item in items if len(item[0]) > rank]
        # a loader serves one pass at a time; two passes side by side have two
        reads, loader = self._idle.pop() if self._idle else self._loader()
        reads[:] = [tuple(a[rank::processes] for a in item) for item in items]
        try:
            for whole, (seen, *arrays, clips, frames) in zip(items, loader, strict=True):
                joints, present, labels = (a.to(self.device, non_blocking=True) for a in arrays)
                V = None if seen is None else seen.to(self.device, non_blocking=True).float()
                weight = len(clips) * processes / len(whole[0])
                yield Batch(self.build(joints), V, present, labels, clips, frames, weight)
        finally:
            self._idle.append((reads, loader))

    def training(
        self, clips: np.ndarray, batch: int, rng: np.random.Generator, done: int = 0
    ) -> Iterator[Batch]:
        """One epoch: each clip once, in random order, one random sub-sequence each (section 5).

        With `either_order` the two people of each clip are exchanged with probability 1/2, with
        `either_side` left and right. The first `done` batches are left out: an epoch that was
        interrupted goes on.
        Raises ValueError as `steps_per_epoch`.
        """
        clips = rng.permutation(clips)
        frames = self._indices(clips, rng, 1)[:, 0]  # (C, T)
        known = exchanges(self.config)[::-1]
        exchanged = np.zeros(len(clips), int)
        if len(known) > 1:
            exchanged = np.array(known)[(rng.random(len(clips)) * len(known)).astype(int)]
        pieces = steps_per_epoch(len(clips), batch, self.part[1])
        parts = (np.array_split(a, pieces) for a in (clips, frames, exchanged))
        return self._batches(list(zip(*parts, strict=True))[done:])

    def testing(
        self, clips: np.ndarray, count: int, batch: int = 64, exchanged: Exchange = Exchange.NOTHING
    ) -> Iterator[Batch]:
        """`count` spread sub-sequences of every clip, clip by clip (section 5 takes 10).

        exchanged: what has changed places in every clip
        """
        frames = self._indices(clips, None, count).reshape(-1, self.config.frames)  # (C * count, T)
        repeated = np.repeat(clips, count)
        cuts = range(batch, len(repeated), batch)
        arrays = (repeated, frames, np.full(len(repeated), int(exchanged)))
        return self._batches(list(zip(*(np.split(a, cuts) for a in arrays), strict=True)))


def steps_per_epoch(clips: int, batch: int, parts: int = 1) -> int:
    """Batches of an epoch of `SubSequences.training`, nearly equal in size.

    A last batch of one clip would be a noisy step; it joins its neighbour. Raises ValueError when a
    batch has fewer clips than there are parts.
    """
    pieces = max(1, round(clips / batch))
    if clips // pieces < parts:
        said = f"{parts} processes cannot share batches of {clips // pieces} clips"
        raise ValueError(f"{said}: start fewer of them")
    return pieces


@torch.no_grad()
def project_glimpses(
    scaling: Scaling, store: Store, rows: Int[np.ndarray, "R"] | None = None
) -> Float[np.ndarray, "F N K"] | None:
    """The store's glimpses behind a model's frozen map, a row a frame; None beyond PROJECTED_BYTES.

    rows: the frames wanted, by default all; the others are left zero
    """
    shape = (store.frames_total, GLIMPSES[store.crops], scaling.width)
    if math.prod(shape) * 4 > PROJECTED_BYTES:
        return None
    rows = np.arange(store.frames_total) if rows is None else rows
    device = next((b.device for b in scaling.buffers()), torch.device("cpu"))
    # zero pages cost no memory until they are written
    projected = np.zeros(shape, np.float32)
    for piece in _pieces(rows):
        glimpses = torch.from_numpy(store.take("glimpses", piece)).to(device)
        projected[piece] = scaling.project(glimpses.float()).cpu()
    return projected


def _pieces(rows: np.ndarray) -> list[np.ndarray]:
    """Frames to read at once: their glimpses take some ten megabytes."""
    return np.split(rows, range(1024, len(rows), 1024))


@torch.no_grad()
def fit_scaling(
    model: TwoStream, store: Store, clips: np.ndarray, sampling: Sampling
) -> Float[np.ndarray, "F N K"] | None:
    """Fit the frozen scaling of a model's RGB stream to `clips`; the paper's model has none.

    Returns all glimpses projected, or None where there is no projection or they are too many.
    """
    config = model.config
    if model.rgb is None or not (config.glimpse_projection or config.standardise):
        return None
    fitted, features = _scaled_glimpses(store.path, tuple(clips.tolist()), row("B", config))
    for name, value in fitted.named_buffers():
        model.rgb.scaling.get_buffer(name).copy_(value)
    if config.standardise and model.pose_net is not None:
        model.pose_net.eval()  # what it has learned stays, statistics of batches included
        device = next(model.parameters()).device
        poses = SubSequences(store, replace(config, streams="pose"), device, sampling)
        s = [model.pose_net(batch.pose_tensor) for batch in poses.testing(clips, 3)]
        model.rgb.scaling.fit_pose(torch.cat(s))
    return features


@lru_cache(maxsize=1)
def _scaled_glimpses(
    path: Path, clips: tuple[int, ...], config: ModelConfig
) -> tuple[Scaling, np.ndarray | None]:
    """A scaling fitted to the glimpses of `clips`, and all glimpses projected.

    Computed once for all rows of Table 6 that train on these clips. Fitted to every second frame of the
    hands that are there: neighbouring frames say the same.
    """
    store = Store(path)
    parts = (store.clips[i] for i in clips)
    rows = np.concatenate([np.arange(c.start, c.start + c.length, 2) for c in parts])
    pieces = (torch.from_numpy(store.take("glimpses", r)).flatten(0, 1) for r in _pieces(rows))
    scaling = Scaling(config)
    scaling.fit_glimpses(V[(V != 0).any(-1)] for V in pieces)
    return scaling, project_glimpses(scaling, store) if config.glimpse_projection else None

"""Sub-sequences of a store as batches: which 20 frames of which clips (section 5), then X and V."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from pcsta.config import ModelConfig
from pcsta.data.store import Store
from pcsta.people_order import exchange_hands, exchange_people
from pcsta.pose_tensor import PoseTensor
from pcsta.scaling import Scaling
from pcsta.subsequences import frame_indices


class Batch(NamedTuple):
    """What one step of training or testing sees."""

    pose_tensor: Float[Tensor, "B C T W"]
    glimpses: Float[Tensor, "B T N D"] | None
    present: Bool[Tensor, "B T N"]  # hands that are tracked; a whole frame always is
    labels: Int64[Tensor, "B"]
    clips: np.ndarray  # (B,) positions in the store
    frames: np.ndarray  # (B, T) frame numbers within each clip
    weight: float = 1.0  # clips in this part, over the mean of all parts: see `SubSequences`


class _Gather(torch.utils.data.Dataset):
    """(clips, frames, whether people are exchanged) -> the arrays of the store, for a DataLoader."""

    def __init__(
        self, store: Store, build: PoseTensor, features: np.ndarray | None, wants_glimpses: bool
    ):
        self.store, self.build = store, build
        self.features, self.wants_glimpses = features, wants_glimpses
        self.start = np.array([clip.start for clip in store.clips])
        self.length = np.array([clip.length for clip in store.clips])
        self.labels = store.labels

    def __getitem__(self, item: tuple[np.ndarray, np.ndarray, np.ndarray]):
        clips, frames, exchanged = item
        rows = self.start[clips, None] + frames  # (B, T)
        seen = self.start[clips, None] + self.build.frames(frames, self.length[clips])
        joints = torch.from_numpy(self.store.take("joints", seen))
        if self.store.crops == "hands":
            present = torch.from_numpy(np.isfinite(self.store.take("hands", rows)).all(-1))
        else:
            present = torch.ones(*rows.shape, 1, dtype=torch.bool)
        labels = torch.from_numpy(self.labels[clips])
        glimpses = None
        if self.wants_glimpses:
            source = (
                self.store.take("glimpses", rows) if self.features is None else self.features[rows]
            )
            glimpses = torch.from_numpy(source)
        if exchanged.any():
            joints[exchanged] = exchange_people(joints[exchanged])
            present[exchanged] = exchange_hands(present[exchanged], 2)
            if glimpses is not None:
                glimpses[exchanged] = exchange_hands(glimpses[exchanged], 2)
        return joints, glimpses, present, labels, clips, frames


class SubSequences:
    """Batches of sub-sequences for one model configuration.

    features: (F, N, D') array to take V from instead of the store's glimpses (already projected)
    workers:  DataLoader processes; 0 is right while the store fits in memory
    part:     (k, N): read every Nth clip of each batch, from the kth; the N parts' mean losses, each
              times its `Batch.weight`, average to the mean loss of the whole batch
    """

    def __init__(
        self,
        store: Store,
        config: ModelConfig,
        device: torch.device,
        sampling: Literal["segments", "contiguous"] = "segments",
        features: np.ndarray | None = None,
        glimpses: bool | None = None,
        workers: int = 0,
        part: tuple[int, int] = (0, 1),
    ):
        wants = config.streams != "pose" if glimpses is None else glimpses
        self.store, self.device, self.sampling, self.workers = store, device, sampling, workers
        self.part, self.projected = part, features is not None
        self.frames = config.frames
        self.either_order = config.either_order
        self.build = PoseTensor.from_config(config, store.skeleton)
        self.gather = _Gather(store, self.build, features, wants)

    def _indices(
        self, clips: np.ndarray, rng: np.random.Generator | None, count: int
    ) -> Int[np.ndarray, "C count T"]:
        lengths = [self.store.clips[i].length for i in clips]
        return np.stack(
            [frame_indices(n, self.frames, self.sampling, rng=rng, count=count) for n in lengths]
        )

    def projected_by(self, scaling: Scaling, clips: np.ndarray, count: int) -> SubSequences:
        """These batches for `testing(clips, count)`, with V behind the frozen map.

        Every frame is projected once, however many of the sub-sequences hold it.
        """
        frames = self._indices(clips, None, count)  # (C, count, T)
        rows = np.unique(self.gather.start[clips, None, None] + frames)
        other = copy(self)
        other.gather = copy(self.gather)
        other.gather.features = project_glimpses(scaling, self.store, rows)
        other.projected = True
        return other

    def _batches(self, items: list[tuple[np.ndarray, ...]]) -> Iterator[Batch]:
        rank, processes = self.part
        items = [item for item in items if len(item[0]) > rank]
        loader: torch.utils.data.DataLoader = torch.utils.data.DataLoader(
            self.gather, sampler=[tuple(a[rank::processes] for a in item) for item in items],
            batch_size=None, num_workers=self.workers,
            collate_fn=tuple, pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        for whole, read in zip(items, loader, strict=True):
            joints, glimpses, present, labels, clips, frames = read
            yield Batch(
                self.build(joints.to(self.device, non_blocking=True)),
                None if glimpses is None else glimpses.to(self.device, non_blocking=True).float(),
                present.to(self.device, non_blocking=True),
                labels.to(self.device, non_blocking=True),
                clips,
                frames,
                len(clips) * processes / len(whole[0]),
            )

    def training(self, clips: np.ndarray, batch: int, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch: each clip once, in random order, one random sub-sequence each (section 5).

        With `either_order` the two people of each clip are exchanged with probability 1/2.
        Raises ValueError when a batch has fewer clips than there are parts.
        """
        clips = rng.permutation(clips)
        frames = self._indices(clips, rng, 1)[:, 0]  # (C, T)
        exchanged = np.zeros(len(clips), bool)
        if self.either_order:
            exchanged = rng.random(len(clips)) < 0.5
        # A last batch of one clip would be a noisy step; it joins its neighbour.
        pieces = max(1, round(len(clips) / batch))
        if len(clips) // pieces < self.part[1]:
            raise ValueError(
                f"batches of {batch} clips cannot be shared by {self.part[1]} processes"
            )
        parts = (np.array_split(a, pieces) for a in (clips, frames, exchanged))
        return self._batches(list(zip(*parts, strict=True)))

    def testing(
        self, clips: np.ndarray, count: int, batch: int = 64, exchanged: bool = False
    ) -> Iterator[Batch]:
        """`count` spread sub-sequences of every clip, clip by clip (section 5 takes 10).

        exchanged: person 1 and person 2 of every clip have changed places
        """
        frames = self._indices(clips, None, count).reshape(-1, self.frames)  # (C * count, T)
        repeated = np.repeat(clips, count)
        cuts = range(batch, len(repeated), batch)
        arrays = (repeated, frames, np.full(len(repeated), exchanged))
        return self._batches(list(zip(*(np.split(a, cuts) for a in arrays), strict=True)))


@torch.no_grad()
def project_glimpses(
    scaling: Scaling, store: Store, rows: Int[np.ndarray, "R"] | None = None
) -> Float[np.ndarray, "F N K"]:
    """The store's glimpses behind the frozen map, one row a frame of the store.

    rows: the frames wanted, by default all; the others are left zero
    """
    rows = np.arange(store.frames_total) if rows is None else rows
    device = "cpu" if scaling.glimpse_mean is None else scaling.glimpse_mean.device
    # zero pages cost no memory until they are written
    shape = (store.frames_total, scaling.config.glimpses, scaling.width)
    projected = np.zeros(shape, np.float32)
    for start in range(0, len(rows), 4096):
        piece = rows[start : start + 4096]
        glimpses = torch.from_numpy(store.take("glimpses", piece)).to(device)
        projected[piece] = scaling.project(glimpses.float()).cpu()
    return projected

"""Raw files -> store: parse the skeleton, decode the video, crop the hands, extract glimpses.

Everything that does not change during training is done here, once (section 4 freezes f_g).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from tqdm.auto import tqdm

from pcsta.common import begin_worker, resolve_device
from pcsta.data.clip import Clip
from pcsta.data.crop_size import crop_sides
from pcsta.data.dataset import CropSize, DataError, Dataset
from pcsta.data.pairing import clip_frames, paired
from pcsta.data.shard import GLIMPSES, Crops, Settings, StoredClip
from pcsta.data.sources import review, sources
from pcsta.data.store import Store
from pcsta.data.store_writer import StoreWriter
from pcsta.files import fingerprint
from pcsta.glimpse import GlimpseSensor, crop, squeeze

# Crops per forward pass of f_g. On a CPU 256 of them cost 2.8 times as much as 8 times 32: their
# activations outgrow what malloc keeps, and every layer pays for fresh pages.
_CPU_BATCH = 32
_GPU_BATCH = 256

# Side in pixels at which f_g sees a whole frame: Inception's own; for Lite0 the most that keeps the
# embedded dataset under a minute on two cores.
_FRAME_SIZES = {"efficientnet-lite0": 128, "inception-v3": 299}

_Prepared = tuple[StoredClip, dict[str, np.ndarray]]  # a line of the index and its arrays


def sensor_for(
    crops: Crops, name: str = "efficientnet-lite0", weights: str | Path | None = None
) -> GlimpseSensor:
    """f_g at the input size for these crops. Raises as GlimpseSensor does."""
    return GlimpseSensor(name, weights, _FRAME_SIZES.get(name) if crops == "frame" else None)


def glimpse_crops(
    clip: Clip, size: CropSize, input_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Crops of the hands that are there, in one pass over the clip's video.

    size: side in pixels; or in torsos, and every crop is then squeezed to the sensor's `input_size`

    Returns (crops (K, 3, side, side) uint8, where (K, 2) the frame and hand of each crop).
    Raises DataError when the video is missing, unreadable or not of this skeleton (see `pairing`), and
    as `crop_sides`.
    """
    hands, sides = clip.hands, crop_sides(size, clip)  # (T, 4, 2), (4,)
    there = np.isfinite(hands).all(-1)  # (T, 4)
    side = size if isinstance(size, int) else input_size
    crops = np.zeros((there.sum(), 3, side, side), np.uint8)
    cuts = ((image, t, i) for t, image in clip_frames(clip) for i in np.flatnonzero(there[t]))
    for k, (image, t, i) in enumerate(cuts):
        (cut,) = crop(image, hands[t, i, None], int(sides[i]))  # (3, h, w)
        crops[k] = cut if isinstance(size, int) else squeeze(cut.transpose(1, 2, 0), side)
    return crops, np.argwhere(there)


def frame_crops(clip: Clip, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every whole frame of a clip as its one glimpse, squeezed to `size` pixels a side.

    Returns and raises as `glimpse_crops` does; K is the number of frames.
    """
    crops = np.stack([squeeze(image, size) for _, image in clip_frames(clip)])
    return crops, np.argwhere(np.ones((len(clip), 1), bool))


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
    size = _CPU_BATCH if device.type == "cpu" else _GPU_BATCH
    for start in range(0, len(crops), size):
        batch = torch.from_numpy(crops[start : start + size]).to(device)
        t, i = where[start : start + size].T
        V[t, i] = sensor(batch).half().cpu().numpy()
    return V


class _Clips(torch.utils.data.Dataset[_Prepared]):
    """Samples -> prepared arrays, for a DataLoader's workers. A sample's fault is its result."""

    def __init__(
        self,
        dataset: Dataset,
        sensor: GlimpseSensor | None,
        crops: Crops,
        device: torch.device,
        kept: dict[int, tuple[Path, StoredClip]],
    ):
        self.dataset, self.samples = dataset, dataset.samples
        self.sensor, self.crops, self.device = sensor, crops, device
        self.kept = kept  # samples whose arrays are taken over: their shard and line in it

    def __getitem__(self, i: int) -> _Prepared:
        if i in self.kept:
            shard, stored = self.kept[i]
            frames = slice(stored.start, stored.start + stored.length)
            return stored, {p.stem: np.load(p, "r")[frames] for p in shard.glob("*.npy")}
        sample = self.samples[i]
        stored = StoredClip(
            sample.name, sample.label, sample.subject, sample.camera, sample.replication,
        )  # fmt: skip
        try:
            stored = replace(stored, sources=sources(sample, bool(self.sensor)))
            clip = self.dataset.read(sample)
            clip = paired(clip) if self.sensor else clip
            deciding = clip.truth.deciding if clip.truth else np.full((len(clip), 4), -1)
            arrays = {"joints": clip.joints, "hands": clip.hands, "deciding": deciding}
            if self.sensor and self.crops == "hands":
                size, seen = self.dataset.crop_size, self.sensor.input_size
                arrays["crops"], arrays["where"] = glimpse_crops(clip, size, seen)
            elif self.sensor:
                arrays["crops"], arrays["where"] = frame_crops(clip, self.sensor.input_size)
        except (DataError, OSError) as error:
            passing = isinstance(error, OSError) or isinstance(error.__context__, OSError)
            return replace(stored, skipped=str(error), passing=passing), {}
        faults = clip.truth.faults if clip.truth else ()
        stored = replace(stored, length=len(clip), repairs=clip.repairs, faults=faults)
        # an accelerator belongs to the process that started this one
        return self.with_glimpses(stored, arrays) if self.device.type == "cpu" else (stored, arrays)

    def with_glimpses(self, clip: StoredClip, arrays: dict[str, np.ndarray]) -> _Prepared:
        """Features in place of crops, where there are crops."""
        if self.sensor and "crops" in arrays:
            crops, where = arrays.pop("crops"), arrays.pop("where")
            N = GLIMPSES[self.crops]
            V = glimpse_features(self.sensor, crops, where, clip.length, self.device, N)
            arrays["glimpses"] = V
        return clip, arrays


def settings_of(dataset: Dataset, sensor: GlimpseSensor | None, crops: Crops = "hands") -> Settings:
    """All that decides a store's content, as JSON."""
    names = hashlib.sha256("\n".join(s.name for s in dataset.samples).encode()).hexdigest()
    made = dataset.root / "dataset.json"
    settings: Settings = {
        "dataset": dataset.name,
        "samples": len(dataset.samples),
        "names": names,
        "made": hashlib.sha256(made.read_bytes()).hexdigest() if made.exists() else None,
        "skeleton": dataset.skeleton.name,
        "classes": list(dataset.classes),
        "crop_size": dataset.crop_size if crops == "hands" else None,
        "image_width": dataset.image_size(dataset.samples[0])[0],
        "sensor_name": sensor.name if sensor else None,
        "sensor": sensor.fingerprint if sensor else None,
        "glimpse_features": sensor.features if sensor else 0,
        "splits": {p: dataset.split(p)._asdict() for p in dataset.protocols},
    }
    if dataset.complete:
        settings["complete"] = True
    return cast(Settings, {**settings, **dataset.reads})


def store_path(
    dataset: Dataset, sensor: GlimpseSensor | None, under: Path, crops: Crops = "hands"
) -> Path:
    """Default folder of a store: its name carries the fingerprint of its settings and its source."""
    kind = sensor.name if sensor else "poses"
    if crops == "frame":
        kind += "-frame"
    root = dataset.root.resolve()
    with suppress(ValueError):  # another drive of Windows
        root = Path(os.path.relpath(root, under.resolve()))  # both may move together
    made = fingerprint([settings_of(dataset, sensor, crops), root.as_posix()])
    return under / f"{dataset.name}-{kind}-{made}"


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n", the part of a store's shards to fill; i from 1. Raises ValueError."""
    i, slash, n = text.partition("/")
    if not (slash and i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise ValueError(f"a part of the shards is i/n, from 1/n to n/n, such as 2/4: not {text!r}")
    return int(i), int(n)


def prepare(
    dataset: Dataset,
    path: Path,
    sensor: GlimpseSensor | None = None,
    workers: int = 2,
    device: str = "auto",
    progress: bool = True,
    crops: Crops = "hands",
    shard: tuple[int, int] = (1, 1),
) -> Store:
    """Fill the store at `path` with every sample of `dataset`; continue if it was begun.

    sensor:   f_g; None prepares poses alone
    workers:  processes that parse and decode, 0 for none; on a CPU they compute features as well
    crops:    what f_g looks at: the hands (section 3.2), or the whole frame, a baseline
    shard:    (i, n): fill part i of n, beside others, and return what is whole so far
    Samples that cannot be read are recorded with their reason. Those whose files have changed since,
    and shards that are damaged, are made anew.
    Raises StoreError for a folder made with other settings, OSError (disk full, a worker ended) with
    all whole shards kept.

    >>> from pcsta import open_dataset, prepare
    >>> store = prepare(open_dataset("ntu", folder), folder / "store", workers=0, progress=False)
    >>> len(store), store.joints(0).shape  # poses alone: no sensor was given
    (8, (24, 2, 25, 3))
    """
    chosen = resolve_device(device)
    settings = settings_of(dataset, sensor, crops)
    with StoreWriter(path, settings) as writer:
        writer.renew, kept, why = review(writer, dataset.samples, sensor is not None)
        clips = _Clips(dataset, sensor, crops, chosen, kept)
        if sensor is not None:
            sensor.to(chosen)
        missing = sum(map(len, writer.missing(shard)))
        workers = min(workers, missing)
        loader = torch.utils.data.DataLoader(
            clips, sampler=writer.claim(shard), batch_size=None, collate_fn=tuple,
            num_workers=workers, prefetch_factor=4 if workers else None, worker_init_fn=begin_worker,
        )  # fmt: skip
        with tqdm(total=missing, unit="clip", desc=f"prepare {dataset.name}",
                  disable=not (progress and missing)) as bar:  # fmt: skip
            for reason in why if progress else ():
                bar.write(reason)
            try:
                for prepared in loader:
                    clip, arrays = clips.with_glimpses(*prepared)
                    if clip.skipped is not None:
                        bar.write(f"skipped: {clip.skipped}")
                    writer.add(clip, **arrays)
                    bar.update()
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                raise ChildProcessError(
                    "a process that reads was ended, perhaps for want of memory; what is whole is "
                    "kept: run the same command again, with fewer --workers if memory is short"
                ) from error
    return Store(path, unfinished=shard[1] > 1)

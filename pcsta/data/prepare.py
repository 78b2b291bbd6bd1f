"""Raw files -> store: parse the skeleton, decode the video, crop the hands, extract glimpses."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from pcsta.common import begin_worker, cores, rank_and_world_size, resolve_device
from pcsta.data.clip import Clip
from pcsta.data.crop_size import crop_sides
from pcsta.data.dataset import CropSize, DataError, Dataset
from pcsta.data.features import Prepared, add_glimpses, with_glimpses
from pcsta.data.pairing import clip_frames, paired
from pcsta.data.progress import Progress, reasons
from pcsta.data.shard import GLIMPSES, Crops, Settings, StoredClip, hash_names
from pcsta.data.sources import Kept, review, sources
from pcsta.data.store import Store
from pcsta.data.store_writer import Part, StoreWriter
from pcsta.files import fingerprint
from pcsta.glimpse import GlimpseSensor, crop, squeeze

# Side in pixels at which f_g sees a whole frame: Inception's own; for Lite0 the most that keeps the
# embedded dataset under a minute on two cores.
_FRAME_SIZES = {"efficientnet-lite0": 128, "inception-v3": 299}


def sensor_for(
    crops: Crops, name: str = "efficientnet-lite0", weights: str | Path | None = None
) -> GlimpseSensor:
    """f_g at the input size for these crops. Raises as GlimpseSensor does."""
    return GlimpseSensor(name, weights, _FRAME_SIZES.get(name) if crops == "frame" else None)


def glimpse_crops(
    clip: Clip, size: CropSize | None, input_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Crops of the hands that are there, or whole frames, in one pass over the clip's video.

    size: side in pixels; or in torsos, and every crop is then squeezed to the sensor's `input_size`;
          None for whole frames, squeezed likewise: each is the one glimpse of its time
    Returns (crops (K, 3, side, side) uint8, where (K, 2) the frame and hand of each crop).
    Raises DataError when the video is missing, unreadable or not of this skeleton (see `pairing`), and
    as `crop_sides`.
    """
    if size is None:
        whole = np.stack([squeeze(image, input_size) for _, image in clip_frames(clip)])
        return whole, np.argwhere(np.ones((len(clip), 1), bool))
    hands, sides = clip.hands, crop_sides(size, clip)  # (T, 4, 2), (4,)
    there = np.isfinite(hands).all(-1)  # (T, 4)
    side = size if isinstance(size, int) else input_size
    crops = np.zeros((there.sum(), 3, side, side), np.uint8)
    cuts = ((image, t, i) for t, image in clip_frames(clip) for i in np.flatnonzero(there[t]))
    for k, (image, t, i) in enumerate(cuts):
        (cut,) = crop(image, hands[t, i, None], int(sides[i]))  # (3, h, w)
        crops[k] = cut if isinstance(size, int) else squeeze(cut.transpose(1, 2, 0), side)
    return crops, np.argwhere(there)


class _Clips(torch.utils.data.Dataset[Prepared]):
    """Samples -> prepared arrays, for a DataLoader's workers. A sample's fault is its result."""

    def __init__(
        self,
        dataset: Dataset,
        sensor: GlimpseSensor | None,
        crops: Crops,
        device: torch.device,
        kept: Kept,
    ):
        self.dataset, self.samples = dataset, dataset.samples
        self.crops, self.device = crops, device
        self.seen = sensor.input_size if sensor else 0  # side in pixels; 0: poses alone
        # an accelerator belongs to the process that started the workers
        self.sensor = sensor if device.type == "cpu" else None
        self.kept = kept  # samples whose arrays are taken over

    def __getitem__(self, i: int) -> Prepared:
        if i in self.kept:
            shard, stored = self.kept[i]
            frames = slice(stored.start, stored.start + stored.length)
            return stored, {p.stem: np.load(p, "r")[frames] for p in shard.glob("*.npy")}
        sample = self.samples[i]
        stored = StoredClip(
            sample.name, sample.label, sample.subject, sample.camera, sample.replication,
        )  # fmt: skip
        try:
            stored = replace(stored, sources=sources(sample, bool(self.seen)))
            clip = self.dataset.read(sample)
            clip = paired(clip) if self.seen else clip
            deciding = clip.truth.deciding if clip.truth else np.full((len(clip), 4), -1)
            arrays = {"joints": clip.joints, "hands": clip.hands, "deciding": deciding}
            if self.seen:
                size = self.dataset.crop_size if self.crops == "hands" else None
                arrays["crops"], arrays["where"] = glimpse_crops(clip, size, self.seen)
        except (DataError, OSError) as error:
            passing = isinstance(error, OSError) or isinstance(error.__context__, OSError)
            return replace(stored, skipped=str(error), passing=passing), {}
        faults = clip.truth.faults if clip.truth else ()
        stored = replace(stored, length=len(clip), repairs=clip.repairs, faults=faults)
        if self.sensor:
            add_glimpses([(stored, arrays)], self.sensor, self.device, GLIMPSES[self.crops])
        return stored, arrays


def _read(
    clips: _Clips, writer: StoreWriter, part: Part, workers: int, wait: bool
) -> Iterator[Prepared]:
    """What is missing in a part of the shards, in order, as worker processes read it ahead."""
    workers = min(workers, sum(map(len, writer.missing(part))))
    yield from torch.utils.data.DataLoader(
        clips, sampler=writer.claim(part, wait), batch_size=None, collate_fn=tuple,
        num_workers=workers, prefetch_factor=4 if workers else None, worker_init_fn=begin_worker,
    )  # fmt: skip


def settings_of(dataset: Dataset, sensor: GlimpseSensor | None, crops: Crops = "hands") -> Settings:
    """All that decides a store's content, as JSON."""
    made = dataset.root / "dataset.json"
    settings: Settings = {
        "dataset": dataset.name,
        "samples": len(dataset.samples),
        "names": hash_names(s.name for s in dataset.samples),
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
    workers: int | None = None,
    device: str = "auto",
    progress: bool = True,
    crops: Crops = "hands",
    shard: tuple[int, int] = (1, 1),
) -> Store:
    """Fill the store at `path` with every sample of `dataset`; continue if it was begun.

    sensor:   f_g; None prepares poses alone
    workers:  processes that parse and decode, by default one a core, 0 for none; on a CPU they compute
              features as well
    crops:    what f_g looks at: the hands (section 3.2), or the whole frame, a baseline
    shard:    (i, n): fill part i of n, beside others, and return what is whole so far
    The ranks of `torchrun` share the work, and return when all of it is done. Samples that cannot be
    read are recorded with their reason. Those whose files have changed since, and shards that are
    damaged, are made anew.
    Raises StoreError for a folder made with other settings, OSError (disk full) or
    RuntimeError (a worker was killed) with all whole shards kept.

    >>> from pcsta import open_dataset, prepare
    >>> store = prepare(open_dataset("ntu", folder), folder / "store", workers=0, progress=False)
    >>> len(store), store.joints(0).shape  # poses alone: no sensor was given
    (8, (24, 2, 25, 3))
    """
    # with its number, as every thread has a current GPU of its own
    chosen = torch.empty(0, device=resolve_device(device)).device
    workers = cores() if workers is None else workers
    (i, n), (rank, ranks) = shard, rank_and_world_size()
    own = i + n * rank, n * ranks  # every rank's part of this part
    with StoreWriter(path, settings_of(dataset, sensor, crops)) as writer:
        kept, why = review(writer, dataset.samples, sensor is not None)
        clips = _Clips(dataset, sensor, crops, chosen, kept)
        if sensor is not None:
            sensor.to(chosen)
        missing = sum(map(len, writer.missing(shard)))
        told = Progress(f"prepare {dataset.name}", -(-missing // ranks), progress and rank == 0)
        told.say(why)
        with told.bar:
            # its own part, what other ranks have not begun, and at last what they are still at
            for part, wait in (own, False), (shard, False), (shard, True):
                for clip, arrays in with_glimpses(
                    told.wait_for_each("readers", _read(clips, writer, part, workers, wait)),
                    sensor, chosen, GLIMPSES[crops], told,
                ):  # fmt: skip
                    told.wait("disk", writer.add, clip, **arrays)
                    told.update(len(arrays.get("where", ())), clip.skipped is not None)
    store = Store(path, unfinished=n > 1)
    if missing and store.skipped:
        said = f"skipped {len(store.skipped)} of {len(store.samples)}:"
        told.say([said, *reasons(store.skipped)])
    return store

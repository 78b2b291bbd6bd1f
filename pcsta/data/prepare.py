"""Raw files -> store: parse the skeleton, decode the video, crop the hands, extract glimpses.

Everything that does not change during training is done here, once (section 4 freezes f_g).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from tqdm.auto import tqdm

from pcsta.common import resolve_device
from pcsta.data.clip import Clip
from pcsta.data.dataset import DataError, Dataset, Sample
from pcsta.data.store import GLIMPSES, Crops, Store, StoreWriter, describe
from pcsta.data.video import clip_frames
from pcsta.files import fingerprint
from pcsta.glimpse import GlimpseSensor, crop, squeeze

# Crops per forward pass of f_g. On a CPU 256 of them cost 2.8 times as much as 8 times 32: their
# activations outgrow what malloc keeps, and every layer pays for fresh pages.
_CPU_BATCH = 32
_GPU_BATCH = 256

# Side in pixels at which f_g sees a whole frame: Inception's own; for Lite0 the most that keeps the
# embedded dataset under a minute on two cores.
_FRAME_SIZES = {"efficientnet-lite0": 128, "inception-v3": 299}


def sensor_for(
    crops: Crops, name: str = "efficientnet-lite0", weights: str | Path | None = None
) -> GlimpseSensor:
    """f_g at the input size for these crops. Raises as GlimpseSensor does."""
    return GlimpseSensor(name, weights, _FRAME_SIZES.get(name) if crops == "frame" else None)


def glimpse_crops(clip: Clip, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Crops of the hands that are there, in one pass over the clip's video.

    Returns (crops (K, 3, size, size) uint8, where (K, 2) the frame and hand of each crop).
    Raises DataError when the video is missing, unreadable or much shorter than the skeleton.
    """
    hands = clip.hands  # (T, 4, 2)
    there = np.isfinite(hands).all(-1)  # (T, 4)
    crops = [np.zeros((0, 3, size, size), np.uint8)]
    for t, image in clip_frames(clip):
        if there[t].any():
            crops.append(np.asarray(crop(image, hands[t][there[t]], size)))
    return np.concatenate(crops), np.argwhere(there)


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


class _Clips(torch.utils.data.Dataset):
    """Samples -> prepared arrays, for a DataLoader's workers. A sample's fault is its result."""

    def __init__(
        self,
        dataset: Dataset,
        samples: list[Sample],
        sensor: GlimpseSensor | None,
        crops: Crops,
        here: bool,
    ):
        self.dataset, self.samples = dataset, samples
        self.sensor, self.crops = sensor, crops
        self.here = here  # compute features in this process; otherwise hand over the crops

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> dict[str, Any]:
        sample = self.samples[i]
        try:
            clip = self.dataset.read(sample)
            result: dict[str, Any] = {"clip": describe(clip), "arrays": _poses(clip)}
            if self.sensor is None:
                return result
            if self.crops == "hands":
                crops, where = glimpse_crops(clip, self.dataset.crop_size)
            else:
                crops, where = frame_crops(clip, self.sensor.input_size)
            if self.here:
                cpu = torch.device("cpu")
                result["arrays"]["glimpses"] = glimpse_features(
                    self.sensor, crops, where, len(clip), cpu, GLIMPSES[self.crops]
                )
            else:
                result |= {"crops": crops, "where": where}
            return result
        except (DataError, OSError) as error:
            return {"name": sample.name, "error": str(error)}


def _poses(clip: Clip) -> dict[str, np.ndarray]:
    active = clip.truth.active if clip.truth else np.full(len(clip), -2)
    return {"joints": clip.joints, "hands": clip.hands, "active": active.astype(np.int8)}


def settings_of(
    dataset: Dataset, sensor: GlimpseSensor | None, crops: Crops = "hands"
) -> dict[str, Any]:
    """All that decides a store's content, as JSON. A crop size of None means the whole frame."""
    names = hashlib.sha256("\n".join(s.name for s in dataset.samples).encode()).hexdigest()
    made = dataset.root / "dataset.json"
    return {
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
        **dataset.reads,
    }


def store_path(
    dataset: Dataset, sensor: GlimpseSensor | None, under: Path, crops: Crops = "hands"
) -> Path:
    """Default folder of a store: its name carries the fingerprint of its settings."""
    kind = sensor.name if sensor else "poses"
    if crops == "frame":
        kind += "-frame"
    return under / f"{dataset.name}-{kind}-{fingerprint(settings_of(dataset, sensor, crops))}"


def prepare(
    dataset: Dataset,
    path: Path,
    sensor: GlimpseSensor | None = None,
    workers: int = 2,
    device: str = "auto",
    progress: bool = True,
    crops: Crops = "hands",
) -> Store:
    """Fill the store at `path` with every sample of `dataset`; continue if it was begun.

    sensor:   f_g; None prepares poses alone
    workers:  processes that parse and decode, 0 for none; on a CPU they compute features as well
    crops:    what f_g looks at: the hands (section 3.2), or the whole frame, a baseline
    Raises StoreError for a folder made with other settings, OSError (disk full) with the store
    left at its last whole clip. Samples that cannot be read are recorded with their reason.
    """
    chosen = resolve_device(device)
    on_cpu = chosen.type == "cpu"
    path.mkdir(parents=True, exist_ok=True)
    # two processes that append to one store would interleave their clips: the second one waits
    with FileLock(path / ".lock"), StoreWriter(path, settings_of(dataset, sensor, crops)) as writer:
        samples = [s for s in dataset.samples if s.name not in writer.seen]
        clips = _Clips(dataset, samples, sensor, crops, here=on_cpu)
        if sensor is not None:
            sensor.to(chosen)
        bar = tqdm(total=len(dataset.samples), initial=len(writer.seen), unit="clip",
                   desc=f"prepare {dataset.name}", disable=not (progress and samples))  # fmt: skip
        with bar:
            for result in _results(clips, workers):
                if "error" in result:
                    writer.skip(result["name"], result["error"])
                    bar.write(f"skipped: {result['error']}")
                else:
                    arrays = result["arrays"]
                    if sensor is not None and not on_cpu:
                        arrays["glimpses"] = glimpse_features(
                            sensor, result["crops"], result["where"], len(arrays["joints"]), chosen,
                            GLIMPSES[crops],
                        )  # fmt: skip
                    try:
                        writer.add(result["clip"], **arrays)
                    except OSError as error:
                        raise OSError(
                            error.errno,
                            f"{error.strerror} while writing {result['clip']['name']}; what was prepared "
                            "is kept: make room and run the same command again",
                            str(path),
                        ) from error
                bar.update()
        writer.finish()
    return Store(path)


def _results(clips: _Clips, workers: int) -> Iterator[dict[str, Any]]:
    workers = min(workers, len(clips))
    loader: torch.utils.data.DataLoader = torch.utils.data.DataLoader(
        clips, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None,
        collate_fn=dict, worker_init_fn=_one_thread,
    )  # fmt: skip
    yield from loader


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)

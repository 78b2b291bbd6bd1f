"""What one GPU does with the paper's model, in one script: sensor, film, preparation, training, prediction, a profile.

    python tests/benchmarks/gpu.py                 # under 25 minutes on one H100; writes book/results/performance.json
    python tests/benchmarks/gpu.py --quick         # does it run? tiny sizes, also on a CPU; prints, and writes nothing

Each figure stands beside a naive form, a floor or the paper's figure, in the same run. The naive form is
the mathematics line by line in float32, a clip or a crop at a time, Adam not fused, the loss read at every
step; the floor is the arithmetic at the speed of a large matrix product, measured here. "compiled" is the
step in CUDA graphs, by torch.compile, which the package does not use. The weights are random: they change
no time. Not part of the test run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import FRAMES, HANDS, LiteralPoseNet, best, literal_rgb
from scale import epochs, speeds, training_step, wait
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import inception_v3

from pcsta import common, tensors
from pcsta.batches import SubSequences
from pcsta.config import ModelConfig, laptop, paper, row
from pcsta.data.clip import Clip
from pcsta.data.features import glimpse_features
from pcsta.data.ntu import NTU, write_skeleton
from pcsta.data.pairing import clip_frames
from pcsta.data.prepare import glimpse_crops, prepare
from pcsta.data.video import write_video
from pcsta.files import write_json
from pcsta.glimpse import GlimpseSensor, crop
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import KINECT_V2
from pcsta.two_stream import TwoStream
from pcsta_book.experiments.paper import RUNTIME
from pcsta_book.experiments.records import git_commit
from pcsta_book.places import BOOK
from pcsta_book.rehearsal import Rehearsal

EPOCH = round(0.95 * 40_320)  # clips that are fitted, cross-subject


class Bench:
    """Sizes, the device, and how often a form is repeated."""

    def __init__(self, quick: bool, device: torch.device) -> None:
        self.quick, self.device, self.repeats = quick, device, 1 if quick else 10
        self.config: ModelConfig = paper()
        if quick:  # the same networks, narrow, and no projection
            self.config = laptop(glimpse_features=2048, glimpse_projection=None, standardise=False)
        self.precisions = ["float32", "TF32", "bfloat16"] if device.type == "cuda" else ["float32"]

    def best(self, *forms: Callable[[], object], repeats: int | None = None) -> list[float]:
        """Seconds of each form, the device waited for."""

        def timed(form: Callable[[], object]) -> Callable[[], object]:
            return lambda: (form(), wait(self.device))

        return best(repeats or self.repeats, *map(timed, forms))

    @contextmanager
    def products(self, precision: str) -> Iterator[str]:
        """What `common.fast_products` switches, one by one; yields what autocast is told."""
        torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
        torch.backends.cudnn.allow_tf32 = precision != "float32"
        yield precision if precision == "bfloat16" else "float32"
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = True

    def peak(self, precision: str) -> float:
        """Operations a second of a large matrix product."""
        n = 512 if self.quick else 8192
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a, b = (torch.randn(n, n, device=self.device, dtype=kind) for _ in range(2))
        with self.products(precision):
            return 2 * n**3 / self.best(lambda: a @ b, repeats=5)[0]


def operations(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def sensor(b: Bench, f_g: GlimpseSensor) -> dict[str, Any]:
    """Inception V3 at 299 pixels: crops a second."""
    count = 4 if b.quick else 256  # crops
    crops = torch.randint(0, 256, (count, 3, 50, 50), dtype=torch.uint8, device=b.device)
    network = inception_v3(weights=None, aux_logits=False, init_weights=False).to(b.device).eval()
    network.fc = torch.nn.Identity()

    @torch.inference_mode()
    def naive() -> None:  # the four hands of one frame at a time
        for four in crops[:16].split(4):
            x = torch.nn.functional.interpolate(four.float(), (299, 299), mode="bilinear")
            network(x / 127.5 - 1)

    ours, slow = b.best(lambda: f_g(crops), naive, repeats=max(b.repeats // 2, 1))
    each = operations(lambda: f_g(crops[:1]))
    return {
        "crops a second": count / ours,
        "naive": len(crops[:16]) / slow,
        "floor": b.peak("TF32" if b.device.type == "cuda" else "float32") / each,
        "operations a crop": each,
        "precision": "float32, convolutions by TF32 where cuDNN has it",
    }


def film(b: Bench, f_g: GlimpseSensor, folder: Path) -> dict[str, Any]:
    """Full HD film -> crops -> features, by one process; the paper says 1 s for 20 frames."""
    T, size = (20, (320, 180)) if b.quick else (80, (1920, 1080))
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (size[1] // 4, size[0] // 4 + T, 3), np.uint8)
    images = (
        np.kron(noise[:, t : t + size[0] // 4], np.ones((4, 4, 1), np.uint8)) for t in range(T)
    )
    path = write_video(folder / "film.mp4", images, preset="ultrafast")
    pixels = rng.uniform(50, min(size) - 50, (T, 2, len(KINECT_V2), 2)).astype(np.float32)
    joints = np.ones((T, 2, len(KINECT_V2), 3), np.float32)
    clip = Clip("film", joints, pixels, KINECT_V2, 0, "1", image_size=size, video=path)

    def ours() -> None:
        glimpse_features(f_g, *glimpse_crops(clip, 50), T, b.device)

    def naive() -> None:  # a frame at a time through the sensor
        for t, image in clip_frames(clip):
            f_g(torch.from_numpy(crop(image, clip.hands[t], 50)).to(b.device)).cpu()

    repeats = max(b.repeats // 3, 1)
    all_of_it, slow, decoding = b.best(
        ours, naive, lambda: glimpse_crops(clip, 50), repeats=repeats
    )
    share = FRAMES / T
    return {
        "seconds for 20 frames": all_of_it * share,
        "of them decoding and cropping": decoding * share,
        "naive": slow * share,
        "paper": RUNTIME["RGB preprocessing, s"],
        "film": f"{size[0]} x {size[1]}, {T} frames, H.264",
    }


def preparing(b: Bench, f_g: GlimpseSensor, folder: Path, workers: int) -> dict[str, Any]:
    """`pcsta prepare`: a store from many Full HD films, by worker processes beside the device.

    The floor is the slower of two: reading on as many cores as there are readers, and f_g alone.
    """
    clips, T = (6, 20) if b.quick else (512, 80)
    rng, steps = np.random.default_rng(0), np.arange(T)
    pixels = rng.uniform(100, (220, 170) if b.quick else (1800, 980), (1, 2, len(KINECT_V2), 2))
    joints = rng.uniform((-0.4, -0.9, 2.9), (0.4, 0.9, 3.1), (1, 2, len(KINECT_V2), 3))
    joints = joints + np.array([[-0.8, 0, 0], [0.8, 0, 0]])[:, None]  # two people side by side
    joints = joints + 0.1 * np.sin(steps / 5)[:, None, None, None]
    skeleton = write_skeleton(folder / "one.skeleton", joints, pixels.repeat(T, 0))
    for name in Rehearsal(512, 0).names[:clips]:
        for kind, end, source in (
            ("nturgb+d_skeletons", ".skeleton", skeleton),
            ("nturgb+d_rgb", "_rgb.mp4", folder / "film.mp4"),
        ):
            (folder / "ntu" / kind).mkdir(parents=True, exist_ok=True)
            os.link(source, folder / "ntu" / kind / f"{name}{end}")
    data = NTU(folder / "ntu")
    if b.quick:  # its film is smaller
        about = {"name": "quick", "actions": list(data.numbers), "image_size": [320, 180]}
        write_json(data.root / "dataset.json", about | {"crop_size": 50})
        data = NTU(data.root)
    clip = data.read(data.samples[0])
    crops = glimpse_crops(clip, 50)[0]
    reading, computing = b.best(
        lambda: glimpse_crops(clip, 50), lambda: f_g(torch.from_numpy(crops[:256]).to(b.device)),
        repeats=3,
    )  # fmt: skip
    began = time.perf_counter()
    store = prepare(data, folder / "prepared", f_g, workers, str(b.device))
    seconds = time.perf_counter() - began
    floor = clips * max(reading / max(workers, 1), computing * len(crops) / min(len(crops), 256))
    shutil.rmtree(store.path)
    return {
        "clips": len(store), "crops a clip": len(crops), "workers": workers,
        "clips a second": clips / seconds, "crops a second": clips * len(crops) / seconds,
        "seconds a clip, reading on one core": reading,
        "crops a second, f_g alone": min(len(crops), 256) / computing,
        "times its floor": seconds / floor,
        "hours for NTU's 56,880": 56_880 / (clips / seconds) / 3600,
    }  # fmt: skip


def naive_step(
    model: TwoStream, stage: str, literal: LiteralPoseNet, batch: Any
) -> Callable[[], Any]:
    net = literal if stage == "pose" else model.stage("rgb").train()
    adam = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 1e-4, foreach=False)

    def step() -> float:
        if stage == "pose":
            logits = literal(batch.pose_tensor)
        else:
            with torch.no_grad():
                s = literal.features(batch.pose_tensor)
            logits = model.rgb_head(literal_rgb(model.rgb, batch.glimpses, s))
        loss = cross_entropy(logits, batch.labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def training(b: Bench, store: Any, workers: int) -> dict[str, Any]:
    """Both stages: clips a second from a store and from memory, seconds an epoch at NTU's size."""
    clips, found = store.split("cross-subject")[0], {}
    config = replace(b.config, classes=60)
    for stage in ("pose", "rgb"):
        for precision, compiled in [*((p, False) for p in b.precisions), (b.precisions[-1], True)]:
            torch.manual_seed(0)
            model = TwoStream(row("A" if stage == "pose" else "K", config)).to(b.device)
            batches = SubSequences(store, model.config, b.device, workers=workers)
            with b.products(precision) as cast:
                steps, turns = (2, 1) if b.quick else (100, 3)
                rates = speeds(model, batches, clips, stage, steps, cast, turns, compiled)
            found[f"{stage}, {precision}{', compiled' * compiled}"] = {
                **{f"clips a second, {name}": rate for name, rate in rates.items()},
                "seconds an epoch": EPOCH / rates["store"],
            }
        batch = next(epochs(batches, clips))
        literal = LiteralPoseNet(config).to(b.device).train()
        naive = naive_step(model, stage, literal, batch)
        with b.products("float32"):
            slow = b.best(naive, repeats=max(b.repeats // 2, 1))[0]
        found[f"{stage}, naive"] = {"clips a second, memory": len(batch.labels) / slow}
        if b.device.type == "cuda":  # a step that waits for the device raises
            step = training_step(model, stage, "bfloat16")
            step(batch)
            torch.cuda.set_sync_debug_mode("error")
            step(batch)
            torch.cuda.set_sync_debug_mode("default")
            found[f"{stage}, a step waits for the device"] = False
    last = b.precisions[-1]
    both = sum(found[f"{stage}, {last}"]["seconds an epoch"] for stage in ("pose", "rgb"))
    hours = RUNTIME["training, h"]
    return {
        **found,
        "epochs of both stages in the paper's hours": hours * 3600 / both,
        "paper, h": hours,
    }


def prediction(b: Bench) -> dict[str, Any]:
    """From joints and features to logits, pose features included: the paper says 1.4 ms."""
    model = TwoStream(b.config).to(b.device).eval()
    literal = LiteralPoseNet(b.config).to(b.device).eval()
    build, found = PoseTensor(KINECT_V2), {}
    for count in (1, 4 if b.quick else 1024):
        joints = torch.randn(count, FRAMES, 2, len(KINECT_V2), 3, device=b.device)
        V = torch.rand(count, FRAMES, HANDS, b.config.glimpse_features, device=b.device)

        @torch.inference_mode()
        def ours(joints: Tensor = joints, V: Tensor = V) -> Tensor:
            return model(build(joints), V).logits

        @torch.inference_mode()
        def naive(joints: Tensor = joints, V: Tensor = V) -> None:
            for k in range(min(count, 16)):  # noqa: B023
                s = literal.features(build(joints[k : k + 1]))
                literal.head(s) + model.rgb_head(literal_rgb(model.rgb, V[k : k + 1], s))

        t, slow = b.best(ours, naive)
        found[f"batch {count}"] = {
            "ms": 1e3 * t, "ms a sub-sequence": 1e3 * t / count,
            "naive, ms a sub-sequence": 1e3 * slow / min(count, 16),
        }  # fmt: skip
    return {**found, "paper, ms": RUNTIME["prediction from features, ms"], "precision": "float32"}


def profile(b: Bench, store: Any) -> dict[str, Any]:
    """Where the time of an RGB step goes: the twelve operations that take most of it."""
    model = TwoStream(row("K", replace(b.config, classes=60))).to(b.device)
    batches = SubSequences(store, model.config, b.device)
    batch = next(epochs(batches, store.split("cross-subject")[0]))
    cuda, steps = b.device.type == "cuda", 2 if b.quick else 10
    step = training_step(model, "rgb", "bfloat16" if cuda else "float32")
    step(batch)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if cuda else []
    wait(b.device)
    began = time.perf_counter()
    with torch.profiler.profile(activities=kinds) as seen:
        for _ in range(steps):
            step(batch)
        wait(b.device)
    seconds = time.perf_counter() - began
    name = "self_device_time_total" if cuda else "self_cpu_time_total"
    spent = {e.key: getattr(e, name) / 1e6 for e in seen.key_averages()}
    largest = sorted(spent, key=lambda key: -spent[key])[:12]
    return {
        "seconds a step, with the profiler": seconds / steps,
        "share of it in which the device computes": sum(spent.values()) / seconds if cuda else None,
        "milliseconds a step": {key: 1e3 * spent[key] / steps for key in largest},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes; nothing is written")
    parser.add_argument(
        "--clips", type=int, default=3000, help="of the rehearsal store (default 3000: 4 GB)"
    )
    parser.add_argument("--workers", type=int, default=common.cores())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=BOOK / "results" / "performance.json")
    options = parser.parse_args()
    device = common.resolve_device(options.device)
    if device.type != "cuda" and not options.quick:
        parser.error("this measures a GPU, and torch sees none; --quick tries the script on a CPU")
    warnings.filterwarnings("ignore", message="Using padding='same'")
    b, began = Bench(options.quick, device), time.perf_counter()
    found: dict[str, Any] = {
        "command": "python tests/benchmarks/gpu.py" + " --quick" * options.quick,
        "hardware": common.hardware(device), "cores": os.cpu_count(), "commit": git_commit(),
        "date": time.strftime("%Y-%m-%d"), "workers": options.workers,
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "cuda": torch.version.cuda},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        weights = folder / "inception.safetensors"
        network = inception_v3(weights=None, aux_logits=False, init_weights=False)
        tensors.write(weights, network.state_dict())
        f_g = GlimpseSensor("inception-v3", weights).to(device)
        drawn = Rehearsal(100 if options.quick else options.clips)
        print(drawn.room(folder / "store"), flush=True)
        store = drawn.write(folder / "store", progress=False)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "operations a second": lambda: {name: b.peak(name) for name in b.precisions},
            "glimpse sensor": lambda: sensor(b, f_g),
            # Inception takes a CPU a minute for this
            "film": lambda: film(b, GlimpseSensor() if b.quick else f_g, folder),
            "preparing": lambda: preparing(
                b, GlimpseSensor().to(device) if b.quick else f_g, folder, options.workers
            ),
            "training": lambda: training(b, store, 0 if options.quick else options.workers),
            "prediction": lambda: prediction(b),
            "profile": lambda: profile(b, store),
        }
        for name, part in parts.items():
            since = time.perf_counter()
            found[name] = part()
            print(f"{name}: {time.perf_counter() - since:.0f} s", flush=True)
    found["seconds"] = round(time.perf_counter() - began)
    print(json.dumps(found, indent=1, allow_nan=False))
    if not options.quick:
        write_json(options.out, found)
        print(f"written: {options.out}")


if __name__ == "__main__":
    main()

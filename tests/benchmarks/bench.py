"""How fast the package is, each figure beside a naive form and a floor measured in the same run.

    python tests/benchmarks/bench.py [--record] [--threads N] [--repeats N] [--only NAME ...]

naive:  the same mathematics, transcribed line by line
floor:  what the arithmetic alone costs: the multiplications of the step at the best speed seen in
        one large matrix product or convolution (models), the bare network without preparing its input (glimpses), or
        converting the numbers alone (text)
in steps: a second floor, of what has an LSTM: its products in twenty steps, each of which must wait for
        the one before; only the gradient of its weights is one product

The forms take turns and the best time of each counts, so that a busy machine disturbs them alike.
--record writes book/results/performance-cpu.json, which the page "How fast it is" shows. Not part of
the test run.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcsta.config import ModelConfig, laptop, paper
from pcsta.data.ntu import read_skeleton
from pcsta.files import read_json, write_json
from pcsta.glimpse import CPU_BATCH, GlimpseSensor, crop
from pcsta.pose_tensor import PoseTensor
from pcsta.rgb_stream import RGBStream
from pcsta.skeletons import KINECT_V2
from pcsta.two_stream import TwoStream
from pcsta_book.experiments.records import git_commit
from pcsta_book.places import BOOK
from pcsta_book.site.appendices import hardware

RECORD = BOOK / "results" / "performance-cpu.json"
BATCH, FRAMES, HANDS, SUB_SEQUENCES = 64, 20, 4, 10


@dataclass
class Result:
    """Seconds per unit of work, and how much work a unit is."""

    name: str
    seconds: float
    naive: float
    floor: float
    amount: float  # of `unit` in one repetition
    unit: str
    in_steps: float | None = None

    def describe(self) -> dict[str, float | str | None]:
        return asdict(self) | {
            "times faster than naive": self.naive / self.seconds,
            "times its floor": self.seconds / self.floor,
            "times its floor in steps": self.in_steps and self.seconds / self.in_steps,
            "rate": self.amount / self.seconds,
        }


def add_to_record(part: str, found: dict) -> None:
    """Put what one of these scripts found, and where, into the record of CPU figures."""
    script = Path(sys.argv[0]).resolve().relative_to(BOOK.parent)
    made = {
        "command": shlex.join(["python", str(script), *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"), "commit": git_commit(),
        "hardware": hardware(), "torch": torch.__version__,
    }  # fmt: skip
    record = read_json(RECORD) if RECORD.exists() else {}
    write_json(RECORD, record | {part: made | found})


def best(repeats: int, *forms: Callable[[], object]) -> list[float]:
    """Best time of each form in seconds, the forms taking turns; one unmeasured round first."""
    times = [[float("inf")] for _ in forms]
    for round_ in range(repeats + 1):
        for form, seconds in zip(forms, times, strict=True):
            start = time.perf_counter()
            form()
            if round_:
                seconds.append(time.perf_counter() - start)
    return [min(seconds) for seconds in times]


def seconds_per_multiplication() -> float:
    """What one multiply-add costs at best here: in a large matrix product or a wide convolution."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    conv = nn.Conv2d(64, 64, (8, 3)).to(memory_format=torch.channels_last)
    x = torch.randn(8, 64, 17, 152).to(memory_format=torch.channels_last)
    with torch.no_grad():
        product, convolution = best(20, lambda: a @ b, lambda: conv(x))
    return min(product / 1024**3, convolution / (8 * 64 * 10 * 150 * 64 * 24))


# --- pose net -----------------------------------------------------------------------------------
class LiteralPoseNet(nn.Module):
    """Section 4 word for word: three convolutions, ReLU after each, then max-pooling."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        a, b, c = config.pose_widths
        self.conv1 = nn.Conv2d(3, a, (8, 3), padding="same")
        self.conv2 = nn.Conv2d(a, b, (8, 3), padding="same")
        self.conv3 = nn.Conv2d(b, c, (5, 75))
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(c, config.classes))

    def features(self, X: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(X).relu(), 2)
        x = F.max_pool2d(self.conv2(x).relu(), 2)
        return self.conv3(x).relu().flatten(1)

    def forward(self, X: Tensor) -> Tensor:
        return self.head(self.features(X))


def training_step(
    model: nn.Module, logits: Callable[[], Tensor], fused: bool
) -> Callable[[], object]:
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-4, fused=fused)
    labels = torch.zeros(BATCH, dtype=torch.long)

    def step() -> None:
        optimiser.zero_grad()
        F.cross_entropy(logits(), labels).backward()
        optimiser.step()

    return step


def pose_multiplications(config: ModelConfig) -> int:
    """Multiply-adds of one sample's forward pass."""
    a, b, c = config.pose_widths
    return 24 * (20 * 300 * 3 * a + 10 * 150 * a * b) + 5 * 75 * b * c


def pose_step(name: str, config: ModelConfig, repeats: int) -> Result:
    X = torch.randn(BATCH, 3, FRAMES, 300)
    ours, naive = TwoStream(config).stage("pose").train(), LiteralPoseNet(config).train()
    unit = seconds_per_multiplication()
    t, slow = best(
        repeats,
        training_step(ours, lambda: ours.pose_head(ours.pose_net(X)), fused=True),
        training_step(naive, lambda: naive(X), fused=False),
    )
    forward = pose_multiplications(config)
    # X needs no gradient, so the first layer takes part in two passes and not in three
    passes = 3 * forward - 24 * 20 * 300 * 3 * config.pose_widths[0]
    return Result(f"pose net, training step, {name}", t, slow, BATCH * passes * unit, 1, "step")


# --- RGB stream ---------------------------------------------------------------------------------
def literal_rgb(net: RGBStream, V: Tensor, s: Tensor) -> Tensor:
    """Eq. 3 to 7 in the order of the paper: everything inside the loop, f_p on (h, s)."""
    h = c = V.new_zeros(len(V), net.config.hidden)
    f_h, features, attention = net.lstm, [], []
    for t in range(V.shape[1]):
        p = net.spatial(h, net.spatial.pose_term(s))
        v = (V[:, t] * p[:, :, None]).sum(1)
        gates = F.linear(v, f_h.weight_ih, f_h.bias_ih) + F.linear(h, f_h.weight_hh, f_h.bias_hh)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        features.append(net.step(h).relu())
        attention.append(p)
    q = net.temporal(torch.stack(attention, 1).flatten(1), s)
    return (torch.stack(features, 1) * q[:, :, None]).sum(1)


def lstm_multiplications(config: ModelConfig) -> int:
    """Multiply-adds of one sample's forward pass through all steps of f_h alone."""
    D, H = config.glimpse_projection or config.glimpse_features, config.hidden
    return FRAMES * (D + H) * 4 * H


def rgb_multiplications(config: ModelConfig) -> int:
    """Multiply-adds of one sample's forward pass, the pose term once."""
    D = config.glimpse_projection or config.glimpse_features
    H, S, A = config.hidden, config.pose_widths[2], config.spatial_hidden
    each = H * A + A * HANDS + HANDS * D + H * config.step_features
    once = S * A + (FRAMES * HANDS + S) * config.temporal_hidden + config.temporal_hidden * FRAMES
    return lstm_multiplications(config) + FRAMES * each + once


def products_in_steps(config: ModelConfig, rows: int, learns: bool) -> Callable[[], object]:
    """The LSTM's products of `rows` sub-sequences; where it learns, with those of its gradients."""
    D, H = config.glimpse_projection or config.glimpse_features, config.hidden
    W, x, g = torch.randn(4 * H, D + H), torch.randn(rows, D + H), torch.randn(rows, 4 * H)
    all_x, all_g = x.repeat(FRAMES, 1), g.repeat(FRAMES, 1)

    @torch.inference_mode()
    def run() -> None:
        for _ in range(FRAMES):
            x @ W.T
        for _ in range(FRAMES if learns else 0):
            g @ W
        if learns:
            all_g.T @ all_x

    return run


def rgb_step(name: str, config: ModelConfig, repeats: int) -> Result:
    D = config.glimpse_projection or config.glimpse_features
    V = torch.randn(BATCH, FRAMES, HANDS, D)
    s = torch.randn(BATCH, config.pose_widths[2])
    ours, naive = (TwoStream(config).stage("rgb").train() for _ in range(2))
    unit = seconds_per_multiplication()
    t, slow, steps = best(
        repeats,
        training_step(
            ours, lambda: ours(None, V, projected=True, pose_features=s).rgb_logits, fused=True
        ),
        training_step(naive, lambda: naive.rgb_head(literal_rgb(naive.rgb, V, s)), fused=False),
        products_in_steps(config, BATCH, learns=True),
    )
    floor = 3 * BATCH * rgb_multiplications(config) * unit
    in_steps = floor - 3 * BATCH * lstm_multiplications(config) * unit + steps
    what = f"RGB stream, training step, {name}"
    return Result(what, t, slow, floor, 1, "step", in_steps)


# --- prediction ---------------------------------------------------------------------------------
def prediction(name: str, config: ModelConfig, repeats: int) -> Result:
    """Ten sub-sequences of a clip: joints and glimpse features -> averaged logits."""
    joints = torch.randn(SUB_SEQUENCES, FRAMES, 2, 25, 3)
    V = torch.rand(SUB_SEQUENCES, FRAMES, HANDS, config.glimpse_features)
    build, model = PoseTensor(KINECT_V2), TwoStream(config).eval()
    literal = LiteralPoseNet(config).eval()
    unit = seconds_per_multiplication()

    @torch.inference_mode()
    def ours() -> Tensor:
        return model(build(joints), V).logits.mean(0)

    @torch.inference_mode()
    def naive() -> Tensor:
        logits = []
        for k in range(SUB_SEQUENCES):  # one after the other
            s = literal.features(build(joints[k : k + 1]))
            pooled = literal_rgb(model.rgb, model.rgb.scaling.project(V[k : k + 1]), s)
            logits.append(literal.head(s) + model.rgb_head(pooled))
        return torch.cat(logits).mean(0)

    steps = products_in_steps(config, SUB_SEQUENCES, learns=False)
    t, slow, stepped = best(repeats, ours, naive, steps)
    per_sample = pose_multiplications(config) + rgb_multiplications(config)
    if config.glimpse_projection:
        per_sample += FRAMES * HANDS * config.glimpse_features * config.glimpse_projection
    floor = SUB_SEQUENCES * per_sample * unit
    in_steps = floor - SUB_SEQUENCES * lstm_multiplications(config) * unit + stepped
    what = f"prediction of a clip from features, {name}"
    return Result(what, t, slow, floor, 1, "clip", in_steps)


# --- glimpses -----------------------------------------------------------------------------------
def glimpses(repeats: int, images: int = 16) -> Result:
    """Frames and hand positions -> features, against the bare network on ready input.

    naive: the network as its package runs it, a crop at a time per frame of four hands.
    """
    from efficientnet_lite_pytorch import EfficientNet

    frames = np.random.default_rng(0).integers(0, 256, (images, 540, 960, 3), dtype=np.uint8)
    hands = np.random.default_rng(1).uniform((0, 0), (960, 540), (images, HANDS, 2))
    sensor = GlimpseSensor()
    package = EfficientNet.from_name("efficientnet-lite0", image_size=64).eval()
    ready = torch.rand(images * HANDS, 3, 64, 64).to(memory_format=torch.channels_last) * 255

    def cropped(image: np.ndarray, positions: np.ndarray) -> Tensor:
        return torch.from_numpy(crop(image, positions, 32))

    @torch.inference_mode()
    def ours() -> Tensor:
        crops = [cropped(*pair) for pair in zip(frames, hands, strict=True)]
        return sensor(torch.cat(crops))

    @torch.inference_mode()
    def naive() -> Tensor:
        features = []
        for image, positions in zip(frames, hands, strict=True):
            x = F.interpolate(cropped(image, positions).float(), (64, 64), mode="bilinear")
            features.append(package.extract_features((x - 127) / 128).mean((2, 3)))
        return torch.cat(features)

    @torch.inference_mode()
    def bare() -> Tensor:
        return torch.cat([sensor.backbone(part) for part in ready.split(CPU_BATCH)])

    t, slow, floor = best(repeats, ours, naive, bare)
    return Result(
        "glimpses, EfficientNet-Lite0 at 64 px", t, slow, floor, images * HANDS, "glimpse"
    )


# --- skeleton text ------------------------------------------------------------------------------
def skeleton_text(frames: int = 200) -> str:
    """An NTU skeleton file of two bodies, with numbers as long as the real ones."""
    rng = np.random.default_rng(0)
    lines = [str(frames)]
    for _ in range(frames):
        lines.append("2")
        for body in range(2):
            lines += [f"7205759403794467{body} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            lines += [" ".join(f"{x:.7g}" for x in row) + " 2" for row in rng.normal(size=(25, 11))]
    return "\n".join(lines) + "\n"


def read_naively(path: Path) -> list:
    """The text word by word: what a reader's first script does."""
    words = iter(path.read_text().split())
    frames = []
    for _ in range(int(next(words))):
        bodies = []
        for _ in range(int(next(words))):
            header = [next(words) for _ in range(10)]
            joints = [[float(next(words)) for _ in range(12)] for _ in range(int(next(words)))]
            bodies.append((header[0], np.array(joints)))
        frames.append(bodies)
    return frames


def skeletons(repeats: int) -> Result:
    text = skeleton_text()
    joints = [line for line in text.splitlines() if line.count(" ") == 11]
    numbers = f"[{','.join(joints).replace(' ', ',')}]"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "S001C001P001R001A001.skeleton")
        path.write_text(text)
        t, slow, floor = best(
            repeats,
            lambda: read_skeleton(path),
            lambda: read_naively(path),
            lambda: np.array(orjson.loads(numbers), np.float32),
        )
    return Result("skeleton text", t, slow, floor, len(text) / 1e6, "MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--record", action="store_true", help="write the record that the book shows"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument(
        "--repeats", type=int, default=5, help="rounds; the best counts (default 5)"
    )
    parser.add_argument("--only", nargs="*", default=(), help="names that a benchmark must contain")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", message="Using padding='same'")

    many = 4 * options.repeats  # short ones
    benchmarks: dict[str, Callable[[], Result]] = {
        "pose paper": lambda: pose_step("paper sizes", paper(), options.repeats),
        "pose laptop": lambda: pose_step("laptop sizes", laptop(), many),
        "rgb paper": lambda: rgb_step("paper sizes", paper(), options.repeats),
        "rgb laptop": lambda: rgb_step("laptop sizes", laptop(), many),
        "prediction paper": lambda: prediction("paper sizes", paper(), many),
        "prediction laptop": lambda: prediction("laptop sizes", laptop(), many),
        "glimpses": lambda: glimpses(many),
        "skeletons": lambda: skeletons(many),
    }
    chosen = {k: f for k, f in benchmarks.items() if all(word in k for word in options.only)}
    if not chosen:
        parser.error(f"nothing is called that; there are: {', '.join(benchmarks)}")
    results = []
    print(f"{'':50}{'ms':>9}{'rate':>14}{'naive / ours':>15}{'ours / floor':>15}{'in steps':>10}")
    for run in chosen.values():
        r = run()
        d = r.describe()
        results.append(d)
        print(
            f"{r.name:50}{1e3 * r.seconds:9.2f}{d['rate']:9.4g} {r.unit + '/s':<8}"
            f"{d['times faster than naive']:11.2f}{d['times its floor']:15.2f}"
            f"{d['times its floor in steps'] or float('nan'):10.2f}",
            flush=True,
        )
    if options.record:
        add_to_record("steps", {"threads": options.threads, "batch": BATCH, "results": results})


if __name__ == "__main__":
    main()

"""What the playground page loads: models as ONNX files, clips as arrays and pictures.

    pose.onnx, rgb-conditioned.onnx, rgb-unconditioned.onnx   see `MODELS`
    playground.json     names, colours, and for every clip its truth and PyTorch's own outputs
    NAME.bin.gz         float32, little-endian: X, then V of the clip as filmed and of every object
    NAME-crops.webp     the crops that V comes from, one row for each of those, one column a step
    NAME-frames.webp    the frame at every step, COLUMNS in a row

What a hand holds is changed in the picture and not in the features: the clip is drawn again with
another object, compressed as the video is, cropped at the tracked hand, and read by the same sensor.
"""

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from pcsta.data import HANDS, Clip, data_root
from pcsta.data.features import glimpse_features
from pcsta.data.ntu import NAME
from pcsta.data.video import read_frames
from pcsta.evaluation import ModelInput, infer
from pcsta.files import atomic, fingerprint, read_json, write_json
from pcsta.glimpse import crop
from pcsta.pose_tensor import PoseTensor
from pcsta.subsequences import frame_indices
from pcsta.two_stream import Output, TwoStream
from pcsta_book import artifacts, synthetic
from pcsta_book.figures import HAND_COLOURS, encode, paint, people_window
from pcsta_book.pools import pool
from pcsta_book.site import stream_export
from pcsta_book.synthetic import actions, clip_plan, generate

MODELS = {"conditioned": "K", "unconditioned": "K-unconditioned"}  # rows of Tables 5 and 6
THINGS = ("", *actions.OBJECTS)  # what a hand may be given; "" empties it
WIDTH = 440  # of a frame's picture, pixels
COLUMNS = 4
VERSION = 2  # raise it whenever `make` would write other files


class Inputs(NamedTuple):
    """What the model reads of one clip; V once as filmed and once for each of THINGS.

    Glimpses of hands that are not there are zero. `frames` are the numbers of the sampled frames.
    """

    pose_tensor: Float[np.ndarray, "3 T W"]  # X
    glimpses: Float[np.ndarray, "variants T 4 K"]  # V behind the frozen map
    present: Bool[np.ndarray, "T 4"]
    frames: Int[np.ndarray, "T"]


def names() -> list[str]:
    """Sample names of the playground's clips, in order of action.

    The rule: of every motion that several actions share, so that only what the hands hold can tell
    them apart, the first two actions; of each the first test clip without a tracking fault, or the
    book's running clip.
    """
    motions = [
        [a.ntu for a in synthetic.REPERTOIRE if a.group == group] for group in actions.GROUPS
    ]
    chosen = [ntu for motion in motions if len(motion) > 1 for ntu in motion[:2]]
    codes = [f"A{ntu:03d}" for ntu in sorted(chosen)]
    running = {
        clip.name[-4:]: clip for clip in (artifacts.running_clip(), artifacts.running_pair())
    }
    return [(running.get(code) or artifacts.first_test_clip(code)).name for code in codes]


def folder() -> Path:
    """The folder of all that the page loads, made on first use."""
    runs = [artifacts.run(row) / "model.safetensors" for row in MODELS.values()]
    weights = [hashlib.sha256(path.read_bytes()).hexdigest() for path in runs]
    made_of = fingerprint([VERSION, weights, artifacts.store().settings, torch.__version__])
    path = data_root() / "playground" / made_of
    with artifacts.alone(f"playground-{path.name}"):
        return path if path.exists() else _make(path)


def _make(folder: Path) -> Path:
    """Fill `folder`, which appears whole or not at all, with all that the page loads."""
    graphs: list[tuple[str, str, stream_export.Stream]] = [
        ("pose.onnx", MODELS["conditioned"], "pose"),
        *((f"rgb-{name}.onnx", row, "rgb") for name, row in MODELS.items()),
    ]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
        part = Path(temporary) / folder.name
        part.mkdir()
        with pool(2) as workers:
            written = [workers.submit(_export, part, *graph) for graph in graphs]
            told = list(workers.map(partial(_clip, part), names()))
            for job in written:
                job.result()
        write_json(part / "playground.json", _header() | {"clips": told})
        part.rename(folder)
    shutil.rmtree(draw(told[0]["name"]).parent)  # 85 MB that nobody reads again
    return folder


def _export(part: Path, file: str, row: str, stream: stream_export.Stream) -> None:
    stream_export.to_onnx(artifacts.model(row)[0], part / file, stream)


def _header() -> dict[str, Any]:
    config = artifacts.model(MODELS["conditioned"])[0].config
    X = PoseTensor.from_config(config)
    shape = {
        "channels": X.channels, "steps": config.frames, "width": X.width,
        "hands": config.glimpses, "features": config.glimpse_projection,
        "pose_features": config.pose_widths[2], "crop": artifacts.dataset().crop_size,
    }  # fmt: skip
    return {
        "classes": list(artifacts.store().classes), "hands": list(HANDS), "shape": shape,
        "colours": list(HAND_COLOURS), "things": list(THINGS), "columns": COLUMNS,
    }  # fmt: skip


# ---------------------------------------------------------------- one clip


def _clip(part: Path, name: str) -> dict[str, Any]:
    """Write one clip's files; returns its entry of playground.json."""
    clip, model = artifacts.dataset().read(name), artifacts.model(MODELS["conditioned"])[0]
    inputs, crops = _inputs(clip, model)
    arrays = (inputs.pose_tensor, inputs.glimpses)
    packed = gzip.compress(b"".join(a.astype("<f4").tobytes() for a in arrays), mtime=0)
    (part / f"{name}.bin.gz").write_bytes(packed)
    variants, steps, hands, size = crops.shape[:4]
    sprite = crops.transpose(0, 2, 3, 1, 4, 5).reshape(variants * hands * size, steps * size, 3)
    (part / f"{name}-crops.webp").write_bytes(encode(sprite, quality=85))

    window = people_window(clip)
    images = artifacts.frames(clip)
    pictures = np.stack(
        [paint(images[t], clip, t, width=WIDTH, window=window) for t in inputs.frames]
    )  # (T, h, w, 3)
    sheet = pictures.reshape(-1, COLUMNS, *pictures.shape[1:]).swapaxes(1, 2)
    sheet = sheet.reshape(-1, COLUMNS * WIDTH, 3)
    (part / f"{name}-frames.webp").write_bytes(encode(sheet, quality=60))

    assert clip.truth is not None
    scale = WIDTH / (window[2] - window[0])
    boxes = (clip.hands[inputs.frames] - np.array(window[:2])) * scale  # (T, 4, 2)
    said = {
        kind: {
            field: np.round(array[0].double().numpy(), 7).tolist()
            for field, array in run(artifacts.model(row)[0], inputs)._asdict().items()
        }
        for kind, row in MODELS.items()
    }
    return {
        "name": name,
        "label": clip.label,
        "frames": inputs.frames.tolist(),
        "present": inputs.present.astype(int).tolist(),
        "deciding": clip.truth.deciding[inputs.frames].tolist(),
        "held": clip.truth.objects[inputs.frames].tolist(),
        "boxes": np.round(np.nan_to_num(boxes), 1).tolist(),
        "half": size / 2 * scale,
        "picture": [WIDTH, int(pictures.shape[1])],
        "filmed": said,
    }


def _inputs(clip: Clip, model: TwoStream) -> tuple[Inputs, UInt8[np.ndarray, "variants T 4 h w 3"]]:
    """The model's inputs for one sub-sequence, the middles of its segments, and the crops behind V."""
    frames = frame_indices(len(clip))[0]
    build = PoseTensor.from_config(model.config, clip.skeleton)
    X = build(torch.from_numpy(clip.joints[build.frames(frames, len(clip))])[None])[0]
    with np.load(draw(clip.name)) as drawing:
        crops, raw = drawing["crops"], torch.from_numpy(drawing["features"]).float()
    assert model.rgb is not None
    with torch.no_grad():
        V = model.rgb.scaling.project(raw).numpy()
    present = np.isfinite(clip.hands[frames]).all(-1)
    return Inputs(X.numpy(), V, present, frames), crops.transpose(0, 1, 2, 4, 5, 3)


def drawings() -> Iterator[Callable[[], Path]]:
    """Jobs that draw each clip; which these are is not asked before it is needed."""
    yield from (partial(draw, name) for name in names())


def draw(name: str) -> Path:
    """Draw a clip again with each of THINGS in its hands, if that has not been done.

    The file holds, as filmed and for each of THINGS, the `crops` of all hands at every step
    (variants, T, 4, 3, h, w) and their `features`, f_g (variants, T, 4, D). No model has a part in it.
    """
    made_of = fingerprint([VERSION, artifacts.store().settings])
    path = data_root() / "playground" / f"drawn-{made_of}" / f"{name}.npz"
    if path.exists():
        return path
    clip, store, f_g = artifacts.dataset().read(name), artifacts.store(), artifacts.sensor()
    size, images = int(artifacts.dataset().crop_size), artifacts.frames(clip)
    frames = frame_indices(len(clip))[0]
    hands = clip.hands[frames]  # (T, 4, 2)
    present = np.isfinite(hands).all(-1)

    crops = np.zeros((1 + len(THINGS), *hands.shape[:2], 3, size, size), np.uint8)
    crops[0] = np.stack([crop(images[t], hands[i], size) for i, t in enumerate(frames)])
    raw = np.zeros((1 + len(THINGS), *hands.shape[:2], f_g.features), np.float16)
    raw[0] = store.glimpses(store.index(name))[frames]
    plan = _plan(clip)
    actors = _actors(plan, clip, frames)
    for variant, thing in enumerate(THINGS, 1):
        for actor in range(max(actors) + 1):
            mine = [hand for hand, who in enumerate(actors) if who == actor]
            for i, image in enumerate(_filmed(plan.holding(actor, thing), frames)):
                crops[variant, i, mine] = crop(image, hands[i, mine], size)
        where = np.argwhere(present)
        there = crops[variant][present]
        raw[variant] = glimpse_features(f_g, there, where, len(frames), torch.device("cpu"))
    with atomic(path) as temporary:
        np.savez(temporary, crops=crops, features=raw)
    return path


def _plan(clip: Clip) -> clip_plan.ClipPlan:
    seed = synthetic.settings()["seed"]
    match = NAME.fullmatch(clip.name)
    assert match is not None
    numbers = {part: int(number) for part, number in match.groupdict().items()}
    return clip_plan.plan_clip(seed, clip_plan.Name(**numbers), len(clip))


def _actors(plan: clip_plan.ClipPlan, clip: Clip, frames: np.ndarray) -> list[int]:
    """For each of the four hands the actor, as its plan counts them, whose hand it is; -1 for none."""
    true = plan.hands[frames]  # (T, A, 2, 2)
    distance = np.linalg.norm(clip.hands[frames][:, :, None, None] - true[:, None], axis=-1)
    distance = distance.mean(0).min(-1)  # (4, A): to the nearer one of each actor's two hands
    there = np.isfinite(distance).all(-1)
    return np.where(there, np.nan_to_num(distance, nan=np.inf).argmin(-1), -1).tolist()


def _filmed(plan: clip_plan.ClipPlan, frames: np.ndarray) -> list[np.ndarray]:
    """Some frames of a planned clip, RGB, as its video shows them."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "again.avi"
        generate.write_video(video, plan.images())
        return [image for _, image in read_frames(video, frames)]


# ---------------------------------------------------------------- the same in PyTorch


def change(
    inputs: Inputs,
    variant: Int[np.ndarray, "T 4"] | None = None,
    hidden: Bool[np.ndarray, "T 4"] | None = None,
    hands_at: int | None = None,
    body_at: int | None = None,
) -> Inputs:
    """A clip after an intervention, as the page's controls make it.

    variant:   which variant of V each hand shows at each step; 0, as filmed, by default
    hidden:    hands that are absent to the model
    hands_at:  the step whose pictures of the hands stand at every step; None lets them move
    body_at:   the step at which the body stands still, without velocity and acceleration
    """
    steps, hands = np.indices(inputs.present.shape)
    source = steps if hands_at is None else np.full_like(steps, hands_at)
    present = inputs.present[source, hands]
    if hidden is not None:
        present = present & ~hidden
    V = inputs.glimpses[0 if variant is None else variant, source, hands] * present[..., None]
    X = inputs.pose_tensor
    if body_at is not None:
        X = np.zeros_like(X)
        X[0] = inputs.pose_tensor[0, body_at]
    return Inputs(X, V[None], present, inputs.frames)


def run(model: TwoStream, inputs: Inputs) -> Output:
    """What PyTorch says about a clip of the playground, a batch of one; V is its first variant."""
    arrays = inputs.pose_tensor[None], inputs.glimpses[:1], inputs.present[None]
    X, V, present = map(torch.from_numpy, arrays)
    return infer(model, ModelInput(X, V, present, projected=True))


def load(folder: Path, name: str) -> Inputs:
    """A clip's inputs as the page reads them from its files. Raises KeyError for another clip."""
    told = read_json(folder / "playground.json")
    clip, shape = {clip["name"]: clip for clip in told["clips"]}[name], told["shape"]
    packed = gzip.decompress((folder / f"{name}.bin.gz").read_bytes())
    X_shape = (shape["channels"], shape["steps"], shape["width"])
    X, V = np.split(np.frombuffer(packed, "<f4").copy(), [int(np.prod(X_shape))])
    V = V.reshape(-1, shape["steps"], shape["hands"], shape["features"])
    frames, present = np.array(clip["frames"]), np.array(clip["present"], bool)
    return Inputs(X.reshape(X_shape), V, present, frames)

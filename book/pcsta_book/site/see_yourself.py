"""What the page "See yourself" loads, made after all pages stand: `python -m pcsta_book.site.see_yourself`.

    sensor.onnx   squares around hands -> glimpses V behind the frozen map (eq. 2); weights in 16 bits
    model.onnx    joints and V of one sub-sequence -> X, s, p_t, p' and the logits (section 3)
    about.json    names, colours, and the numbers of the rules by which joints are placed and cut
    estimator/    BlazePose, see `vendor.toml`

The model is the run in `pcsta/film`: row K, trained on J-HMDB.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from pcsta.checkpoint import load, read_record
from pcsta.data import HANDS, data_root, estimated
from pcsta.data.bodies import FLICKER
from pcsta.data.prepare import sensor_for
from pcsta.export import write_graph
from pcsta.files import fingerprint, read_json, write_json
from pcsta.glimpse import GlimpseSensor
from pcsta.people_order import exchange_hands, exchange_people, mean_of_orders
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import KINECT_V2, from_estimate
from pcsta.two_stream import TwoStream
from pcsta_book import artifacts
from pcsta_book.figures import HAND_COLOURS
from pcsta_book.places import BOOK, PAGES, ROOT
from pcsta_book.site.vendor import ESTIMATOR, vendor

FILM = ROOT / "pcsta" / "film"
SECONDS = 1.5  # of a window: most clips of J-HMDB last 1.3
VERSION = 1  # raise it whenever `make` would write other files


class Sensor(nn.Module):
    """f_g and the frozen map that follows it, as the model was trained: features kept in 16 bits."""

    def __init__(self, model: TwoStream, sensor: GlimpseSensor) -> None:
        super().__init__()
        assert model.rgb is not None
        self.backbone, self.scaling, self.size = sensor.backbone, model.rgb.scaling, sensor.input_size

    def forward(self, squares: UInt8[Tensor, "B side side 4"]) -> dict[str, Tensor]:
        """Squares as a canvas gives them, RGBA -> V, (B, K)."""
        crops = squares[..., :3].permute(0, 3, 1, 2)
        crops = F.interpolate(crops, (self.size, self.size), mode="bilinear", antialias=True)
        return {"glimpses": self.scaling.project(self.backbone(crops.float()).half().float())}


class Whole(nn.Module):
    """From joints and V to all that is drawn; both orders of people where the model takes either."""

    def __init__(self, model: TwoStream) -> None:
        super().__init__()
        self.model, self.build = model, PoseTensor.from_config(model.config)

    def forward(
        self,
        joints: Float[Tensor, "B T 2 25 3"],
        glimpses: Float[Tensor, "B T 4 K"],
        present: Bool[Tensor, "B T 4"],
    ) -> dict[str, Tensor]:
        orders = [(joints, glimpses, present)]
        if self.model.config.either_order:
            hands = exchange_hands(glimpses, 2), exchange_hands(present, 2)
            orders.append((exchange_people(joints), *hands))
        said = [self.model(self.build(x), V, there, projected=True) for x, V, there in orders]
        return {k: v for k, v in mean_of_orders(*said)._asdict().items() if v is not None}


def folder() -> Path:
    """Where the two graphs and `about.json` lie once they are made."""
    weights = hashlib.sha256((FILM / "model.safetensors").read_bytes()).hexdigest()
    settings = [VERSION, weights, read_record(FILM), torch.__version__]
    return data_root() / "see-yourself" / fingerprint(settings)


def make() -> Path:
    """Fill `folder`, which appears whole or not at all. Raises as `load`, and ValueError for another model."""
    path = folder()
    with artifacts.alone(f"see-yourself-{path.name}"):
        if path.exists():
            return path
        model, record = load(FILM), read_record(FILM)
        sensor, config = sensor_for(model.config.crops, str(record["sensor"])), model.config
        share = str(record["crop_share"]).removesuffix("torso")
        if (
            sensor.fingerprint != record["sensor_fingerprint"]
            or config.derivatives == "video"
            or config.skeleton != KINECT_V2.name
            or share == str(record["crop_share"])
        ):
            raise ValueError(
                f"{FILM} is no model for the page: it wants {sensor.fingerprint}, Kinect's joints, "
                "derivatives of sampled frames, and crops in torsos"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as temporary:
            part = Path(temporary) / path.name
            squares = {"squares": torch.zeros(2, 48, 48, 4, dtype=torch.uint8)}
            sides = {"squares": (1, 2)}
            write_graph(Sensor(model, sensor), squares, part / "sensor.onnx", free=sides)
            _halve(part / "sensor.onnx")
            steps, N, K = config.frames, config.glimpses, model.rgb.scaling.width  # type: ignore[union-attr]
            inputs = {
                "joints": torch.rand(2, steps, config.people, len(KINECT_V2), 3),
                "glimpses": torch.zeros(2, steps, N, K),
                "present": torch.ones(2, steps, N, dtype=torch.bool),
            }
            write_graph(Whole(model), inputs, part / "model.onnx")
            write_json(part / "about.json", _about(record["classes"], steps, K, float(share)))
            return part.rename(path)


def _about(classes: list[str], steps: int, features: int, crop: float) -> dict[str, Any]:
    means = from_estimate("blazepose_33")  # (25, 33)
    return {
        "classes": classes, "hands": list(HANDS), "colours": list(HAND_COLOURS), "seconds": SECONDS,
        "steps": steps, "features": features, "crop": crop, "joints": list(KINECT_V2.joints),
        "hand_joints": list(KINECT_V2.hand_indices), "flicker": FLICKER, "torso": estimated.TORSO,
        "shoulders": estimated.SHOULDERS, "distance": list(estimated.DISTANCE),
        "parts": [[[int(k), float(row[k])] for k in np.flatnonzero(row)] for row in means],
    }  # fmt: skip


def _halve(path: Path) -> None:
    """Keep a graph's large weights in 16 bits; each is brought back to 32 before it is used."""
    model = onnx.load(path)
    graph = model.graph
    for weight in list(graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size > 1000:
            short = onnx.numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.half")
            cast = onnx.helper.make_node(
                "Cast", [short.name], [weight.name], to=onnx.TensorProto.FLOAT
            )
            graph.initializer.remove(weight)
            graph.initializer.append(short)
            graph.node.insert(0, cast)
    onnx.save(model, path)


def place(pages: Path = PAGES) -> None:
    """Put beside the page its own files, and of the rest what has been made and fetched."""
    target = pages / "see-yourself"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(BOOK / "see-yourself", target, ignore=shutil.ignore_patterns("*.html"))
    made = [folder()] if (FILM / "record.json").exists() else []
    for source in (*made, kept() / "static"):
        if source.exists():
            shutil.copytree(source, target, dirs_exist_ok=True)


def kept() -> Path:
    """Where the estimator lies once it is fetched."""
    return data_root() / "vendor" / "see-yourself"


def accuracy() -> dict[str, Any] | None:
    """What the record of the model's test says; None where it was not run."""
    tested = FILM / "evaluation.json"
    return read_json(tested) if tested.exists() else None


def main() -> None:
    """Make and fetch what the page needs; what cannot be had is said here, and by the page."""
    try:
        make()
    except (OSError, ValueError) as error:
        print(f'The page "See yourself" has no model: {error}', flush=True)
    vendor(kept(), ESTIMATOR, 'the page "See yourself" will say so')
    place()


if __name__ == "__main__":
    main()

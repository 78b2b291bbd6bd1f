"""What the page "See yourself" loads, made after all pages stand: `python -m pcsta_book.site.see_yourself`.

    sensor.onnx   squares around hands -> glimpses V behind the frozen map (eq. 2); weights in 16 bits
    model.onnx    joints and V of one sub-sequence -> X, s, p_t, p' and the logits (section 3)
    about.json    names, colours, and the numbers of the rules by which joints are placed and cut
    estimator/    BlazePose, see `vendor.toml`

The model is the run in `pcsta/film`: row K, trained on J-HMDB.
"""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from onnx import numpy_helper
from torch import Tensor, nn

from pcsta.checkpoint import load, read_record
from pcsta.data import HANDS, data_root, estimated
from pcsta.data.bodies import FLICKER
from pcsta.data.prepare import sensor_for
from pcsta.export import write_graph
from pcsta.files import fingerprint, write_json
from pcsta.film import FILM
from pcsta.glimpse import GlimpseSensor
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import KINECT_V2, from_estimate
from pcsta.symmetries import exchange_hands, exchange_joints, exchanges, mean_of_exchanges
from pcsta.two_stream import TwoStream
from pcsta_book import artifacts
from pcsta_book.figures import HAND_COLOURS
from pcsta_book.places import BOOK, PAGES
from pcsta_book.site import vendor

VERSION = 1  # raise it whenever `make` would write other files
# Of a window: most clips of J-HMDB last 1.3 s, and one frame in twenty of them 0.07.
SECONDS = 1.5


class Sensor(nn.Module):
    """f_g and the frozen map of V, as the model was trained: on features kept in 16 bits."""

    def __init__(self, model: TwoStream, sensor: GlimpseSensor) -> None:
        super().__init__()
        assert model.rgb is not None
        self.backbone, self.scaling = sensor.backbone, model.rgb.scaling
        self.size = (sensor.input_size, sensor.input_size)

    def forward(self, squares: UInt8[Tensor, "B side side 4"]) -> dict[str, Tensor]:
        """Squares of a canvas, RGBA -> V."""
        crops = squares[..., :3].permute(0, 3, 1, 2)
        small = F.interpolate(crops, self.size, mode="bilinear", antialias=True).float()
        return {"glimpses": self.scaling.project(self.backbone(small).half().float())}


class Whole(nn.Module):
    """From joints and V to all that is drawn: the mean over the exchanges that the model averages."""

    def __init__(self, model: TwoStream) -> None:
        super().__init__()
        self.model, self.build = model, PoseTensor.from_config(model.config)

    def forward(
        self,
        joints: Float[Tensor, "B T 2 25 3"],
        glimpses: Float[Tensor, "B T 4 K"],
        present: Bool[Tensor, "B T 4"],
    ) -> dict[str, Tensor]:
        said = mean_of_exchanges({
            what: self.model(
                self.build(exchange_joints(joints, what, KINECT_V2)),
                exchange_hands(glimpses, what),
                exchange_hands(present, what),
                projected=True,
            )
            for what in exchanges(self.model.config)
        })  # fmt: skip
        return {name: value for name, value in said._asdict().items() if value is not None}


def folder() -> Path:
    """Where the graphs and `about.json` lie once they are made. Raises as `read_record`."""
    weights = hashlib.sha256((FILM / "model.safetensors").read_bytes()).hexdigest()
    settings = [VERSION, weights, read_record(FILM), torch.__version__]
    return data_root() / "see-yourself" / fingerprint(settings)


def make(path: Path) -> None:
    """Fill `path`, which appears whole or not at all.

    Raises as `load`, and ValueError for a model that looks at other things than the page does.
    """
    model, record = load(FILM), read_record(FILM)
    config, sensor = model.config, sensor_for(model.config.crops, str(record["sensor"]))
    share, of, _ = str(record["crop_share"]).partition("torso")
    known = sensor.fingerprint == record["sensor_fingerprint"] and config.skeleton == KINECT_V2.name
    if model.rgb is None or not (of and known) or config.derivatives == "video":
        raise ValueError(
            f"{FILM} reads other joints or squares than the page: train it anew as it says"
        )
    T, N, K = config.frames, config.glimpses, model.rgb.scaling.width
    inputs = {
        "joints": torch.rand(2, T, config.people, len(KINECT_V2), 3),
        "glimpses": torch.zeros(2, T, N, K),
        "present": torch.ones(2, T, N, dtype=torch.bool),
    }
    squares = {"squares": torch.zeros(2, 48, 48, 4, dtype=torch.uint8)}
    about = {
        "classes": record["classes"], "hands": HANDS, "colours": HAND_COLOURS, "seconds": SECONDS,
        "steps": T, "features": K, "crop": float(share), "joints": KINECT_V2.joints,
        "hand_joints": KINECT_V2.hand_indices, "flicker": FLICKER, "torso": estimated.TORSO,
        "shoulders": estimated.SHOULDERS, "distance": estimated.DISTANCE,
        # of each joint: which of BlazePose's it is the mean of, and their weights
        "parts": [
            [[int(k), float(row[k])] for k in np.flatnonzero(row)] for row in from_estimate("blazepose_33")
        ],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as temporary:
        part = Path(temporary) / path.name
        free = {"squares": (1, 2)}
        _halve(write_graph(Sensor(model, sensor), squares, part / "sensor.onnx", free=free))
        write_graph(Whole(model), inputs, part / "model.onnx")
        write_json(part / "about.json", about)
        part.rename(path)


def _halve(path: Path) -> None:
    """Keep a graph's large weights in 16 bits; each is brought back to 32 before it is used."""
    model = onnx.load(path)
    for weight in model.graph.initializer:
        values, name = numpy_helper.to_array(weight), weight.name
        if values.dtype == np.float32 and values.size > 1000:
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            cast = onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
    onnx.save(model, path)


def place(pages: Path = PAGES) -> None:
    """Put beside the page its own files, and of the rest what has been made and fetched."""
    sources = (BOOK / "see-yourself", folder(), _fetched() / "static")
    vendor.place(pages / "see-yourself", filter(Path.exists, sources))


def _fetched() -> Path:
    return data_root() / "vendor" / "see-yourself"


def main() -> None:
    """Make and fetch what the page needs; what cannot be had is said here, and by the page."""
    try:
        with artifacts.alone("see-yourself"):
            if not (path := folder()).exists():
                make(path)
    except (OSError, ValueError) as error:
        print(f'The page "See yourself" has no model: {error}', flush=True)
    vendor.vendor(_fetched(), vendor.ESTIMATOR, 'the page "See yourself" will say so')
    place()


if __name__ == "__main__":
    main()

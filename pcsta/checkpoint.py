"""What is saved of a run, and how it is read back: to continue it, to use it, to start another.

A run is a folder of tensors by name (safetensors) and JSON; reading it runs no code of it.

    config.json         `RunSettings`: all that decides the result
    store.json          {"path"}: where the store lay
    log.csv             one line an epoch; "rate" is the learning rate at its beginning
    state.safetensors   `State`, while it trains: model/NAME as it stands, best/NAME of the epoch
                        kept so far, optimizer/NAME/ exp_avg, exp_avg_sq and step of each parameter
                        that learns; in its metadata "json": progress, log, Adam's settings, schedule
    model.safetensors   the trained model, `TwoStream.state_dict()`: parameters, the frozen scaling
                        of glimpses and s, statistics of batch normalisation
    record.json         `RunRecord`; its presence says that the run is finished

Knowledge transfer (section 5): "The target networks were initialized with models pretrained on
NTU. Skeleton definitions are different and were adapted. All layers were finetuned on the smaller
datasets with an initial learning rate 10 times smaller."  What is taken over is the body: f_sk, and
f_p, f_h, f_u, f_p' with the frozen scaling of what they read. The classifiers start anew, as the
classes are others. The joints are adapted by reading a dataset in another skeleton, on either side:
the large one in the small one's (25 joints -> 15, then both networks are alike), or the reverse.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pcsta.common import resolve_device
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.store import Store
from pcsta.files import atomic, fingerprint, read_json, write_json
from pcsta.two_stream import TwoStream

Stage = Literal["pose", "rgb"]

# Beginnings of the names of what is taken over, as for `load_part`.
POSE_STREAM = ("pose_net.", "pose_head.")
BODY: dict[Stage, tuple[str, ...]] = {"pose": ("pose_net.",), "rgb": ("rgb.",)}

RATE_SHARE = 0.1  # of the recipe's learning rate, after a transfer

# What a target of transfer decides for itself, in both stages and in the pose stage alone.
_OWN = {"classes", "streams", "dropout", "glimpse_dropout"}
_OWN_POSE = _OWN | {"hands", "temporal", "conditioned", "glimpse_features"}


class RunSettings(TypedDict):
    """All that decides the result of a run."""

    model: dict[str, Any]  # fields of ModelConfig
    recipe: dict[str, Any]  # fields of TrainConfig
    store: dict[str, str]  # fingerprint, dataset
    protocol: str
    seed: int
    source: NotRequired[dict[str, str | int]]  # see `describe`


class Progress(TypedDict):
    """Epochs run so far, and the one of them that is kept (from 0) with its validation figures."""

    epochs: int
    epoch: int
    loss: float
    accuracy: float


class RunRecord(RunSettings):
    """The settings and how it went."""

    stage: Stage
    best: Progress
    clips: dict[str, int]  # fitting, validation
    seconds: float
    processes: int
    hardware: str
    classes: list[str]
    skeleton: str
    sensor: str | None
    sensor_fingerprint: str | None
    crop_share: float | None  # side of a crop over the image's width; None: whole frame
    parameters: dict[str, int]  # by the paper's symbol
    date: str
    versions: dict[str, str]


def begun(run: Path, settings: RunSettings) -> bool:
    """Whether the folder holds this run. Raises ValueError when it holds another.

    An option younger than the run has its default there, which changes nothing.
    """
    if not (run / "config.json").exists():
        return False
    found: RunSettings = read_json(run / "config.json")
    found["model"] = ModelConfig.from_dict(found["model"]).to_dict()
    found["recipe"] = asdict(TrainConfig(**found["recipe"]))
    if fingerprint(found) != fingerprint(settings):
        raise ValueError(f"{run} holds another run; choose another --out, or delete that folder")
    return True


@dataclass
class State:
    """All that changes while a stage trains. The optimizer's one group knows parameters by name.

    best: tensors of the epoch that is kept;  log: one line an epoch
    """

    model: TwoStream
    optimizer: Optimizer
    schedule: LRScheduler
    best: dict[str, Tensor] = field(default_factory=dict)
    log: list[dict[str, str | int]] = field(default_factory=list)
    progress: Progress = field(
        default_factory=lambda: Progress(epochs=0, epoch=-1, loss=math.inf, accuracy=0.0)
    )

    def save(self, run: Path) -> None:
        """Write state.safetensors, whole or not at all."""
        optimizer = self.optimizer.state_dict()
        (group,) = optimizer["param_groups"]
        tensors = {f"model/{name}": t for name, t in self.model.state_dict().items()}
        tensors |= {f"best/{name}": t for name, t in self.best.items()}
        for i, name in zip(group["params"], group["param_names"], strict=True):
            moments = optimizer["state"].get(i, {})
            tensors |= {f"optimizer/{name}/{key}": t for key, t in moments.items()}
        rest = [self.progress, self.log, group, self.schedule.state_dict()]
        with atomic(run / "state.safetensors") as temporary:
            save_file(_on_cpu(tensors), temporary, {"json": json.dumps(rest)})

    def load(self, run: Path) -> None:
        """Bring everything to where the run stood, if it has saved a state."""
        if not (run / "state.safetensors").exists():
            return
        with safe_open(run / "state.safetensors", "pt") as file:
            self.progress, self.log, group, schedule = json.loads(file.metadata()["json"])
            # copies: training writes into them, and then replaces the file
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}

        names = zip(group["params"], group["param_names"], strict=True)
        moments = {i: part(f"optimizer/{name}/") for i, name in names}
        self.model.load_state_dict(part("model/"))
        self.optimizer.load_state_dict({"state": moments, "param_groups": [group]})
        self.schedule.load_state_dict(schedule)
        self.best = part("best/")


def save(run: Path, model: TwoStream, record: RunRecord) -> None:
    """Write the trained model, then the record, and remove the state."""
    with atomic(run / "model.safetensors") as temporary:
        save_file(_on_cpu(model.state_dict()), temporary)
    write_json(run / "record.json", record)
    (run / "state.safetensors").unlink(missing_ok=True)


def load(run: Path | str, device: str = "cpu") -> TwoStream:
    """The trained model of a run, in evaluation mode. No code of the checkpoint is executed.

    Raises FileNotFoundError, saying what to do, when the run is unfinished or the path is wrong.
    """
    run = Path(run)
    if not (run / "model.safetensors").exists():
        raise FileNotFoundError(
            f"{run} holds no finished run (no model.safetensors); "
            "start or continue it with `pcsta train`"
        )
    model = TwoStream(ModelConfig.from_dict(read_json(run / "config.json")["model"]))
    model.load_state_dict(load_file(run / "model.safetensors"))
    return model.to(resolve_device(device)).eval()


def load_part(model: TwoStream, run: Path, prefixes: tuple[str, ...]) -> None:
    """Take over the tensors of `run` whose names begin with one of `prefixes`.

    Raises ValueError when the run lacks one of them.
    """
    tensors = load_file(run / "model.safetensors")
    own = [name for name in model.state_dict() if name.startswith(prefixes)]
    if missing := sorted(set(own) - set(tensors)):
        raise ValueError(f"{run} has no {', '.join(missing[:3])}")
    model.load_state_dict({name: tensors[name] for name in own}, strict=False)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().contiguous().cpu() for name, t in tensors.items()}


# --- knowledge transfer (section 5) -------------------------------------------------------------
def configuration(source: Path) -> ModelConfig:
    """The configuration of a pretrained run. Raises FileNotFoundError when it is unfinished."""
    if not (source / "record.json").exists():
        raise FileNotFoundError(
            f"{source} holds no finished run to start from; pretrain one with `pcsta train`"
        )
    return ModelConfig.from_dict(read_json(source / "config.json")["model"])


def describe(source: Path) -> dict[str, str | int]:
    """What a run that starts from `source` remembers of it; the weights by their hash."""
    settings: RunSettings = read_json(source / "config.json")
    weights = (source / "model.safetensors").read_bytes()
    return {
        "dataset": settings["store"]["dataset"],
        "protocol": settings["protocol"],
        "seed": settings["seed"],
        "weights": hashlib.sha256(weights).hexdigest()[:16],
    }


def check_source(source: Path, config: ModelConfig, store: Store) -> None:
    """Raise ValueError, saying what to do, when `source` cannot start the training of `config`."""
    theirs, pose_alone = configuration(source), config.streams == "pose"
    if theirs.skeleton != config.skeleton:
        raise ValueError(
            f"{source} reads {theirs.skeleton} joints, this run {config.skeleton} joints: read "
            f"this dataset as `--skeleton {theirs.skeleton}`, or pretrain with `--skeleton "
            f"{config.skeleton}`"
        )
    if not pose_alone and theirs.streams == "pose":
        raise ValueError(f"{source} has no RGB stream to start from: pretrain row G or K")
    here, there = config.to_dict(), theirs.to_dict()
    other = [
        f"{name} is {there[name]} there and {here[name]} here"
        for name in sorted(here.keys() - (_OWN_POSE if pose_alone else _OWN))
        if there[name] != here[name]
    ]
    if other:
        raise ValueError(f"{source} is another network: {', '.join(other)}")
    record: RunRecord = read_json(source / "record.json")
    if not pose_alone and record["sensor_fingerprint"] != store.settings["sensor"]:
        raise ValueError(
            f"{source} looks through {record['sensor']}, {store.path} was prepared with "
            f"{store.settings['sensor_name']} or with other weights of it: prepare this dataset "
            "with the same --sensor and --weights"
        )

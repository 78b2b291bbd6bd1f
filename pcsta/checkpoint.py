"""What is saved of a run, and how it is read back: to continue it, to use it, to start another.

A run is a folder of tensors by name (safetensors) and JSON; reading it runs no code of it.

    config.json         `RunSettings`: all that decides the result
    store.json          {"path", "command"}: where the store lay, and what began the run
    log.csv             one line an epoch; "rate" is the learning rate at its beginning
    state.safetensors   `State`, while it trains: model/NAME as it stands, best/NAME of the epoch
                        kept so far, optimizer/NAME/ exp_avg, exp_avg_sq and step of each parameter
                        that learns; underway/ of an epoch that is not at its end; in its metadata
                        "json": progress, log, Adam's settings, schedule, and numbers of `Underway`
    model.safetensors   the trained model, `TwoStream.state_dict()`: parameters, the frozen scaling
                        of glimpses and s, statistics of batch normalisation
    record.json         `RunRecord`; its presence says that the run is finished
"""

import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pcsta import tensors
from pcsta.common import resolve_device
from pcsta.config import ModelConfig, TrainConfig
from pcsta.conforms import conforms
from pcsta.files import fingerprint, read_json, refuse_others, write_json
from pcsta.skeletons import SKELETONS
from pcsta.two_stream import TwoStream

Stage = Literal["pose", "rgb"]

# Beginnings of the names of what is taken over, as for `load_part`.
POSE_STREAM = ("pose_net.", "pose_head.")
BODY: dict[Stage, tuple[str, ...]] = {"pose": ("pose_net.",), "rgb": ("rgb.",)}
RATE_SHARE = 0.1  # of the recipe's learning rate, after a transfer


class RunSettings(TypedDict):
    """All that decides the result of a run."""

    model: dict[str, Any]  # fields of ModelConfig
    recipe: dict[str, Any]  # fields of TrainConfig
    store: dict[str, str]  # fingerprint, dataset
    protocol: str
    seed: int
    source: NotRequired[dict[str, str | int]]  # see `describe`
    pose_from: NotRequired[dict[str, str | int]]  # likewise: the run that trained the pose stream
    precision: NotRequired[str]  # of the products in training, where it is not float32


class Progress(TypedDict):
    """Epochs run so far, and the one of them that is kept (from 0) with its validation figures."""

    epochs: int
    epoch: int
    loss: float
    accuracy: float


class Whereabouts(TypedDict):
    """Where the store of a run lay, and what began the run."""

    path: str
    command: NotRequired[str]


class RunRecord(RunSettings):
    """The settings and how it went."""

    stage: Stage
    best: Progress
    clips: dict[str, int]  # fitting, validation
    seconds: float  # of all its epochs
    processes: int
    hardware: str
    classes: list[str]
    skeleton: str
    sensor: str | None
    sensor_fingerprint: str | None
    crop_share: float | str | None  # side over the image's width, or "0.75torso"; None: whole frame
    parameters: dict[str, int]  # by the paper's symbol
    date: str
    versions: dict[str, str]


def begun(run: Path, settings: RunSettings) -> bool:
    """Whether the folder holds this run. Raises ValueError when it holds another, or other files.

    Options younger than the run have their defaults; what they do not tell of the store is not compared.
    """
    if not (run / "config.json").exists():
        refuse_others(run, "config.json", "store.json")  # what another process may write meanwhile
        return False
    found: RunSettings = read_run(run / "config.json", RunSettings)
    found["model"] = configuration(run, found).to_dict()
    found["store"] = {name: found["store"].get(name, "") for name in settings["store"]}
    with suppress(TypeError):  # of another version: surely another run
        found["recipe"] = asdict(TrainConfig(**found["recipe"]))
    begun_in, goes_on_in = (s.get("precision", "float32") for s in (found, settings))
    if begun_in != goes_on_in:
        said = f"{run} was begun in {begun_in}, and this is {goes_on_in}"
        raise ValueError(f"{said}: add --precision {begun_in}, or choose another --out")
    if fingerprint(found) != fingerprint(settings):
        raise ValueError(f"{run} holds another run; choose another --out, or delete that folder")
    return True


def read_record(run: Path) -> RunRecord:
    """The record of a finished run. Raises FileNotFoundError, saying what to do, for none."""
    if (run / "record.json").exists():
        record: RunRecord = read_run(run / "record.json", RunRecord)
        return record | {"recipe": asdict(TrainConfig()) | record["recipe"]}
    if run.is_file():
        raise FileNotFoundError(f"{run} is a file; the folder of a run is named first")
    if not (run / "config.json").exists():
        levels = ("/".join("*" * n) for n in range(1, 6))  # of grids; a whole disk is not searched
        found = (path.parent for level in levels for path in run.glob(f"{level}/store.json"))
        below = sorted(str(path) for path in found if path.name != "pose")
        several = f"name one of those below it: {', '.join(below[:3])}" + ", ..." * (len(below) > 3)
        advice = several if below else f"train one with `pcsta train DATASET --out {run}`"
        raise FileNotFoundError(f"{run} holds no run; {advice}")
    where = run / "store.json"
    command = read_run(where, Whereabouts).get("command") if where.exists() else None
    again = f"run the same `{command or 'pcsta train'}` again, and it continues"
    raise FileNotFoundError(f"{run} is unfinished; {again}")


def read_run(path: Path, kind: type) -> Any:
    """A TypedDict of this module. Raises ValueError for JSON that is none."""
    found = read_json(path)
    if not conforms(found, kind):
        raise ValueError(f"{path} does not describe a run; give a folder that `pcsta train` made")
    return found


def configuration(run: Path, settings: RunSettings | None = None) -> ModelConfig:
    """The configuration of a run, by default a finished one. Raises as `read_record`, or ValueError."""
    said = settings or read_record(run)
    try:
        config = ModelConfig.from_dict(said["model"])
        named: Any = said.get("classes", range(config.classes))  # a record has them
        if config.skeleton not in SKELETONS or len(named) != config.classes:
            raise ValueError(f"it reads {config.skeleton} joints and names {len(named)} classes")
        return config
    except (TypeError, KeyError, ValueError) as error:
        other = f"{run} is of another version of pcsta ({error})"
        raise ValueError(f"{other}; train it again in another folder") from None


@dataclass
class Underway:
    """An epoch that is not at its end: so many steps and seconds of it, and the rate that it began with.

    Of its N processes:
    sums:   (N, 3) float64, loss, right and seen of `EpochFigures`
    random: (N, R) uint8, where their dropout stands, `common.random_state`
    """

    steps: int
    seconds: float
    rate: float
    sums: Tensor
    random: Tensor

    def __post_init__(self) -> None:
        kinds = self.sums.dtype, self.random.dtype, self.sums.ndim, self.random.ndim
        whole = kinds == (torch.double, torch.uint8, 2, 2) and self.sums.shape[1] == 3
        whole = whole and bool((self.sums.isfinite() & (self.sums[:, 2:] > 0)).all())
        told = conforms([self.seconds, self.rate], list[float]) and type(self.steps) is int
        if not (whole and told and self.steps > 0):
            raise ValueError("it does not say how far its epoch was")


@dataclass
class State:
    """All that changes while a stage trains. The optimizer's one group knows parameters by name.

    best: tensors of the epoch that is kept;  log: one line an epoch;  underway: None between two
    """

    model: TwoStream
    optimizer: Optimizer
    schedule: LRScheduler
    best: dict[str, Tensor] = field(default_factory=dict)
    log: list[dict[str, str | int]] = field(default_factory=list)
    progress: Progress = field(
        default_factory=lambda: Progress(epochs=0, epoch=-1, loss=sys.float_info.max, accuracy=0.0)
    )
    underway: Underway | None = None

    def save(self, run: Path) -> None:
        """Write state.safetensors, whole or not at all."""
        optimizer = self.optimizer.state_dict()
        (group,) = optimizer["param_groups"]
        parts = {f"model/{name}": t for name, t in self.model.state_dict().items()}
        parts |= {f"best/{name}": t for name, t in self.best.items()}
        for i, name in zip(group["params"], group["param_names"], strict=True):
            moments = optimizer["state"].get(i, {})
            parts |= {f"optimizer/{name}/{key}": t for key, t in moments.items()}
        where: dict[str, float] | None = None
        if now := self.underway:
            where = {"steps": now.steps, "seconds": now.seconds, "rate": now.rate}
            parts |= {"underway/sums": now.sums, "underway/random": now.random}
        rest = [self.progress, self.log, group, self.schedule.state_dict(), where]
        tensors.write(run / "state.safetensors", parts, {"json": json.dumps(rest)})

    def load(self, run: Path) -> None:
        """Bring everything to where the run stood, if it has saved a state."""
        path = run / "state.safetensors"
        if not path.exists():
            return
        found, metadata = tensors.read(path)

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): t for k, t in found.items() if k.startswith(prefix)}

        tensors.load_into(self.model, part("model/"), path, "this run")
        try:
            self.progress, self.log, group, schedule, where = json.loads(metadata["json"])
            if not conforms(self.progress, Progress):
                raise ValueError("it does not say how far it was")
            names = zip(group["params"], group["param_names"], strict=True)
            moments = {i: part(f"optimizer/{name}/") for i, name in names}
            for i, p in zip(moments, self.optimizer.param_groups[0]["params"], strict=True):
                shapes = {name: tuple(tensor.shape) for name, tensor in moments[i].items()}
                like = tuple(p.shape)
                if shapes and shapes != {"exp_avg": like, "exp_avg_sq": like, "step": ()}:
                    raise ValueError(f"its optimizer has {shapes}")
            self.optimizer.load_state_dict({"state": moments, "param_groups": [group]})
            self.schedule.load_state_dict(schedule)
            if where is not None:
                now: dict[str, Any] = {**where, **part("underway/")}
                self.underway = Underway(**now)
        except (KeyError, TypeError, ValueError) as error:
            said = f"{path} is no state of this run ({error})"
            raise ValueError(f"{said}; delete it, and the stage begins anew") from None
        self.best = part("best/")


def save(run: Path, model: TwoStream, record: RunRecord) -> None:
    """Write the trained model, then the record, and remove the state."""
    tensors.write(run / "model.safetensors", model.state_dict())
    write_json(run / "record.json", record)
    (run / "state.safetensors").unlink(missing_ok=True)


def load(run: Path | str, device: str = "cpu") -> TwoStream:
    """The trained model of a run, to evaluate. Raises as `read_record`; ValueError if damaged."""
    path, where = Path(run) / "model.safetensors", resolve_device(device)
    config, found, what = configuration(Path(run)), tensors.read(path)[0], f"the network of {run}"
    with torch.device("meta"):  # sizes are compared before they take memory
        sizes = {name: tensor.to("meta") for name, tensor in found.items()}
        tensors.load_into(TwoStream(config), sizes, path, what)
    model = TwoStream(config)
    tensors.load_into(model, found, path, what)
    return model.to(where).eval()


def load_part(model: TwoStream, run: Path, prefixes: tuple[str, ...]) -> None:
    """Take over the tensors of `run` whose names begin with one of `prefixes` (transfer, section 5).

    Raises ValueError when the run lacks one of them.
    """
    path = run / "model.safetensors"
    found, own = tensors.read(path)[0], model.state_dict()
    taken = {name: found.get(name) for name in own if name.startswith(prefixes)}
    if missing := sorted(name for name, tensor in taken.items() if tensor is None):
        raise ValueError(f"{run} has no {', '.join(missing[:3])}")
    tensors.load_into(model, own | taken, path, "this network")


def describe(source: Path) -> dict[str, str | int]:
    """What a run that starts from `source` remembers of it; the weights by their hash."""
    settings = read_record(source)
    return {
        "dataset": settings["store"]["dataset"],
        "protocol": settings["protocol"],
        "seed": settings["seed"],
        "weights": sha256((source / "model.safetensors").read_bytes()).hexdigest()[:16],
    }

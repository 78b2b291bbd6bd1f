"""Training as sections 4 and 5: the pose net with its own classifier first, then the RGB stream.

A run is a folder:

    config.json        model, recipe, store, protocol, seed: all that decides the result
    log.csv            one line an epoch
    state.*            where training stood lately; the same command continues from it exactly
    model.safetensors  the trained model (best validation epoch of each stage)
    record.json        config plus how it went: epochs, figures, seconds, versions, hardware
"""

from __future__ import annotations

import csv
import math
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm.auto import tqdm

from pcsta import common, transfer
from pcsta.batches import Batch, SubSequences, project_glimpses
from pcsta.common import resolve_device
from pcsta.config import ModelConfig, TrainConfig, needs_pose, row
from pcsta.data.splits import validation_split
from pcsta.data.store import Store, StoredClip
from pcsta.files import atomic, fingerprint, read_json, write_json
from pcsta.scaling import Scaling
from pcsta.two_stream import TwoStream

Stage = Literal["pose", "rgb"]

SAVE_SECONDS = 10  # between two states: writing one costs as much as a short epoch of the wide net


def train(
    store: Store,
    config: ModelConfig,
    recipe: TrainConfig,
    out: Path | str,
    protocol: str = "cross-subject",
    seed: int = 0,
    device: str = "auto",
    pose_from: Path | str | None = None,
    workers: int = 0,
    progress: bool = True,
    source: Path | str | None = None,
    skeleton: str | None = None,
) -> Path:
    """Train one model into the folder `out` and return it; a finished run returns at once.

    Inside `pcsta.common.distributed_session` several processes train it; the first one writes.

    pose_from: a finished run whose pose stream is taken over; by default a configuration that
               needs pose and RGB first trains its pose stream (row A) into `out`/pose
    source:    a finished run on another dataset whose body this one starts from (section 5; see
               `pcsta.transfer`, also for the recipe)
    skeleton:  name of the skeleton that the network reads, to which the joints are converted;
               default the dataset's own
    Raises ValueError when the folder holds another run, the store lacks the glimpses to train on, or
    `source` is another network.
    """
    out = Path(out)
    chosen = resolve_device(device)
    rank, processes = common.rank_and_world_size()
    config = replace(config, classes=len(store.classes), skeleton=skeleton or store.skeleton.name)
    stage: Stage = "pose" if config.streams == "pose" else "rgb"
    if store.glimpse_features:
        config = replace(config, glimpse_features=store.glimpse_features)
        if stage == "rgb" and config.crops != store.crops:
            raise ValueError(
                f"{store.path} has glimpses of the {store.crops}, this configuration looks at the "
                f"{config.crops}: prepare with --crops {config.crops}"
            )
    elif stage == "rgb":
        raise ValueError(
            f"{store.path} holds poses alone: train row A, or prepare again with a glimpse sensor"
        )
    settings = {
        "model": config.to_dict(),
        "recipe": asdict(recipe),
        "store": {"fingerprint": fingerprint(store.settings), "dataset": store.settings["dataset"]},
        "protocol": protocol,
        "seed": seed,
    }
    if source is not None:
        source = Path(source)
        transfer.check(source, config, store, stage)
        settings["source"] = transfer.describe(source)
    if (out / "config.json").exists():
        if fingerprint(_settings(out)) != fingerprint(settings):
            raise ValueError(
                f"{out} holds another run; choose another --out, or delete that folder"
            )
        if (out / "record.json").exists():
            return out
    elif rank == 0:
        write_json(out / "config.json", settings)
        write_json(out / "store.json", {"path": str(store.path.resolve())})  # where it lay
    if stage == "rgb" and needs_pose(config) and pose_from is None:
        pose = replace(config, streams="pose")
        pose_from = train(
            store, pose, recipe, out / "pose", protocol, seed, device, None, workers, progress,
            source, skeleton,
        )  # fmt: skip

    fitting, validating = training_clips(store, recipe, protocol, seed)
    began = time.perf_counter()
    torch.manual_seed(seed)
    model = TwoStream(config).to(chosen)
    features = None
    if source is not None:
        load_part(model, source, (transfer.BODY[stage],))
    if stage == "rgb":
        if pose_from is not None and needs_pose(config):
            load_part(model, Path(pose_from), ("pose_net.", "pose_head."))
        if source is None:
            features = _fit_scaling(model, store, config, recipe, fitting, chosen)
        elif config.glimpse_projection:  # the frozen map is the source's, like all that reads it
            assert model.rgb is not None
            features = project_glimpses(model.rgb.scaling, store)
    batches = SubSequences(
        store, config, chosen, recipe.sampling, features, stage == "rgb", workers,
        (rank, processes),
    )  # fmt: skip
    best = _Run(out, model, recipe, stage, seed, progress).fit(batches, fitting, validating)
    if rank == 0:
        _finish(out, model, store, {
            **settings,
            "stage": stage,
            "best": best,
            "clips": {"fitting": len(fitting), "validation": len(validating)},
            "seconds": round(time.perf_counter() - began, 1),
            "processes": processes,
            "hardware": hardware(chosen),
        })  # fmt: skip
    common.all_reduce(0)  # nobody goes on before the run is whole
    return out


def _settings(run: Path) -> dict[str, Any]:
    """A run's config.json; an option younger than the run has its default, which changes nothing."""
    found = read_json(run / "config.json")
    model = ModelConfig.from_dict(found["model"]).to_dict()
    return {**found, "model": model, "recipe": asdict(TrainConfig(**found["recipe"]))}


def _finish(out: Path, model: TwoStream, store: Store, record: dict[str, Any]) -> None:
    """Write the trained model, then the record, whose presence says that the run is finished."""
    with atomic(out / "model.safetensors") as temporary:
        save_file(_tensors(model), temporary)
    crop_size = store.settings["crop_size"]
    record |= {
        "classes": list(store.classes),
        "skeleton": store.skeleton.name,
        "sensor": store.settings["sensor_name"],
        "sensor_fingerprint": store.settings["sensor"],
        "crop_share": crop_size and crop_size / store.settings["image_width"],  # None: whole frame
        "parameters": model.parameter_counts(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write_json(out / "record.json", record)
    for leftover in out.glob("state*"):
        leftover.unlink()


def training_clips(
    store: Store, recipe: TrainConfig, protocol: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the clips that are fitted and of those kept for early stopping (section 5)."""
    training, _ = store.split(protocol)
    fitting, validating = validation_split(
        [store.clips[i] for i in training], recipe.validation, seed, by=recipe.validation_by
    )

    def positions(part: list[StoredClip]) -> np.ndarray:
        return np.array([store.index(clip.name) for clip in part], int)

    return positions(fitting), positions(validating)


def load(run: Path | str, device: str = "cpu") -> TwoStream:
    """The trained model of a run, in evaluation mode. No code of the checkpoint is executed.

    Raises FileNotFoundError, saying what to do, when the run is unfinished or the path is wrong.
    """
    run = Path(run)
    if not (run / "model.safetensors").exists():
        raise FileNotFoundError(
            f"{run} holds no finished run (no model.safetensors); start or continue it with `pcsta train`"
        )
    config = ModelConfig.from_dict(read_json(run / "config.json")["model"])
    model = TwoStream(config)
    model.load_state_dict(load_file(run / "model.safetensors"))
    return model.to(resolve_device(device)).eval()


def load_part(model: TwoStream, run: Path, prefixes: tuple[str, ...]) -> None:
    """Take over the parameters of `run` whose names begin with one of `prefixes`."""
    tensors = load_file(run / "model.safetensors")
    wanted = {k: v for k, v in tensors.items() if k.startswith(prefixes)}
    own = {k for k in model.state_dict() if k.startswith(prefixes)}
    if own - set(wanted):
        raise ValueError(f"{run} has no {', '.join(sorted(own - set(wanted))[:3])}")
    model.load_state_dict({k: v for k, v in wanted.items() if k in own}, strict=False)


class _Run:
    """Epochs of one stage: logging, early stopping, and a state to continue from."""

    def __init__(
        self,
        out: Path,
        model: TwoStream,
        recipe: TrainConfig,
        stage: Stage,
        seed: int,
        progress: bool,
    ):
        self.out, self.model, self.recipe = out, model, recipe
        self.rank, _ = common.rank_and_world_size()
        self.stage, self.seed, self.progress = stage, seed, progress and self.rank == 0
        model.stage(stage)
        self.trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        self.rate, decay = recipe.rate, recipe.weight_decay
        if stage == "rgb":
            self.rate = self.rate if recipe.rgb_rate is None else recipe.rgb_rate
            decay = decay if recipe.rgb_weight_decay is None else recipe.rgb_weight_decay
        self.optimizer = torch.optim.Adam(
            [p for _, p in self.trained], self.rate, weight_decay=decay, fused=True
        )
        self.epoch = -1  # last finished
        self.best: dict[str, Any] = {"loss": math.inf, "epoch": -1, "accuracy": 0.0}
        self.best_tensors: dict[str, Tensor] = {}

    def fit(self, batches: SubSequences, fitting: np.ndarray, validating: np.ndarray) -> dict:
        """Train to the best validation epoch, continuing where an interrupted run stood."""
        self._resume()
        recipe, learner = self.recipe, common.data_parallel(self.model)
        epochs = recipe.pose_epochs if self.stage == "pose" else recipe.rgb_epochs
        bar = tqdm(range(self.epoch + 1, epochs), initial=self.epoch + 1, total=epochs,
                   unit="epoch", desc=f"{self.stage} stream", disable=not self.progress)  # fmt: skip
        saved = time.perf_counter()
        for epoch in bar:
            if recipe.keep == "best" and epoch - self.best["epoch"] > recipe.patience:
                break
            began = time.perf_counter()
            figures = self._epoch(learner, batches, fitting, epoch, epochs)
            figures |= self._validate(batches, validating)
            loss, accuracy = figures["validation_loss"], figures["validation_accuracy"]
            if recipe.keep == "last" or loss <= self.best["loss"]:
                self.best = {"loss": loss, "epoch": epoch, "accuracy": accuracy}
                self.best_tensors = {
                    n: t.detach().clone()
                    for n, t in self.model.state_dict().items()
                    if n not in self.frozen
                }
            self.epoch = epoch
            bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items() if k != "rate"})
            if self.rank:
                continue  # the first process writes for all
            self._log(figures | {"seconds": time.perf_counter() - began})
            if time.perf_counter() - saved >= SAVE_SECONDS:
                self._save()
                saved = time.perf_counter()
        self.model.load_state_dict(self.best_tensors, strict=False)
        return {**self.best, "epochs": self.epoch + 1}

    def _logits(self, model: torch.nn.Module, batch: Batch, projected: bool) -> Tensor:
        out = model(batch.pose_tensor, batch.glimpses, batch.present, projected)
        logits = out.pose_logits if self.stage == "pose" else out.rgb_logits
        assert logits is not None
        return logits

    @torch.enable_grad()  # also for a caller that has switched gradients off
    def _epoch(
        self,
        learner: torch.nn.Module,
        batches: SubSequences,
        fitting: np.ndarray,
        epoch: int,
        epochs: int,
    ) -> dict[str, float]:
        recipe, optimizer = self.recipe, self.optimizer
        # Randomness comes from (seed, stage, epoch) alone: a resumed run repeats it exactly.
        rng = np.random.default_rng([self.seed, 0 if self.stage == "pose" else 1, epoch])
        torch.manual_seed(int(rng.integers(2**62)) + self.rank)  # dropout differs by process
        self.model.train()
        steps = max(1, round(len(fitting) / recipe.batch))
        loss_sum = right = seen = 0.0
        for step, batch in enumerate(batches.training(fitting, recipe.batch, rng)):
            for group in optimizer.param_groups:
                group["lr"] = self.rate * rate_share(
                    recipe.schedule, (epoch + step / steps) / epochs
                )
            logits = self._logits(learner, batch, batches.projected)
            loss = cross_entropy(logits, batch.labels, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            (loss * batch.weight).backward()
            optimizer.step()
            loss_sum += loss.item() * len(batch.labels)
            right += (logits.argmax(-1) == batch.labels).sum().item()
            seen += len(batch.labels)
        rate = optimizer.param_groups[0]["lr"]
        loss_sum, right, seen = common.all_reduce(loss_sum, right, seen)
        return {"loss": loss_sum / seen, "accuracy": right / seen, "rate": rate}

    @torch.no_grad()
    def _validate(self, batches: SubSequences, clips: np.ndarray) -> dict[str, float]:
        """Loss and accuracy of this stage's own logits, three sub-sequences a clip."""
        self.model.eval()
        loss_sum = right = seen = 0.0
        for batch in batches.testing(clips, 3):
            logits = self._logits(self.model, batch, batches.projected)
            loss_sum += cross_entropy(logits, batch.labels, reduction="sum").item()
            right += (logits.argmax(-1) == batch.labels).sum().item()
            seen += len(batch.labels)
        loss_sum, right, seen = common.all_reduce(loss_sum, right, seen)
        return {"validation_loss": loss_sum / seen, "validation_accuracy": right / seen}

    def _log(self, figures: dict[str, float]) -> None:
        row = {"stage": self.stage, "epoch": self.epoch}
        row |= {k: f"{v:.6g}" for k, v in figures.items()}
        log = self.out / "log.csv"
        kept: list[dict[str, str]] = []
        if log.exists():  # an interrupted run may have logged an epoch that its state does not hold
            with log.open(newline="") as file:
                kept = [r for r in csv.DictReader(file) if int(r["epoch"]) < self.epoch]
        with atomic(log) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerows([*kept, row])
        with _tensorboard(self.out) as board:
            for name, value in figures.items() if board else ():
                board.add_scalar(f"{self.stage}/{name}", value, self.epoch)

    def _save(self) -> None:
        tensors = {f"model/{k}": v for k, v in _tensors(self.model).items()}
        tensors |= {f"best/{k}": v.contiguous().cpu() for k, v in self.best_tensors.items()}
        for name, parameter in self.trained:
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam/{key}/{name}"] = value.detach().clone().contiguous().cpu()
        file = self.out / f"state-{self.epoch}.safetensors"
        with atomic(file) as temporary:
            save_file(tensors, temporary)
        # The JSON names the tensors it belongs to, so it is replaced after they are whole.
        write_json(self.out / "state.json", {"epoch": self.epoch, "best": self.best})
        for old in self.out.glob("state-*.safetensors"):
            if old != file:
                old.unlink()

    def _resume(self) -> None:
        """Continue from the last finished epoch, if there is one."""
        if not (self.out / "state.json").exists():
            return
        state = read_json(self.out / "state.json")
        self.epoch, self.best = state["epoch"], state["best"]
        tensors = load_file(self.out / f"state-{self.epoch}.safetensors")
        self.model.load_state_dict(_part(tensors, "model/"))
        self.best_tensors = _part(tensors, "best/")
        for name, parameter in self.trained:
            moments = {
                # laid out in memory as the parameter is: Adam walks both side by side
                key: torch.empty_like(parameter).copy_(tensors[f"adam/{key}/{name}"])
                for key in ("exp_avg", "exp_avg_sq")
            }
            step = tensors[f"adam/step/{name}"].to(parameter.device)
            self.optimizer.state[parameter] = {"step": step, **moments}


def rate_share(schedule: str, progress: float) -> float:
    """Learning rate as a share of the recipe's, `progress` through the stage in [0, 1)."""
    if schedule == "constant":
        return 1.0
    if progress < 0.3:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _tensors(model: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone().contiguous().cpu() for k, v in model.state_dict().items()}


@contextmanager
def _tensorboard(out: Path) -> Iterator[Any]:
    """A summary writer where TensorBoard is installed, else None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield None
        return
    with SummaryWriter(str(out)) as board:
        yield board


def _fit_scaling(
    model: TwoStream,
    store: Store,
    config: ModelConfig,
    recipe: TrainConfig,
    fitting: np.ndarray,
    device: torch.device,
) -> np.ndarray | None:
    """Fit the laptop's frozen scaling on the fitting clips; the paper's configuration has none.

    Returns all glimpses projected, (F, N, K) float32, or None where there is no projection.
    """
    assert model.rgb is not None
    if config.standardise and model.pose_net is not None:
        batches = SubSequences(store, config, device, recipe.sampling, glimpses=False)
        with torch.no_grad():
            s = [model.pose_net(b.pose_tensor) for b in batches.testing(fitting, 3)]
        model.rgb.scaling.fit_pose(torch.cat(s))
    if not (config.glimpse_projection or config.standardise):
        return None
    frozen, features = _scaled_glimpses(store.path, tuple(fitting.tolist()), row("B", config))
    for name, value in frozen.items():
        getattr(model.rgb.scaling, name).copy_(value)
    return features


@lru_cache(maxsize=1)
def _scaled_glimpses(
    path: Path, clips: tuple[int, ...], config: ModelConfig
) -> tuple[dict[str, Tensor], np.ndarray | None]:
    """Buffers of the scaling and what they make of all glimpses.

    All rows of Table 6 that train on the same clips share them, one after the other. Fitted to every
    second frame of the hands that are there: neighbouring frames say the same.
    """
    store = Store(path)
    rows = np.concatenate(
        [np.arange(store.clips[i].length)[::2] + store.clips[i].start for i in clips]
    )
    glimpses = torch.from_numpy(store.take("glimpses", rows)).flatten(0, 1)
    present = (glimpses != 0).any(-1)
    scaling = Scaling(config)
    scaling.fit_glimpses(glimpses[present].float())
    frozen = {
        n: b
        for n, b in scaling.named_buffers()
        if n in ("components", "glimpse_mean", "glimpse_std")
    }
    return frozen, project_glimpses(scaling, store) if config.glimpse_projection else None


def hardware(device: torch.device) -> str:
    """One line that says what computed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads, {platform.machine()}"

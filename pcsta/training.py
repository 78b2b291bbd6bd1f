"""Training as sections 4 and 5: the pose net with its own classifier first, then the RGB stream."""

import platform
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from tqdm.auto import tqdm

from pcsta import checkpoint, common
from pcsta.batches import Batch, SubSequences, fit_scaling, project_glimpses, steps_per_epoch
from pcsta.checkpoint import BODY, POSE_STREAM, Stage, State, load_part
from pcsta.config import ModelConfig, TrainConfig, needs_pose
from pcsta.data.store import Store
from pcsta.epoch_figures import EpochFigures
from pcsta.files import exclusive, write_csv, write_json
from pcsta.preflight import settle, training_clips
from pcsta.two_stream import TwoStream

SAVE_SECONDS = 60  # between two states: one of the paper's sizes is 0.6 GB, a second or two
LOOK_SECONDS = 1  # between two looks at what the device has computed: for each it is waited for


def train(
    store: Store,
    config: ModelConfig,
    recipe: TrainConfig,
    out: Path | str,
    protocol: str | None = None,
    seed: int = 0,
    device: str = "auto",
    pose_from: Path | str | None = None,
    workers: int = 0,
    progress: bool = True,
    source: Path | str | None = None,
    skeleton: str | None = None,
    command: str = "",
    precision: str = "auto",
) -> Path:
    """Train one model into the folder `out` and return it; a finished run returns at once.

    Inside `pcsta.common.distributed_session` several processes train it; the first one writes.

    protocol:  default the dataset's first
    pose_from: a finished run whose pose stream is taken over; by default a configuration that
               needs pose and RGB first trains its pose stream (row A) into `out`/pose
    workers:   processes that read batches ahead, see `SubSequences`
    source:    a finished run on another dataset whose body this one starts from (section 5; see
               `pcsta.checkpoint`, also for the recipe)
    skeleton:  name of the skeleton that the network reads, to which the joints are converted;
               default the dataset's own
    command:   what continues the run, for who finds it unfinished
    precision: of the products in training, see `common.resolve_precision`
    Raises ValueError as `settle`, when the folder holds another run, or when a loss is not finite.

    >>> from pcsta import train
    >>> from pcsta.config import TrainConfig, laptop, row
    >>> recipe = TrainConfig(pose_epochs=1, batch=2, validation=0.25)
    >>> run = train(store, row("A", laptop()), recipe, folder / "run", progress=False)
    >>> sorted(path.name for path in run.iterdir())
    ['config.json', 'log.csv', 'model.safetensors', 'record.json', 'store.json']
    """
    out, chosen = Path(out), common.resolve_device(device)
    products = common.resolve_precision(precision, chosen)
    source, pose_from = (None if run is None else Path(run) for run in (source, pose_from))
    part = rank, processes = common.rank_and_world_size()
    stage: Stage = "pose" if config.streams == "pose" else "rgb"
    if stage == "pose" or not needs_pose(config):
        pose_from = None
    usable = {clip.name: clip.label for clip in store.clips}
    config, settings = settle(
        store.settings, usable, config, recipe, protocol, seed, source, skeleton, pose_from,
        store.fingerprint, products,
    )  # fmt: skip
    protocol = settings["protocol"]
    whole = all((out / name).exists() for name in ("record.json", "model.safetensors"))
    if checkpoint.begun(out, settings) and whole:
        return out
    fitting, validating = training_clips(store, recipe, protocol, seed)
    steps_per_epoch(len(fitting), recipe.batch, processes)
    with nullcontext() if rank else exclusive(out / ".lock"):
        if rank == 0:
            for cut in out.glob(".state.*.part.*"):  # of a run that was ended while it wrote one
                cut.unlink()
            write_json(out / "config.json", settings)
            write_json(out / "store.json", {"path": str(store.path.resolve()), "command": command})
        if stage == "rgb" and needs_pose(config) and pose_from is None:
            pose = replace(config, streams="pose")
            pose_from = train(
                store, pose, recipe, out / "pose", protocol, seed, device, None, workers, progress,
                source, skeleton, command, precision,
            )  # fmt: skip

        torch.manual_seed(seed)
        model = TwoStream(config).to(chosen)
        for run, parts in ((source, BODY[stage]), (pose_from, POSE_STREAM)):
            if run is not None:
                load_part(model, run, parts)
        features = None
        if model.rgb is not None and source is None:
            features = fit_scaling(model, store, fitting, recipe.sampling)
        elif model.rgb is not None and config.glimpse_projection:  # the frozen map is the source's
            features = project_glimpses(model.rgb.scaling, store)
        batches = SubSequences(store, config, chosen, recipe.sampling, features, workers, part)
        state = _Run(
            out, model, recipe, stage, seed, batches, fitting, validating, progress, products,
        ).fit()  # fmt: skip
        if rank == 0:
            crop_size, width = store.settings["crop_size"], store.settings["image_width"]
            checkpoint.save(out, model, {
                **settings,
                "stage": stage,
                "best": state.progress,
                "clips": {"fitting": len(fitting), "validation": len(validating)},
                "seconds": round(sum(float(line["seconds"]) for line in state.log), 1),
                "processes": processes,
                "precision": products,
                "hardware": common.hardware(chosen),
                "classes": list(store.classes),
                "skeleton": store.skeleton.name,
                "sensor": store.settings["sensor_name"],
                "sensor_fingerprint": store.settings["sensor"],
                "crop_share": crop_size / width if isinstance(crop_size, int) else crop_size,
                "parameters": model.parameter_counts(),
                "date": time.strftime("%Y-%m-%d"),
                "versions": {"python": platform.python_version(), "torch": torch.__version__},
            })  # fmt: skip
    common.all_reduce(0)  # nobody goes on before the run is whole
    return out


def learning_rates(
    optimizer: torch.optim.Optimizer, schedule: Literal["constant", "one-cycle"], steps: int
) -> LRScheduler:
    """The schedule of a stage of `steps` batches, stepped once a batch, up to the optimizer's rate.

    one-cycle: from 1/25 of the rate up to it in 0.3 of the steps, then to zero, along cosines
    """
    if schedule == "constant":
        return ConstantLR(optimizer, 1.0)
    rate = optimizer.defaults["lr"]
    return OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.3, cycle_momentum=False)


@dataclass
class _Run:
    """Epochs of one stage: logging, early stopping, and a state to continue from."""

    out: Path
    model: TwoStream
    recipe: TrainConfig
    stage: Stage
    seed: int
    batches: SubSequences
    fitting: np.ndarray  # positions of clips
    validating: np.ndarray
    progress: bool
    precision: str
    bar: tqdm = field(init=False)  # of all epochs' clips
    saved: float = field(init=False)  # when the last state was
    began: float = field(init=False)  # when the epoch did, less the time in which nothing ran

    def fit(self) -> State:
        """Train to the best validation epoch, continuing where an interrupted run stood."""
        recipe, model, (rank, _) = self.recipe, self.model.stage(self.stage), self.batches.part
        epochs = recipe.pose_epochs if self.stage == "pose" else recipe.rgb_epochs
        state, learner = self._state(epochs), common.data_parallel(model)
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        kept, self.saved = state.progress, time.perf_counter()
        done = state.underway.steps if state.underway else 0
        self.bar = tqdm(total=epochs * len(self.fitting), initial=self._clips(kept["epochs"], done),
                        unit="clip", disable=rank > 0 or not self.progress)  # fmt: skip
        for epoch in range(kept["epochs"], epochs):
            if recipe.keep == "best" and epoch - kept["epoch"] > recipe.patience:
                break
            self.bar.set_description(f"{self.stage} stream, epoch {epoch + 1} of {epochs}")
            self.began = time.perf_counter()
            with common.fast_products(self.batches.device, self.precision):
                learned = self._learn(learner, state, epoch)
            figures = learned | self._validate()
            loss, accuracy = figures["validation_loss"], figures["validation_accuracy"]
            kept["epochs"] = epoch + 1
            if recipe.keep == "last" or loss <= kept["loss"]:
                kept |= {"epoch": epoch, "loss": loss, "accuracy": accuracy}
                tensors = model.state_dict().items()
                state.best = {n: t.clone() for n, t in tensors if n not in frozen}
            self.bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items() if k != "rate"})
            if rank:
                continue  # the first process writes for all
            figures["seconds"] = time.perf_counter() - self.began
            line = {"stage": self.stage, "epoch": epoch}
            state.log.append(line | {k: f"{v:.6g}" for k, v in figures.items()})
            write_csv(self.out / "log.csv", state.log)
            if self._late():
                self._save(state)
        self.bar.close()
        model.load_state_dict(state.best, strict=False)
        return state

    def _steps(self) -> int:
        return steps_per_epoch(len(self.fitting), self.recipe.batch)

    def _late(self) -> bool:
        return time.perf_counter() - self.saved >= SAVE_SECONDS

    def _save(self, state: State) -> None:
        """By the first process; not after a step too far, of which the next loss will tell."""
        if self.batches.part[0] == 0 and all(p.isfinite().all() for p in self.model.parameters()):
            state.save(self.out)
        self.saved = time.perf_counter()

    def _state(self, epochs: int) -> State:
        """At the beginning, or where an interrupted run stood."""
        recipe, rate, decay = self.recipe, self.recipe.rate, self.recipe.weight_decay
        if self.stage == "rgb":
            rate = rate if recipe.rgb_rate is None else recipe.rgb_rate
            decay = decay if recipe.rgb_weight_decay is None else recipe.rgb_weight_decay
        learning = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(learning, rate, weight_decay=decay, fused=True)
        schedule = learning_rates(optimizer, recipe.schedule, epochs * self._steps())
        state = State(self.model, optimizer, schedule)
        state.load(self.out)
        return state

    @torch.enable_grad()  # also for a caller that has switched gradients off
    def _learn(self, learner: torch.nn.Module, state: State, epoch: int) -> dict[str, float]:
        """The steps of an epoch, or those that are left; nothing in them waits for the device."""
        # Randomness comes from (seed, stage, epoch) alone: a resumed run repeats it exactly.
        rng = np.random.default_rng([self.seed, 0 if self.stage == "pose" else 1, epoch])
        rank, device = self.batches.part[0], self.batches.device
        torch.manual_seed(int(rng.integers(2**62)) + rank)  # dropout differs by process
        rate, figures, done = float(state.schedule.get_last_lr()[0]), self._figures(), 0
        if then := state.underway:
            rate, done, state.underway = then.rate, then.steps, None
            self.began -= then.seconds
            figures.go_on(then, device)
        looked = time.perf_counter()
        self.model.train()
        for batch in self.batches.training(self.fitting, self.recipe.batch, rng, done):
            with torch.autocast(device.type, torch.bfloat16, self.precision == "bfloat16"):
                logits = self._logits(learner, batch)
            loss = cross_entropy(logits, batch.labels, label_smoothing=self.recipe.label_smoothing)
            state.optimizer.zero_grad()
            (loss * batch.weight).backward()  # type: ignore[no-untyped-call]
            state.optimizer.step()
            state.schedule.step()
            figures.add(loss, logits, batch)
            done += 1
            if time.perf_counter() - looked >= LOOK_SECONDS:
                figures.read()
                self.bar.update(self._clips(epoch, done) - self.bar.n)
                looked = time.perf_counter()
            # the first process's clock is everybody's
            if common.all_reduce(rank == 0 and self._late())[0]:
                seconds = time.perf_counter() - self.began
                state.underway = figures.underway(done, seconds, rate, device)
                self._save(state)
                state.underway = None
        self.bar.update(self._clips(epoch, done) - self.bar.n)
        return figures.means() | {"rate": rate}

    def _clips(self, epochs: int, steps: int) -> int:
        """Clips seen in so many epochs and steps of the next one."""
        return round((epochs + steps / self._steps()) * len(self.fitting))

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Figures of this stage's own logits in float32, three sub-sequences a clip."""
        self.model.eval()
        figures = self._figures()
        for batch in self.batches.testing(self.validating, 3):
            logits = self._logits(self.model, batch)
            figures.add(cross_entropy(logits, batch.labels), logits, batch)
        return figures.means("validation_")

    def _figures(self) -> EpochFigures:
        return EpochFigures(self.batches.store, np.concatenate([self.fitting, self.validating]))

    def _logits(self, model: torch.nn.Module, batch: Batch) -> Tensor:
        """This stage's own, (B, K) float32."""
        out = model(batch.pose_tensor, batch.glimpses, batch.present, self.batches.projected)
        logits: Tensor = out.pose_logits if self.stage == "pose" else out.rgb_logits
        return logits.float()

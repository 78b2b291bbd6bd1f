"""Training as sections 4 and 5: the pose net with its own classifier first, then the RGB stream.

The numbers (rates, batch, patience) are `pcsta.config.TrainConfig`'s; what a run leaves on disk is told
in `pcsta.checkpoint`.
"""

from __future__ import annotations

import csv
import math
import platform
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
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
from pcsta.files import atomic, exclusive, write_json
from pcsta.preflight import settle, training_clips
from pcsta.two_stream import TwoStream

SAVE_SECONDS = 10  # between two states: writing one costs as much as a short epoch of the wide net


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
    Raises ValueError as `settle`, when the folder holds another run, or when a loss is not finite.

    >>> from pcsta import train
    >>> from pcsta.config import TrainConfig, laptop, row
    >>> recipe = TrainConfig(pose_epochs=1, batch=2, validation=0.25)
    >>> run = train(store, row("A", laptop()), recipe, folder / "run", progress=False)
    >>> sorted(path.name for path in run.iterdir())
    ['config.json', 'log.csv', 'model.safetensors', 'record.json', 'store.json']
    """
    out, chosen = Path(out), common.resolve_device(device)
    source, pose_from = (None if run is None else Path(run) for run in (source, pose_from))
    part = rank, processes = common.rank_and_world_size()
    stage: Stage = "pose" if config.streams == "pose" else "rgb"
    if stage == "pose" or not needs_pose(config):
        pose_from = None
    usable = {clip.name: clip.label for clip in store.clips}
    config, settings = settle(
        store.settings, usable, config, recipe, protocol, seed, source, skeleton, pose_from,
        store.fingerprint,
    )  # fmt: skip
    protocol = settings["protocol"]
    if checkpoint.begun(out, settings) and (out / "record.json").exists():
        return out
    fitting, validating = training_clips(store, recipe, protocol, seed)
    steps_per_epoch(len(fitting), recipe.batch, processes)
    with nullcontext() if rank else exclusive(out / ".lock"):
        if rank == 0:
            write_json(out / "config.json", settings)
            write_json(out / "store.json", {"path": str(store.path.resolve()), "command": command})
        if stage == "rgb" and needs_pose(config) and pose_from is None:
            pose = replace(config, streams="pose")
            pose_from = train(
                store, pose, recipe, out / "pose", protocol, seed, device, None, workers, progress,
                source, skeleton, command,
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
        state = _Run(out, model, recipe, stage, seed, batches, fitting, validating, progress).fit()
        if rank == 0:
            crop_size, width = store.settings["crop_size"], store.settings["image_width"]
            checkpoint.save(out, model, {
                **settings,
                "stage": stage,
                "best": state.progress,
                "clips": {"fitting": len(fitting), "validation": len(validating)},
                "seconds": round(sum(float(line["seconds"]) for line in state.log), 1),
                "processes": processes,
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

    def fit(self) -> State:
        """Train to the best validation epoch, continuing where an interrupted run stood."""
        recipe, model, (rank, _) = self.recipe, self.model.stage(self.stage), self.batches.part
        epochs = recipe.pose_epochs if self.stage == "pose" else recipe.rgb_epochs
        state, learner = self._state(epochs), common.data_parallel(model)
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        kept, saved = state.progress, time.perf_counter()
        first, silent = kept["epochs"], rank > 0 or not self.progress
        bar = tqdm(range(first, epochs), initial=first, total=epochs, unit="epoch",
                   desc=f"{self.stage} stream", disable=silent)  # fmt: skip
        for epoch in bar:
            if recipe.keep == "best" and epoch - kept["epoch"] > recipe.patience:
                break
            began = time.perf_counter()
            rate = float(state.schedule.get_last_lr()[0])
            figures = {**self._learn(learner, state, epoch), "rate": rate, **self._validate()}
            loss, accuracy = figures["validation_loss"], figures["validation_accuracy"]
            kept["epochs"] = epoch + 1
            if recipe.keep == "last" or loss <= kept["loss"]:
                kept |= {"epoch": epoch, "loss": loss, "accuracy": accuracy}
                tensors = model.state_dict().items()
                state.best = {n: t.clone() for n, t in tensors if n not in frozen}
            bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items() if k != "rate"})
            if rank:
                continue  # the first process writes for all
            figures["seconds"] = time.perf_counter() - began
            line = {"stage": self.stage, "epoch": epoch}
            state.log.append(line | {k: f"{v:.6g}" for k, v in figures.items()})
            _write(self.out / "log.csv", state.log)
            if time.perf_counter() - saved >= SAVE_SECONDS:
                state.save(self.out)
                saved = time.perf_counter()
        model.load_state_dict(state.best, strict=False)
        return state

    def _state(self, epochs: int) -> State:
        """At the beginning, or where an interrupted run stood."""
        recipe, rate, decay = self.recipe, self.recipe.rate, self.recipe.weight_decay
        if self.stage == "rgb":
            rate = rate if recipe.rgb_rate is None else recipe.rgb_rate
            decay = decay if recipe.rgb_weight_decay is None else recipe.rgb_weight_decay
        learning = [(n, p) for n, p in self.model.named_parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(learning, rate, weight_decay=decay, fused=True)
        steps = epochs * steps_per_epoch(len(self.fitting), recipe.batch)
        state = State(self.model, optimizer, learning_rates(optimizer, recipe.schedule, steps))
        state.load(self.out)
        return state

    @torch.enable_grad()  # also for a caller that has switched gradients off
    def _learn(self, learner: torch.nn.Module, state: State, epoch: int) -> dict[str, float]:
        # Randomness comes from (seed, stage, epoch) alone: a resumed run repeats it exactly.
        rng = np.random.default_rng([self.seed, 0 if self.stage == "pose" else 1, epoch])
        # dropout differs by process
        torch.manual_seed(int(rng.integers(2**62)) + self.batches.part[0])
        self.model.train()
        batches = self.batches.training(self.fitting, self.recipe.batch, rng)
        return self._figures("", learner, batches, state)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Figures of this stage's own logits, three sub-sequences a clip."""
        self.model.eval()
        return self._figures("validation_", self.model, self.batches.testing(self.validating, 3))

    def _figures(
        self,
        kind: str,
        model: torch.nn.Module,
        batches: Iterator[Batch],
        learns: State | None = None,
    ) -> dict[str, float]:
        """Mean loss and accuracy over all processes' batches; with `learns`, a step on each."""
        smoothing = self.recipe.label_smoothing if learns else 0.0
        loss_sum = right = seen = 0.0
        for batch in batches:
            out = model(batch.pose_tensor, batch.glimpses, batch.present, self.batches.projected)
            logits = out.pose_logits if self.stage == "pose" else out.rgb_logits
            loss = cross_entropy(logits, batch.labels, label_smoothing=smoothing)
            if learns:
                learns.optimizer.zero_grad()
                (loss * batch.weight).backward()  # type: ignore[no-untyped-call]
                learns.optimizer.step()
                learns.schedule.step()
            if not math.isfinite(value := loss.item()):
                raise self._not_finite(logits.detach(), batch)
            loss_sum += value * len(batch.labels)
            right += (logits.argmax(-1) == batch.labels).sum().item()
            seen += len(batch.labels)
        loss_sum, right, seen = common.all_reduce(loss_sum, right, seen)
        return {f"{kind}loss": loss_sum / seen, f"{kind}accuracy": right / seen}

    def _not_finite(self, logits: Tensor, batch: Batch) -> ValueError:
        """What to say of a loss that is no number: whose, and where the largest number stands."""
        store, losses = self.batches.store, cross_entropy(logits, batch.labels, reduction="none")
        names = [store.clips[i].name for i in batch.clips[~losses.isfinite().cpu().numpy()]]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        clips = (*self.fitting, *self.validating)
        reach, far = max((float(np.abs(store.joints(i)).max()), i) for i in clips)
        return ValueError(
            f"the loss is no finite number at {', '.join(names[:5])}{more}; the largest coordinate in "
            f"training is {reach:.3g} m, in {store.clips[far].name}. Look at it with `pcsta inspect "
            "FILE`, and leave it out if it is absurd; else train with a smaller --rate-share"
        )


def _write(path: Path, log: list[dict[str, str | int]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, log[-1])
        writer.writeheader()
        writer.writerows(log)

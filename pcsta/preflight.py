"""What decides a run, known and checked before anything is computed or written.

Knowledge transfer (section 5): "The target networks were initialized with models pretrained on
NTU. Skeleton definitions are different and were adapted. All layers were finetuned on the smaller
datasets with an initial learning rate 10 times smaller."  What is taken over is the body: f_sk, and
f_p, f_h, f_u, f_p' with the frozen scaling of what they read. The classifiers start anew, as the
classes are others. The joints are adapted by reading a dataset in another skeleton, on either side:
the large one in the small one's (25 joints -> 15, then both networks are alike), or the reverse.
"""

import warnings
from collections.abc import Mapping, Set
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pcsta.checkpoint import RunSettings, configuration, describe, read_record
from pcsta.config import ModelConfig, TrainConfig
from pcsta.data.shard import Settings, crops_of
from pcsta.data.splits import validation_split
from pcsta.data.store import Store, split_names

# What X and f_sk depend on; and what a target of transfer decides for itself.
_POSE = {"skeleton", "order", "order_seed", "origin", "derivatives", "view", "coordinates", "frames",
         "people", "pose_model", "pose_widths", "batch_norm"}  # fmt: skip
_OWN = {"classes", "streams", "dropout", "glimpse_dropout"}


def settle(
    made: Settings,
    usable: Mapping[str, int],
    config: ModelConfig,
    recipe: TrainConfig,
    protocol: str | None = None,
    seed: int = 0,
    source: Path | None = None,
    skeleton: str | None = None,
    pose_from: Path | None = None,
    fingerprint: str = "",
    precision: str = "float32",
) -> tuple[ModelConfig, RunSettings]:
    """All that decides a run, before the store is made: the network to train, and the settings.

    made:         what decides the store
    usable:       samples that are trained or tested on, with their labels
    fingerprint:  of the store, once it is made
    others:       as for `train`
    Raises ValueError, saying what to do, for what cannot be trained; warns when there is nothing to
    test, or a class to test and not to train.
    """
    protocol = protocol or next(iter(made["splits"]))
    config = _for_store(config, made, skeleton)
    sides = [{n for n in side if n in usable} for side in split_names(made, protocol)]
    trained, tested = ({usable[name] for name in names} for names in sides)
    left_out = f"`pcsta check {made['dataset']}` says which clips are left out and why"
    if len(sides[0]) < 2:
        left = f"{protocol} leaves {len(sides[0])} usable clips to train on"
        raise ValueError(f"{left}, and two are needed, one of them to validate: {left_out}")
    if not tested:
        warnings.warn(f"{protocol} leaves no usable clip to test on: {left_out}", stacklevel=1)
    if unknown := sorted(made["classes"][label] for label in tested - trained):
        warnings.warn(f"{protocol} has no clip to train {', '.join(unknown)}", stacklevel=1)
    store = {"dataset": made["dataset"]}
    settings: RunSettings = {
        "model": config.to_dict(),
        "recipe": asdict(recipe),
        "store": store | {"fingerprint": fingerprint} if fingerprint else store,
        "protocol": protocol,
        "seed": seed,
    }
    if precision != "float32":
        settings["precision"] = precision
    if source is not None:
        _check_source(source, config, made)
        settings["source"] = describe(source)
    if pose_from is not None:
        _check_pose(pose_from, config, made, protocol)
        settings["pose_from"] = describe(pose_from)
    return config, settings


def _for_store(config: ModelConfig, made: Settings, skeleton: str | None) -> ModelConfig:
    """`config` with the sizes of the store. Raises ValueError when it lacks what is to be read."""
    classes, skeleton = len(made["classes"]), skeleton or made["skeleton"]
    config = replace(config, classes=classes, skeleton=skeleton)
    if features := made["glimpse_features"]:
        config = replace(config, glimpse_features=features)
    elif config.streams != "pose":
        do = "train row A, or prepare again with a glimpse sensor"
        raise ValueError(f"this store has poses alone: {do}")
    if config.streams != "pose" and (wanted := config.crops) != (there := crops_of(made)):
        said = f"this store has glimpses of the {there}, this configuration looks at the {wanted}"
        raise ValueError(f"{said}: prepare with --crops {wanted}")
    return config


def training_clips(
    store: Store, recipe: TrainConfig, protocol: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the clips that are fitted and of those kept for early stopping (section 5)."""
    training, _ = store.split(protocol)
    subjects = [store.clips[i].subject for i in training]
    held = validation_split(
        store.labels[training], subjects, recipe.validation, seed, recipe.validation_by
    )
    return training[~held], training[held]


def _check_source(source: Path, config: ModelConfig, store: Settings) -> None:
    """Raise ValueError, saying what to do, when `source` cannot start `config` on this store."""
    theirs, pose_alone = configuration(source), config.streams == "pose"
    if (there := theirs.skeleton) != (here := config.skeleton):
        do = f"read this dataset as `--skeleton {there}`, or pretrain with `--skeleton {here}`"
        raise ValueError(f"{source} reads {there} joints, this run {here} joints: {do}")
    if not pose_alone and theirs.streams == "pose":
        raise ValueError(f"{source} has no RGB stream to start from: pretrain row G or K")
    fields = _POSE if pose_alone else config.to_dict().keys() - _OWN
    _refuse_another(source, theirs, config, fields)
    record = read_record(source)
    if not pose_alone and record["sensor_fingerprint"] != store["sensor"]:
        other = f"this dataset is prepared with {store['sensor_name']} or with other weights of it"
        do = "prepare it with the same --sensor and --weights"
        raise ValueError(f"{source} looks through {record['sensor']}, {other}: {do}")


def _check_pose(pose_from: Path, config: ModelConfig, store: Settings, protocol: str) -> None:
    """Raise ValueError for another network, or for a run that may have seen what is tested here."""
    _refuse_another(pose_from, configuration(pose_from), config, _POSE | {"classes"})
    record = read_record(pose_from)
    theirs, ours = (record["store"]["dataset"], record["protocol"]), (store["dataset"], protocol)
    if theirs != ours:
        raise ValueError(f"{pose_from} was trained on {' '.join(theirs)}, not on {' '.join(ours)}")


def _refuse_another(run: Path, theirs: ModelConfig, ours: ModelConfig, fields: Set[str]) -> None:
    pairs = ((name, getattr(theirs, name), getattr(ours, name)) for name in sorted(fields))
    if other := [f"{name} is {there} there and {here} here" for name, there, here in pairs
                 if there != here]:  # fmt: skip
        raise ValueError(f"{run} is another network: {', '.join(other)}")

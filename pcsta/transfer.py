"""Knowledge transfer (section 5): training on a small dataset starts from a network of a large one.

"The target networks were initialized with models pretrained on NTU. Skeleton definitions are
different and were adapted. All layers were finetuned on the smaller datasets with an initial learning
rate 10 times smaller."  What is taken over is the body: f_sk, and f_p, f_h, f_u, f_p' with the frozen
scaling of what they read. The classifiers start anew, as the classes are others.

The joints are adapted by reading a dataset in another skeleton, on either side: the large one in the
small one's (25 joints -> 15, then both networks are alike), or the small one in the large one's.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Any

from pcsta.config import ModelConfig
from pcsta.data.store import Store
from pcsta.files import read_json

RATE_SHARE = 0.1  # of the recipe's learning rate
BODY = {"pose": "pose_net.", "rgb": "rgb."}  # by stage: names of the parameters taken over

# What a target decides for itself, in both stages and in the pose stage alone.
_OWN = {"classes", "streams", "dropout", "glimpse_dropout"}
_OWN_POSE = _OWN | {"hands", "temporal", "conditioned", "glimpse_features"}


def configuration(source: Path) -> ModelConfig:
    """The configuration of a pretrained run. Raises FileNotFoundError when it is unfinished."""
    if not (source / "record.json").exists():
        raise FileNotFoundError(
            f"{source} holds no finished run to start from; pretrain one with `pcsta train`"
        )
    return ModelConfig.from_dict(read_json(source / "config.json")["model"])


def describe(source: Path) -> dict[str, Any]:
    """What a run that starts from `source` remembers of it; the weights by their hash."""
    settings = read_json(source / "config.json")
    weights = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    return {
        "dataset": settings["store"]["dataset"],
        "protocol": settings["protocol"],
        "seed": settings["seed"],
        "weights": weights[:16],
    }


def check(source: Path, config: ModelConfig, store: Store, stage: str) -> None:
    """Raise ValueError, saying what to do, when `source` cannot start the training of `config`."""
    theirs = configuration(source)
    if theirs.skeleton != config.skeleton:
        raise ValueError(
            f"{source} reads {theirs.skeleton} joints, this run {config.skeleton} joints: read this "
            f"dataset as `--skeleton {theirs.skeleton}`, or pretrain with `--skeleton "
            f"{config.skeleton}`"
        )
    if stage == "rgb" and theirs.streams == "pose":
        raise ValueError(f"{source} has no RGB stream to start from: pretrain row G or K")
    own = _OWN_POSE if stage == "pose" else _OWN
    other = [
        f"{field.name} is {getattr(theirs, field.name)} there and {getattr(config, field.name)} here"
        for field in fields(ModelConfig)
        if field.name not in own and getattr(theirs, field.name) != getattr(config, field.name)
    ]
    if other:
        raise ValueError(f"{source} is another network: {', '.join(other)}")
    if stage == "rgb":
        record = read_json(source / "record.json")
        if record["sensor_fingerprint"] != store.settings["sensor"]:
            raise ValueError(
                f"{source} looks through {record['sensor']}, {store.path} was prepared with "
                f"{store.settings['sensor_name']} or with other weights of it: prepare this dataset "
                "with the same --sensor and --weights"
            )

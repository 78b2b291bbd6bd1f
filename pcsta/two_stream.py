"""The two-stream model (section 3.4): every row of Tables 5 and 6 is one configuration of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pcsta.attention import Intervention
from pcsta.config import ModelConfig, needs_pose
from pcsta.pose_net import PoseNet
from pcsta.rgb_stream import RGBStream

# Networks by their names in a configuration; a package that has others adds them here.
Networks = dict[str, Callable[[ModelConfig], nn.Module]]
POSE_NETS: Networks = {"cnn": PoseNet}  # f_sk by `pose_model`: X -> s
GLIMPSE_STREAMS: Networks = dict.fromkeys(("attention", "sum", "concat"), RGBStream)  # by `hands`


class Output(NamedTuple):
    """Logits and the attention that led to them, all from one forward pass; None where absent."""

    logits: Float[Tensor, "B C"]  # what the row of Table 6 is scored on
    pose_logits: Float[Tensor, "B C"] | None
    rgb_logits: Float[Tensor, "B C"] | None
    spatial_attention: Float[Tensor, "B T N"] | None  # p_t (eq. 4)
    temporal_attention: Float[Tensor, "B T"] | None  # p' (eq. 7)


class TwoStream(nn.Module):
    """Pose stream and RGB stream, each with its classifier; logits add up (fusion, section 3.4).

    Submodules, None where the configuration does without: `pose_net` f_sk, `pose_head`, `rgb` (f_p,
    f_h, f_u, f_p') and `rgb_head`. The glimpse sensor f_g is not among them: it is frozen, so its
    features are computed once and stored.

    Dropout is the first layer of each classifier, on s and on u~; the attention networks see s whole.
    Raises ValueError for a `pose_model` or `hands` that nobody has added.

    >>> from pcsta import ModelConfig, TwoStream
    >>> TwoStream(ModelConfig(streams="pose")).parameter_counts()["f_sk"]
    24680064
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        has_pose, has_rgb = config.streams != "rgb", config.streams != "pose"
        self.pose_net = _build(POSE_NETS, "pose_model", config) if needs_pose(config) else None
        self.pose_head = _classifier(config.pose_widths[2], config) if has_pose else None
        # whatever `hands` names, it has the attributes and the `forward` of this one
        self.rgb = cast(RGBStream, _build(GLIMPSE_STREAMS, "hands", config)) if has_rgb else None
        self.rgb_head = _classifier(self.rgb.features, config) if self.rgb else None
        self.frozen: str | None = None  # see `stage`

    def forward(
        self,
        pose_tensor: Float[Tensor, "B C T W"] | None,
        glimpses: Float[Tensor, "B T N D"] | None = None,
        present: Bool[Tensor, "B T N"] | None = None,
        projected: bool = False,
        pose_features: Float[Tensor, "B S"] | None = None,
        intervention: Intervention | None = None,
    ) -> Output:
        """Logits before softmax, and both attentions.

        pose_tensor:    X; None only for a configuration without pose, or with `pose_features`
        glimpses:       V; None only for a pose-only configuration
        present:        which hands exist, read with `mask_absent` only
        projected:      whether the glimpses have passed `rgb.scaling.project`
        pose_features:  s, when it is already known (the pose network is then not run)
        intervention:   attention in place of the model's own

        Raises ValueError when an input that the configuration needs is missing.
        """
        s = pose_features
        if self.pose_net is not None and s is None:
            if pose_tensor is None:
                raise ValueError("this model reads the pose tensor X, and none was given")
            s = self.pose_net(pose_tensor)  # (B, S) eq. 1
        pose_logits = rgb_logits = spatial = temporal = None
        if self.pose_head is not None:
            pose_logits = self.pose_head(s)  # (B, C)
        if self.rgb is not None:
            if glimpses is None:
                raise ValueError("this model reads glimpses V, and none were given")
            read = glimpses, s, present, projected, intervention, pose_tensor
            pooled, spatial, temporal = self.rgb(*read)
            rgb_logits = self.rgb_head(pooled)  # (B, C)
        streams = [x for x in (pose_logits, rgb_logits) if x is not None]
        logits = torch.stack(streams).sum(0)  # section 3.4: fusion on logit level
        return Output(logits, pose_logits, rgb_logits, spatial, temporal)

    def stage(self, name: str) -> TwoStream:
        """Freeze: first the pose stream is trained, then the RGB stream (stages, section 4).

        "pose": f_sk and its classifier learn. "rgb": the RGB stream and its classifier learn, with
        f_sk and its classifier frozen and, also after `train()`, in evaluation mode (no dropout on
        the pose logits). Returns the model. Raises ValueError for another name.
        """
        if name not in ("pose", "rgb"):
            raise ValueError(f"no stage {name!r}; choose 'pose' or 'rgb'")
        self.frozen = "rgb" if name == "pose" else "pose"
        for stream in ("pose", "rgb"):
            for module in self._stream(stream):
                module.requires_grad_(stream == name)
        return self.train(self.training)

    def train(self, mode: bool = True) -> TwoStream:
        """Training mode for what learns; what `stage` froze stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for module in self._stream(self.frozen):
                module.eval()
        return self

    def _stream(self, name: str) -> list[nn.Module]:
        modules = (self.pose_net, self.pose_head) if name == "pose" else (self.rgb, self.rgb_head)
        return [m for m in modules if m is not None]

    def parameter_counts(self) -> dict[str, int]:
        """Trainable and frozen parameters of each mapping, by the paper's symbol, and their "total"."""
        parts = {
            "f_sk": self.pose_net,
            "pose classifier": self.pose_head,
            "f_p": getattr(self.rgb, "spatial", None),
            "f_h": getattr(self.rgb, "lstm", None),
            "f_u": getattr(self.rgb, "step", None),
            "f_p'": getattr(self.rgb, "temporal", None),
            "RGB classifier": self.rgb_head,
        }
        counts = {k: sum(p.numel() for p in m.parameters()) for k, m in parts.items() if m}
        return counts | {"total": sum(counts.values())}


def _classifier(features: int, config: ModelConfig) -> nn.Sequential:
    """Dropout and a linear layer; softmax belongs to the loss (section 4)."""
    return nn.Sequential(nn.Dropout(config.dropout), nn.Linear(features, config.classes))


def _build(networks: Networks, option: str, config: ModelConfig) -> nn.Module:
    """The network that an option of the configuration names."""
    name = getattr(config, option)
    if name not in networks:
        raise ValueError(
            f"no network for {option}={name!r}; there are {', '.join(networks)} (a package that has "
            "another one adds it when it is imported)"
        )
    return networks[name](config)

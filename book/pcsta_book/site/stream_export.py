"""Each stream of a model as an ONNX file of its own: two models with one pose stream need it once."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pcsta.export import write_graph
from pcsta.pose_tensor import PoseTensor
from pcsta.two_stream import TwoStream

Stream = Literal["pose", "rgb"]


def to_onnx(model: TwoStream, path: Path | str, stream: Stream) -> Path:
    """Write one stream, in evaluation mode, as an ONNX file; the batch size B stays free.

    "pose", f_sk and its classifier: pose_tensor X -> pose_features s, pose_logits.
    "rgb", the rest: pose_features, glimpses behind the frozen map (`Scaling.project`), present ->
    rgb_logits, spatial_attention, temporal_attention.

    Shapes are those of `pcsta.export.to_onnx`. Returns the path; the file appears whole or not at all.
    Raises ValueError for a stream that the model does not have.
    """
    config, X = model.config, PoseTensor.from_config(model.config)
    if stream == "pose" and model.pose_head is not None:
        inputs = {"pose_tensor": torch.zeros(2, X.channels, config.frames, X.width)}
        return write_graph(_Pose(model), inputs, path)
    if stream == "rgb" and model.rgb is not None:
        hands = (2, config.frames, config.glimpses)
        inputs = {
            "pose_features": torch.zeros(2, config.pose_widths[2]),
            "glimpses": torch.zeros(*hands, model.rgb.scaling.width),
            "present": torch.ones(hands, dtype=torch.bool),
        }
        return write_graph(_RGB(model), inputs, path)
    raise ValueError(f"this model has no {stream} stream to export")


class _Pose(nn.Module):
    def __init__(self, model: TwoStream) -> None:
        super().__init__()
        self.pose_net, self.pose_head = model.pose_net, model.pose_head

    def forward(self, pose_tensor: Tensor) -> dict[str, Tensor]:
        assert self.pose_net is not None and self.pose_head is not None
        s = self.pose_net(pose_tensor)
        return {"pose_features": s, "pose_logits": self.pose_head(s)}


class _RGB(nn.Module):
    def __init__(self, model: TwoStream) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, pose_features: Tensor, glimpses: Tensor, present: Tensor
    ) -> dict[str, Tensor]:
        out = self.model(None, glimpses, present, projected=True, pose_features=pose_features)
        names = ("rgb_logits", "spatial_attention", "temporal_attention")
        return {n: getattr(out, n) for n in names if getattr(out, n) is not None}

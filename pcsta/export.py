"""A trained model as ONNX: one file that other programs run, the reader's browser among them.

PyTorch traces the model's own `forward`, so the file holds the same operations on the same weights.
The loop over time becomes its T copies, one after the other.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from pcsta.files import atomic
from pcsta.pose_tensor import PoseTensor
from pcsta.two_stream import TwoStream

Streams = Literal["both", "pose", "rgb"]
OPSET = 20  # ONNX Runtime 1.17 and later
OUTPUTS = ("logits", "pose_logits", "rgb_logits", "spatial_attention", "temporal_attention")


class _Graph(nn.Module):
    """`forward` with the inputs and outputs of an ONNX file: tensors only, by position."""

    def __init__(self, model: TwoStream, streams: Streams, projected: bool) -> None:
        super().__init__()
        self.model, self.streams, self.projected = model, streams, projected
        X = PoseTensor.from_config(model.config)
        config = model.config
        self.inputs: dict[str, Tensor] = {}  # an example of each, of a batch of two
        if streams == "rgb":
            self.inputs["pose_features"] = torch.zeros(2, config.pose_widths[2])
        elif model.pose_net is not None:
            self.inputs["pose_tensor"] = torch.zeros(2, X.channels, config.frames, X.width)
        if streams != "pose" and model.rgb is not None:
            features = model.rgb.scaling.width if projected else config.glimpse_features
            hands = (2, config.frames, config.glimpses)
            self.inputs["glimpses"] = torch.zeros(*hands, features)
            self.inputs["present"] = torch.ones(hands, dtype=torch.bool)

    def forward(self, *values: Tensor) -> dict[str, Tensor]:
        given = dict(zip(self.inputs, values, strict=True))
        if self.streams == "pose":
            assert self.model.pose_net is not None and self.model.pose_head is not None
            s = self.model.pose_net(given["pose_tensor"])
            return {"pose_features": s, "pose_logits": self.model.pose_head(s)}
        out = self.model(
            given.get("pose_tensor"), given.get("glimpses"), given.get("present"),
            self.projected, given.get("pose_features"),
        )  # fmt: skip
        found = {k: v for k, v in out._asdict().items() if v is not None}
        if self.streams == "rgb":
            found = {k: v for k, v in found.items() if k not in ("logits", "pose_logits")}
        return found


def to_onnx(
    model: TwoStream,
    path: Path | str,
    streams: Streams = "both",
    projected: bool = False,
    about: Mapping[str, str] | None = None,
) -> Path:
    """Write a model, in evaluation mode, as an ONNX file; the batch size B stays free.

    streams:    "both", the whole model; "pose", f_sk and its classifier alone; "rgb", the rest, which
                then reads the pose features s. Two models with one pose stream need it once.
    projected:  the file reads glimpses behind the frozen map (`RGBStream.project`), not raw ones
    about:      text to keep in the file's metadata, by name

    Inputs, those that the configuration reads (shapes at the paper's sizes):
        pose_tensor    (B, 3, 20, 300) float32, X (section 3.1); of "pose" and "both"
        pose_features  (B, 1024) float32, s (eq. 1); of "rgb"
        glimpses       (B, 20, 4, 2048) float32, V (eq. 2), zero for an absent hand
        present        (B, 20, 4) bool, which hands exist; read with `mask_absent` only
    Outputs, those that the configuration has: the fields of `Output`; "pose" gives pose_features and
    pose_logits, "rgb" gives rgb_logits, spatial_attention p_t (eq. 4) and temporal_attention p' (eq. 7).

    The file appears whole or not at all. Raises ValueError for streams that the model does not have.
    """
    missing = {"pose": model.pose_head is None, "rgb": model.rgb is None, "both": False}
    if missing[streams]:
        raise ValueError(f"this model has no {streams} stream to export")
    graph = _Graph(model, streams, projected).eval()
    example = tuple(graph.inputs.values())
    batch = torch.export.Dim("B", min=1)
    was_training = model.training
    model.eval()
    # The exporter reports each of its steps, and warns that all inputs share the one B.
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        names = list(graph(*example))
        program = torch.onnx.export(
            graph,
            example,
            input_names=list(graph.inputs),
            output_names=names,
            dynamic_shapes=(tuple({0: batch} for _ in example),),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    model.train(was_training)
    assert program is not None  # None only for the exporter that torch replaced in 2.9
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # which line of which file of this machine it came from
    program.model.metadata_props.update(about or {})
    path = Path(path)
    with atomic(path) as temporary:
        program.save(temporary)
    return path

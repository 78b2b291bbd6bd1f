"""A trained model as ONNX: one file that other programs run.

PyTorch traces the model's own `forward`, so the file holds the same operations on the same weights.
The loop over time becomes its T copies, one after the other.
"""

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pcsta.files import atomic
from pcsta.pose_tensor import PoseTensor
from pcsta.two_stream import TwoStream

OPSET = 20  # ONNX Runtime 1.17 and later


def to_onnx(model: TwoStream, path: Path | str, about: Mapping[str, str] | None = None) -> Path:
    """Write a model, in evaluation mode, as an ONNX file; the batch size B stays free.

    about:  text to keep in the file's metadata, by name

    Inputs, those that the configuration reads (shapes at the paper's sizes):
        pose_tensor    (B, 3, 20, 300) float32, X (section 3.1)
        glimpses       (B, 20, 4, 2048) float32, V (eq. 2), zero for an absent hand
        present        (B, 20, 4) bool, which hands exist; read with `mask_absent` only
    Outputs, those that the configuration has: the fields of `Output`, of one pass. A model that averages
    over `exchanges` is to be asked once for each of them.

    Returns the path; the file appears whole or not at all.
    """
    config, X = model.config, PoseTensor.from_config(model.config)
    hands = (2, config.frames, config.glimpses)
    inputs = {}  # an example of each, of a batch of two
    if model.pose_net is not None:
        inputs["pose_tensor"] = torch.zeros(2, X.channels, config.frames, X.width)
    if model.rgb is not None:
        inputs["glimpses"] = torch.zeros(*hands, config.glimpse_features)
        inputs["present"] = torch.ones(hands, dtype=torch.bool)
    return write_graph(_Whole(model), inputs, path, about)


class _Whole(nn.Module):
    """`TwoStream.forward` with the inputs and outputs of an ONNX file: tensors only."""

    def __init__(self, model: TwoStream) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        pose_tensor: Tensor | None = None,
        glimpses: Tensor | None = None,
        present: Tensor | None = None,
    ) -> dict[str, Tensor]:
        out = self.model(pose_tensor, glimpses, present)
        return {name: value for name, value in out._asdict().items() if value is not None}


def write_graph(
    graph: nn.Module,
    inputs: dict[str, Tensor],
    path: Path | str,
    about: Mapping[str, str] | None = None,
    free: Mapping[str, tuple[int, ...]] | None = None,
) -> Path:
    """Write a module as an ONNX file, in evaluation mode; see `to_onnx`.

    graph:   takes tensors by name and returns a dictionary of them: the file's inputs and outputs
    inputs:  an example of each input, of a batch of two
    free:    axes of inputs whose length stays free beside B, all of one length
    """
    modes = {module: module.training for module in graph.modules()}
    graph.eval()
    batch, side = torch.export.Dim("B", min=1), torch.export.Dim("side", min=2)
    sides = {name: dict.fromkeys(axes, side) for name, axes in (free or {}).items()}
    # The exporter reports each of its steps, and warns that all inputs share the one B.
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=list(graph(**inputs)),
            dynamic_shapes={name: {0: batch, **sides.get(name, {})} for name in inputs},
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    for module, mode in modes.items():
        module.training = mode
    assert program is not None  # None only for the exporter that torch replaced in 2.9
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # which line of which file of this machine it came from
    program.model.metadata_props.update(about or {})
    path = Path(path)
    with atomic(path) as temporary:
        program.save(temporary)
    return path

"""Tensors by name on disk (safetensors), and from there into a network; reading runs no code."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pcsta.files import atomic


def write(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a file whole or not at all. Raises OSError (disk full)."""
    own = {name: t.detach().contiguous().cpu() for name, t in tensors.items()}
    with atomic(path) as temporary:
        # safetensors' own writer makes files that nobody else may read
        temporary.write_bytes(save(own, metadata))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file. Raises ValueError for one that is cut or of another format."""
    try:
        with safe_open(path, "pt") as file:
            # copies: training writes into them, and then replaces the file
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        said = f"{path} is cut short, gone or no safetensors file ({error})"
        raise ValueError(f"{said}; put it back, or delete it and train the same again") from None


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, what: str) -> None:
    """`load_state_dict`. For another network's or damaged tensors, ValueError names `path` and `what`."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()[:200]
        raise ValueError(f"{path} does not hold the weights of {what}: {first}") from None
    if bad := [name for name, t in tensors.items() if not (t.is_meta or t.isfinite().all())]:
        raise ValueError(f"{path} is damaged: {bad[0]} of {what} holds what is no number")

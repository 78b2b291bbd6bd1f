"""f_sk (eq. 1): the fast form against the convolution written out."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pcsta.config import laptop, paper
from pcsta.pose_net import PoseNet


def convolve(x, weight, bias):
    """ "Same" convolution of one (C, T, W) map by loops: 3 rows above and 4 below, 1 column each side."""
    channels, frames, width = x.shape
    out = torch.empty(len(weight), frames, width)
    for t in range(frames):
        for w in range(width):
            total = bias.clone()
            for row in range(8):
                for column in range(3):
                    i, j = t + row - 3, w + column - 1
                    if 0 <= i < frames and 0 <= j < width:
                        for k in range(channels):
                            total += weight[:, k, row, column] * x[k, i, j]
            out[:, t, w] = total
    return out


def pool(x):
    channels, frames, width = x.shape
    out = torch.empty(channels, frames // 2, width // 2)
    for t in range(frames // 2):
        for w in range(width // 2):
            out[:, t, w] = x[:, 2 * t : 2 * t + 2, 2 * w : 2 * w + 2].amax((1, 2))
    return out


def literal(net, X):
    """Section 4 as printed: convolve, ReLU, pool; third kernel over all that is left."""
    features = []
    for sample in X:
        x = pool(convolve(sample, net.conv1.weight, net.conv1.bias).relu())
        x = pool(convolve(x, net.conv2.weight, net.conv2.bias).relu())
        channels, frames, width = x.shape
        kernel = net.conv3.weight.view(-1, frames, width, channels)
        s = net.conv3.bias.clone()
        for t in range(frames):
            for w in range(width):
                for k in range(channels):
                    s += kernel[:, t, w, k] * x[k, t, w]
        features.append(s.relu())
    return torch.stack(features)


@torch.no_grad()
def test_the_pose_net_is_the_loops():
    """Three layers by loops (eq. 1)."""
    config = laptop(skeleton="sbu", order="single", frames=8, pose_widths=(2, 3, 5))
    torch.manual_seed(0)
    net = PoseNet(config)
    X = torch.randn(2, 3, 8, 90)
    expected = literal(net, X)
    assert (expected > 0).any()
    torch.testing.assert_close(net(X), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("skeleton", "order", "width"),
    [("kinect_v2", "tour", 300), ("kinect_v2", "single", 150), ("kinect_v1", "tour", 240), ("sbu", "tour", 180)],
)  # fmt: skip
def test_values_and_gradients_are_those_of_three_convolutions(skeleton, order, width):
    """The third kernel follows the tree: 5 x 75 for the paper's 300 columns."""
    config = laptop(skeleton=skeleton, order=order, pose_widths=(4, 6, 10))
    torch.manual_seed(0)
    net = PoseNet(config)
    X = torch.randn(3, 3, 20, width)
    kernel = net.conv3.weight.detach().view(10, 5, width // 4, 6).permute(0, 3, 1, 2).clone()
    kernel.requires_grad_()

    x = F.max_pool2d(F.conv2d(X, net.conv1.weight, net.conv1.bias, padding="same").relu(), 2)
    x = F.max_pool2d(F.conv2d(x, net.conv2.weight, net.conv2.bias, padding="same").relu(), 2)
    expected = F.conv2d(x, kernel, net.conv3.bias).relu().flatten(1)
    torch.testing.assert_close(net(X), expected)

    weights = [net.conv1.weight, net.conv2.weight]
    direction = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * direction).sum(), [*weights, kernel])
    got = torch.autograd.grad((net(X) * direction).sum(), [*weights, net.conv3.weight])
    torch.testing.assert_close(got[:2], wanted[:2], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got[2].view(10, 5, width // 4, 6).permute(0, 3, 1, 2), wanted[2])


def test_maps_have_the_papers_sizes():
    net, sizes = PoseNet(paper()), []
    for conv in (net.conv1, net.conv2):
        conv.register_forward_hook(lambda m, i, o: sizes.append(tuple(o.shape[2:])))
    assert net(torch.zeros(1, 3, 20, 300)).shape == (1, 1024)
    assert sizes == [(20, 300), (10, 150)]  # before pooling
    assert net.conv3.in_features == 64 * 5 * 75


def test_another_size_of_X_is_an_error():
    with pytest.raises(ValueError, match=r"reads \(B, 3, 20, 300\), got \(1, 3, 20, 180\)"):
        PoseNet(laptop())(torch.zeros(1, 3, 20, 180))


@torch.no_grad()
def test_batch_norm_stands_between_convolution_and_pooling():
    config = laptop(skeleton="sbu", order="single", frames=8, pose_widths=(2, 3, 5))
    torch.manual_seed(0)
    plain, normed = PoseNet(config), PoseNet(replace(config, batch_norm=True))
    normed.load_state_dict(plain.state_dict(), strict=False)
    X = torch.randn(4, 3, 8, 90)
    # of known statistics, it is a scale and a shift of each map
    normed.norm1.running_mean += 0.3
    normed.norm2.running_var *= 4
    scaled = PoseNet(config)
    scaled.load_state_dict(plain.state_dict())
    scaled.conv1.bias -= 0.3
    half = 1 / (4 + normed.norm2.eps) ** 0.5
    scaled.conv2.weight *= half
    scaled.conv2.bias *= half
    torch.testing.assert_close(normed.eval()(X), scaled(X), atol=1e-4, rtol=1e-4)
    assert not any("norm" in name for name, _ in plain.named_parameters())


def test_coordinates_as_channels_make_a_narrower_net():
    config = laptop(skeleton="sbu", coordinates="channels")
    net = PoseNet(config)
    assert net(torch.zeros(2, 9, 20, 60)).shape == (2, config.pose_widths[2])
    with pytest.raises(ValueError, match=r"reads \(B, 9, 20, 60\), got \(2, 3, 20, 180\)"):
        net(torch.zeros(2, 3, 20, 180))

"""f_p (eq. 4) and f_p' (eq. 7) against their equations, one number at a time."""

from itertools import product
from math import exp

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcsta.attention import SpatialAttention, TemporalAttention
from pcsta.config import laptop

SMALL = {
    "hidden": 6,
    "spatial_hidden": 5,
    "temporal_hidden": 5,
    "pose_widths": (2, 2, 7),
    "frames": 5,
}


def mlp(net, x, s):
    """One sigmoid hidden layer and a softmax, for one sample, by loops over units."""
    hidden = []
    for unit in range(net.from_input.out_features):
        total = net.from_input.bias[unit].item()
        for j in range(len(x)):
            total += net.from_input.weight[unit, j].item() * x[j].item()
        if net.from_pose is not None:
            for j in range(len(s)):
                total += net.from_pose.weight[unit, j].item() * s[j].item()
        hidden.append(1 / (1 + exp(-total)))
    scores = []
    for output in range(net.score.out_features):
        weights = net.score.weight[output].tolist()
        score = sum(w * h for w, h in zip(weights, hidden, strict=True))
        scores.append(score + net.score.bias[output].item())
    if net.weights == "sigmoid":
        return torch.tensor([1 / (1 + exp(-score)) for score in scores])
    total = sum(exp(score) for score in scores)
    return torch.tensor([exp(score) / total for score in scores])


@torch.no_grad()
@pytest.mark.parametrize("conditioned", [True, False])
@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
def test_both_networks_are_the_loops(conditioned, weights):
    """Unit by unit (eq. 4, 7)."""
    torch.manual_seed(0)
    seen = {"spatial_conditioned": conditioned, "temporal_conditioned": not conditioned}
    config = laptop(**SMALL, **seen, weights=weights)
    h, s, P = torch.randn(3, 6), torch.randn(3, 7), torch.rand(3, 20)
    spatial, temporal = SpatialAttention(config), TemporalAttention(config)
    p = spatial(h, spatial.pose_term(s))
    torch.testing.assert_close(p, torch.stack([mlp(spatial, h[b], s[b]) for b in range(3)]))
    torch.testing.assert_close(
        temporal(P, s), torch.stack([mlp(temporal, P[b], s[b]) for b in range(3)])
    )


@torch.no_grad()
@given(st.integers(0, 1000), st.floats(0.1, 30))
def test_attention_sums_to_one_over_hands_and_over_time(seed, scale):
    torch.manual_seed(seed)
    config = laptop(**SMALL)
    spatial, temporal = SpatialAttention(config), TemporalAttention(config)
    h, s = torch.randn(3, 6) * scale, torch.randn(3, 7) * scale
    p, q = spatial(h, spatial.pose_term(s)), temporal(torch.rand(3, 20), s)
    assert p.shape == (3, 4)  # (B, N)
    assert q.shape == (3, 5)  # (B, T)
    for weights in (p, q):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert not torch.allclose(p.sum(0), torch.ones(4), atol=1e-3)  # and over nothing else


@torch.no_grad()
def test_attention_is_uniform_for_zero_scores():
    config = laptop()
    for net, x in (
        (SpatialAttention(config), torch.randn(2, 128)),
        (TemporalAttention(config), torch.rand(2, 80)),
    ):
        net.score.weight.zero_()
        net.score.bias.zero_()
        s = torch.randn(2, config.pose_widths[2])
        weights = net(x, net.pose_term(s) if isinstance(net, SpatialAttention) else s)
        torch.testing.assert_close(weights, torch.full_like(weights, 1 / weights.shape[1]))


@torch.no_grad()
def test_absent_hands_can_be_masked():
    torch.manual_seed(0)
    h, present = torch.randn(2, 128), torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    plain = SpatialAttention(laptop(spatial_conditioned=False, mask_absent=False))
    masked = SpatialAttention(laptop(spatial_conditioned=False, mask_absent=True))
    masked.load_state_dict(plain.state_dict())
    p, q = plain(h, None, present), masked(h, None, present)
    assert (p > 0).all()  # by default the presence of a hand is not looked at
    assert (q[0, 2:] == 0).all()
    torch.testing.assert_close(q[0, :2], p[0, :2] / p[0, :2].sum())
    torch.testing.assert_close(q[1], torch.full((4,), 0.25))  # no hand at all


def test_conditioned_attention_wants_pose_features():
    with pytest.raises(ValueError, match="needs the pose features s"):
        SpatialAttention(laptop()).pose_term(None)


def test_without_hidden_state_attention_reads_the_pose_alone():
    torch.manual_seed(0)
    config = laptop(hidden_in_attention=False)
    blind, sees = SpatialAttention(config), SpatialAttention(laptop())
    sees.load_state_dict(blind.state_dict())
    s, h = torch.randn(3, config.pose_widths[2]), torch.randn(3, 128)
    present = torch.ones(3, 4, dtype=torch.bool)
    term = blind.pose_term(s)
    torch.testing.assert_close(blind(h, term, present), sees(torch.zeros_like(h), term, present))
    assert not torch.allclose(sees(h, term, present), blind(h, term, present))


@torch.no_grad()
@pytest.mark.parametrize("conditioned", [True, False])
def test_the_moment_adds_its_columns_of_x(conditioned):
    torch.manual_seed(0)
    config = laptop(**SMALL, moment_in_attention=True, spatial_conditioned=conditioned)
    net, s, X = SpatialAttention(config), torch.randn(2, 7), torch.randn(2, 3, 5, 300)
    terms = net.pose_terms(s if conditioned else None, X, 5)
    for b, t in product(range(2), range(5)):
        x_t = torch.cat([X[b, channel, t] for channel in range(3)])
        expected = net.from_moment.weight @ x_t
        if conditioned:
            expected = expected + net.from_pose.weight @ s[b]
        torch.testing.assert_close(terms[t][b], expected)
    with pytest.raises(ValueError, match="needs the pose tensor X"):
        net.pose_terms(s, None, 5)

"""The RGB stream (eq. 3 to 7) against its equations in a loop."""

import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcsta.attention import Intervention
from pcsta.config import laptop, row
from pcsta.rgb_stream import RGBStream

SIZES = {
    "frames": 5, "pose_widths": (2, 2, 7), "glimpse_features": 9, "glimpse_projection": None,
    "standardise": False, "hidden": 6, "step_features": 8, "spatial_hidden": 5, "temporal_hidden": 5,
    "glimpse_dropout": 0.0,
}  # fmt: skip
RGB_ROWS = ["B", "C", "E", "G", "G-unconditioned", "G-spatially-unconditioned"]


def stream(letter="G", seed=0, **changes):
    torch.manual_seed(seed)
    return RGBStream(row(letter, laptop(**{**SIZES, **changes}))).double()


def inputs(batch=3, frames=5, seed=1):
    torch.manual_seed(seed)
    return torch.randn(batch, frames, 4, 9).double(), torch.randn(batch, 7).double()


def literal(net, V, s):
    """Section 3.2 and 3.3, one sample, one step, one line per equation."""
    size, hands = net.config.hidden, net.config.hands
    W = torch.cat([net.lstm.weight_ih, net.lstm.weight_hh], 1)  # rows: input, forget, cell, output
    b = net.lstm.bias_ih + net.lstm.bias_hh
    all_u, all_p, all_q = [], [], []
    for sample in range(len(V)):
        h, c, U, P = torch.zeros(size).double(), torch.zeros(size).double(), [], []
        for t in range(V.shape[1]):
            V_t = V[sample, t]  # (N, D)
            if hands == "attention":
                pose = net.spatial.pose_term(s[sample : sample + 1])
                p = net.spatial(h[None], pose)[0]  # eq. 4, with h_{t-1}
                v = sum(p[i] * V_t[i] for i in range(4))  # eq. 5
                P.append(p)
            else:
                v = sum(V_t) if hands == "sum" else torch.cat(list(V_t))
            x = torch.cat([v, h])
            i = torch.sigmoid(W[:size] @ x + b[:size])
            f = torch.sigmoid(W[size : 2 * size] @ x + b[size : 2 * size])
            g = torch.tanh(W[2 * size : 3 * size] @ x + b[2 * size : 3 * size])
            o = torch.sigmoid(W[3 * size :] @ x + b[3 * size :])
            c = f * c + i * g
            h = o * torch.tanh(c)  # eq. 3
            U.append(torch.relu(net.step.weight @ h + net.step.bias))  # eq. 6
        if net.temporal is not None:
            q = net.temporal(torch.cat(P)[None], s[sample : sample + 1])[0]  # eq. 7
            all_q.append(q)
        else:
            q = torch.full((len(U),), 1 / len(U)).double()
        all_u.append(sum(q[t] * U[t] for t in range(len(U))))  # u~ = U p'
        all_p.append(P)
    spatial = torch.stack([torch.stack(P) for P in all_p]) if hands == "attention" else None
    return torch.stack(all_u), spatial, torch.stack(all_q) if all_q else None


@pytest.mark.parametrize("letter", RGB_ROWS)
def test_the_stream_and_its_gradients_are_the_loop(letter):
    """One line per equation (eq. 3 to 7; baselines, pooling, section 3)."""
    net = stream(letter)
    V, s = inputs()
    V.requires_grad_()
    expected, got = literal(net, V, s), net(V, s)
    torch.testing.assert_close(got, expected)
    direction = torch.randn_like(got[0])
    leaves = [V, *net.parameters()]
    names = ["V", *dict(net.named_parameters())]
    wanted = torch.autograd.grad((expected[0] * direction).sum(), leaves)
    actual = torch.autograd.grad((got[0] * direction).sum(), leaves)
    for name, a, b in zip(names, actual, wanted, strict=True):
        assert b.abs().max() > 0, f"{name} learns nothing"
        torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}")


@torch.no_grad()
def test_the_recurrence_is_torchs_lstm():
    """Gate by gate (eq. 3)."""
    net = stream("B")
    lstm = torch.nn.LSTM(9, 6, batch_first=True).double()
    for name, value in net.lstm.named_parameters():
        getattr(lstm, f"{name}_l0").copy_(value)
    V, s = inputs()
    expected = net.step(lstm(V.sum(2))[0]).relu().mean(1)
    torch.testing.assert_close(net(V, s)[0], expected)


def test_forget_gates_start_open():
    net, plain = stream(), torch.nn.LSTMCell(9, 6)
    bound = plain.hidden_size**-0.5  # of torch's first weights
    start = net.lstm.bias_ih.detach()
    assert (start[6:12] >= 1 - bound).all()
    assert (torch.cat([start[:6], start[12:], net.lstm.bias_hh.detach()]).abs() <= bound).all()


@torch.no_grad()
@settings(max_examples=20)
@given(st.integers(0, 100), st.integers(0, 3))
def test_spatial_attention_at_t_does_not_see_the_glimpses_at_t(seed, t):
    net = stream(seed=seed)
    V, s = inputs(seed=seed)
    changed = V.clone()
    changed[:, t:] += 10 * torch.randn_like(changed[:, t:])
    before, after = net(V, s)[1], net(changed, s)[1]
    torch.testing.assert_close(after[:, : t + 1], before[:, : t + 1], atol=0, rtol=0)
    assert not torch.allclose(after[:, t + 1], before[:, t + 1])  # but h_t carries them on


@torch.no_grad()
@pytest.mark.parametrize(
    ("letter", "moved"),
    [("G", (1, 1, 1)), ("G-unconditioned", (0, 0, 0)), ("G-spatially-unconditioned", (1, 0, 1))],
)
def test_pose_moves_the_attention_that_is_conditioned_and_no_other(letter, moved):
    net = stream(letter)
    V, s = inputs()
    both = zip(net(V, s), net(V, s + 1), strict=True)  # features, p, p'
    assert tuple(not torch.equal(a, b) for a, b in both) == moved


@torch.no_grad()
@settings(max_examples=20)
@given(st.permutations(range(4)))
def test_permuted_hands_get_permuted_weights(order):
    net, permuted = stream(), stream()
    permuted.spatial.score.weight.copy_(net.spatial.score.weight[order])
    permuted.spatial.score.bias.copy_(net.spatial.score.bias[order])
    columns = net.temporal.from_input.weight.view(-1, 5, 4)  # (hidden, T, N)
    permuted.temporal.from_input.weight.copy_(columns[:, :, order].flatten(1))
    V, s = inputs()
    features, p, q = net(V, s)
    features_after, p_after, q_after = permuted(V[:, :, order], s)
    torch.testing.assert_close(p_after, p[:, :, order])
    torch.testing.assert_close(features_after, features)
    torch.testing.assert_close(q_after, q)


@torch.no_grad()
def test_equal_glimpses_make_attention_irrelevant():
    net = stream("E")
    V, s = inputs()
    V[:] = V[:, :, :1]
    torch.testing.assert_close(net(V, s)[0], net(V, -s)[0])


# --- given attention ----------------------------------------------------------------------------
@torch.no_grad()
@pytest.mark.parametrize("letter", ["G", "G-unconditioned"])
def test_the_own_attention_given_back_changes_nothing(letter):
    net = stream(letter)
    V, s = inputs()
    features, p, q = net(V, s)
    for own in (Intervention(p, None), Intervention(None, q), Intervention(p, q)):
        torch.testing.assert_close(net(V, s, intervention=own), (features, p, q))


@torch.no_grad()
def test_given_attention_is_the_loop_with_these_weights():
    net = stream()
    V, s = inputs()
    p, q = torch.rand(3, 5, 4).double(), torch.rand(3, 5).double()
    with_p = net(V, s, intervention=Intervention(p, None))
    assert with_p[1] is p
    torch.testing.assert_close(with_p[2], net.temporal(p.flatten(1), s))  # f_p' reads the given P
    # without f_p: row B adds up the hands, and three of the four are nothing
    weighted = torch.zeros_like(V)
    weighted[:, :, 0] = (p.unsqueeze(-1) * V).sum(2)
    alone = stream("B")
    alone.load_state_dict(net.state_dict(), strict=False)
    U = net.step(alone.recur(weighted, None, None)[0]).relu()
    got = net(V, s, intervention=Intervention(p, q))
    torch.testing.assert_close(got[0], (U * q.unsqueeze(-1)).sum(1))
    assert got[2] is q


def test_gradients_reach_the_stream_under_given_attention():
    net = stream()
    V, s = inputs()
    net(V, s, intervention=Intervention(torch.rand(3, 5, 4).double(), None))[0].sum().backward()
    assert net.lstm.weight_ih.grad.abs().max() > 0
    assert net.spatial.score.weight.grad is None  # f_p was not asked


def test_attention_given_to_a_row_without_it_is_an_error():
    V, s = inputs()
    with pytest.raises(ValueError, match="p is given"):
        stream("B")(V, s, intervention=Intervention(torch.rand(3, 5, 4).double(), None))
    with pytest.raises(ValueError, match="p' is given"):
        stream("E")(V, s, intervention=Intervention(None, torch.rand(3, 5).double()))


# --- the frozen scaling -------------------------------------------------------------------------
def scaled_stream(**changes):
    return stream(glimpse_projection=3, standardise=True, **changes)


@torch.no_grad()
def test_the_projection_is_the_principal_components():
    net = scaled_stream()
    torch.manual_seed(0)
    x = (torch.randn(200, 9) * torch.arange(1, 10) + 5).double()
    s = torch.randn(50, 7).double() * 3 + 2
    s[:, 4] = 0  # a feature that never fires
    net.scaling.fit_glimpses([x])
    net.scaling.fit_pose(s)
    _, values, vectors = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    expected = (x - x.mean(0)) @ vectors[:3].T
    got = net.scaling.project(x)
    # components have no sign, and one common scale
    torch.testing.assert_close(got.abs(), (expected / expected.square().mean().sqrt()).abs())
    torch.testing.assert_close(got.mean(0), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(got.var(0, correction=0).mean(), torch.tensor(1.0).double())
    scaled = net.scaling.pose(s)
    live = [0, 1, 2, 3, 5, 6]
    torch.testing.assert_close(scaled[:, live].std(0, correction=0), torch.ones(6).double())
    assert not scaled[:, 4].any()
    assert values[0] > values[2]


@torch.no_grad()
def test_the_projection_does_not_depend_on_the_blocks():
    whole, parts = scaled_stream().scaling, scaled_stream().scaling
    x = (torch.randn(200, 9) * torch.arange(1, 10) + 5).double()
    whole.fit_glimpses([x])
    parts.fit_glimpses(x.split(7))
    for a, b in zip(whole.buffers(), parts.buffers(), strict=True):
        torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="no hand is visible"):
        parts.fit_glimpses([])


def test_fitting_holds_one_block_at_a_time():
    """So its memory does not grow with the dataset."""
    alive, most = weakref.WeakSet(), 0

    def blocks():
        nonlocal most
        for _ in range(20):
            block = torch.randn(50, 9)
            alive.add(block)
            most = max(most, len(alive))
            yield block
            del block

    scaled_stream().scaling.fit_glimpses(blocks())
    assert most <= 2, "the one that is read, and the one before it"


@torch.no_grad()
def test_fewer_glimpses_than_components_leave_the_rest_silent():
    net = scaled_stream()
    x = torch.randn(2, 9).double()
    net.scaling.fit_glimpses([x])
    got = net.scaling.project(x)
    assert not got[:, 2:].any()
    torch.testing.assert_close(got.mean(0), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(got.square().mean(), torch.tensor(1.0).double())


@torch.no_grad()
def test_absent_hands_stay_zero_and_projected_glimpses_are_taken_as_they_are():
    net = scaled_stream()
    V, s = inputs()
    net.scaling.fit_glimpses([V.flatten(0, 2)])
    net.scaling.fit_pose(s)
    V[:, :, 2:] = 0
    projected = net.scaling.project(V)
    assert projected.shape == (3, 5, 4, 3)
    assert not projected[:, :, 2:].any()
    assert projected[:, :, :2].all()
    torch.testing.assert_close(net(projected, s, projected=True), net(V, s))
    with pytest.raises(ValueError, match=r"reads \(B, 5, 4, 9\) glimpses, got \(3, 5, 4, 3\)"):
        net(projected, s)


@torch.no_grad()
def test_the_paper_has_no_scaling():
    net = stream()
    V, s = inputs()
    net.scaling.fit_glimpses([V.flatten(0, 2)])
    net.scaling.fit_pose(s)
    assert net.scaling.project(V) is V
    assert net.scaling.pose(s) is s
    assert not list(net.buffers())


def test_the_scaling_travels_with_the_weights_and_does_not_learn():
    net, other = scaled_stream(), scaled_stream(seed=5)
    V, s = inputs()
    net.scaling.fit_glimpses([V.flatten(0, 2)])
    net.scaling.fit_pose(s)
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(V, s), net(V, s))
    assert {n for n, _ in net.scaling.named_buffers()} == {
        "components", "glimpse_mean", "glimpse_std", "pose_mean", "pose_std",
    }  # fmt: skip
    assert not any(b.requires_grad for b in net.buffers())


def test_wrong_glimpses_are_an_error():
    net, (V, s) = stream(), inputs()
    for wrong in (V[:, :4], V[:, :, :2], V[..., :5]):
        with pytest.raises(ValueError, match=r"reads \(B, 5, 4, 9\) glimpses, got"):
            net(wrong, s)


def test_glimpse_dropout_drops_features_for_all_hands_and_times_and_only_in_training():
    net = stream("B", glimpse_dropout=0.5)
    V = torch.ones(3, 5, 4, 9).double()
    seen = []
    net.scaling.register_forward_hook(lambda module, given, V: seen.append(V))
    net.train()(V)
    net.eval()(V)
    dropped, whole = seen
    assert set(dropped.unique().tolist()) == {0.0, 2.0}  # kept features are scaled up
    assert (dropped == dropped[:, :1, :1]).all()
    assert torch.equal(whole, V)


@torch.no_grad()
def test_a_moments_pose_moves_attention_from_that_moment_on():
    net, (V, s) = stream(moment_in_attention=True), inputs()
    X = torch.randn(3, 3, 5, 300).double()
    changed = X.clone()
    changed[:, :, 2] += 1
    (_, p, _), (_, other, _) = (net(V, s, pose_tensor=x) for x in (X, changed))
    moved = (p != other).any(-1).any(0)
    assert moved.tolist() == [False, False, True, True, True]  # (T,)

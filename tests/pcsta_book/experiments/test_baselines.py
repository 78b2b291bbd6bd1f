"""The baselines against their equations in loops: Deep LSTM, part-aware LSTM, ST-GCN, means."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fakes import make_store, tiny
from pcsta import skeletons
from pcsta.attention import Intervention
from pcsta.checkpoint import load
from pcsta.config import ModelConfig, TrainConfig, laptop
from pcsta.evaluation import evaluate
from pcsta.pose_tensor import PoseTensor, normalise
from pcsta.skeletons import KINECT_V2, SKELETONS, Skeleton
from pcsta.training import train
from pcsta.two_stream import POSE_NETS, TwoStream
from pcsta_book.experiments.baselines.glimpse_mean import GlimpseMean
from pcsta_book.experiments.baselines.joints import joints as joints_again
from pcsta_book.experiments.baselines.recurrent import PartLayer, PartLSTM, body_parts
from pcsta_book.experiments.baselines.st_gcn import STGCN, Unit, partitions
from pcsta_book.experiments.variants import VARIANTS

TREES = list(SKELETONS.values())
POSE = ["deep-lstm", "part-lstm", "st-gcn"]
BASELINES = [*POSE, "mean", "frame", "frame-mean"]


def row(name, base):
    return replace(base, **VARIANTS[name].model)


def config(name="st-gcn", **changes):
    return row(name, laptop(classes=5, pose_widths=(4, 4, 16), **changes))


def joints_of(skeleton, batch=3, frames=20, seed=0):
    return torch.randn(
        batch, frames, 2, len(skeleton), 3, generator=torch.Generator().manual_seed(seed)
    )


# --- what the pose baselines read ---------------------------------------------------------------
@pytest.mark.parametrize("coordinates", ["columns", "channels"])
@pytest.mark.parametrize("order", ["tour", "single", "random", "random-doubles"])
@pytest.mark.parametrize("skeleton", TREES, ids=lambda s: s.name)
def test_joints_come_back_from_the_pose_tensor(skeleton, order, coordinates):
    build = PoseTensor(skeleton, order, coordinates=coordinates)
    joints = joints_of(skeleton)
    joints[:, 3:7, 1] = 0  # the second person is away
    expected = normalise(joints, skeleton.root_index)
    torch.testing.assert_close(joints_again(build, build(joints)), expected, atol=0, rtol=0)


@pytest.mark.parametrize("skeleton", TREES, ids=lambda s: s.name)
def test_the_five_parts_share_out_all_joints(skeleton):
    parts = body_parts(skeleton)
    assert list(parts) == ["torso", "left arm", "right arm", "left leg", "right leg"]
    assert sorted(sum(parts.values(), ())) == list(range(len(skeleton)))
    assert skeleton.root_index in parts["torso"]
    for side in ("left", "right"):
        arm, leg = (
            {skeleton.joints[i] for i in parts[f"{side} {limb}"]} for limb in ("arm", "leg")
        )
        assert {f"{side} shoulder", f"{side} elbow", f"{side} hand"} <= arm
        assert {f"{side} hip", f"{side} knee", f"{side} foot"} <= leg
    assert {len(parts["left arm"]), len(parts["left leg"])} <= {3, 4, 6}


@pytest.mark.parametrize("name", POSE)
@pytest.mark.parametrize("skeleton", TREES, ids=lambda s: s.name)
def test_every_skeleton_gives_pose_features(skeleton, name):
    settings = config(name, skeleton=skeleton.name)
    torch.manual_seed(0)
    net = TwoStream(settings)
    X = PoseTensor.from_config(settings)(joints_of(skeleton))
    out = net(X)
    assert net.pose_net(X).shape == (3, 16) and out.logits.shape == (3, 5)
    torch.nn.functional.cross_entropy(out.logits, torch.tensor([0, 1, 2])).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, parameter_name
    with pytest.raises(ValueError, match=f"has {X.shape[3]} columns"):
        net(X[..., :-6])


@torch.no_grad()
@pytest.mark.parametrize("name", POSE)
def test_they_read_positions_at_every_moment(name):
    """Each joint of each frame counts; velocities and accelerations are not read."""
    torch.manual_seed(0)
    net = POSE_NETS[name](config(name)).eval()
    X = PoseTensor(KINECT_V2)(joints_of(KINECT_V2, batch=1))
    s = net(X)
    derived = X.clone()
    derived[:, 1:] += 1
    torch.testing.assert_close(net(derived), s, atol=0, rtol=0)
    for t in range(0, 20, 5):
        moved = X.clone()
        moved[:, 0, t] += 1
        assert not torch.allclose(net(moved), s, atol=1e-6)


# --- part-aware LSTM ----------------------------------------------------------------------------
def literal_part_lstm(layer, parts):
    """One sample, the published equations: every part on its own, W_p applied to [x_p; h]."""
    steps, H = len(parts[0]), layer.output.out_features
    cells = [own.out_features // 3 for own in layer.own]
    start = np.cumsum([0, *cells])
    U = layer.recurrent.weight  # rows: input, forget, candidate of all parts, then output
    h, c, states = torch.zeros(H), [torch.zeros(n) for n in cells], []
    for t in range(steps):
        for p, n in enumerate(cells):
            gates = []
            for gate in range(3):
                rows = slice(gate * H + start[p], gate * H + start[p] + n)
                W = torch.cat([layer.own[p].weight[gate * n : (gate + 1) * n], U[rows]], 1)
                b = layer.own[p].bias[gate * n : (gate + 1) * n]
                gates.append(W @ torch.cat([parts[p][t], h]) + b)
            i, f, g = gates[0].sigmoid(), gates[1].sigmoid(), gates[2].tanh()
            c[p] = f * c[p] + i * g
        W = torch.cat([layer.output.weight, U[3 * H :]], 1)
        frame = torch.cat([x[t] for x in parts])
        o = (W @ torch.cat([frame, h]) + layer.output.bias).sigmoid()
        h = o * torch.cat(c).tanh()
        states.append(h)
    return torch.stack(states)


def test_a_part_layer_is_its_equations():
    torch.manual_seed(0)
    layer = PartLayer([4, 2, 3], [2, 1, 2])
    parts = [torch.randn(2, 6, n) for n in (4, 2, 3)]
    expected = torch.stack([literal_part_lstm(layer, [x[i] for x in parts]) for i in range(2)])
    got = layer(parts)
    torch.testing.assert_close(got, expected)
    direction = torch.randn_like(got)
    leaves = list(layer.parameters())
    wanted = torch.autograd.grad((expected * direction).sum(), leaves)
    for a, b in zip(torch.autograd.grad((got * direction).sum(), leaves), wanted, strict=True):
        torch.testing.assert_close(a, b)


@torch.no_grad()
def test_a_part_layer_is_an_lstm_with_zeros_in_its_input_matrix():
    torch.manual_seed(0)
    inputs, cells = [4, 2, 3], [2, 1, 2]
    layer, lstm = PartLayer(inputs, cells), torch.nn.LSTM(9, 5, batch_first=True)
    lstm.weight_ih_l0.zero_()
    lstm.bias_hh_l0.zero_()
    column = cell = 0
    for own, read, kept in zip(layer.own, inputs, cells, strict=True):
        for gate in range(3):
            rows = slice(5 * gate + cell, 5 * gate + cell + kept)
            mine = slice(gate * kept, (gate + 1) * kept)
            lstm.weight_ih_l0[rows, column : column + read] = own.weight[mine]
            lstm.bias_ih_l0[rows] = own.bias[mine]
        column, cell = column + read, cell + kept
    lstm.weight_ih_l0[15:] = layer.output.weight
    lstm.bias_ih_l0[15:] = layer.output.bias
    lstm.weight_hh_l0.copy_(layer.recurrent.weight)
    parts = [torch.randn(2, 6, n) for n in inputs]
    torch.testing.assert_close(layer(parts), lstm(torch.cat(parts, 2))[0])


@torch.no_grad()
@pytest.mark.parametrize("part", range(5))
def test_a_cell_hears_of_another_part_only_through_the_hidden_state(part):
    """In the first frame, where h is zero, what a part writes depends on its own joints alone."""
    torch.manual_seed(0)
    net = PartLSTM(config("part-lstm"))
    layer = net.layers[0]
    layer.output.weight.zero_()  # the output gate reads all parts by design
    joints = torch.randn(1, 1, 2, 25, 3)
    moved = joints.clone()
    moved[:, :, :, list(net.parts[part])] += 1

    def hidden(joints):
        return layer([joints[:, :, :, list(p)].flatten(2) for p in net.parts])[0, 0]

    pieces = zip(hidden(joints).split(net.cells), hidden(moved).split(net.cells), strict=True)
    for p, (before, after) in enumerate(pieces):
        assert torch.equal(before, after) == (p != part)


# --- ST-GCN -------------------------------------------------------------------------------------
@pytest.mark.parametrize("skeleton", TREES, ids=lambda s: s.name)
def test_partitions_are_the_normalised_adjacency_split_by_distance(skeleton):
    root, centripetal, centrifugal = parts = partitions(skeleton)
    whole = parts.sum(0)
    torch.testing.assert_close(whole, whole.T)
    linked = torch.eye(len(skeleton))
    for a, b in skeleton.bones:
        linked[a, b] = linked[b, a] = 1
    degree = torch.diag(linked.sum(0))
    half = torch.linalg.inv(degree.sqrt())
    torch.testing.assert_close(whole, half @ linked @ half)
    assert torch.linalg.eigvalsh(whole).abs().max() <= 1 + 1e-6
    assert ((parts > 0).sum(0) <= 1).all()  # every entry in one partition
    torch.testing.assert_close(root, torch.diag(root.diagonal()))
    torch.testing.assert_close(centripetal, centrifugal.T)
    for parent, child in skeleton.bones:  # the parent is nearer to the root
        assert centripetal[parent, child] > 0 and centrifugal[child, parent] > 0
        assert centripetal[child, parent] == centrifugal[parent, child] == 0


@torch.no_grad()
def test_the_graph_convolution_is_its_sum_over_neighbours():
    torch.manual_seed(0)
    skeleton = SKELETONS["sbu"]
    unit = Unit(2, 4, partitions(skeleton), residual=False).eval()
    unit.importance.uniform_(0.5, 1.5)
    seen = {}
    unit.temporal.register_forward_pre_hook(lambda module, inputs: seen.update(out=inputs[0]))
    x = torch.randn(2, 2, 3, 15)
    unit(x)
    W = unit.spatial.weight.view(4, 3, 2)  # channel out, partition, channel in
    expected = torch.zeros(2, 4, 3, 15)
    for m in range(2):
        for t in range(3):
            for joint in range(15):
                for k, links in enumerate(partitions(skeleton)):
                    for other in range(15):
                        if links[other, joint]:
                            weight = links[other, joint] * unit.importance[k, other, joint]
                            expected[m, :, t, joint] += weight * (W[:, k] @ x[m, :, t, other])
    torch.testing.assert_close(seen["out"], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_joint_hears_as_many_bones_away_as_there_are_units():
    torch.manual_seed(0)
    net = STGCN(config()).eval()
    skeleton = KINECT_V2
    x = torch.randn(1, 3, 20, 25)
    moved = x.clone()
    moved[..., skeleton.index("head")] += 1
    changed = (net.units(x) - net.units(moved)).abs().amax((0, 1, 2)) > 1e-7  # (J,)
    near = {"head", "neck", "spine shoulder", "spine middle", "left shoulder", "right shoulder"}
    assert {skeleton.joints[j] for j in changed.nonzero()[:, 0]} == near


def relabelled(skeleton: Skeleton, order: list[int]) -> Skeleton:
    return replace(skeleton, name="relabelled", joints=tuple(skeleton.joints[i] for i in order))


@torch.no_grad()
@pytest.mark.parametrize("name", POSE)
def test_the_names_of_the_joints_decide_and_not_their_numbers(name, monkeypatch):
    """Relabel the joints consistently, parameters of single joints with them: the same s."""
    order = torch.randperm(25, generator=torch.Generator().manual_seed(1)).tolist()
    other = relabelled(KINECT_V2, order)
    monkeypatch.setattr(skeletons, "SKELETONS", {**SKELETONS, other.name: other})
    monkeypatch.setattr("pcsta.pose_tensor.SKELETONS", skeletons.SKELETONS)
    torch.manual_seed(0)
    one = POSE_NETS[name](config(name)).eval()
    two = POSE_NETS[name](config(name, skeleton=other.name)).eval()
    state = one.state_dict()
    two.load_state_dict(state)
    if name == "st-gcn":
        state["normalise.weight"].uniform_(0.5, 1.5)  # now every joint and every bone is its own
        for key in [k for k in state if k.endswith("importance")]:
            state[key].uniform_(0.5, 1.5)
        one.load_state_dict(state)
        for key, value in state.items():
            if key.endswith("importance"):
                state[key] = value[:, order][:, :, order]
            elif key.startswith("normalise") and value.ndim:
                state[key] = value.view(3, 25)[:, order].flatten()
        two.load_state_dict(state)
    elif name == "part-lstm":
        copy_columns(two, one, other)
    else:
        coordinates = torch.arange(150).view(2, 25, 3)[:, order].flatten()
        two.lstm.weight_ih_l0.copy_(one.lstm.weight_ih_l0[:, coordinates])
    joints = joints_of(KINECT_V2)
    X, Y = PoseTensor(KINECT_V2)(joints), PoseTensor(other)(joints[:, :, :, order])
    torch.testing.assert_close(two(Y), one(X), atol=1e-5, rtol=1e-4)


def copy_columns(two, one, other):
    """Input columns of the first part-aware layer, joint by joint of the same name."""
    out_two, out_one = 0, 0
    for p in range(5):
        names = [KINECT_V2.joints[j] for j in one.parts[p]]
        where = [names.index(other.joints[j]) for j in two.parts[p]]
        columns = torch.arange(2 * len(names) * 3).view(2, -1, 3)[:, where].flatten()
        two.layers[0].own[p].weight.copy_(one.layers[0].own[p].weight[:, columns])
        width = len(columns)
        two.layers[0].output.weight[:, out_two : out_two + width] = one.layers[0].output.weight[
            :, out_one + columns
        ]
        out_two, out_one = out_two + width, out_one + width


# --- the mean of the glimpses, and whole frames -------------------------------------------------
@torch.no_grad()
def test_the_mean_counts_every_glimpse_that_is_there_once():
    settings = row("mean", laptop(glimpse_features=6, glimpse_projection=None, standardise=False))
    net = GlimpseMean(settings).eval()
    V = torch.randn(2, 20, 4, 6)
    V[0, :, 2:] = 0  # one person
    V[1, :7, 1] = 0  # a hand that comes into sight
    expected = []
    for sample in V:
        there = [v for frame in sample for v in frame if v.any()]
        expected.append(sum(there) / len(there))
    u, p, q = net(V)
    torch.testing.assert_close(u, torch.stack(expected))
    assert p is None and q is None
    shuffled = V[:, torch.randperm(20)][:, :, torch.randperm(4)]
    torch.testing.assert_close(net(shuffled)[0], u)  # no hand and no moment is told apart
    assert not net(torch.zeros_like(V))[0].any()  # nobody there: zero, not NaN
    with pytest.raises(ValueError, match="p is given, and this configuration has no p"):
        net(V, intervention=Intervention(spatial=torch.full((2, 20, 4), 0.25)))


@pytest.mark.parametrize("name", ["frame", "frame-mean"])
def test_a_whole_frame_is_one_glimpse(name):
    settings = row(name, laptop(classes=5, glimpse_features=6, glimpse_projection=4))
    assert settings.glimpses == 1 and laptop().glimpses == 4
    net = TwoStream(settings)
    out = net(None, torch.randn(3, 20, 1, 6))
    assert out.logits.shape == (3, 5) and out.pose_logits is None
    with pytest.raises(ValueError, match=r"reads \(B, 20, 1, 6\) glimpses"):
        net(None, torch.randn(3, 20, 4, 6))
    with pytest.raises(ValueError, match="attention over hands needs hands"):
        ModelConfig(crops="frame")


@torch.no_grad()
@pytest.mark.parametrize("name", POSE)
def test_attention_can_be_conditioned_on_any_of_them(name):
    settings = laptop(classes=5, glimpse_features=6, glimpse_projection=4, pose_model=name)
    torch.manual_seed(0)
    net = TwoStream(settings).eval()
    X = PoseTensor(KINECT_V2)(joints_of(KINECT_V2))
    V = torch.rand(3, 20, 4, 6)
    p = net(X, V).spatial_attention
    assert p.shape == (3, 20, 4)
    assert not torch.allclose(p, net(X.flip(0), V).spatial_attention)


def test_parameters_are_of_the_pose_nets_order_at_the_laptops_sizes():
    """The counts that the docstrings state."""
    millions = {}
    for name in ["A", *POSE]:
        counts = TwoStream(row(name, laptop())).parameter_counts()
        millions[name] = round(counts["f_sk"] / 1e6, 2)
        assert counts["total"] == sum(
            p.numel() for p in TwoStream(row(name, laptop())).parameters()
        )
    assert millions == {"A": 3.08, "deep-lstm": 3.46, "part-lstm": 2.64, "st-gcn": 3.76}


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_trains_and_comes_back(name, tmp_path):
    frame = VARIANTS[name].reads_frames
    store = make_store(tmp_path / "store", **({"crop_size": None} if frame else {}))
    recipe = TrainConfig(
        name="test", pose_epochs=2, rgb_epochs=2, rate=1e-2, batch=4, validation=0.2
    )
    run = train(store, row(name, tiny()), recipe, tmp_path / "run", device="cpu", progress=False)
    again = load(run)
    assert 0 <= evaluate(run, store.path, "cpu").accuracy <= 1
    assert again.config.glimpses == (1 if frame else 4)
    other = "hands" if frame else "frame"
    if again.config.streams == "rgb":
        wrong = make_store(tmp_path / other, **({} if frame else {"crop_size": None}))
        with pytest.raises(ValueError, match=f"has glimpses of the {other}"):
            train(wrong, row(name, tiny()), recipe, tmp_path / "no", device="cpu", progress=False)

"""The whole model: rows of Tables 5 and 6, fusion (section 3.4), what is trained (section 4)."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from pcsta import two_stream
from pcsta.config import CONFIGS, ROWS, ModelConfig, laptop, paper, row
from pcsta.two_stream import Output, TwoStream

SMALL = laptop(classes=6, pose_widths=(2, 3, 16), glimpse_features=24, glimpse_projection=8)


def model(letter, seed=0, **changes):
    torch.manual_seed(seed)
    return TwoStream(row(letter, laptop(**{**SMALL.to_dict(), **changes})))


def batch(size=3):
    torch.manual_seed(1)
    return torch.randn(size, 3, 20, 300), torch.rand(size, 20, 4, 24)


@torch.no_grad()
@pytest.mark.parametrize("letter", ROWS)
def test_every_row_gives_the_outputs_it_should(letter):
    """Logits of the streams add up (fusion, section 3.4)."""
    config = row(letter, SMALL)
    out = model(letter).eval()(*batch())
    assert isinstance(out, Output)
    assert out.logits.shape == (3, 6)
    assert (out.pose_logits is not None) == (config.streams != "rgb")
    assert (out.rgb_logits is not None) == (config.streams != "pose")
    attends = config.streams != "pose" and config.hands == "attention"
    assert (out.spatial_attention is not None) == attends
    assert (out.temporal_attention is not None) == (attends and config.temporal)
    if attends:
        torch.testing.assert_close(out.spatial_attention.sum(2), torch.ones(3, 20))
    parts = [x for x in (out.pose_logits, out.rgb_logits) if x is not None]
    torch.testing.assert_close(out.logits, sum(parts))  # fusion on logit level


def test_parameters_at_the_papers_sizes():
    """39.5 million with (64, 64) maps, 38.0 with (64, 60): the paper says 38."""
    assert TwoStream(paper()).parameter_counts() == {
        "f_sk": 24_680_064,
        "pose classifier": 61_500,
        "f_p": 525_572,
        "f_h": 12_591_104,
        "f_u": 1_049_600,
        "f_p'": 576_020,
        "RGB classifier": 61_500,
        "total": 39_545_360,
    }
    assert TwoStream(paper(pose_widths=(64, 60, 1024))).parameter_counts()["total"] == 38_003_212


def test_no_parameter_is_left_out_of_the_count():
    for letter in ROWS:
        net = model(letter)
        assert net.parameter_counts()["total"] == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("letter", ["G", "I", "K", "H"])
def test_gradients_reach_what_section_4_trains_and_not_what_it_freezes(letter):
    """Stage by stage (stages, section 4)."""
    net, (X, V) = model(letter), batch()
    learns = {"pose": ("pose_net.", "pose_head."), "rgb": ("rgb.", "rgb_head.")}
    for stage in ("pose", "rgb") if net.pose_head else ("rgb",):
        net.stage(stage).zero_grad()
        torch.nn.functional.cross_entropy(net(X, V).logits, torch.tensor([0, 1, 2])).backward()
        for name, parameter in net.named_parameters():
            if name.startswith(learns[stage]):
                assert parameter.grad is not None, name
                assert parameter.grad.abs().max() > 0, name
            else:
                assert parameter.grad is None, name


def test_a_training_step_of_the_rgb_stream_leaves_the_pose_stream_as_it_was():
    net, (X, V) = model("K").stage("rgb").train(), batch()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad])
    net(X, V).logits.square().sum().backward()
    optimiser.step()
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {k for k, _ in net.named_parameters() if k.startswith("rgb")}


@torch.no_grad()
def test_what_is_frozen_stays_in_evaluation_mode():
    net, (X, V) = model("K").stage("rgb").train(), batch()
    first, second = net(X, V), net(X, V)
    assert torch.equal(first.pose_logits, second.pose_logits)
    assert not torch.equal(first.rgb_logits, second.rgb_logits)  # dropout
    net.stage("pose")
    assert not torch.equal(net(X, V).pose_logits, net(X, V).pose_logits)
    assert torch.equal(net(X, V).rgb_logits, net(X, V).rgb_logits)
    assert torch.equal(net.eval()(X, V).logits, net(X, V).logits)
    with pytest.raises(ValueError, match="no stage 'both'"):
        net.stage("both")


@torch.no_grad()
def test_known_pose_features_spare_the_pose_net():
    net, (X, V) = model("K").eval(), batch()
    torch.testing.assert_close(net(None, V, pose_features=net.pose_net(X)), net(X, V))


def test_missing_inputs_are_errors():
    X, V = batch()
    with pytest.raises(ValueError, match="pose tensor X, and none"):
        model("K")(None, V)
    with pytest.raises(ValueError, match="glimpses V, and none"):
        model("K")(X)
    assert model("B")(None, V).logits.shape == (3, 6)  # needs no pose at all
    assert model("A")(X).logits.shape == (3, 6)


def test_logits_and_attention_do_not_depend_on_the_rest_of_the_batch():
    net, (X, V) = model("K").eval(), batch()
    whole = net(X, V)
    for i in range(3):
        alone = net(X[i : i + 1], V[i : i + 1])
        for a, b in zip(alone, whole, strict=True):
            torch.testing.assert_close(a[0], b[i], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("letter", ROWS)
def test_weights_can_be_saved_and_loaded(letter, tmp_path):
    net, other = model(letter), model(letter, seed=7)
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(net.eval()(*batch()).logits, other.eval()(*batch()).logits)


# --- configurations -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("letter", ROWS)
def test_a_configuration_survives_json(name, letter):
    config = row(letter, CONFIGS[name]())
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("option", ["pose_model", "hands"])
def test_a_network_that_nobody_added_is_an_error(option, monkeypatch):
    networks = {"pose_model": "POSE_NETS", "hands": "GLIMPSE_STREAMS"}[option]
    known = getattr(two_stream, networks)
    first = next(iter(known))
    monkeypatch.setattr(two_stream, networks, {first: known[first]})
    other = {"pose_model": "st-gcn", "hands": "mean"}[option]
    config = laptop(**{"temporal": False, option: other})
    with pytest.raises(ValueError, match=f"no network for {option}='{other}'; there are {first}"):
        TwoStream(config)
    monkeypatch.setitem(getattr(two_stream, networks), other, known[first])
    TwoStream(config)


def test_configurations_that_make_no_sense_are_errors():
    with pytest.raises(ValueError, match="no row 'Z' in Table 6; choose one of A, B, C"):
        row("Z", paper())
    with pytest.raises(ValueError, match="temporal attention reads the spatial attention"):
        paper(hands="sum")

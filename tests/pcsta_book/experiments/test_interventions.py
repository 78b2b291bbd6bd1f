"""Interventions and leakage against plain loops, on models that are not trained."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from attending import model
from fakes import make_store, tiny
from pcsta.batches import SubSequences
from pcsta.config import row
from pcsta.evaluation import predict_clips
from pcsta.two_stream import TwoStream
from pcsta_book.experiments import attention_controls
from pcsta_book.experiments.interventions import (
    answer,
    blind,
    interventions,
    leakage,
    pose_less,
    read_inputs,
    replacements,
)

CLIPS = np.array([1, 4, 7, 8])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=12)


# --- asking -------------------------------------------------------------------------------------
@pytest.mark.parametrize("letter", ["E", "K", "K-unconditioned"])
def test_gathered_once_the_answers_are_those_of_predict(store, letter):
    net = model(letter)
    expected = predict_clips(net, SubSequences(store, net.config, torch.device("cpu")), CLIPS, 3)
    got = answer(net, read_inputs(net, store, CLIPS, 3))
    np.testing.assert_array_equal(got.frames, expected.frames)
    np.testing.assert_array_equal(got.labels, expected.labels)
    for name in ("logits", "pose_logits", "rgb_logits", "spatial", "temporal"):
        a, b = getattr(got, name), getattr(expected, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_given_weights_are_the_ones_that_answer(store):
    net = model()
    inputs = read_inputs(net, store, CLIPS, 2)
    own = answer(net, inputs)
    same = answer(net, inputs, own.spatial, own.temporal)
    np.testing.assert_allclose(same.logits, own.logits, rtol=1e-4, atol=1e-5)
    flat = attention_controls.uniform(np.ones_like(own.spatial, bool))
    other = answer(net, inputs, flat)
    np.testing.assert_allclose(other.spatial, flat)
    assert not np.allclose(other.rgb_logits, own.rgb_logits)
    np.testing.assert_allclose(other.pose_logits, own.pose_logits)  # pose is not touched


def test_models_that_cannot_be_asked_say_so(store):
    net = TwoStream(row("A", tiny()))
    with pytest.raises(ValueError, match="row A has no glimpses"):
        read_inputs(net, store, CLIPS)
    with pytest.raises(ValueError, match="averages several passes"):
        read_inputs(model(either_order=True), store, CLIPS)
    summed = model("B")
    inputs = read_inputs(summed, store, CLIPS)
    with pytest.raises(ValueError, match="no attention to replace"):
        replacements(summed, inputs, store)


# --- interventions ------------------------------------------------------------------------------
def test_replacements_are_distributions_and_differ_from_the_own(store):
    net = model()
    inputs = read_inputs(net, store, CLIPS, 2)
    found = replacements(net, inputs, store)
    assert list(found) == [
        "own", "uniform", "permuted", "other_clip", "content_blind", "pose_less", "planted",
    ]  # fmt: skip
    own_p, own_q = found.pop("own")
    for name, (p, q) in found.items():
        assert p.shape == own_p.shape and q.shape == own_q.shape
        np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(q.sum(-1), 1, rtol=1e-5, err_msg=name)
        assert not np.allclose(p, own_p), name
        assert not np.allclose(q, own_q), name
    assert replacements(model("E"), read_inputs(model("E"), store, CLIPS), store)["own"][1] is None


def test_a_blind_model_attends_by_pose_alone(store):
    net = model()
    inputs = read_inputs(net, store, CLIPS, 2)
    said = answer(net, blind(inputs))
    (b,) = SubSequences(store, net.config, torch.device("cpu")).testing(CLIPS, 2)
    zero = net(b.pose_tensor, torch.zeros_like(b.glimpses), b.present)
    np.testing.assert_allclose(
        said.spatial.reshape(8, 20, 4), zero.spatial_attention.detach(), rtol=1e-5, atol=1e-6
    )
    assert not np.allclose(said.spatial, answer(net, inputs).spatial)


def test_blind_sees_no_glimpse_and_pose_less_no_pose(store):
    net = model()
    inputs = read_inputs(net, store, CLIPS, 2)
    s = inputs.pose_features
    assert not blind(inputs).glimpses.any()
    assert blind(inputs).pose_features is s
    average = pose_less(net, inputs)
    assert (average.pose_features == net.rgb.scaling.pose_mean).all()
    assert average.glimpses is inputs.glimpses
    plain = model(standardise=False)
    got = pose_less(plain, inputs).pose_features
    torch.testing.assert_close(got, s.mean(0).expand_as(s))


def test_accuracy_under_each_replacement_is_counted(store):
    net = model()
    inputs = read_inputs(net, store, CLIPS, 2)
    table = interventions(net, inputs, store)
    weights = replacements(net, inputs, store)
    for name, (p, q) in weights.items():
        for what, given_p, given_q in (
            ("p", p, weights["own"][1]), ("p'", weights["own"][0], q), ("both", p, q),
        ):  # fmt: skip
            said = answer(net, inputs, given_p, given_q)
            right = [said.rgb_logits[c].argmax() == said.labels[c] for c in range(4)]
            fused = [said.logits[c].argmax() == said.labels[c] for c in range(4)]
            assert table[name][what]["rgb"].value == np.mean(right)
            assert table[name][what]["both streams"].value == np.mean(fused)
    without = interventions(model("E"), read_inputs(model("E"), store, CLIPS), store)
    assert set(without["uniform"]) == {"p"} and set(without["uniform"]["p"]) == {"rgb"}


# --- leakage ------------------------------------------------------------------------------------
class Speed(torch.nn.Module):
    """A pose network that a test can read: the fastest joint, which is high where a hand is raised."""

    def forward(self, X):
        return X[:, 1].abs().amax((1, 2))[:, None].expand(-1, 8)


def probed(net, store, count=2):
    learn, test = (read_inputs(net, store, clips, count) for clips in store.split("cross-subject"))
    return leakage(net, store, learn, test)


def test_a_probe_finds_the_class_that_pose_has_put_into_the_weights(store):
    net, unconditioned = model(), model("K-unconditioned")
    net.pose_net = unconditioned.pose_net = Speed()
    found = probed(net, store)
    assert set(found) == {"P", "p'", "P, content blind", "p', content blind", "s"}
    for estimate in found.values():
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert found["s"].value == found["P, content blind"].value == 1
    without = probed(unconditioned, store)
    assert without["s"].value == 1
    assert without["P, content blind"].value == 0.5  # neither pose nor glimpses: one guess
    assert set(probed(model("E"), store)) == {"P", "P, content blind", "s"}


def test_the_probe_is_scikit_learns_on_the_flat_maps(store):
    train, test = store.split("cross-subject")
    net = model()
    x, y = (answer(net, read_inputs(net, store, clips, 2)) for clips in (train, test))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(x.spatial.reshape(12, 80), np.repeat(x.labels, 2))
    right = []
    for clip in range(len(test)):
        both = sum(probe.predict_proba(y.spatial[clip, k].reshape(1, 80))[0] for k in (0, 1))
        right.append(both.argmax() == y.labels[clip])
    assert probed(net, store)["P"].value == np.mean(right)

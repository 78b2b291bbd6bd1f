"""Interventions, deletion and leakage against plain loops, on models that are not trained."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakes import make_store, tiny
from pcsta.batches import SubSequences
from pcsta.config import row
from pcsta.evaluation import predict
from pcsta.two_stream import TwoStream
from pcsta_book.experiments import attention_controls
from pcsta_book.experiments.interventions import (
    Curve,
    ask,
    average_glimpse,
    blind,
    deleted,
    deletion_curve,
    deletion_orders,
    entropy,
    gather,
    interventions,
    leakage,
    other_glimpses,
    pose_less,
    replacements,
)

CLIPS = np.array([1, 4, 7, 8])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=12)


def model(letter="K", seed=0, **changes):
    torch.manual_seed(seed)
    net = TwoStream(row(letter, tiny(**changes))).eval()
    for part in (net.rgb.spatial, net.rgb.temporal):
        if part is not None:  # weights that are far from uniform, so that to replace them matters
            part.score.weight.data *= 20
    net.rgb_head[1].weight.data *= 20
    return net


# --- asking -------------------------------------------------------------------------------------
@pytest.mark.parametrize("letter", ["E", "K", "K-unconditioned"])
def test_gathered_once_the_answers_are_those_of_predict(store, letter):
    net = model(letter)
    expected = predict(net, SubSequences(store, net.config, torch.device("cpu")), CLIPS, 3)
    got = ask(net, gather(net, store, CLIPS, 3), batch=5)
    np.testing.assert_array_equal(got.frames, expected.frames)
    np.testing.assert_array_equal(got.labels, expected.labels)
    for name in ("logits", "pose_logits", "rgb_logits", "spatial", "temporal"):
        a, b = getattr(got, name), getattr(expected, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_given_weights_are_the_ones_that_answer(store):
    net = model()
    inputs = gather(net, store, CLIPS, 2)
    own = ask(net, inputs)
    same = ask(net, inputs, own.spatial, own.temporal)
    np.testing.assert_allclose(same.logits, own.logits, rtol=1e-4, atol=1e-5)
    flat = attention_controls.uniform(np.ones_like(own.spatial, bool))
    other = ask(net, inputs, flat, batch=3)
    np.testing.assert_allclose(other.spatial, flat)
    assert not np.allclose(other.rgb_logits, own.rgb_logits)
    np.testing.assert_allclose(other.pose_logits, own.pose_logits)  # pose is not touched


def test_models_that_cannot_be_asked_say_so(store):
    net = TwoStream(row("A", tiny()))
    with pytest.raises(ValueError, match="row A has no glimpses"):
        gather(net, store, CLIPS)
    with pytest.raises(ValueError, match="averages two passes"):
        gather(model(either_order=True), store, CLIPS)
    summed = model("B")
    inputs = gather(summed, store, CLIPS)
    with pytest.raises(ValueError, match="no attention to replace"):
        replacements(summed, inputs, store)
    with pytest.raises(ValueError, match="no attention to order"):
        deletion_orders(ask(summed, inputs), store)


# --- interventions ------------------------------------------------------------------------------
def test_replacements_are_distributions_and_differ_from_the_own(store):
    net = model()
    inputs = gather(net, store, CLIPS, 2)
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
    assert replacements(model("E"), gather(model("E"), store, CLIPS), store)["own"][1] is None


def test_blind_sees_no_glimpse_and_pose_less_no_pose(store):
    net = model()
    inputs = gather(net, store, CLIPS, 2)
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
    inputs = gather(net, store, CLIPS, 2)
    table = interventions(net, inputs, store)
    weights = replacements(net, inputs, store)
    for name, (p, q) in weights.items():
        for what, given_p, given_q in (
            ("p", p, weights["own"][1]), ("p'", weights["own"][0], q), ("both", p, q),
        ):  # fmt: skip
            said = ask(net, inputs, given_p, given_q)
            right = [said.rgb_logits[c].argmax() == said.labels[c] for c in range(4)]
            fused = [said.logits[c].argmax() == said.labels[c] for c in range(4)]
            assert table[name][what]["rgb"].value == np.mean(right)
            assert table[name][what]["both streams"].value == np.mean(fused)
    without = interventions(model("E"), gather(model("E"), store, CLIPS), store)
    assert set(without["uniform"]) == {"p"} and set(without["uniform"]["p"]) == {"rgb"}


def test_entropy_in_bits():
    p = np.array([[0.25] * 4, [0.5, 0.5, 0, 0], [0, 1, 0, 0]])
    np.testing.assert_allclose(entropy(p), [2, 1, 0], atol=1e-12)


# --- deletion -----------------------------------------------------------------------------------
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1))
def test_deleted_are_the_most_important_that_are_there(seed, share):
    rng = np.random.default_rng(seed)
    importance, there = rng.random((2, 2, 3, 4)), rng.random((2, 2, 3, 4)) < 0.7
    gone = deleted(importance, there, share)
    assert not (gone & ~there).any()
    for c in range(2):
        for s in range(2):
            number = round(share * there[c, s].sum())
            values = sorted(importance[c, s][there[c, s]], reverse=True)
            assert gone[c, s].sum() == number
            assert sorted(importance[c, s][gone[c, s]], reverse=True) == values[:number]


def test_orders_rank_by_the_weight_that_reaches_the_answer(store):
    net = model()
    said = ask(net, gather(net, store, CLIPS, 2))
    orders = deletion_orders(said, store)
    assert set(orders) == {"most attended", "least attended", "random", "planted"}
    c, s, t, i = 1, 0, 9, 1
    expected = said.spatial[c, s, t, i] * said.temporal[c, s, t]
    assert orders["most attended"][c, s, t, i] == pytest.approx(expected)
    np.testing.assert_array_equal(orders["least attended"], -orders["most attended"])
    inside = (said.frames >= 8) & (said.frames < 16)  # hand 0 is planted there
    first = deleted(orders["planted"], np.ones(said.spatial.shape, bool), inside[0, 0].sum() / 80)
    assert first[..., 0][inside].all() and first.sum() == inside.sum()


@pytest.mark.parametrize("kind", ["average", "other"])
def test_the_curve_is_the_loop(store, kind):
    net = model("E")
    inputs = gather(net, store, CLIPS, 2)
    own = ask(net, inputs)
    importance = deletion_orders(own, store)["most attended"]
    fill = (
        average_glimpse(net, store, CLIPS) if kind == "average" else other_glimpses(inputs, store)
    )
    shares = np.array([0, 0.3, 1])
    curve = deletion_curve(net, inputs, store, importance, fill, shares)
    assert isinstance(curve, Curve)
    np.testing.assert_array_equal(curve.right[0], own.rgb_logits.argmax(-1) == own.labels)
    there = inputs.present.numpy().reshape(importance.shape)
    for k, share in enumerate(shares):
        gone, V = deleted(importance, there, share), inputs.glimpses.clone()
        for m in range(len(V)):
            for t in range(20):
                for i in range(4):
                    if gone[m // 2, m % 2, t, i]:
                        V[m, t, i] = fill if fill.ndim == 1 else fill[m, t, i]
        logits = ask(net, inputs._replace(glimpses=V)).rgb_logits
        for c, label in enumerate(own.labels):
            assert curve.logit[k, c] == pytest.approx(
                logits[c, label] - logits[c].mean(), rel=1e-4, abs=1e-5
            )
    estimate = curve.estimate("logit")
    assert estimate.value.shape == (3,)
    np.testing.assert_allclose(estimate.value, curve.logit.mean(1))
    area = sum(
        (curve.logit[k] + curve.logit[k + 1]) / 2 * (shares[k + 1] - shares[k]) for k in (0, 1)
    )
    assert curve.area("logit").value == pytest.approx(area.mean())
    assert curve.area("logit", less=curve).value == 0


def test_with_everything_deleted_the_order_does_not_matter(store):
    net = model()
    inputs = gather(net, store, CLIPS, 2)
    fill = average_glimpse(net, store, CLIPS)
    ends = [
        deletion_curve(net, inputs, store, order, fill, np.array([1.0])).logit
        for order in deletion_orders(ask(net, inputs), store).values()
    ]
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=1e-5)


def test_the_average_glimpse_is_that_of_hands_that_are_there(store):
    assert not average_glimpse(model(), store, CLIPS).any()  # the frozen map has taken it away
    plain = model(glimpse_projection=None, standardise=False)
    got = average_glimpse(plain, store, CLIPS)
    seen = np.concatenate([np.asarray(store.glimpses(i))[:, :2] for i in CLIPS]).astype(float)
    np.testing.assert_allclose(got, seen.mean((0, 1)), rtol=1e-5)


def test_other_glimpses_are_a_whole_other_clips(store):
    net = model()
    inputs = gather(net, store, CLIPS, 2)
    own, other = (V.view(4, 2, 20, 4, -1) for V in (inputs.glimpses, other_glimpses(inputs, store)))
    for c in range(4):
        donors = [d for d in range(4) if torch.equal(other[c], own[d])]
        assert len(donors) == 1 and donors != [c]


# --- leakage ------------------------------------------------------------------------------------
class Speed(torch.nn.Module):
    """A pose network that a test can read: the fastest joint, which is high where a hand is raised."""

    def forward(self, X):
        return X[:, 1].abs().amax((1, 2))[:, None].expand(-1, 8)


def probed(net, store, count=2):
    learn, test = (gather(net, store, clips, count) for clips in store.split("cross-subject"))
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
    x, y = (ask(net, gather(net, store, clips, 2)) for clips in (train, test))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(x.spatial.reshape(12, 80), np.repeat(x.labels, 2))
    right = []
    for clip in range(len(test)):
        both = sum(probe.predict_proba(y.spatial[clip, k].reshape(1, 80))[0] for k in (0, 1))
        right.append(both.argmax() == y.labels[clip])
    assert probed(net, store)["P"].value == np.mean(right)

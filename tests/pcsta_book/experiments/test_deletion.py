"""Deletion curves against plain loops, on models that are not trained."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attending import model
from fakes import make_store
from pcsta_book.experiments.deletion import (
    Curve,
    average_glimpse,
    deleted,
    deletion_curve,
    deletion_orders,
    other_glimpses,
)
from pcsta_book.experiments.interventions import answer, read_inputs

CLIPS = np.array([1, 4, 7, 8])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=12)


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
    said = answer(net, read_inputs(net, store, CLIPS, 2))
    orders = deletion_orders(said, store)
    assert set(orders) == {"most attended", "least attended", "random", "planted"}
    c, s, t, i = 1, 0, 9, 1
    expected = said.spatial[c, s, t, i] * said.temporal[c, s, t]
    assert orders["most attended"][c, s, t, i] == pytest.approx(expected)
    np.testing.assert_array_equal(orders["least attended"], -orders["most attended"])
    inside = (said.frames >= 8) & (said.frames < 16)  # hand 0 decides there
    first = deleted(orders["planted"], np.ones(said.spatial.shape, bool), inside[0, 0].sum() / 80)
    assert first[..., 0][inside].all() and first.sum() == inside.sum()


@pytest.mark.parametrize("kind", ["average", "other"])
def test_the_curve_is_the_loop(store, kind):
    net = model("E")
    inputs = read_inputs(net, store, CLIPS, 2)
    own = answer(net, inputs)
    importance = deletion_orders(own, store)["most attended"]
    fill = average_glimpse(net, inputs) if kind == "average" else other_glimpses(inputs, store)
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
        logits = answer(net, inputs._replace(glimpses=V)).rgb_logits
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
    inputs = read_inputs(net, store, CLIPS, 2)
    fill = average_glimpse(net, inputs)
    ends = [
        deletion_curve(net, inputs, store, order, fill, np.array([1.0])).logit
        for order in deletion_orders(answer(net, inputs), store).values()
    ]
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=1e-5)


def test_the_average_glimpse_is_that_of_hands_that_are_there(store):
    net, plain = model(), model(glimpse_projection=None, standardise=False)
    # the frozen map has taken it away
    assert not average_glimpse(net, read_inputs(net, store, CLIPS)).any()
    inputs = read_inputs(plain, store, CLIPS)
    seen = [
        np.array(store.glimpses(i))[f, :2]
        for i, f in zip(CLIPS.repeat(2), inputs.frames, strict=True)
    ]
    got = average_glimpse(plain, inputs)
    np.testing.assert_allclose(got, np.mean(seen, (0, 1, 2), float), rtol=1e-5)


def test_other_glimpses_are_a_whole_other_clips(store):
    net = model()
    inputs = read_inputs(net, store, CLIPS, 2)
    own, other = (V.view(4, 2, 20, 4, -1) for V in (inputs.glimpses, other_glimpses(inputs, store)))
    for c in range(4):
        donors = [d for d in range(4) if torch.equal(other[c], own[d])]
        assert len(donors) == 1 and donors != [c]


def test_without_attention_there_is_no_order(store):
    summed = model("B")
    with pytest.raises(ValueError, match="no attention to order"):
        deletion_orders(answer(summed, read_inputs(summed, store, CLIPS)), store)

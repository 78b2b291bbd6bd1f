"""Exchanged people: nothing is lost, hands follow their person, and a model told so does not see the order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakes import make_store, tiny
from pcsta.batches import SubSequences
from pcsta.config import row
from pcsta.evaluation import predict_clips
from pcsta.people_order import exchange_hands, exchange_people
from pcsta.two_stream import TwoStream

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("augment") / "store", clips=16)


@given(st.integers(0, 1000))
def test_twice_is_the_identity(seed):
    rng = np.random.default_rng(seed)
    joints, glimpses = rng.normal(size=(3, 5, 2, 7, 3)), rng.normal(size=(3, 5, 4, 6))
    once = exchange_people(joints)
    np.testing.assert_array_equal(once[:, :, 0], joints[:, :, 1])
    np.testing.assert_array_equal(exchange_people(once), joints)
    hands = exchange_hands(glimpses, 2)
    np.testing.assert_array_equal(hands[:, :, :2], glimpses[:, :, 2:])
    np.testing.assert_array_equal(exchange_hands(hands, 2), glimpses)


def test_training_exchanges_people_with_their_hands(store):
    config = row("K", tiny(either_order=True, origin="own"))
    batches = SubSequences(store, config, CPU)
    orders = []
    for batch in batches.training(np.arange(16), 16, np.random.default_rng(0)):
        for i, clip in enumerate(batch.clips):
            joints = torch.from_numpy(store.joints(clip)[batch.frames[i]])[None]
            glimpses = torch.from_numpy(store.glimpses(clip)[batch.frames[i]]).float()
            plain = torch.equal(batch.pose_tensor[i], batches.build(joints)[0])
            other = torch.equal(batch.pose_tensor[i], batches.build(exchange_people(joints))[0])
            assert plain != other
            seen = glimpses if plain else exchange_hands(glimpses, 1)
            assert torch.equal(batch.glimpses[i], seen)
            orders.append(plain)
    assert 2 < sum(orders) < 14  # of 16 clips, both orders


@pytest.mark.parametrize("letter", ["A", "K"])
def test_a_model_of_either_order_says_the_same_of_both(store, letter):
    torch.manual_seed(0)
    config = row(letter, tiny(either_order=True))
    model, clips = TwoStream(config).eval(), np.arange(4)
    batches = SubSequences(store, config, CPU)
    said = predict_clips(model, batches, clips, count=3)

    class Exchanged(SubSequences):
        def testing(self, clips, count, batch=64, exchanged=False):
            return super().testing(clips, count, batch, not exchanged)

    other = predict_clips(model, Exchanged(store, config, CPU), clips, count=3)
    np.testing.assert_allclose(other.logits, said.logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(other.frames, said.frames)
    np.testing.assert_array_equal(other.labels, said.labels)
    if letter == "K":
        back = exchange_hands(other.spatial, 3)
        np.testing.assert_allclose(back, said.spatial, rtol=1e-5, atol=1e-6)
        assert not np.allclose(other.spatial, said.spatial)
    alone = TwoStream(row(letter, tiny())).eval()
    alone.load_state_dict(model.state_dict())
    one = predict_clips(alone, SubSequences(store, alone.config, CPU), clips, count=3)
    assert not np.allclose(one.logits, said.logits, atol=1e-4)  # the order does matter to one pass

"""Exchanged people and sides: nothing is lost, hands follow, and a model told so does not see which is which."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakes import make_store, tiny
from pcsta.batches import SubSequences
from pcsta.config import row
from pcsta.evaluation import predict_clips
from pcsta.skeletons import KINECT_V2, SKELETONS
from pcsta.symmetries import (
    HANDS,
    Exchange,
    exchange_hands,
    exchange_joints,
    exchanges,
    other_side,
)
from pcsta.two_stream import TwoStream

CPU = torch.device("cpu")
SWITCHES = {
    Exchange.PEOPLE: {"either_order": True},
    Exchange.SIDES: {"either_side": True},
    Exchange.BOTH: {"either_order": True, "either_side": True},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("augment") / "store", clips=16)


def people(joints):
    return exchange_joints(joints, Exchange.PEOPLE, KINECT_V2)


@given(st.integers(0, 1000), st.sampled_from(list(HANDS)))
def test_twice_is_the_identity(seed, what):
    torch.manual_seed(seed)
    joints, glimpses = torch.randn(3, 5, 2, 25, 3), torch.randn(3, 5, 4, 6)
    once = exchange_joints(joints, what, KINECT_V2)
    assert torch.equal(exchange_joints(once, what, KINECT_V2), joints)
    hands = exchange_hands(glimpses, what)
    assert torch.equal(exchange_hands(hands, what), glimpses)


def test_people_change_places_with_all_they_have():
    joints, hands = torch.randn(5, 2, 25, 3), torch.arange(4)[None, None]
    assert torch.equal(people(joints)[:, 0], joints[:, 1])
    assert exchange_hands(hands, Exchange.PEOPLE).tolist() == [[[2, 3, 0, 1]]]


def test_a_mirror_turns_x_over_and_gives_each_hand_to_the_other_side():
    joints, hands = torch.randn(5, 2, 25, 3), torch.arange(4)[None, None]
    seen = exchange_joints(joints, Exchange.SIDES, KINECT_V2)
    left, right = KINECT_V2.hand_indices
    turned = torch.tensor([-1, 1, 1])
    assert torch.equal(seen[..., left, :], joints[..., right, :] * turned)
    root = KINECT_V2.root_index
    assert torch.equal(seen[..., root, :], joints[..., root, :] * turned)
    assert exchange_hands(hands, Exchange.SIDES).tolist() == [[[1, 0, 3, 2]]]
    both = exchange_hands(exchange_hands(hands, Exchange.SIDES), Exchange.PEOPLE)
    assert torch.equal(exchange_hands(hands, Exchange.BOTH), both)


@pytest.mark.parametrize("name", SKELETONS)
def test_bones_have_a_counterpart_in_the_mirror(name):
    skeleton, bones = SKELETONS[name], {frozenset(bone) for bone in SKELETONS[name].bones}
    turned = other_side(skeleton)
    assert {frozenset(turned[j] for j in bone) for bone in bones} == bones
    assert [skeleton.joints[j] for j in range(len(skeleton)) if turned[j] != j] == [
        joint for joint in skeleton.joints if "left" in joint or "right" in joint
    ]


@pytest.mark.parametrize("what", SWITCHES)
def test_training_exchanges_joints_and_hands_alike(store, what):
    config = row("K", tiny(**SWITCHES[what], origin="own"))
    batches, seen = SubSequences(store, config, CPU), []
    for batch in batches.training(np.arange(16), 16, np.random.default_rng(0)):
        for i, clip in enumerate(batch.clips):
            joints = torch.from_numpy(store.joints(clip)[batch.frames[i]])[None]
            glimpses = torch.from_numpy(store.glimpses(clip)[batch.frames[i]]).float()
            (found,) = [
                w
                for w in HANDS
                if torch.equal(
                    batch.pose_tensor[i], batches.build(exchange_joints(joints, w, KINECT_V2))[0]
                )
            ]
            assert torch.equal(batch.glimpses[i], exchange_hands(glimpses[None], found)[0])
            seen.append(found)
    assert set(seen) == set(exchanges(config))
    assert max(map(seen.count, seen)) < 14  # of 16 clips


@pytest.mark.parametrize("what", SWITCHES)
@pytest.mark.parametrize("letter", ["A", "K"])
def test_a_model_of_either_says_the_same_of_both(store, letter, what):
    torch.manual_seed(0)
    config = row(letter, tiny(**SWITCHES[what]))
    model, clips = TwoStream(config).eval(), np.arange(4)
    batches = SubSequences(store, config, CPU)
    said = predict_clips(model, batches, clips, count=3)

    class Exchanged(SubSequences):
        def testing(self, clips, count, batch=64, exchanged=Exchange.NOTHING):
            return super().testing(clips, count, batch, exchanged ^ what)

    other = predict_clips(model, Exchanged(store, config, CPU), clips, count=3)
    np.testing.assert_allclose(other.logits, said.logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(other.frames, said.frames)
    np.testing.assert_array_equal(other.labels, said.labels)
    if letter == "K":
        back = exchange_hands(torch.from_numpy(other.spatial).flatten(0, 1), what)
        back = back.view(other.spatial.shape)
        np.testing.assert_allclose(back, said.spatial, rtol=1e-5, atol=1e-6)
        assert not np.allclose(other.spatial, said.spatial)
    alone = TwoStream(row(letter, tiny())).eval()
    alone.load_state_dict(model.state_dict())
    one = predict_clips(alone, SubSequences(store, alone.config, CPU), clips, count=3)
    assert not np.allclose(one.logits, said.logits, atol=1e-4)  # it does matter to one pass

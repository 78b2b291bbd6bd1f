"""The joint-ordered tensor X: orders, coordinates, derivatives (sections 3.1 and 5)."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcsta.config import laptop
from pcsta.pose_tensor import (
    PoseTensor,
    derivatives,
    face,
    joint_order,
    normalise,
    random_doubles,
    random_order,
    single,
    tour,
    turn,
)
from pcsta.skeletons import KINECT_V2, SBU, SKELETONS, Skeleton

TREES = list(SKELETONS.values())
by_name = {"ids": lambda s: s.name}


# Any tree: joint i + 1 hangs on a joint before it, and the file lists the joints in any order.
parents = st.integers(1, 29).flatmap(lambda n: st.tuples(*[st.integers(0, i) for i in range(n)]))


def tree(parents: tuple[int, ...], seed: int) -> Skeleton:
    children: dict[str, tuple[str, ...]] = {}
    for child, parent in enumerate(parents, start=1):
        children[f"j{parent}"] = (*children.get(f"j{parent}", ()), f"j{child}")
    shuffled = torch.randperm(len(parents) + 1, generator=torch.manual_seed(seed)).tolist()
    return Skeleton("any", tuple(f"j{i}" for i in shuffled), children, "j0", ("j0", "j1"))


# --- orders -------------------------------------------------------------------------------------
def test_the_tour_of_kinect_v2_is_the_papers_50_entries():
    """Entry by entry (tour, section 3.1)."""
    one_based = (
        "2,1,13,14,15,16,15,14,13,1,17,18,19,20,19,18,17,1,2,21,3,4,3,21,5,6,7,8,22,8,23,8,7,6,5,"
        "21,9,10,11,12,24,12,25,12,11,10,9,21,2,2"
    )
    assert [joint + 1 for joint in tour(KINECT_V2)] == [int(i) for i in one_based.split(",")]


@given(parents, st.integers(0, 5))
def test_the_tour_steps_along_bones_visits_every_joint_and_closes(parents, seed):
    skeleton = tree(parents, seed)
    path = tour(skeleton)
    bones = {frozenset(bone) for bone in skeleton.bones}
    assert len(path) == 2 * len(skeleton)
    assert path[0] == path[-2] == path[-1] == skeleton.root_index  # the final repetition
    steps = [frozenset(step) for step in pairwise(path[:-1])]
    assert set(steps) == bones
    assert all(steps.count(bone) == 2 for bone in bones)  # once out, once back
    assert set(path) == set(range(len(skeleton)))


@given(parents, st.integers(0, 5))
def test_the_other_orders_hold_the_entries_they_should(parents, seed):
    skeleton = tree(parents, seed)
    joints = list(range(len(skeleton)))
    assert sorted(single(skeleton)) == joints
    assert sorted(random_order(skeleton, seed)) == joints
    assert sorted(random_doubles(skeleton, seed)) == sorted(tour(skeleton))
    assert random_order(skeleton, seed) == random_order(skeleton, seed)
    # a joint comes after its parent where doubles are left out
    position = {joint: i for i, joint in enumerate(single(skeleton))}
    assert all(position[parent] < position[child] for parent, child in skeleton.bones)


def test_seeds_give_different_random_orders():
    assert len({random_order(KINECT_V2, seed) for seed in range(5)}) == 5
    assert len({random_doubles(KINECT_V2, seed) for seed in range(5)}) == 5


def test_orders_by_name():
    assert joint_order("tour", SBU) == tour(SBU)
    assert joint_order("single", SBU) == single(SBU)
    assert joint_order("random", SBU, 3) == random_order(SBU, 3)
    assert joint_order("random-doubles", SBU, 3) == random_doubles(SBU, 3)
    with pytest.raises(ValueError, match="no joint order 'alphabetical'"):
        joint_order("alphabetical", SBU)


# --- coordinates --------------------------------------------------------------------------------
def bodies(batch=2, frames=6, joints=25, seed=0):
    return torch.randn(batch, frames, 2, joints, 3, generator=torch.manual_seed(seed))


@pytest.mark.parametrize("origin", ["first", "own"])
def test_normalise_is_the_loop(origin):
    """Both readings, by loops (origin, section 5)."""
    joints = bodies()
    joints[0, 2, 1] = 0  # second person leaves
    joints[1, 3, 0] = 0  # first person leaves
    root = KINECT_V2.root_index
    expected = torch.zeros_like(joints)
    for b in range(2):
        for t in range(6):
            for p in range(2):
                if not joints[b, t, p].any():
                    continue
                first = joints[b, t, 0]
                use_first = origin == "first" and first.any()
                centre = first[root] if use_first else joints[b, t, p, root]
                for j in range(25):
                    expected[b, t, p, j] = joints[b, t, p, j] - centre
    torch.testing.assert_close(normalise(joints, root, origin), expected)


def test_the_first_persons_origin_keeps_the_distance_between_people():
    joints, root = bodies(), KINECT_V2.root_index
    between = joints[:, :, 1] - joints[:, :, 0]
    shared = normalise(joints, root, "first")
    torch.testing.assert_close(shared[:, :, 1] - shared[:, :, 0], between)
    own = normalise(joints, root, "own")
    assert not own[:, :, :, root].any()
    with pytest.raises(ValueError, match="no origin 'camera'"):
        normalise(joints, root, "camera")


@pytest.mark.parametrize("origin", ["first", "own"])
@given(shift=st.tuples(*[st.floats(-5, 5, width=32)] * 3))
def test_X_does_not_see_where_the_bodies_stand(origin, shift):
    joints = bodies()
    joints[0, 2:, 1] = 0  # an absent person is not moved
    there = (joints != 0).any(-1, keepdim=True)
    moved = torch.where(there, joints + torch.tensor(shift), 0.0)
    build = PoseTensor(KINECT_V2, origin=origin)
    torch.testing.assert_close(build(moved), build(joints), atol=1e-5, rtol=1e-5)


# --- the view of the two people -----------------------------------------------------------------
angles = st.floats(-3.25, 3.25, width=32)


@given(st.integers(0, 1000), angles)
def test_turning_keeps_bones_and_heights(seed, angle):
    joints = torch.randn(2, 5, 2, 15, 3, generator=torch.manual_seed(seed))
    turned = turn(joints, torch.full((2,), angle))
    parent, child = torch.tensor(SBU.bones).T
    for a, b in ((parent, child), (child, torch.full_like(child, SBU.root_index))):
        torch.testing.assert_close(
            (turned[..., a, :] - turned[..., b, :]).norm(dim=-1),
            (joints[..., a, :] - joints[..., b, :]).norm(dim=-1),
        )
    torch.testing.assert_close(turned[..., 1], joints[..., 1])
    torch.testing.assert_close(turn(turned, torch.full((2,), -angle)), joints)


@given(st.integers(0, 1000), angles)
def test_people_seen_from_their_own_side_do_not_show_where_the_camera_was(seed, angle):
    joints = torch.randn(2, 5, 2, 15, 3, generator=torch.manual_seed(seed))
    joints[..., 1, :, 0] += 3  # apart, so that there is a direction
    root = SBU.root_index
    faced = face(joints, root)
    between = (faced[:, :, 1, root] - faced[:, :, 0, root]).mean(1)
    assert (between[:, 0] > 0).all()
    torch.testing.assert_close(between[:, 2], torch.zeros(2), atol=1e-5, rtol=0)
    build = PoseTensor(SBU, view="people")
    turned = turn(joints, torch.tensor([angle, -angle]))
    torch.testing.assert_close(build(turned), build(joints), atol=1e-4, rtol=1e-4)


def test_an_absent_person_neither_turns_the_view_nor_appears():
    joints = bodies(frames=6)
    joints[0, :, 1] = 0  # never there
    joints[1, 2:4, 1] = 0  # for two frames
    root = KINECT_V2.root_index
    faced = face(joints, root)
    torch.testing.assert_close(faced[0], joints[0])
    assert (faced[1, 2:4, 1] == 0).all()
    both = [0, 1, 4, 5]
    torch.testing.assert_close(faced[1, both], face(joints[1:, both], root)[0])
    assert torch.equal(face(joints[:, :, :1], root), joints[:, :, :1])


def test_coordinates_as_channels_are_the_same_numbers():
    joints = bodies()
    X = PoseTensor(KINECT_V2)(joints)  # (B, 3, T, 300)
    build = PoseTensor(KINECT_V2, coordinates="channels")
    apart = build(joints)
    assert apart.shape == (*X.shape[:1], build.channels, X.shape[2], build.width)
    assert (build.channels, build.width) == (9, 100)
    for kind in range(3):
        for axis in range(3):
            assert torch.equal(apart[:, 3 * kind + axis], X[:, kind, :, axis::3])


@pytest.mark.parametrize("wrong", [{"view": "side"}, {"coordinates": "rows"}])
def test_another_view_or_layout_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no (view|coordinates) '(side|rows)'; choose"):
        PoseTensor(SBU, **wrong)


# --- derivatives --------------------------------------------------------------------------------
def path(coefficients: torch.Tensor, frames: int) -> tuple[torch.Tensor, ...]:
    """Positions, velocities and accelerations of a polynomial in t, (T, P, J, 3) each."""
    t = torch.arange(frames, dtype=torch.float64)[:, None, None, None]
    powers = range(len(coefficients))
    x = sum(coefficients[k] * t**k for k in powers)
    v = sum(k * coefficients[k] * t ** max(k - 1, 0) for k in powers)
    a = sum(k * (k - 1) * coefficients[k] * t ** max(k - 2, 0) for k in powers)
    return x, v + torch.zeros_like(x), a + torch.zeros_like(x)


@given(st.integers(0, 1000), st.integers(3, 20))
def test_derivatives_are_exact_on_quadratics(seed, frames):
    """Known motions, known answers (derivatives, section 3.1)."""
    coefficients = torch.randn(3, 2, 4, 3, generator=torch.manual_seed(seed), dtype=torch.float64)
    x, v, a = path(coefficients, frames)
    velocity, acceleration = derivatives(x)
    torch.testing.assert_close(velocity, v, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(acceleration, a, atol=1e-9, rtol=1e-9)


@given(st.integers(0, 1000), st.integers(3, 20))
def test_acceleration_inside_is_exact_on_cubics(seed, frames):
    coefficients = torch.randn(4, 2, 4, 3, generator=torch.manual_seed(seed), dtype=torch.float64)
    x, _, a = path(coefficients, frames)
    _, acceleration = derivatives(x)
    torch.testing.assert_close(acceleration[1:-1], a[1:-1], atol=1e-8, rtol=1e-8)


def test_nobody_jumps_to_the_origin_when_a_person_leaves():
    joints = bodies(frames=8) * 0.01 + 3
    joints[:, 4, 1] = 0
    velocity, acceleration = derivatives(joints)
    assert velocity.abs().max() < 0.2
    assert acceleration.abs().max() < 0.4
    assert not velocity[:, 3:6, 1].any()
    assert velocity[:, 3:6, 0].all()
    assert velocity[:, [0, 1, 2, 6, 7], 1].all()


def test_two_frames_are_too_few():
    with pytest.raises(ValueError, match="at least 3 frames, got 2"):
        derivatives(bodies(frames=2))


# --- X ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("skeleton", TREES, **by_name)
@pytest.mark.parametrize("order", ["tour", "single", "random", "random-doubles"])
def test_X_is_the_loop(skeleton, order):
    """Entry by entry (X, section 3.1)."""
    joints = bodies(joints=len(skeleton))
    build = PoseTensor(skeleton, order, seed=1)
    X = build(joints)
    doubles = order in ("tour", "random-doubles")
    assert build.width == X.shape[-1] == 2 * len(skeleton) * (2 if doubles else 1) * 3
    x = normalise(joints, skeleton.root_index)
    channels = [x, *derivatives(x)]
    expected = torch.empty_like(X)
    for k in range(3):
        column = 0
        for person in range(2):
            for joint in build.order:
                for axis in range(3):
                    expected[:, k, :, column] = channels[k][:, :, person, joint, axis]
                    column += 1
    assert torch.equal(X, expected)


def test_the_papers_X_has_300_columns():
    build = PoseTensor.from_config(laptop())
    assert build.width == 300
    assert build(bodies(frames=20)).shape == (2, 3, 20, 300)


def test_joints_of_another_skeleton_are_an_error():
    with pytest.raises(ValueError, match=r"sbu needs \(B, T, 2, 15, 3\) joints"):
        PoseTensor(SBU)(bodies())


# --- derivatives of the video -------------------------------------------------------------------
def test_derivatives_of_the_video_against_loops():
    rng = np.random.default_rng(0)
    clip = torch.from_numpy(rng.normal(size=(30, 2, 25, 3)).astype(np.float32))
    clip[12, 1] = 0  # the second person is lost for a frame
    build = PoseTensor(KINECT_V2, derivatives="video")
    sampled = np.array([[0, 3, 11, 12, 20, 29]])
    X = build(clip[build.frames(sampled, 30)])  # (1, 3, 6, 300)
    centred = normalise(clip, KINECT_V2.root_index)
    for row, t in enumerate(sampled[0]):
        before, after = max(t - 1, 0), min(t + 1, 29)
        for person in range(2):
            lost = person == 1 and 12 in (before, t, after)
            for entry, joint in enumerate(build.order):
                columns = slice((person * 50 + entry) * 3, (person * 50 + entry) * 3 + 3)
                x = centred[:, person, joint]
                velocity = torch.zeros(3) if lost else (x[after] - x[before]) / 2
                bend = torch.zeros(3) if lost else x[after] - 2 * x[t] + x[before]
                torch.testing.assert_close(X[0, 0, row, columns], x[t])
                torch.testing.assert_close(X[0, 1, row, columns], velocity)
                torch.testing.assert_close(X[0, 2, row, columns], bend)


def test_positions_alone_leave_the_other_channels_empty():
    joints = torch.rand(2, 20, 2, 25, 3)
    X = PoseTensor(KINECT_V2, derivatives="none")(joints)
    assert (X[:, 1:] == 0).all()
    torch.testing.assert_close(X[:, 0], PoseTensor(KINECT_V2)(joints)[:, 0])
    with pytest.raises(ValueError, match="no derivatives 'forward'; choose sampled, video or none"):
        PoseTensor(KINECT_V2, derivatives="forward")

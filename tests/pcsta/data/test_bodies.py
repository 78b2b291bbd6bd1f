"""The two people of a Clip: who is dropped, joined, repaired, and who comes first."""

import numpy as np
import pytest

from pcsta.data import DataError
from pcsta.data.bodies import bridge, choose_people, motion, pieces, stature, stitch
from pcsta.data.ntu import NTU
from pcsta.data.tracks import Body
from pcsta.skeletons import KINECT_V2
from recordings import ntu_text, person, pixels, write_ntu

ONE, TWO = 72057594037931101, 72057594037931102
NAME = "S001C001P001R001A001"


def read(tmp_path, *bodies):
    write_ntu(tmp_path, NAME, ntu_text(30, list(bodies)))
    return NTU(tmp_path).read(NAME)


def test_main_actor_first_whatever_the_order_in_the_file(tmp_path):
    still, lively = person(30, at=(-1, 0, 3), wave=0.1), person(30, at=(1, 0, 3), wave=0.5)
    for bodies in ([(ONE, 0, still), (TWO, 0, lively)], [(ONE, 0, lively), (TWO, 0, still)]):
        clip = read(tmp_path, *bodies)
        np.testing.assert_allclose(clip.joints[:, 0], lively, atol=1e-5)
        np.testing.assert_allclose(clip.joints[:, 1], still, atol=1e-5)


def test_six_bodies_give_the_two_that_move_most(tmp_path):
    waves = (0.1, 0.5, 0.2, 0.4, 0.15, 0.12)
    bodies = [
        (ONE + i, 0, person(30, at=(i - 3, 0, 4), wave=w, seed=i)) for i, w in enumerate(waves)
    ]
    clip = read(tmp_path, *bodies)
    np.testing.assert_allclose(clip.joints[:, 0], bodies[1][2], atol=1e-5)
    np.testing.assert_allclose(clip.joints[:, 1], bodies[3][2], atol=1e-5)
    assert sum("two others move more" in r for r in clip.repairs) == 4


def test_a_person_found_again_under_a_new_id_keeps_the_slot(tmp_path):
    joints = person(30)
    clip = read(tmp_path, (ONE, 0, joints[:12]), (TWO, 20, joints[20:]))
    assert clip.present[:, 0].tolist() == [t < 12 or t >= 20 for t in range(30)]
    assert not clip.present[:, 1].any()
    assert clip.repairs == (
        f"body {ONE} (frames 0-11) continues as body {TWO} (frames 20-29): joined as one person",
    )


def test_exchanged_ids_are_put_back(tmp_path):
    a, b = person(30, wave=0.5), person(30, at=(1, 0, 3), wave=0.1)
    crossed = np.concatenate([a[:14], b[14:]]), np.concatenate([b[:14], a[14:]])
    clip = read(tmp_path, (ONE, 0, crossed[0]), (TWO, 0, crossed[1]))
    np.testing.assert_allclose(clip.joints[:, 0], a, atol=1e-5)
    np.testing.assert_allclose(clip.joints[:, 1], b, atol=1e-5)
    assert len(clip.repairs) == 2 and all("joined as one person" in r for r in clip.repairs)


def test_two_people_at_once_are_never_joined():
    bodies = _bodies(person(30), person(30, at=(0.2, 0, 3)))
    people, repairs = stitch(bodies, KINECT_V2)
    assert len(people) == 2 and not repairs


def test_a_lonely_jump_stays_one_person(tmp_path):
    joints = person(30)
    joints[15:] += (1.5, 0, 0)
    clip = read(tmp_path, (ONE, 0, joints))
    np.testing.assert_allclose(clip.joints[:, 0], joints, atol=1e-5)
    assert any("jumps before frame 15: kept as one person" in r for r in clip.repairs)


def test_a_flicker_is_cut_out_and_bridged(tmp_path):
    joints = person(30, wave=0)
    joints += np.linspace(0, 0.5, 30)[:, None, None]  # the whole person drifts
    glitch = joints.copy()
    glitch[15] += (0, -1, 1)  # one frame elsewhere
    clip = read(tmp_path, (ONE, 0, glitch))
    np.testing.assert_allclose(clip.joints[15, 0], joints[15], atol=0.01)
    assert not clip.present[:, 1].any()
    assert any("1 missing frames interpolated" in r for r in clip.repairs)


def test_long_gaps_stay_empty():
    body = _bodies(person(30))[0]
    away = body[(body.frames < 10) | (body.frames >= 20)]
    same, repairs = bridge(away)
    assert same is away and repairs == []


@pytest.mark.parametrize(
    ("phantom", "reason"),
    [
        (person(6, at=(2, 0, 4)), "tracked in 6 of 30 frames"),
        (person(30, at=(2, 0, 4), wave=0), "mm in the whole clip"),
        (2.5 * person(30, at=(1, 0, 2)), "no person's size"),
        (person(30)[..., [1, 0, 2]], "spread"),
    ],
    ids=["short-lived", "motionless", "giant", "on its side"],
)
def test_phantoms_are_dropped_with_their_reason(tmp_path, phantom, reason):
    if "spread" in reason:  # as a curtain is: wide, and hardly moving
        phantom = np.array([2, 0, 4]) + person(30, wave=0.02)[..., [1, 0, 2]]
    clip = read(tmp_path, (TWO, 0, phantom), (ONE, 0, person(30, wave=0.1)))
    assert not clip.present[:, 1].any()
    assert len(clip.repairs) == 1 and reason in clip.repairs[0] and str(TWO) in clip.repairs[0]


def test_the_only_body_is_kept_whatever_it_looks_like(tmp_path):
    clip = read(tmp_path, (ONE, 0, person(30, wave=0)))
    assert clip.present[:, 0].all()
    (said,) = clip.repairs
    assert "kept although it moves" in said


def test_millimetres_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"750 joint positions are more than 10 m.*in metres"):
        read(tmp_path, (ONE, 0, 1000 * person(30)))


def test_a_person_who_falls_down_is_no_phantom():
    upright, lying = person(30)[0], person(30)[0][..., [1, 0, 2]] + (0, -0.9, 0)
    weight = np.linspace(0, 1, 60)[:, None, None].clip(0.3, 0.5) * 5 - 1.5
    joints = choose_people(
        _bodies((1 - weight) * upright + weight * lying, person(60)), 60, KINECT_V2
    ).joints
    assert joints[:, 0].any() and joints[:, 1].any()


def test_measures():
    body = _bodies(person(30, wave=0.5))[0]
    assert motion(body) > motion(_bodies(person(30, wave=0.1))[0])
    assert 1.4 < stature(body, KINECT_V2) < 2.0
    assert [len(p) for p in pieces(body, KINECT_V2)] == [30]


def _bodies(*people):
    """Bodies as the reader makes them, ids 1, 2, …"""
    return [
        Body((i + 1,), np.arange(len(p)), p.astype(np.float32), pixels(p).astype(np.float32))
        for i, p in enumerate(people)
    ]


def test_a_joint_never_seen_takes_the_middle_of_the_others(tmp_path):
    joints = person(30)
    joints[:, 24] = np.nan
    clip = read(tmp_path, (ONE, 0, joints))
    assert np.isfinite(clip.joints).all()
    np.testing.assert_allclose(clip.joints[0, 0, 24], joints[:, :24].mean((0, 1)), atol=1e-3)

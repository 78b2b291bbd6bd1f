"""What people look like: things that can be seen in a hand, bodies that cover, hands that meet."""

import numpy as np
import pytest

from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic import objects
from pcsta_book.synthetic.actors import Subject, to_room
from pcsta_book.synthetic.brush import Brush
from pcsta_book.synthetic.camera import Camera
from pcsta_book.synthetic.figure import Figure
from pcsta_book.synthetic.hand import Grip, Hand
from pcsta_book.synthetic.people import paint_people

METRE = 177.0  # pixels, at three metres
KINDS = sorted(objects._DATA)
EMPTY = Grip("")


def blank(size=(540, 960)):
    return np.full((*size, 3), 200, np.uint8)


def standing(number, x=0.0, facing=0.0, **hands):
    """Somebody who stands; hands: side -> (right, up, forward) of the hand's joint, metres."""
    s, body = Subject.create(number), np.zeros((25, 3))
    for part in ("spine base", "spine middle", "spine shoulder", "neck", "head"):
        body[KINECT_V2.index(part)] = s.joint(part)
    for i, side in enumerate(("left", "right")):
        for part in ("shoulder", "hip", "knee", "ankle", "foot"):
            body[KINECT_V2.index(f"{side} {part}")] = s.joint(part, i)
        hand = np.array(hands.get(side, (0.45 * (2 * i - 1), 0.95, 0.1)))
        shoulder = s.joint("shoulder", i)
        ahead = (hand - shoulder) / np.linalg.norm(hand - shoulder)
        for part, where in {
            "elbow": (hand + shoulder) / 2, "wrist": hand - 0.075 * ahead, "hand": hand,
            "hand tip": hand + 0.08 * ahead, "thumb": hand + np.array([0.0, 0.05, 0.02]),
        }.items():  # fmt: skip
            body[KINECT_V2.index(f"{side} {part}")] = where
    return s, Camera(0.0, 0.07, 1.4, 3.0, 0.0).view(to_room(body, (x, 0.0), facing))


def drawn(*people):
    image = blank()
    paint_people(image, [Figure(s, joints, 0.0, grips) for (s, joints), grips in people])
    return image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degrees", [0, 60, 120, 180, 240, 300])
def test_fingers_leave_a_thing_to_be_seen(kind, degrees):
    """It fills more than half of a crop's width or height, and fingers leave most of it."""
    along = np.array([np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))])
    steps = np.array([-0.075, 0.0, 0.08, 0.02])[:, None] * along
    joints = 32.0 + METRE * (steps + np.outer([0, 0, 0, 0.05], (along[1], -along[0])))
    hands = [Hand(Subject.create(1), joints, grip, False) for grip in (EMPTY, Grip(kind))]
    bare, held, whole = (blank((64, 64)) for _ in range(3))
    hands[0].paint_back(Brush(bare, METRE))
    hands[1].paint_back(Brush(held, METRE))
    hands[1].paint(Brush(whole, METRE))
    thing = (held != bare).any(-1)[16:48, 16:48]
    fingers = (whole != held).any(-1)[16:48, 16:48]
    assert max(thing.any(0).mean(), thing.any(1).mean()) > 0.6
    assert (thing & fingers).sum() < 0.4 * thing.sum()


def test_a_hand_behind_a_body_is_not_seen():
    for hidden, forward in ((True, -0.2), (False, 0.25)):
        someone = standing(1, left=(-0.05, 1.0, forward))
        bucket, nothing = (drawn((someone, [grip, EMPTY])) for grip in (Grip("bucket"), EMPTY))
        assert np.array_equal(bucket, nothing) == hidden


def test_the_order_of_people_does_not_matter():
    one = standing(1, -0.5, np.pi / 2, left=(-0.05, 1.15, 0.5)), [EMPTY, EMPTY]
    two = standing(3, 0.5, -np.pi / 2, right=(0.05, 1.15, 0.5)), [EMPTY, Grip("parcel")]
    assert np.array_equal(drawn(one, two), drawn(two, one))


@pytest.mark.parametrize("grip", [EMPTY, Grip("parcel")])
def test_hands_that_meet_close(grip):
    """Their fingers are other ones than those of two hands in the same places that do not meet."""
    one = standing(1, -0.5, np.pi / 2, right=(0.0, 1.15, 0.5))
    two = standing(3, 0.5, -np.pi / 2, left=(0.0, 1.15, 0.5))
    together, alone = drawn((one, [EMPTY, EMPTY]), (two, [grip, EMPTY])), blank()
    for (s, joints), grips in ((one, [EMPTY, EMPTY]), (two, [grip, EMPTY])):
        figure = Figure(s, joints, 0.0, grips)
        figure.cast_shadow(alone)
        figure.paint(alone)
    y, x = np.nonzero((together != alone).any(-1))
    assert len(x) > 30
    meeting = Figure(*one, 0.0, [EMPTY, EMPTY]).at("right hand")
    assert np.hypot(x - meeting[0], y - meeting[1]).max() < 0.2 * METRE


def test_a_thing_is_turned_to_pour():
    someone = standing(1, left=(-0.3, 1.2, 0.3))
    upright, poured = (
        drawn((someone, [Grip("bottle", turn=turn), EMPTY])) for turn in (0.0, 100.0)
    )
    assert not np.array_equal(upright, poured)

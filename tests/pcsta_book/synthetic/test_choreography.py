"""Who acts, when, with what: the gesture tells which hand matters, and nothing else does."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic import REPERTOIRE, TRAIN
from pcsta_book.synthetic.actions import (
    BY_NTU,
    COLOURS,
    GROUPS,
    HIDDEN,
    OBJECTS,
    Action,
    Timing,
    deciding,
    interval,
    schedules,
    timing,
)  # fmt: skip
from pcsta_book.synthetic.clip_plan import LIVELIER, plan_clip
from pcsta_book.synthetic.generate import FRAMES, names

HAND_OVER = [a for a in REPERTOIRE if GROUPS[a.group].hands == 2]
SHARED = [group for group in GROUPS if sum(a.group == group for a in REPERTOIRE) > 1]


@pytest.fixture(scope="module")
def plans():
    """Every clip of the dataset, planned."""
    return [plan_clip(0, name, FRAMES) for name in names()]


def decides(plan):
    """(T, A, 2) whether each hand decides in each frame."""
    found = np.zeros((plan.frames, len(plan.joints), 2), bool)
    for actor, person in enumerate(plan.deciding):
        for side, intervals in enumerate(person):
            for start, stop in intervals:
                found[start:stop, actor, side] = True
    return found


# --- evenly -----------------------------------------------------------------------------------


def test_every_class_has_every_hand_on_every_side_of_the_picture(plans):
    """Cells of class x acting hand x side of the picture, on each side of the split."""
    cells = Counter(
        (p.action, p.name.subject in TRAIN, p.cast.actor, p.cast.side, p.cast.left == p.cast.actor)
        for p in plans
    )
    for action in REPERTOIRE:
        for train in (True, False):
            found = [n for cell, n in cells.items() if cell[:2] == (action, train)]
            assert len(found) == (8 if action.people == 2 else 4)
            least = {(1, True): 6, (1, False): 3, (2, True): 3, (2, False): 1}
            assert min(found) >= least[action.people, train]


def test_every_camera_sees_every_hand_act(plans):
    cells = Counter(
        (p.action, p.name.subject in TRAIN, p.name.camera, p.cast.actor, p.cast.side) for p in plans
    )
    assert len(cells) == 2 * 3 * (12 * 2 + 6 * 4)
    assert min(cells.values()) >= 1


def test_who_decides_is_as_often_the_one_who_moves_more(plans):
    """NTU's reader takes for person 1 who moves more."""
    frames = {(train, a): np.zeros(4) for train in (True, False) for a in REPERTOIRE}
    for p in plans:
        if p.action.people == 2:
            moved = [j.std(0).mean() for j in p.joints]
            first = int(np.argmax(moved))
            assert first == p.cast.restless
            assert moved[first] > LIVELIER * moved[1 - first]
            count = decides(p).sum(0)
            frames[p.name.subject in TRAIN, p.action] += count[[first, 1 - first]].ravel()
    for (_, action), slots in frames.items():
        if action.people == 2:
            assert slots.max() < 1.5 * slots.min(), (action, slots)


# --- in time ----------------------------------------------------------------------------------


def test_an_interval_lies_anywhere():
    rng = np.random.default_rng(0)
    covered, lengths = np.zeros(FRAMES), []
    for _ in range(4000):
        start, stop = interval(rng, FRAMES)
        assert 0 <= start < stop <= FRAMES
        lengths.append((stop - start) / FRAMES)
        covered[start:stop] += 1 / 4000
    assert min(lengths) >= 0.22 - 0.5 / FRAMES and max(lengths) <= 0.36 + 0.5 / FRAMES
    assert covered.max() < 0.45  # all weight on the best frame: the best constant p'
    assert covered.min() > 0  # and no frame is never informative


@pytest.mark.parametrize("train", [True, False])
def test_no_constant_profile_covers_more_than_45_percent(plans, train):
    chosen = [p for p in plans if (p.name.subject in TRAIN) == train]
    covered = np.mean([decides(p).any((1, 2)) for p in chosen], 0)
    assert covered.max() <= 0.45


@pytest.mark.parametrize("action", HAND_OVER, ids=lambda a: a.name)
def test_another_hand_decides_after_the_turn(plans, action):
    for p in (p for p in plans if p.action == action):
        found = decides(p).reshape(FRAMES, -1)
        assert found.any(0).sum() == 2
        if action.things:
            order = [
                int(np.flatnonzero(found[:, hand])[0]) for hand in np.flatnonzero(found.any(0))
            ]
            assert order[0] != order[1]
            both = found.all(1) if found.shape[1] == 2 else found.sum(1) == 2
            assert both.sum() <= 2 * GROUPS[action.group].overlap


# --- with what --------------------------------------------------------------------------------


def draws(action, count=2000):
    """Objects and moments over many clips: of deciding hands, and of all others."""
    rng = np.random.default_rng(action.ntu)
    others, outside, dips = Counter(), Counter(), defaultdict(list)
    for _ in range(count):
        when = timing(rng, FRAMES, rng.random())
        who = (int(rng.integers(action.people)), int(rng.integers(2)))
        second = (1 - who[0], int(rng.integers(2))) if action.people == 2 else (0, 1 - who[1])
        hands = [who, second][: GROUPS[action.group].hands]
        for i, person in enumerate(schedules(rng, action, FRAMES, when, hands)):
            for j, plan in enumerate(person):
                first = plan.at(0)
                start = plan.dips[0]
                dips[(i, j) in hands].append((start, plan.dips[1] - start))
                if (i, j) in hands:
                    outside[first.thing if first else ""] += start > HIDDEN
                else:
                    others[tuple(sorted(set(plan.objects(FRAMES))))] += 1
    return others, outside, dips


@pytest.mark.parametrize("group", SHARED)
def test_within_a_motion_group_only_deciding_hands_tell_the_class(group):
    drawn = [draws(a) for a in REPERTOIRE if a.group == group]
    for kind in (0, 1):
        counts = [d[kind] for d in drawn]
        keys = sorted({k for c in counts for k in c})
        table = np.array([[c[k] for k in keys] for c in counts])
        table = table[:, table.sum(0) > 0]
        if table.shape[1] > 1:
            assert chi2_contingency(table).pvalue > 0.001


def test_deciding_hands_change_objects_no_other_way_than_the_others():
    """Each goes behind the body twice, and at moments of one distribution."""
    _, _, dips = draws(BY_NTU[1])
    mine, theirs = np.array(dips[True], float), np.array(dips[False], float)
    spread = np.sqrt(mine.var(0) / len(mine) + theirs.var(0) / len(theirs))
    assert np.all(np.abs(mine.mean(0) - theirs.mean(0)) < 4 * spread)


def test_nothing_appears_or_vanishes_but_out_of_sight_or_at_a_contact(plans):
    """A hand that changes what it holds is hidden then, or beside the hand or pocket at the turn."""
    for p in plans:
        for person in p.plans:
            for plan in person:
                objects = plan.objects(FRAMES)
                hidden = {t for back in plan.dips for t in range(back - HIDDEN, back)}
                for t in range(1, FRAMES):
                    if objects[t] != objects[t - 1]:
                        assert {t, t - 1} & hidden or t == p.when.turn, (p.name, t, objects)


@pytest.mark.parametrize("action", [a for a in HAND_OVER if a.first[0] == a.second[1] != ""])
def test_what_is_handed_over_stays_the_same_thing(plans, action):
    for p in (p for p in plans if p.action == action):
        held = [h for person in p.plans for plan in person for h in plan.holds]
        (before,) = [h for h in held if h.start == p.when.start and h.stop == p.when.turn]
        (after,) = [h for h in held if h.start == p.when.turn and h.stop == p.when.stop]
        assert before.thing == after.thing == action.first[0]
        assert before.colour == after.colour < COLOURS


def test_hands_meet_in_space_at_the_turn(plans):
    """Metres between the two hands, and of one hand to the partner's hip."""
    hands = list(KINECT_V2.hand_indices)
    for p in plans:
        other = 1 - p.cast.actor
        if p.action.group in ("reach", "pocket"):
            mine = p.joints[p.cast.actor][p.when.turn, hands[p.cast.side]]
            their = p.joints[other][p.when.turn]
            if p.action.group == "reach":
                assert np.linalg.norm(mine - their[hands[p.cast.answer]]) < 0.08, p.name
            else:
                assert np.linalg.norm(mine - their[KINECT_V2.index("spine base")]) < 0.40, p.name


def test_a_hand_out_of_sight_is_behind_the_body(plans):
    """As far as the schedule lets it: metres that a hidden hand is farther away than the spine."""
    hands, base = list(KINECT_V2.hand_indices), KINECT_V2.index("spine base")
    behind = [
        p.joints[i][back - 1, hands[j], 2] - p.joints[i][back - 1, base, 2]
        for p in plans
        for i, person in enumerate(p.plans)
        for j, plan in enumerate(person)
        for back in plan.dips
        if 0 < back <= FRAMES
    ]
    assert np.percentile(behind, 2) > 0.03


# --- the gesture ------------------------------------------------------------------------------


@pytest.mark.parametrize("group", SHARED)
def test_pose_is_the_same_for_all_actions_of_a_motion_group(group, monkeypatch):
    """The same clip with the same dice, of one action and of another."""

    def joints(action):
        name = next(n for n in names() if n.action == REPERTOIRE[0].ntu)
        name = type(name)(name.camera, name.subject, 1, 1)
        monkeypatch.setitem(BY_NTU, 1, Action(1, action.name, group, action.first, action.second))
        return plan_clip(0, name, FRAMES).joints

    first, *rest = [joints(a) for a in REPERTOIRE if a.group == group]
    for other in rest:
        for one, same in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_pose_tells_which_hand_matters_and_when(plans):
    """The hand that decides first is the one that is elsewhere, seen from its own trunk."""
    right, total = Counter(), Counter()
    for p in plans:
        if p.action.people == 1 and GROUPS[p.action.group].hands == 1:
            inside = decides(p)[:, 0, p.cast.side]
            trunk = p.joints[0][:, list(KINECT_V2.hand_indices)] - p.joints[0][:, [0]]
            up = trunk[inside].max(0)[:, 1]
            right[p.action.group] += np.argmax(up) == p.cast.side
            total[p.action.group] += 1
    for group, count in total.items():
        assert right[group] / count > 0.8, group


def test_holding_is_the_same_clip_with_another_thing():
    plan = plan_clip(0, names()[0], FRAMES)
    other = plan.holding(0, "comb")
    assert other.joints is plan.joints
    assert [p.objects(FRAMES) for p in other.plans[0]] == [["comb"] * FRAMES] * 2
    assert [p.objects(FRAMES) for p in plan.holding(0, "").plans[0]] == [[""] * FRAMES] * 2


def test_two_hands_that_hold_nothing_both_decide_from_first_to_last():
    shake = BY_NTU[58]
    when, hands = Timing(5, 9, 14), [(0, 1), (1, 0)]
    plans = schedules(np.random.default_rng(0), shake, 20, when, hands)
    assert deciding(shake, 20, when, hands, plans) == [[[], [[5, 14]]], [[[5, 14]], []]]
    give = BY_NTU[56]
    plans = schedules(np.random.default_rng(0), give, 20, when, hands)
    assert deciding(give, 20, when, hands, plans) == [[[], [[5, 9]]], [[[9, 14]], []]]


def test_every_object_is_used_and_can_be_named():
    used = {thing for a in REPERTOIRE for thing in a.things}
    assert used == set(OBJECTS)
    assert 8 <= len(OBJECTS) <= 12


def test_a_bottle_is_tipped_over_the_cup_while_it_pours_and_only_then():
    for name in (n for n in names() if n.action == 121):
        plan = plan_clip(0, name, FRAMES)
        acts, turn = plan.cast.side, plan.when.turn
        tips = np.array([[plan._tip(0, side, t) for side in (0, 1)] for t in range(FRAMES)])
        own, cup = plan.hands[turn, 0, [acts, 1 - acts], 0]
        pours = (np.arange(FRAMES) >= turn - 2) & (np.arange(FRAMES) <= turn)
        assert (tips[pours, acts] == (100 if cup > own else -100)).all()
        assert not tips[~pours].any() and not tips[:, 1 - acts].any()

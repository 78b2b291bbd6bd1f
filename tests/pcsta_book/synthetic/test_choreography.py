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
    INTERVAL,
    LONGER,
    OBJECTS,
    Action,
    Timing,
    deciding,
    interval,
    roles,
    schedules,
    timing,
)  # fmt: skip
from pcsta_book.synthetic.clip_plan import LIVELIER, plan_clip
from pcsta_book.synthetic.generate import FRAMES, names

HAND_OVER = [a for a in REPERTOIRE if GROUPS[a.group].hands == 2]
HANDS, BASE = list(KINECT_V2.hand_indices), KINECT_V2.index("spine base")
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


def acting(plan):
    """(actor, side) of the hands that decide, in order."""
    actor, side = plan.cast.actor, plan.cast.side
    second = (1 - actor, plan.cast.answer) if plan.action.people == 2 else (0, 1 - side)
    return [(actor, side), second][: GROUPS[plan.action.group].hands]


def change(plan):
    """The frame in which the first hand puts or takes: of two hands, when the other has come."""
    return plan.when.turn + (len(acting(plan)) == 2)


def raised(plan):
    """(T, A, 2) metres of each hand above the base of its own spine."""
    return np.stack([j[:, HANDS, 1] - j[:, [BASE], 1] for j in plan.joints], 1)


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
    assert len(cells) == 2 * 3 * (12 * 2 + 10 * 4)
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


@pytest.mark.parametrize(("share", "most"), [(INTERVAL, 0.45), (LONGER, 0.47)])
def test_an_interval_lies_anywhere(share, most):
    rng = np.random.default_rng(0)
    covered, lengths = np.zeros(FRAMES), []
    for _ in range(4000):
        start, stop = interval(rng, FRAMES, share=share)
        assert 0 <= start < stop <= FRAMES
        lengths.append((stop - start) / FRAMES)
        covered[start:stop] += 1 / 4000
    assert min(lengths) >= share[0] - 0.5 / FRAMES and max(lengths) <= share[1] + 0.5 / FRAMES
    assert covered.max() < most  # all weight on the best frame: the best constant p'
    assert covered.min() > 0  # and no frame is never informative


def test_only_gestures_of_two_hands_are_longer():
    for group, (_, hands, _) in GROUPS.items():
        low, high = LONGER if hands == 2 else INTERVAL
        for seed in range(200):
            start, turn, stop = timing(np.random.default_rng(seed), group, FRAMES, seed / 200)
            assert low - 0.5 / FRAMES <= (stop - start) / FRAMES <= high + 0.5 / FRAMES
            assert 0 <= start < turn < stop <= FRAMES


@pytest.mark.parametrize("split", [(True,), (False,), (True, False)], ids=["train", "test", "both"])
def test_no_constant_profile_covers_more_than_45_percent(plans, split):
    chosen = [p for p in plans if (p.name.subject in TRAIN) in split]
    covered = np.mean([decides(p).any((1, 2)) for p in chosen], 0)
    assert covered.max() <= 0.45


@pytest.mark.parametrize("action", HAND_OVER, ids=lambda a: a.name)
def test_another_hand_decides_after_the_turn(plans, action):
    """It comes out just before the turn; what is not given away is seen twice as long after it."""
    overlap = GROUPS[action.group].overlap
    assert overlap == 2
    for p in (p for p in plans if p.action == action):
        found = decides(p)
        first, second = (np.flatnonzero(found[:, i, j]) for i, j in acting(p))
        assert found.sum() == len(first) + len(second)  # nobody else
        start, turn, stop = p.when
        gone = min(turn + 2 * overlap, FRAMES) if action.first[1] else change(p)
        np.testing.assert_array_equal(first, np.arange(start, gone))
        np.testing.assert_array_equal(second, np.arange(turn - overlap, stop))


# --- with what --------------------------------------------------------------------------------


def draws(action, count=2000):
    """Over many clips: what misleads in deciding hands, by their order; sets of objects in all other
    hands; moments and lengths of intervals, of deciding hands and of the others."""
    rng = np.random.default_rng(action.ntu)
    others, outside, dips = Counter(), Counter(), defaultdict(list)
    for _ in range(count):
        when = timing(rng, action.group, FRAMES, rng.random())
        who = (int(rng.integers(action.people)), int(rng.integers(2)))
        second = (1 - who[0], int(rng.integers(2))) if action.people == 2 else (0, 1 - who[1])
        hands = [who, second][: GROUPS[action.group].hands]
        for i, person in enumerate(schedules(rng, action, FRAMES, when, hands)):
            for j, plan in enumerate(person):
                start, back = plan.dips
                dips[(i, j) in hands].append((start, back - start))
                if (i, j) in hands:
                    for t, shown in ((0, start > HIDDEN), (FRAMES - 1, back < FRAMES)):
                        hold = plan.at(t)
                        outside[hands.index((i, j)), t > 0, hold.thing if hold else ""] += shown
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


@pytest.mark.parametrize("action", HAND_OVER, ids=lambda a: a.name)
def test_while_one_of_two_hands_decides_the_other_shows_what_it_could_have_to_show(plans, action):
    """All of it, whatever the class: to look at the wrong one of two deciding hands does not help."""
    shown = defaultdict(set)
    for p in (p for p in plans if p.action == action and not p.cast.plain):
        for turn_taken, (i, j) in enumerate(acting(p)):
            plan = p.plans[i][j]
            own = range(plan.dips[0], plan.dips[1] - HIDDEN)
            shown[turn_taken].update(h.thing for h in plan.holds if h.start not in own)
    first, second = roles(action.group)
    assert shown == {0: set(second), 1: set(first)} and len(first) == len(second) == 2


@pytest.mark.parametrize("ntu", [1, 57], ids=["alone", "two people"])
def test_deciding_hands_change_objects_no_other_way_than_the_others(ntu):
    """Each goes behind the body twice, and at moments of one distribution."""
    _, _, dips = draws(BY_NTU[ntu])
    mine, theirs = np.array(dips[True], float), np.array(dips[False], float)
    spread = np.sqrt(mine.var(0) / len(mine) + theirs.var(0) / len(theirs))
    assert np.all(np.abs(mine.mean(0) - theirs.mean(0)) < 4 * spread)


def test_nothing_appears_or_vanishes_but_out_of_sight_or_at_a_contact(plans):
    """A hand that changes what it holds is hidden then, or it puts or takes something by a contact."""
    for p in plans:
        for i, person in enumerate(p.plans):
            for j, plan in enumerate(person):
                objects = plan.objects(FRAMES)
                hidden = {t for back in plan.dips for t in range(back - HIDDEN, back)}
                for t in range(1, FRAMES):
                    if objects[t] != objects[t - 1] and not {t, t - 1} & hidden:
                        assert t == change(p) and (i, j) == acting(p)[0], (p.name, t, objects)
                        assert (objects[t - 1], objects[t]) == p.action.first, (p.name, t, objects)


def test_what_a_hand_keeps_at_the_turn_stays_the_same_thing(plans):
    for p in plans:
        for (i, j), (before, after) in zip(
            acting(p), (p.action.first, p.action.second), strict=False
        ):
            if before == after != "":
                one, other = (p.plans[i][j].at(t) for t in (change(p) - 1, change(p)))
                assert one.thing == other.thing == before
                assert one.colour == other.colour < COLOURS


@pytest.mark.parametrize("action", REPERTOIRE, ids=lambda a: a.name)
def test_a_hand_is_behind_the_body_when_it_exchanges_what_it_holds(plans, action):
    """In the frame before the change, or in the frame after it."""
    for p in (p for p in plans if p.action == action):
        for i, person in enumerate(p.plans):
            for j, plan in enumerate(person):
                objects = plan.objects(FRAMES)
                behind = p.joints[i][:, HANDS[j], 2] - p.joints[i][:, BASE, 2]
                for t in range(1, FRAMES):
                    changes = objects[t] != objects[t - 1]
                    if changes and (t != change(p) or (i, j) != acting(p)[0]):
                        assert behind[t - 1 : t + 1].max() > 0, (p.name, t)


def meets(plans, group, frame):
    """(clips, 3) metres (right, up, away) from where the first hand meets something to that hand, so
    many frames after the turn: the second hand, or the breast of the partner."""
    found = []
    for p in (p for p in plans if p.action.group == group):
        (actor, side), t = acting(p)[0], p.when.turn + frame
        if group == "pocket":
            spine = [KINECT_V2.index(f"spine {part}") for part in ("middle", "shoulder")]
            met = p.joints[1 - actor][t, spine].mean(0)
        else:
            other, answer = acting(p)[1]
            met = p.joints[other][t, HANDS[answer]]
        found.append(p.joints[actor][t, HANDS[side]] - met)
    return np.array(found)


@pytest.mark.parametrize(("group", "high"), [("give", (0.15, 0.26)), ("pour", (0.12, 0.26))])
def test_what_is_given_or_poured_comes_from_above(plans, group, high):
    """In the frame after the turn, over what receives it; at the turn itself hardly farther."""
    for frame, wide in ((0, 0.26), (1, 0.18)):
        apart = meets(plans, group, frame)
        assert np.hypot(apart[:, 0], apart[:, 2]).max() < wide
        assert apart[:, 1].min() > high[0] and apart[:, 1].max() < high[1] + 0.08 * (1 - frame)


def test_a_pocket_is_at_the_breast(plans):
    for frame in (-1, 0):
        right, up, away = meets(plans, "pocket", frame).T
        assert (away < 0).all()  # before the body
        assert np.abs(up).max() < 0.10
        assert np.hypot(right, away).max() < 0.40


def test_a_hand_out_of_sight_is_behind_the_body(plans):
    """As far as the schedule lets it: metres that a hidden hand is farther away than the spine."""
    behind = [
        p.joints[i][back - 1, HANDS[j], 2] - p.joints[i][back - 1, BASE, 2]
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


@pytest.mark.parametrize("group", GROUPS)
def test_the_hand_that_decides_first_is_raised_highest(plans, group):
    """Of all hands, of one person or of two, in the frames in which it decides."""
    for p in (p for p in plans if p.action.group == group):
        actor, side = acting(p)[0]
        inside = raised(p)[decides(p)[:, actor, side]]
        for highest in (inside.max(0), inside.mean(0)):
            assert np.unravel_index(highest.argmax(), highest.shape) == (actor, side), p.name


@pytest.mark.parametrize("group", ["pour", "give"])
def test_the_second_hand_reaches_out_while_it_decides(plans, group):
    """Farther from its own spine than before and after; of two people's hands, but for the first one,
    it is raised highest."""
    for p in (p for p in plans if p.action.group == group):
        first, (actor, side) = acting(p)
        inside = decides(p)[:, actor, side]
        arm = (p.joints[actor][:, HANDS[side]] - p.joints[actor][:, BASE])[:, [0, 2]]
        away = np.hypot(*arm.T)
        assert away[inside].max() > away[~inside].max(), p.name
        up = raised(p)[inside].max(0)
        up[first] = -np.inf
        assert np.unravel_index(up.argmax(), up.shape) == (actor, side), p.name


def test_holding_is_the_same_clip_with_another_thing():
    plan = plan_clip(0, names()[0], FRAMES)
    other = plan.holding(0, "comb")
    assert other.joints is plan.joints
    assert [p.objects(FRAMES) for p in other.plans[0]] == [["comb"] * FRAMES] * 2
    assert [p.objects(FRAMES) for p in plan.holding(0, "").plans[0]] == [[""] * FRAMES] * 2


def test_of_two_hands_each_decides_while_it_shows_something():
    when, hands = Timing(5, 9, 14), [(0, 1), (1, 0)]
    give, pour = BY_NTU[56], BY_NTU[121]
    plans = schedules(np.random.default_rng(0), give, 20, when, hands)
    assert deciding(give, 20, when, hands, plans) == [[[], [[5, 10]]], [[[7, 14]], []]]
    hands = [(0, 1), (0, 0)]
    plans = schedules(np.random.default_rng(0), pour, 20, when, hands)
    assert deciding(pour, 20, when, hands, plans) == [[[[7, 14]], [[5, 13]]]]


def test_every_object_is_used_and_can_be_named():
    used = {thing for a in REPERTOIRE for thing in a.things}
    assert used == set(OBJECTS)
    assert 8 <= len(OBJECTS) <= 12


def test_every_action_has_a_name_of_its_own_and_differs_from_its_motion_group():
    assert len(BY_NTU) == len({a.name for a in REPERTOIRE}) == len(REPERTOIRE)
    assert len({(a.group, a.first, a.second) for a in REPERTOIRE}) == len(REPERTOIRE)
    alike = Counter((a.group, a.things) for a in REPERTOIRE)
    # what is put into a pocket is told by its order alone from what is taken out
    assert {group for (group, _), count in alike.items() if count > 1} == {"pocket"}


def test_a_bottle_is_tipped_over_the_cup_while_it_pours_and_only_then(plans):
    for plan in (p for p in plans if p.action.tip):
        acts, turn = plan.cast.side, plan.when.turn
        tips = np.array([[plan._tip(0, side, t) for side in (0, 1)] for t in range(FRAMES)])
        own, cup = plan.hands[turn, 0, [acts, 1 - acts], 0]
        pours = (np.arange(FRAMES) >= turn) & (np.arange(FRAMES) <= turn + 2)
        assert (tips[pours, acts] == (100 if cup > own else -100)).all()
        assert not tips[~pours].any() and not tips[:, 1 - acts].any()
        assert plan.plans[0][acts].objects(FRAMES)[turn : turn + 2] == ["bottle"] * 2

"""What is done: twenty-two actions in eight motion groups, and what every hand holds when.

Actions of one motion group move alike; only what the deciding hand holds tells them apart.  In some
groups the deciding hand changes on the way: what pours or gives, then what receives.  Nothing appears by magic:
a hand exchanges what it holds behind the body or at a contact.  Every hand, deciding or not, follows
a schedule of the same kind, so neither a change of object nor its moment betrays which hand matters:
the gesture does.
"""

from dataclasses import dataclass
from typing import NamedTuple

from numpy.random import Generator

OBJECTS = (
    "cup", "apple", "toothbrush", "comb", "phone", "book", "notepad", "parcel",
    "bottle", "bucket", "stick", "wallet",
)  # fmt: skip
COLOURS = 4  # in which each of them comes
SIDES = ("left", "right")


class Group(NamedTuple):
    """A motion. people: who take part; hands: that decide one after the other, the first gives way to
    the second at the turn, give or take `overlap` frames in which both can be read."""

    people: int
    hands: int
    overlap: int = 0


GROUPS = {
    "mouth": Group(1, 1),
    "head": Group(1, 1),
    "chest": Group(1, 1),
    "wave": Group(1, 1),
    "pour": Group(1, 2, overlap=2),
    "give": Group(2, 2, overlap=2),
    "punch": Group(2, 1),
    "pocket": Group(2, 1),
}

Change = tuple[str, str]  # what a hand holds before the turn, and after


@dataclass(frozen=True)
class Action:
    """ntu: number in NTU's lists (1..60, NTU 120's to 120, above: our own); group: its motion
    first, second: what the hands hold that decide, before and after the turn ("" is nothing)
    tip: degrees by which the first hand turns what it holds towards the second, about the turn
    """

    ntu: int
    name: str
    group: str
    first: Change = ("", "")
    second: Change = ("", "")
    tip: float = 0.0

    @property
    def people(self) -> int:
        return GROUPS[self.group].people

    @property
    def things(self) -> tuple[str, ...]:
        """The objects that tell this action from others of its group."""
        return tuple(dict.fromkeys(filter(None, self.first + self.second)))


REPERTOIRE = (
    Action(1, "drink water", "mouth", ("cup", "cup")),
    Action(2, "eat meal", "mouth", ("apple", "apple")),
    Action(3, "brush teeth", "mouth", ("toothbrush", "toothbrush")),
    Action(4, "brush hair", "head", ("comb", "comb")),
    Action(11, "reading", "chest", ("book", "book")),
    Action(12, "writing", "chest", ("notepad", "notepad")),
    Action(23, "hand waving", "wave"),
    Action(28, "phone call", "head", ("phone", "phone")),
    Action(50, "punch or slap", "punch"),
    Action(56, "give an apple into a box", "give", ("apple", ""), ("parcel", "parcel")),
    Action(57, "put money into a pocket", "pocket", ("wallet", "")),
    Action(89, "put into a bucket", "pour", ("apple", ""), ("bucket", "bucket")),
    Action(106, "hit with an object", "punch", ("stick", "stick")),
    Action(109, "take money from a pocket", "pocket", ("", "wallet")),
    Action(121, "pour into a cup", "pour", ("bottle", "bottle"), ("cup", "cup"), tip=100),
    Action(122, "pour into a bucket", "pour", ("bottle", "bottle"), ("bucket", "bucket"), tip=100),
    Action(123, "put into a cup", "pour", ("apple", ""), ("cup", "cup")),
    Action(124, "give an apple into a bucket", "give", ("apple", ""), ("bucket", "bucket")),
    Action(125, "give money into a box", "give", ("wallet", ""), ("parcel", "parcel")),
    Action(126, "give money into a bucket", "give", ("wallet", ""), ("bucket", "bucket")),
    Action(127, "put a phone into a pocket", "pocket", ("phone", "")),
    Action(128, "take a phone from a pocket", "pocket", ("", "phone")),
)
BY_NTU = {action.ntu: action for action in REPERTOIRE}

# Chances of a schedule, the same for every hand.
INTERVAL = (0.22, 0.36)  # length of an interval, as a share of the clip
LONGER = (0.25, 0.37)  # of a gesture of two hands
DECOY = 0.65  # outside its interval a hand shows another object, else it is empty (of two that decide: always)
EMPTY = 0.15  # a distracting hand holds nothing in its interval
SAME_GROUP = 0.60  # a distraction comes from the action's own motion group, else from all objects
HIDDEN = 2  # frames that a hand stays behind the body to exchange what it holds


class Hold(NamedTuple):
    """A hand holds `thing`, in one of its colours, in frames start <= t < stop."""

    start: int
    stop: int
    thing: str
    colour: int


class Timing(NamedTuple):
    """The gesture takes frames start <= t < stop; at the turn hands meet, or the act is half done."""

    start: int
    turn: int
    stop: int


@dataclass(frozen=True)
class Schedule:
    """One hand's plan. holds: what it holds when, in order; nothing in all other frames
    dips: frames at which it comes back from behind the body, where it was HIDDEN frames long"""

    holds: tuple[Hold, ...]
    dips: tuple[int, ...] = ()

    def at(self, t: int) -> Hold | None:
        """What is held in a frame."""
        return next((hold for hold in self.holds if hold.start <= t < hold.stop), None)

    def objects(self, frames: int) -> list[str]:
        """Name of what the hand holds in each frame, "" where it is empty or out of sight."""
        return [hold.thing if (hold := self.at(t)) else "" for t in range(frames)]


def interval(
    rng: Generator, frames: int, moment: float | None = None, share: tuple[float, float] = INTERVAL
) -> tuple[int, int]:
    """(start, stop) of such a share of the clip, the start uniform over all places where it fits.

    moment: where among these places, in [0, 1); by chance unless given.  A constant profile over time
    covers at most 41 % of intervals of INTERVAL in the mean, and of LONGER less than 47 %.
    """
    length = round(rng.uniform(*share) * frames)
    start = int((rng.random() if moment is None else moment) * (frames - length + 1))
    return start, start + length


def timing(rng: Generator, group: str, frames: int, moment: float) -> Timing:
    """The gesture's frames; the turn lies near their middle."""
    share = LONGER if GROUPS[group].hands == 2 else INTERVAL
    start, stop = interval(rng, frames, moment, share)
    return Timing(start, start + round(rng.uniform(0.45, 0.58) * (stop - start)), stop)


def distraction(rng: Generator, action: Action) -> str:
    """What does not depend on the action beyond its motion group: an object, or "" where a class of
    the group is told by empty hands."""
    group = [thing for a in REPERTOIRE if a.group == action.group for thing in a.things or ("",)]
    pool = group if any(group) and rng.random() < SAME_GROUP else OBJECTS
    return str(rng.choice(pool))


def roles(group: str) -> tuple[list[str], list[str]]:
    """What the first and the second hand may hold in the actions of a motion group."""
    members = [a for a in REPERTOIRE if a.group == group]
    first, second = ({a.first[0] for a in members}, {a.second[1] for a in members})
    return sorted(first), sorted(second)


def schedules(
    rng: Generator, action: Action, frames: int, when: Timing, hands: list[tuple[int, int]],
    plain: bool = False,
) -> list[list[Schedule]]:  # fmt: skip
    """Schedule of every hand, [actor][side].

    hands: (actor, side) of those that decide, in order;  plain: nobody holds anything else
    """
    colours = {thing: int(rng.integers(COLOURS)) for thing in OBJECTS}  # one thing stays one thing

    def schedule(hand: tuple[int, int]) -> Schedule:
        start, stop = interval(rng, frames)
        empty, decoy = rng.random() < EMPTY, rng.random() < DECOY
        other, outside = distraction(rng, action), distraction(rng, action)
        if len(hands) == 2 and hand in hands:  # what the other of the two could have to show
            decoy, outside = True, str(rng.choice(roles(action.group)[1 - hands.index(hand)]))
        colour, shade = (int(rng.integers(COLOURS)) for _ in range(2))
        holds = [] if empty or plain else [Hold(start, stop, other, colour)]
        if hand in hands:
            start, stop = visible(action, when, hands.index(hand))
            before, after = (action.first, action.second)[hands.index(hand)]
            change = when.turn + (len(hands) == 2)  # when the other hand has come
            holds = [
                Hold(start, change, before, colours.get(before, 0)),
                Hold(change, stop, after, colours.get(after, 0)),
            ]
        if decoy and not plain:
            holds += [
                Hold(0, start - HIDDEN, outside, shade),
                Hold(stop + HIDDEN, frames, outside, shade),
            ]
        return Schedule(
            tuple(h for h in holds if h.thing and h.start < h.stop), (start, stop + HIDDEN)
        )

    return [[schedule((i, j)) for j in (0, 1)] for i in range(action.people)]


def visible(action: Action, when: Timing, turn_taken: int) -> tuple[int, int]:
    """(start, stop) of the frames in which the first or the second hand shows what it has to show.

    Where hands overlap, the second comes out just before the turn, and the first needs twice as long
    to be gone.
    """
    overlap = GROUPS[action.group].overlap
    if not overlap:
        return when.start, when.stop
    return (when.turn - overlap, when.stop) if turn_taken else (when.start, when.turn + 2 * overlap)


def deciding(
    action: Action, frames: int, when: Timing, hands: list[tuple[int, int]],
    plans: list[list[Schedule]],
) -> list[list[list[list[int]]]]:  # fmt: skip
    """[actor][side] -> intervals [start, stop) in which that hand tells the class.

    One hand does so all through its gesture; of two, each while it holds its thing.
    """
    found: list[list[list[list[int]]]] = [[[] for _ in person] for person in plans]
    for i, (actor, side) in enumerate(hands):
        start, stop = visible(action, when, i)
        if len(hands) == 2:
            held = [h for h in plans[actor][side].holds if start <= h.start < stop]
            start, stop = min(h.start for h in held), max(h.stop for h in held)
        found[actor][side].append([max(start, 0), min(stop, frames)])
    return found

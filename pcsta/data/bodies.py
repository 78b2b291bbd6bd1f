"""From the bodies that a sensor reports to the two people of a Clip.

A Kinect follows up to six bodies. Ids are not ordered; a person who is lost comes back under a new
id; two ids exchange people when they cross; a chair or a curtain becomes a phantom body. The paper
needs two people; whoever moves most is the first. Everything done to a recording is one sentence of
`Clip.repairs`. No rule looks at the label: it is unknown at test time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations
from statistics import median

import numpy as np
from jaxtyping import Float, Float32

from pcsta.data.clip import PEOPLE
from pcsta.data.tracks import Body, fill_missing
from pcsta.skeletons import Skeleton

JUMP = 0.3  # metres between two reports of one body: 9 m/s at 30 frames a second
NEAR = 0.5  # metres between the end of one piece and the start of the next
SHORT = 10  # frames that a body must live, in a clip twice as long or longer
STATURE = (0.7, 2.5)  # metres from head to foot along the bones
WIDE = 1.2  # a box of joints this much wider than tall is no standing or sitting person
STILL = 0.008  # metres of standard deviation; a person who stands still sways more
FLICKER = 5  # frames without a person that are bridged between two reports of the same person


@dataclass(frozen=True, eq=False)
class People:
    """The two people of a Clip: `joints` and `pixels` as there, and what was done to get them."""

    joints: Float32[np.ndarray, "T 2 J 3"]
    pixels: Float32[np.ndarray, "T 2 J 2"]
    repairs: tuple[str, ...] = ()


def pieces(body: Body, skeleton: Skeleton) -> list[Body]:
    """The track cut wherever its root moves more than JUMP between two reports."""
    root = body.joints[:, skeleton.root_index]  # (n, 3)
    cuts = np.flatnonzero(np.linalg.norm(np.diff(root, axis=0), axis=-1) > JUMP) + 1
    return [body[a:b] for a, b in pairwise([0, *cuts.tolist(), len(body)])]


def stitch(parts: list[Body], skeleton: Skeleton) -> tuple[list[Body], list[str]]:
    """Pieces joined end to start when they do not overlap in time.

    First those within NEAR of each other, whatever their ids (a person lost and found again, or two
    ids exchanged): the shortest gap first, then the least distance. Then what is left of one id: a
    body that jumped where nobody else was. Every piece has one successor and one predecessor at
    most, so no person is in two places.
    """
    root = skeleton.root_index
    links = []
    for i, j in permutations(range(len(parts)), 2):
        gap = int(parts[j].frames[0] - parts[i].frames[-1])
        leap = float(np.linalg.norm(parts[j].joints[0, root] - parts[i].joints[-1, root]))
        if gap >= 1 and (leap <= NEAR or parts[i].ids == parts[j].ids):
            links.append((leap > NEAR, gap, leap, i, j))
    after: dict[int, tuple[int, bool]] = {}  # piece -> its successor, and whether that is far
    joined: set[int] = set()  # pieces that are a successor
    for far, _, _, i, j in sorted(links):
        if i not in after and j not in joined:
            after[i] = j, far
            joined.add(j)

    people, repairs = [], []
    for first in sorted(set(range(len(parts))) - joined):
        at, chain = first, [parts[first]]
        while at in after:
            at, far = after[at]
            early, late = chain[-1], parts[at]
            if early.ids != late.ids:
                repairs.append(f"{early} continues as {late}: joined as one person")
            elif far:
                repairs.append(f"{early} jumps before frame {late.frames[0]}: kept as one person")
            chain.append(late)
        people.append(_joined(chain))
    return people, repairs


def _joined(chain: list[Body]) -> Body:
    return Body(
        ids=tuple(dict.fromkeys(part.ids[0] for part in chain)),
        frames=np.concatenate([part.frames for part in chain]),
        joints=np.concatenate([part.joints for part in chain]),
        pixels=np.concatenate([part.pixels for part in chain]),
    )


def bridge(body: Body) -> tuple[Body, list[str]]:
    """Gaps of at most FLICKER frames inside a person's life, interpolated from both sides."""
    frames = np.arange(body.frames[0], body.frames[-1] + 1)
    right = np.searchsorted(body.frames, frames)  # the first report at or after each frame
    left = right - (body.frames[right] > frames)  # the last one at or before it
    gap = body.frames[right] - body.frames[left]  # 0 where there is a report
    weight = ((frames - body.frames[left]) / np.maximum(gap, 1)).astype(np.float32)[:, None, None]
    bridged = Body(
        ids=body.ids,
        frames=frames,
        joints=body.joints[left] * (1 - weight) + body.joints[right] * weight,
        pixels=body.pixels[left] * (1 - weight) + body.pixels[right] * weight,
    )[gap <= FLICKER + 1]
    missing = len(bridged) - len(body)
    if not missing:
        return body, []
    return bridged, [f"{body} flickers: {missing} missing frames interpolated"]


def motion(body: Body) -> float:
    """How much a body moves: standard deviation in time, in metres, mean over joints and axes."""
    return float(body.joints.std(axis=0).mean())


def stature(body: Body, skeleton: Skeleton) -> float:
    """Metres from head over root to foot along the bones, whatever the posture; median in time."""
    parent = {child: parent for parent, child in skeleton.bones}

    def to_root(joint: str) -> Float[np.ndarray, "n"]:
        length, at = np.zeros(len(body)), skeleton.index(joint)
        while at in parent:
            length += np.linalg.norm(body.joints[:, at] - body.joints[:, parent[at]], axis=-1)
            at = parent[at]
        return length

    legs = (to_root("left foot") + to_root("right foot")) / 2
    return float(median(to_root("head") + legs))


def fault(body: Body, length: int, skeleton: Skeleton) -> str:
    """Why a body of a clip of `length` frames is no person; "" where nothing says so."""
    if len(body) < min(SHORT, length / 2):  # a glimpse of something
        return f"tracked in {len(body)} of {length} frames"
    tall, moves = stature(body, skeleton), motion(body)
    if not STATURE[0] <= tall <= STATURE[1]:
        return f"{tall:.2f} m from head to foot is no person's size"
    x, y, _ = map(median, np.ptp(body.joints, axis=1).T)  # extent of the joints' box
    if x > WIDE * y and moves < 0.05:  # somebody on the floor is wide too, but has moved there
        return f"its joints spread {x:.2f} m wide and {y:.2f} m high"
    return f"it moves {1000 * moves:.1f} mm in the whole clip" if moves < STILL else ""  # furniture


def choose_people(tracked: list[Body], length: int, skeleton: Skeleton) -> People:
    """The two people of a recording of `length` frames.

    Bodies with a `fault` are dropped; where all have one, they are kept, and `repairs` says so. Of
    the others the one that moves most is person 1, the next person 2.
    """
    repairs: list[str] = []
    parts: list[Body] = []
    for body in tracked:
        whole, done = fill_missing(body)
        repairs += done
        parts += pieces(whole, skeleton)
    people, done = stitch(parts, skeleton)
    repairs += done

    faults = {p: fault(p, length, skeleton) for p in people}
    kept = [p for p in people if not faults[p]]
    ranked = sorted(kept or people, key=motion, reverse=True)
    if kept:
        repairs += [f"{p} dropped: {faults[p]}" for p in people if faults[p]]
    else:
        repairs += [f"{p} kept although {faults[p]}" for p in ranked]
    repairs += [f"{p} dropped: two others move more" for p in ranked[PEOPLE:]]

    bridged = [bridge(person) for person in ranked[:PEOPLE]]
    repairs += [said for _, done in bridged for said in done]
    return place_people(dict(enumerate(body for body, _ in bridged)), length, skeleton, repairs)


def left_first(bodies: list[Body], length: int, skeleton: Skeleton) -> People:
    """Like `choose_people` for a file of two: who stands further left, on average, is person 1."""
    slots, repairs = {}, []
    for body in bodies:
        slots[body.ids[0] - 1], done = fill_missing(body)
        repairs += done
    if len(slots) == PEOPLE:  # somebody alone keeps the file's place
        # SBU's X grows to the image's left
        first, second = (slots[i].joints[:, skeleton.root_index, 0].mean() for i in range(PEOPLE))
        if first < second:
            slots = {0: slots[1], 1: slots[0]}
            repairs.append("the second person of the file stands on the left: taken as person 1")
    return place_people(slots, length, skeleton, repairs)


def place_people(
    slots: Mapping[int, Body], length: int, skeleton: Skeleton, repairs: Iterable[str] = ()
) -> People:
    """Each slot's body (0: person 1) at its frames; zero joints and NaN pixels elsewhere."""
    joints = np.zeros((length, PEOPLE, len(skeleton), 3), np.float32)
    pixels = np.full((length, PEOPLE, len(skeleton), 2), np.nan, np.float32)
    for slot, body in slots.items():
        joints[body.frames, slot] = body.joints
        pixels[body.frames, slot] = body.pixels
    return People(joints, pixels, tuple(repairs))

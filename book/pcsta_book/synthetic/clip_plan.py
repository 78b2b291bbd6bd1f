"""One clip planned: who does what, when, before which camera; the same for the same seed and name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic.actions import (
    BY_NTU,
    GROUPS,
    SIDES,
    Action,
    Hold,
    Schedule,
    Timing,
    deciding,
    schedules,
    timing,
)  # fmt: skip
from pcsta_book.synthetic.actors import TEST, TRAIN, Motion, Subject, pose, to_body
from pcsta_book.synthetic.camera import Camera, colour_pixels
from pcsta_book.synthetic.casting import Cast, Name, cast
from pcsta_book.synthetic.figure import Figure
from pcsta_book.synthetic.hand import Grip
from pcsta_book.synthetic.motions import Performance, Stage
from pcsta_book.synthetic.people import paint_people
from pcsta_book.synthetic.scene import background
from pcsta_book.synthetic.tracking import Body, draw_fault, track

LIVELIER = 1.25  # times as much as the other moves the restless one of two, at least
# metres between two people, 5 cm more or less; height at which hands meet, of somebody 1.72 m tall
GAPS = {"give": 1.04, "punch": 1.27, "pocket": 1.20}
HEIGHTS = {"give": 1.16, "punch": 1.44, "pocket": 1.30}


@dataclass
class ClipPlan:
    """Everything that one clip consists of, before it is drawn.

    cast, when: who acts and when;  deciding: [actor][side] -> intervals in which a hand tells the class
    joints: true joints of each actor, (T, 25, 3), camera space, metres;  turns: (T,) of their heads
    hands:  (T, A, 2, 2) their true hands in pixels;  plans: [actor][side]
    """

    name: Name
    action: Action
    cast: Cast
    when: Timing
    subjects: list[Subject]
    camera: Camera
    joints: list[np.ndarray]
    turns: list[np.ndarray]
    plans: list[list[Schedule]]
    deciding: list[list[list[list[int]]]]
    fault: str
    bodies: list[Body]
    room: np.random.SeedSequence

    @property
    def frames(self) -> int:
        return len(self.joints[0])

    @property
    def hands(self) -> Float[np.ndarray, "T A 2 2"]:
        return colour_pixels(np.stack(self.joints, 1)[:, :, list(KINECT_V2.hand_indices)])

    def truth(self) -> dict[str, Any]:
        """What `read_truth` reads."""
        return {
            "name": str(self.name),
            "action": self.action.name,
            "group": self.action.group,
            "actors": [s.number for s in self.subjects],
            "deciding": self.deciding,
            "objects": [[p.objects(self.frames) for p in person] for person in self.plans],
            "hands": np.round(self.hands, 1).tolist(),
            "faults": [self.fault] if self.fault else [],
        }

    def holding(self, actor: int, thing: str) -> ClipPlan:
        """The same clip, but both hands of one actor hold `thing` ("" is nothing) from first to last.

        Nothing else changes: bodies, faults, room and light stay. So the pictures are what would have
        been filmed, a counterfactual. Raises KeyError, when it is drawn, for what is not in OBJECTS.
        """
        plans = list(self.plans)
        always = Schedule((Hold(0, self.frames, thing, 0),) if thing else ())
        plans[actor] = [always] * len(SIDES)
        return replace(self, plans=plans)

    def images(
        self, wanted: Collection[int] | None = None
    ) -> Iterator[UInt8[np.ndarray, "540 960 3"]]:
        """The video's frames, BGR; only the `wanted` ones when these are named."""
        rng = np.random.default_rng(self.room)
        empty = background(rng, self.camera)
        tilts = rng.uniform(-1, 1, (len(self.subjects), 2))

        def figure(actor: int, t: int) -> Figure:
            grips = []
            for side, plan in enumerate(self.plans[actor]):
                tilt, turn = float(tilts[actor, side]), self._tip(actor, side, t)
                hold = plan.at(t)
                grips.append(Grip(hold.thing, hold.colour, tilt, turn) if hold else Grip(""))
            joints, turn = self.joints[actor][t], self.turns[actor][t]
            return Figure(self.subjects[actor], joints, turn, grips)

        for t in range(self.frames) if wanted is None else sorted(wanted):
            image = empty.copy()
            paint_people(image, [figure(actor, t) for actor in range(len(self.subjects))])
            yield image

    def _tip(self, actor: int, side: int, t: int) -> float:
        """Degrees, clockwise, by which a hand turns what it holds: a bottle over what it fills."""
        acts = (actor, side) == (self.cast.actor, self.cast.side)
        if not acts or not self.when.turn <= t <= self.when.turn + 2:
            return 0.0
        own, other = self.hands[self.when.turn, actor, [side, 1 - side], 0]
        return float(np.copysign(self.action.tip, other - own))


def plan_clip(seed: int, name: Name, frames: int) -> ClipPlan:
    """Plan one clip. Raises KeyError for an action that is not in the repertoire."""
    action, chosen = BY_NTU[name.action], cast(seed, name)
    key = [seed, name.camera, name.subject, name.replication, name.action]
    play, sensor, room = np.random.SeedSequence(key).spawn(3)
    rng = np.random.default_rng(play)
    subjects = [Subject.create(name.subject)]
    if action.people == 2:  # the partner comes from the same side of the cross-subject split
        side = TRAIN if name.subject in TRAIN else TEST
        subjects.append(Subject.create(int(rng.choice([s for s in side if s != name.subject]))))
    when = timing(rng, action.group, frames, chosen.moment)
    second = (1 - chosen.actor, chosen.answer) if action.people == 2 else (0, 1 - chosen.side)
    hands = [(chosen.actor, chosen.side), second][: GROUPS[action.group].hands]
    plans = schedules(rng, action, frames, when, hands, chosen.plain)
    camera = Camera.place(rng, name.camera)
    play_out = _solo if action.people == 1 else _pair
    joints, turns = play_out(rng, action, when, frames, subjects, plans, camera, chosen)
    rng = np.random.default_rng(sensor)
    fault = draw_fault(rng)
    return ClipPlan(
        name, action, chosen, when, subjects, camera, joints, turns, plans,
        deciding(action, frames, when, hands, plans), fault, track(rng, joints, fault), room,
    )  # fmt: skip


Played = tuple[list[np.ndarray], list[np.ndarray]]  # joints of each actor, turns of their heads


def _solo(
    rng: np.random.Generator, action: Action, when: Timing, frames: int, subjects: list[Subject],
    plans: list[list[Schedule]], camera: Camera, chosen: Cast,
) -> Played:  # fmt: skip
    """One person, anywhere on the stage, who faces this camera within 40 degrees."""
    away = np.deg2rad(rng.uniform(-40, 40))
    place, facing = tuple(rng.uniform(-0.15, 0.15, 2)), camera.yaw + away
    actor = Performance(rng, action.group, when, frames, subjects[0], plans[0], Stage(away))
    motion = actor.solo(chosen.side)
    return [camera.view(pose(subjects[0], motion, place, facing))], [motion.turn]


def _pair(
    rng: np.random.Generator, action: Action, when: Timing, frames: int, subjects: list[Subject],
    plans: list[list[Schedule]], camera: Camera, chosen: Cast,
) -> Played:  # fmt: skip
    """Two people who look at each other, each turned a little to the camera."""
    gap = GAPS[action.group] + rng.uniform(-0.05, 0.05)
    opening = np.deg2rad(rng.uniform(25, 40))
    axis = camera.yaw + np.deg2rad(rng.uniform(-15, 15))  # more, and one looks a giant
    along, aside = np.array([np.cos(axis), np.sin(axis)]), np.array([np.sin(axis), -np.cos(axis)])
    ways = [1 if i == chosen.left else -1 for i in (0, 1)]  # to the partner: to the right, or left
    places = [tuple(-way * gap / 2 * along) for way in ways]
    facings = [axis + way * (np.pi / 2 - opening) for way in ways]
    partner = 1 - chosen.actor
    spot, scale = np.zeros(2), (subjects[0].scale + subjects[1].scale) / 2
    if action.group != "give":  # at the partner: the head, or the breast pocket
        near, out = (0.12, 0.0) if action.group == "punch" else (0.04, 0.13)
        spot = places[partner] + near * ways[partner] * along + out * aside
        scale = subjects[partner].scale
    meeting = np.array([spot[0], HEIGHTS[action.group] * scale, spot[1]])
    meeting += rng.normal(0, 0.02, 3)
    actors: list[Performance] = []
    for i, way in enumerate(ways):
        stage = Stage(
            away=facings[i] - camera.yaw,
            meeting=to_body(meeting, places[i], facings[i]),
            ahead=np.array([np.sin(opening) * way, 0.0, np.cos(opening)]),
            gaze=0.8 * way * opening,
        )
        actors.append(Performance(rng, action.group, when, frames, subjects[i], plans[i], stage))
    moves: list[Motion] = [
        a.first(chosen.side) if i == chosen.actor else a.second(chosen.answer)
        for i, a in enumerate(actors)
    ]

    def joints(i: int, motion: Motion) -> np.ndarray:
        return camera.view(pose(subjects[i], motion, places[i], facings[i]))

    shown, one = [joints(i, m) for i, m in enumerate(moves)], chosen.restless
    for metres in np.arange(0.3, 1.2, 0.1):  # the restless one walks as far as it takes
        walked = actors[one].walk(moves[one], metres)
        shown[one] = joints(one, walked)
        mine, other = (float(shown[i].std(0).mean()) for i in (one, 1 - one))
        if mine > LIVELIER * other:
            break
    return shown, [m.turn for m in moves]

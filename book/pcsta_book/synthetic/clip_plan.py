"""One clip planned: who does what, when, before which camera; the same for the same seed and name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic.actions import BY_NTU, SIDES, Action, Schedule, schedules
from pcsta_book.synthetic.actors import TEST, TRAIN, Subject, pose
from pcsta_book.synthetic.camera import Camera, colour_pixels
from pcsta_book.synthetic.figure import Figure
from pcsta_book.synthetic.hand import Grip
from pcsta_book.synthetic.motions import Performance
from pcsta_book.synthetic.scene import background
from pcsta_book.synthetic.tracking import Body, draw_fault, track


@dataclass(frozen=True)
class Name:
    """SsssCcccPpppRrrrAaaa. Every clip has one camera only, and its setup says which."""

    camera: int
    subject: int
    replication: int
    action: int

    def __str__(self) -> str:
        c, p, r, a = self.camera, self.subject, self.replication, self.action
        return f"S{c:03d}C{c:03d}P{p:03d}R{r:03d}A{a:03d}"


@dataclass
class ClipPlan:
    """Everything that one clip consists of, before it is drawn.

    joints: true joints of each actor, (T, 25, 3), camera space, metres
    hands:  (T, A, 2, 2) their true hands in pixels;  plans: [actor][side]
    """

    name: Name
    action: Action
    subjects: list[Subject]
    camera: Camera
    joints: list[np.ndarray]
    turns: list[np.ndarray]
    plans: list[list[Schedule]]
    active: tuple[int, int]
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
        actor, side = self.active
        plan = self.plans[actor][side]
        return {
            "name": str(self.name),
            "action": self.action.name,
            "group": self.action.group,
            "actors": [s.number for s in self.subjects],
            "active": {"actor": actor, "side": SIDES[side], "start": plan.start, "stop": plan.stop},
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
        plans[actor] = [Schedule(0, self.frames, thing, "")] * len(SIDES)
        return replace(self, plans=plans)

    def images(
        self, wanted: Collection[int] | None = None
    ) -> Iterator[UInt8[np.ndarray, "540 960 3"]]:
        """The video's frames, BGR; only the `wanted` ones when these are named."""
        rng = np.random.default_rng(self.room)
        empty = background(rng, self.camera)
        colours = rng.integers(0, 4, (len(self.subjects), 2, 2))  # [actor][side][decoy, held]
        tilts = rng.uniform(-1, 1, (len(self.subjects), 2))

        def figure(actor: int, t: int) -> Figure:
            grips = []
            for side, plan in enumerate(self.plans[actor]):
                inside = plan.start <= t < plan.stop
                colour, tilt = colours[actor, side, int(inside)], tilts[actor, side]
                grips.append(Grip(plan.held if inside else plan.decoy, int(colour), float(tilt)))
            joints, turn = self.joints[actor][t], self.turns[actor][t]
            return Figure(self.subjects[actor], joints, turn, grips)

        for t in range(self.frames) if wanted is None else sorted(wanted):
            image = empty.copy()
            figures = [figure(actor, t) for actor in range(len(self.subjects))]
            for each in figures:
                each.cast_shadow(image)
            for each in sorted(figures, key=lambda f: -f.depth.mean()):
                each.paint(image)
            yield image


def plan_clip(seed: int, name: Name, frames: int) -> ClipPlan:
    """Plan one clip. Raises KeyError for an action that is not in the repertoire."""
    action = BY_NTU[name.action]
    key = [seed, name.camera, name.subject, name.replication, name.action]
    play, sensor, room = np.random.SeedSequence(key).spawn(3)
    rng = np.random.default_rng(play)
    subjects = [Subject.create(name.subject)]
    if action.people == 2:  # the partner comes from the same side of the cross-subject split
        side = TRAIN if name.subject in TRAIN else TEST
        subjects.append(Subject.create(int(rng.choice([s for s in side if s != name.subject]))))
    active = (int(rng.integers(action.people)), int(rng.integers(2)))
    plans = schedules(rng, action, frames, *active)
    plan = plans[active[0]][active[1]]
    camera = Camera.place(rng, name.camera)
    performance = Performance(rng, action, plan, frames)
    if action.people == 1:
        moves = [performance.solo(subjects[0], active[1])]
        # anywhere within 50 degrees, but never so far that the body hides a hand from this camera
        facing = np.clip(np.deg2rad(rng.uniform(-50, 50)), camera.yaw - 0.8, camera.yaw + 0.8)
        places, facings = [tuple(rng.uniform(-0.15, 0.15, 2))], [facing]
    else:
        gap, opening = rng.uniform(1.38, 1.48), np.deg2rad(rng.uniform(25, 40))
        one, two = subjects
        moves = performance.pair((one, two), *active, opening)
        axis = camera.yaw + np.deg2rad(rng.uniform(-30, 30))
        half = gap / 2 * np.array([np.cos(axis), np.sin(axis)])
        places = [tuple(-half), tuple(half)]
        facings = [axis + np.pi / 2 - opening, axis - np.pi / 2 + opening]
    joints = [
        camera.view(pose(s, m, p, f))
        for s, m, p, f in zip(subjects, moves, places, facings, strict=True)
    ]
    rng = np.random.default_rng(sensor)
    fault = draw_fault(rng)
    return ClipPlan(
        name, action, subjects, camera, joints, [m.turn for m in moves],
        plans, active, fault, track(rng, joints, fault), room,
    )  # fmt: skip

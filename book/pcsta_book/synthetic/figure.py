"""One person as a picture: legs, one smooth torso, arms; parts are painted from far to near."""

from collections.abc import Collection

import numpy as np
from jaxtyping import Float

from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic import face
from pcsta_book.synthetic.actions import SIDES
from pcsta_book.synthetic.actors import Subject
from pcsta_book.synthetic.brush import LIGHT, Brush, overlap
from pcsta_book.synthetic.camera import FOCAL, colour_pixels
from pcsta_book.synthetic.hand import Grip, Hand

_J = {name: i for i, name in enumerate(KINECT_V2.joints)}
_HANDS = {s: [_J[f"{s} {p}"] for p in ("wrist", "hand", "hand tip", "thumb")] for s in SIDES}
_SPINE = [_J[f"spine {p}"] for p in ("base", "middle", "shoulder")] + [_J["head"]]
_SIDE, _AWAY = np.deg2rad(80), np.deg2rad(160)


class Figure:
    """A subject in one frame.

    joints: (25, 3) camera space, metres; turn: radians of the head against the shoulders
    grips:  what the left and the right hand do
    """

    def __init__(
        self, subject: Subject, joints: Float[np.ndarray, "25 3"], turn: float, grips: list[Grip]
    ):
        self.subject, self.joints = subject, joints
        self.depth = joints[:, 2]
        self.pixels = colour_pixels(joints)
        self.metre = float(FOCAL / self.depth[_J["spine middle"]])  # pixels per metre
        right = joints[_J["right shoulder"]] - joints[_J["left shoulder"]]
        self.yaw = float(np.arctan2(right[2], right[0]))  # 0: faces the camera, positive: right
        # whoever looks a little away from the camera is shown from the side: a face tells where it looks
        gaze = float(np.arctan2(np.sin(self.yaw + turn), np.cos(self.yaw + turn)))
        self.gaze = float(np.clip(gaze, -_SIDE, _SIDE)) if abs(gaze) < _AWAY else gaze
        self.hands = {
            side: Hand(subject, self.pixels[_HANDS[side]], grip, mirrored=side == "right")
            for side, grip in zip(SIDES, grips, strict=True)
        }

    def at(self, joint: str) -> Float[np.ndarray, "2"]:
        """Pixel of a joint."""
        return np.asarray(self.pixels[_J[joint]])

    def place(self, joint: str) -> Float[np.ndarray, "3"]:
        """A joint in camera space, metres."""
        return np.asarray(self.joints[_J[joint]])

    def behind(self, joint: str, other: str) -> float:
        """Metres by which a joint is further away than another."""
        return float(self.depth[_J[joint]] - self.depth[_J[other]])

    def paint(self, image: np.ndarray) -> None:
        """Draw the whole person."""
        self.paint_body(image)
        for side in self.near_arms():
            self.paint_forearm(image, side)
            self.hands[side].paint(Brush(image, self.metre))

    def near_arms(self) -> list[str]:
        """Sides whose forearms lie before the torso, in painting order: from far to near, but no
        empty hand covers what the other one holds."""
        near = [side for side in SIDES if self._forearm_behind(side) <= 0]
        return sorted(near, key=lambda s: (bool(self.hands[s].grip.held), -self._forearm_behind(s)))

    def paint_body(self, image: np.ndarray, later: Collection[str] = ()) -> None:
        """All but the near forearms with their hands, and but the hands that come `later`."""
        brush = Brush(image, self.metre)
        arms = sorted(SIDES, key=lambda s: -self.depth[_J[f"{s} shoulder"]])
        for side in sorted(SIDES, key=lambda s: -self.depth[_J[f"{s} hip"]]):
            self._leg(brush, side)
        far_upper = [s for s in arms if self.behind(f"{s} shoulder", "spine shoulder") > 0.06]
        near = self.near_arms()
        for side in arms:
            if side in far_upper:
                self._upper_arm(brush, side)
            if side not in near:
                self.paint_forearm(image, side)
                if side not in later:
                    self.hands[side].paint(brush)
        shoulders, head = self.at("spine shoulder"), self.at("head")
        face.paint_hair_behind(brush, self.subject, shoulders, head, self.gaze)
        self._torso(brush)
        face.paint(brush, self.subject, shoulders, head, self.gaze)
        for side in arms:
            if side not in far_upper:
                self._upper_arm(brush, side)

    def paint_forearm(self, image: np.ndarray, side: str) -> None:
        """From the elbow to the wrist."""
        brush, s = Brush(image, self.metre), self.subject
        elbow, wrist = self.at(f"{side} elbow"), self.at(f"{side} wrist")
        brush.limb((elbow, wrist), (0.043, 0.029), s.skin)
        if s.long_sleeves:
            brush.limb((elbow, elbow + 0.86 * (wrist - elbow)), (0.046, 0.040), s.shirt)

    def cast_shadow(self, image: np.ndarray) -> None:
        """A soft dark spot on the floor."""
        feet = (self.at("left foot") + self.at("right foot")) / 2
        x, y = feet + np.array((0.06, 0.02)) * self.metre
        w, h = int(0.55 * self.metre), int(0.16 * self.metre)  # half its width and height
        v, u = np.mgrid[-h:h, -w:w].astype(np.float32)
        r = (u / w) ** 2 + (v / h) ** 2
        light = 1 - 0.42 * np.exp(-4.5 * r) * np.clip(1 - r, 0, 1)
        floor, seen = overlap(image, int(x) - w, int(y) - h, 2 * w, 2 * h)
        floor[:] = (floor * light[seen][..., None]).astype(np.uint8)

    def beyond(self, place: Float[np.ndarray, "3"]) -> float:
        """Metres by which a place in camera space lies further away than the spine at its height."""
        spine = self.joints[_SPINE]
        return float(place[2] - np.interp(place[1], spine[:, 1], spine[:, 2]))

    def _forearm_behind(self, side: str) -> float:
        """Above 0: hidden by torso and head. A hand at the far ear is still before the cheek."""
        hand = self.place(f"{side} hand")
        high = hand[1] > self.place("spine shoulder")[1]
        return self.beyond(hand) - (0.12 if high else 0.03)

    def _leg(self, brush: Brush, side: str) -> None:
        s = self.subject
        hip, knee, ankle, foot = (self.at(f"{side} {p}") for p in ("hip", "knee", "ankle", "foot"))
        shade = 0.88 if self.behind(f"{side} hip", "spine base") > 0.02 else 1.0
        toe = brush.move(ankle + (foot - ankle) * 0.9, (0, 0.02))
        sole = brush.move(ankle, (0, 0.035)), toe
        brush.capsule(sole, (0.052, 0.048), s.shoes, 0.8 * shade)
        upper = brush.move(ankle, (-0.01, 0.025)), brush.move(toe, (-0.01, -0.012))
        brush.capsule(upper, (0.042, 0.036), s.shoes, shade)
        brush.limb((knee, ankle), (0.062, 0.052), s.trousers, shade)
        brush.limb((hip, knee), (0.092, 0.066), s.trousers, shade)

    def _half_width(self, across: float, through: float) -> float:
        """Half the width, in pixels, of an elliptic section (metres) seen at this yaw."""
        seen = np.hypot(across * np.cos(self.yaw), through * np.sin(self.yaw))
        return float(seen) * self.metre * self.subject.width

    def _torso(self, brush: Brush) -> None:
        s, m = self.subject, self.metre
        base, middle, top = (self.at(f"spine {p}") for p in ("base", "middle", "shoulder"))
        up = (top - base) / np.linalg.norm(top - base)
        side = np.array([-up[1], up[0]])  # to the right in the picture
        hips, waist = self._half_width(0.165, 0.125), self._half_width(0.150, 0.112)
        chest, hem = self._half_width(0.185, 0.125), self._half_width(0.168, 0.128)
        shoulders = abs(float((self.at("right shoulder") - self.at("left shoulder")) @ side)) / 2
        span = max(shoulders + 0.035 * m, chest * 0.98)

        def outline(*levels: tuple[np.ndarray, float, float]) -> np.ndarray:
            """Closed outline from (centre, metres above it, half width in pixels)."""
            right = [c + up * h * m + side * w for c, h, w in levels]
            left = [c + up * h * m - side * w for c, h, w in reversed(levels)]
            return np.array(right + left)

        seat = outline((base, 0.09, hips * 0.94), (base, -0.07, hips))
        brush.polygon(seat, s.trousers, 0.86, rounds=2)
        shirt = outline(
            (top, 0.055, self._half_width(0.07, 0.07)), (top, 0.015, span * 0.74),
            (top, -0.045, span * 0.99), (top, -0.14, max(chest, span * 0.9)), (middle, 0, waist),
            (base, 0.10, waist * 1.02), (base, 0.01, hem),
        )  # fmt: skip
        centre = shirt.mean(0)
        brush.polygon(shirt, s.shirt, 0.74, rounds=3)
        for share, light, by in (((0.90, 0.975), 0.90, 0.012), ((0.62, 0.90), 0.98, (0.036, 0.01))):
            inner = centre + (shirt - centre) * share
            brush.polygon(inner, s.shirt, light, LIGHT * by, rounds=3)
        for low, high, start, stop in ((0.0, 0.03, 0.85, 0.35), (0.07, 0.09, 0.80, 0.30)):  # folds
            ends = (low, start), (high, stop)
            fold = [middle - up * down * m + side * waist * out for down, out in ends]
            brush.stroke(fold, s.shirt, 0.66)
        if np.cos(self.yaw) > -0.2:  # collar
            front, tilt = np.sin(self.yaw) * 0.03, float(np.degrees(np.arctan2(up[0], -up[1])))
            rim, skin = top + up * 0.050 * m, top + up * 0.062 * m
            brush.ellipse(rim, (0.062, 0.036), s.shirt, 0.62, (front, 0), tilt)
            brush.ellipse(skin, (0.055, 0.032), s.skin, 0.80, (front, 0), tilt)

    def _upper_arm(self, brush: Brush, side: str) -> None:
        s = self.subject
        shoulder, elbow = self.at(f"{side} shoulder"), self.at(f"{side} elbow")
        shade = 0.9 if self.behind(f"{side} shoulder", "spine shoulder") > 0.03 else 1.0
        colour = s.shirt if s.long_sleeves else s.skin
        brush.limb((shoulder, elbow), (0.056, 0.045), colour, shade)
        if not s.long_sleeves:
            sleeve = shoulder + 0.58 * (elbow - shoulder)
            brush.limb((shoulder, sleeve), (0.062, 0.058), s.shirt, shade)
        inward = self.at("spine shoulder") - shoulder
        if np.linalg.norm(inward) > 0.09 * self.metre:  # no edge where sleeve and shirt meet
            root, seam = shoulder + 0.12 * (elbow - shoulder), shoulder + 0.30 * inward
            brush.capsule((root, seam), (0.044, 0.046), s.shirt, 0.95)

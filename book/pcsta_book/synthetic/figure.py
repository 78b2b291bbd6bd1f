"""One person as a picture: legs, one smooth torso, arms; parts are painted from far to near."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pcsta.skeletons import KINECT_V2
from pcsta_book.synthetic import face, hand
from pcsta_book.synthetic.actions import SIDES
from pcsta_book.synthetic.actors import Subject
from pcsta_book.synthetic.brush import LIGHT, Brush, overlap
from pcsta_book.synthetic.camera import FOCAL, colour_pixels
from pcsta_book.synthetic.hand import Grip

_J = {name: i for i, name in enumerate(KINECT_V2.joints)}


class Figure:
    """A subject in one frame.

    joints: (25, 3) camera space, metres; turn: radians of the head against the shoulders
    grips:  what the left and the right hand do
    """

    def __init__(
        self, subject: Subject, joints: Float[np.ndarray, "25 3"], turn: float, grips: list[Grip]
    ):
        self.subject, self.grips = subject, dict(zip(SIDES, grips, strict=True))
        self.depth = joints[:, 2]
        self.pixels = colour_pixels(joints)
        self.metre = float(FOCAL / self.depth[_J["spine middle"]])  # pixels per metre
        right = joints[_J["right shoulder"]] - joints[_J["left shoulder"]]
        self.yaw = float(np.arctan2(right[2], right[0]))  # 0: faces the camera, positive: right
        self.gaze = self.yaw + turn

    def at(self, joint: str) -> Float[np.ndarray, "2"]:
        """Pixel of a joint."""
        return np.asarray(self.pixels[_J[joint]])

    def behind(self, joint: str, other: str) -> float:
        """Metres by which a joint is further away than another."""
        return float(self.depth[_J[joint]] - self.depth[_J[other]])

    def paint(self, image: np.ndarray) -> None:
        """Draw the whole person."""
        brush = Brush(image, self.metre)
        arms = sorted(SIDES, key=lambda s: -self.depth[_J[f"{s} shoulder"]])
        for side in sorted(SIDES, key=lambda s: -self.depth[_J[f"{s} hip"]]):
            self._leg(brush, side)
        far_upper = [s for s in arms if self.behind(f"{s} shoulder", "spine shoulder") > 0.06]
        far_lower = [s for s in arms if self._forearm_behind(s) > 0.03]
        for side in arms:
            if side in far_upper:
                self._upper_arm(brush, side)
            if side in far_lower:
                self._forearm(brush, side)
        face.paint_hair_behind(brush, self.subject, self.at("head"), self.gaze)
        self._torso(brush)
        face.paint(brush, self.subject, self.at("spine shoulder"), self.at("head"), self.gaze)
        for side in arms:
            if side not in far_upper:
                self._upper_arm(brush, side)
        for side in sorted(SIDES, key=lambda s: -self._forearm_behind(s)):
            if side not in far_lower:
                self._forearm(brush, side)

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

    def _forearm_behind(self, side: str) -> float:
        elbow = self.behind(f"{side} elbow", "spine shoulder")
        return 0.35 * elbow + 0.65 * self.behind(f"{side} hand", "spine shoulder")

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
            front = np.sin(self.yaw) * 0.03
            brush.ellipse(top + up * 0.050 * m, (0.062, 0.036), s.shirt, 0.62, (front, 0))
            brush.ellipse(top + up * 0.062 * m, (0.055, 0.032), s.skin, 0.80, (front, 0))

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
            brush.capsule((root, seam), (0.044, 0.046), s.shirt, 0.92 * shade)

    def _forearm(self, brush: Brush, side: str) -> None:
        s = self.subject
        elbow, wrist = self.at(f"{side} elbow"), self.at(f"{side} wrist")
        brush.limb((elbow, wrist), (0.043, 0.029), s.skin)
        if s.long_sleeves:
            brush.limb((elbow, elbow + 0.86 * (wrist - elbow)), (0.046, 0.040), s.shirt)
        joints = np.stack([self.at(f"{side} {p}") for p in ("wrist", "hand", "hand tip", "thumb")])
        hand.paint(brush, s, joints, self.grips[side])

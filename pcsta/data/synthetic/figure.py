"""One person as a picture: legs, a smooth torso, a face that shows its direction, hands that hold.

Parts are painted from far to near.  Light comes from the upper left, so every part is a dark shape
with a paler one on top, a little up and to the left.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pcsta.skeletons import KINECT_V2

from .actors import Subject
from .camera import FOCAL, colour_pixels
from .canvas import bgr, capsule, ellipse, polygon, smooth, stroke
from .objects import sprite, stamp

_J = {name: i for i, name in enumerate(KINECT_V2.joints)}
_LIGHT = np.array([-0.7, -0.7])


class Figure:
    """A subject in one frame.

    joints: (25, 3) camera space, metres; turn: radians of the head against the shoulders;
    held: what the left and the right hand hold, ""; colours: colour index of those objects.
    """

    def __init__(
        self,
        subject: Subject,
        joints: Float[np.ndarray, "25 3"],
        turn: float,
        held: tuple[str, str],
        colours: tuple[int, int],
        tilts: tuple[float, float],
    ):
        self.subject, self.held, self.colours, self.tilts = subject, held, colours, tilts
        self.depth = joints[:, 2]
        self.pixels = colour_pixels(joints)
        self.metre = float(FOCAL / self.depth[_J["spine middle"]])  # pixels per metre
        right = joints[_J["right shoulder"]] - joints[_J["left shoulder"]]
        self.yaw = float(
            np.arctan2(right[2], right[0])
        )  # 0: faces the camera, positive: to the right
        self.gaze = self.yaw + turn

    def at(self, joint: str) -> np.ndarray:
        return self.pixels[_J[joint]]

    def paint(self, image: np.ndarray) -> None:
        """Draw the whole person, far parts first."""
        sides = ("left", "right")
        trunk = self.depth[_J["spine shoulder"]]
        far_first = sorted(sides, key=lambda s: -self.depth[_J[f"{s} shoulder"]])
        behind_upper = [s for s in sides if self.depth[_J[f"{s} shoulder"]] > trunk + 0.06]
        behind_lower = [s for s in sides if self._lower_depth(s) > trunk + 0.03]
        for side in sorted(sides, key=lambda s: -self.depth[_J[f"{s} hip"]]):
            self._leg(image, side)
        for side in far_first:
            if side in behind_upper:
                self._upper_arm(image, side)
            if side in behind_lower:
                self._forearm(image, side)
        self._hair_behind(image)
        self._torso(image)
        self._head(image)
        for side in far_first:
            if side not in behind_upper:
                self._upper_arm(image, side)
        for side in sorted(sides, key=lambda s: -self._lower_depth(s)):
            if side not in behind_lower:
                self._forearm(image, side)

    def _lower_depth(self, side: str) -> float:
        return float(self.depth[[_J[f"{side} elbow"], _J[f"{side} hand"]]] @ [0.35, 0.65])

    def _limb(self, image, a, b, ra, rb, colour, shade: float = 1.0):
        m = self.metre
        capsule(image, a, b, ra * m, rb * m, bgr(colour, 0.74 * shade))
        off = _LIGHT * 0.16 * min(ra, rb) * m
        capsule(image, a + off, b + off, ra * m * 0.84, rb * m * 0.84, bgr(colour, 0.92 * shade))
        off = _LIGHT * 0.34 * min(ra, rb) * m
        capsule(
            image,
            a + off,
            b + off,
            ra * m * 0.50,
            rb * m * 0.50,
            bgr(colour, min(1.0, 1.04 * shade)),
        )

    def _leg(self, image, side: str):
        s, m = self.subject, self.metre
        hip, knee, ankle, foot = (self.at(f"{side} {p}") for p in ("hip", "knee", "ankle", "foot"))
        far = self.depth[_J[f"{side} hip"]] > self.depth[_J["spine base"]] + 0.02
        shade = 0.88 if far else 1.0
        sole = ankle + (foot - ankle) * 0.9 + [0, 0.02 * m]
        capsule(
            image, ankle + [0, 0.035 * m], sole, 0.052 * m, 0.048 * m, bgr(s.shoes, 0.8 * shade)
        )
        capsule(
            image,
            ankle + [-0.01 * m, 0.025 * m],
            sole + [-0.01 * m, -0.012 * m],
            0.042 * m,
            0.036 * m,
            bgr(s.shoes, shade),
        )
        self._limb(image, knee, ankle, 0.062, 0.052, s.trousers, shade)
        self._limb(image, hip, knee, 0.092, 0.066, s.trousers, shade)

    def _half_width(self, across: float, through: float) -> float:
        """Half width in pixels of an elliptic section seen at this yaw."""
        return (
            self.metre
            * self.subject.width
            * float(np.hypot(across * np.cos(self.yaw), through * np.sin(self.yaw)))
        )

    def _torso(self, image):
        s, m = self.subject, self.metre
        base, middle, top = (self.at(f"spine {p}") for p in ("base", "middle", "shoulder"))
        left, right = self.at("left shoulder"), self.at("right shoulder")
        up = (top - base) / np.linalg.norm(top - base)
        side = np.array([-up[1], up[0]])  # to the right in the picture
        # trousers reach up to the waist
        hips = self._half_width(0.165, 0.125)
        pelvis = np.array([base - up * 0.07 * m - side * hips, base + up * 0.09 * m - side * hips * 0.94,
                           base + up * 0.09 * m + side * hips * 0.94, base - up * 0.07 * m + side * hips])  # fmt: skip
        polygon(image, smooth(pelvis, 2), bgr(s.trousers, 0.86))
        shoulders = abs(float((right - left) @ side)) / 2
        chest, waist, hem = (
            self._half_width(0.185, 0.125),
            self._half_width(0.150, 0.112),
            self._half_width(0.168, 0.128),
        )
        span = max(shoulders + 0.035 * m, chest * 0.98)
        neck = self._half_width(0.07, 0.07)
        levels = [
            (top + up * 0.055 * m, neck), (top + up * 0.015 * m, span * 0.74), (top - up * 0.045 * m, span * 0.99),
            (top - up * 0.14 * m, max(chest, span * 0.9)), (middle, waist), (base + up * 0.10 * m, waist * 1.02), (base + up * 0.01 * m, hem),
        ]  # fmt: skip
        outline = np.array(
            [p + side * w for p, w in levels] + [p - side * w for p, w in levels[::-1]]
        )
        body = smooth(outline, 3)
        polygon(image, body, bgr(s.shirt, 0.74))
        centre = body.mean(0)
        polygon(
            image, centre + (body - centre) * [0.90, 0.975] + _LIGHT * 0.012 * m, bgr(s.shirt, 0.90)
        )
        polygon(
            image,
            centre + (body - centre) * [0.62, 0.90] + _LIGHT * [0.036 * m, 0.01 * m],
            bgr(s.shirt, 0.98),
        )
        # fold lines at the waist, collar
        stroke(
            image,
            [middle + side * waist * 0.85, middle + side * waist * 0.35 - up * 0.03 * m],
            1,
            bgr(s.shirt, 0.66),
        )
        stroke(
            image,
            [
                middle - up * 0.07 * m + side * waist * 0.8,
                middle - up * 0.09 * m + side * waist * 0.3,
            ],
            1,
            bgr(s.shirt, 0.66),
        )
        front = np.sin(self.yaw) * 0.03 * m
        if np.cos(self.yaw) > -0.2:
            ellipse(
                image, top + up * 0.05 * m + [front, 0], (0.062 * m, 0.036 * m), bgr(s.shirt, 0.62)
            )
            ellipse(
                image, top + up * 0.062 * m + [front, 0], (0.055 * m, 0.032 * m), bgr(s.skin, 0.80)
            )

    def _hair_behind(self, image):
        s, m, head = self.subject, self.metre, self.at("head")
        back = -np.sin(self.gaze) * m
        if s.hairstyle == "long":
            strand = (
                np.array(
                    [
                        [-0.10, -0.06],
                        [0.10, -0.06],
                        [0.125, 0.10],
                        [0.11, 0.25],
                        [-0.11, 0.25],
                        [-0.125, 0.10],
                    ]
                )
                * m
            )
            polygon(image, smooth(head + strand + [0.045 * back, 0], 2), bgr(s.hair, 0.78))
        elif s.hairstyle == "bob":
            ellipse(
                image, head + [0.03 * back, 0.03 * m], (0.122 * m, 0.145 * m), bgr(s.hair, 0.78)
            )

    def _head(self, image):
        s, m, head = self.subject, self.metre, self.at("head")
        turn, front = np.sin(self.gaze), np.cos(self.gaze)
        neck_low = self.at("spine shoulder") + [turn * 0.01 * m, -0.055 * m]
        capsule(
            image,
            neck_low,
            head + [turn * 0.005 * m, 0.07 * m],
            0.050 * m,
            0.046 * m,
            bgr(s.skin, 0.78),
        )
        capsule(
            image,
            neck_low + [-0.008 * m, -0.01 * m],
            head + [-0.008 * m, 0.13 * m],
            0.034 * m,
            0.030 * m,
            bgr(s.skin, 0.88),
        )
        if s.hairstyle == "bun":
            ellipse(
                image,
                head + [-turn * 0.07 * m, -0.125 * m],
                (0.052 * m, 0.047 * m),
                bgr(s.hair, 0.85),
            )
        wide, tall = 0.092 * m, 0.122 * m
        # skull and hair
        ellipse(
            image,
            head + [-turn * 0.020 * m, -0.012 * m],
            (wide * (1.09 + 0.10 * abs(turn)), tall * 1.06),
            bgr(s.hair, 0.85),
        )
        ellipse(
            image,
            head + [-turn * 0.020 * m - 0.012 * m, -0.03 * m],
            (wide * 0.9, tall * 0.85),
            bgr(s.hair, 1.04),
        )
        # ears, on the side that shows
        for sign in (-1, 1):
            x = np.sin(self.gaze + sign * np.pi / 2) * 0.90
            if np.cos(self.gaze + sign * np.pi / 2) > -0.35:
                ellipse(
                    image,
                    head + [x * wide, 0.02 * m],
                    (0.017 * m + 0.010 * m * abs(turn), 0.030 * m),
                    bgr(s.skin, 0.80),
                )
        # face
        face = head + [turn * 0.030 * m, 0.020 * m]
        ellipse(image, face, (wide * (0.90 - 0.12 * abs(turn)), tall * 0.88), bgr(s.skin, 0.84))
        ellipse(
            image,
            face + _LIGHT * 0.008 * m,
            (wide * (0.83 - 0.12 * abs(turn)), tall * 0.83),
            bgr(s.skin, 1.0),
        )
        # fringe over the forehead
        brow = np.array(
            [
                [-0.99, -0.10],
                [-0.92, -0.60],
                [-0.45, -0.98],
                [0.25, -1.02],
                [0.85, -0.70],
                [0.99, -0.12],
                [0.70, -0.44],
                [0.05, -0.58],
                [-0.6, -0.42],
            ]
        )
        shifted = head + brow * [wide * 1.05, tall * 1.02] + [-turn * 0.012 * m, 0.0]
        polygon(image, smooth(shifted, 2), bgr(s.hair, 0.96))
        if front > -0.1:
            self._features(image, head, wide, tall)

    def _features(self, image, head, wide, tall):
        """Eyes, brows, nose, mouth on a sphere, so that they show where the face looks."""
        s, m = self.subject, self.metre

        def spot(angle, height):
            x, shown = np.sin(self.gaze + angle), np.cos(self.gaze + angle)
            return head + [x * wide * 0.93, height * tall], shown

        for angle in (-0.40, 0.40):
            eye, shown = spot(angle, 0.10)
            if shown > 0.12:
                squeeze = 0.45 + 0.55 * shown
                ellipse(image, eye, (0.0185 * m * squeeze, 0.0125 * m), (244, 246, 248))
                ellipse(
                    image,
                    eye + [np.sin(self.gaze) * 0.005 * m, 0.001 * m],
                    (0.0105 * m * squeeze, 0.0115 * m),
                    (42, 36, 34),
                )
                arch = np.array([[-0.021, -0.027], [0.0, -0.033], [0.021, -0.027]]) * m
                stroke(image, eye + arch * [squeeze, 1], 1, bgr(s.hair, 0.7))
        nose, shown = spot(0.0, 0.30)
        tip = nose + [np.sin(self.gaze) * 0.020 * m, 0.006 * m]
        polygon(
            image,
            np.array([nose - [0, 0.045 * m], tip + [0.006 * m, 0], tip + [-0.006 * m, 0.006 * m]]),
            bgr(s.skin, 0.80),
        )
        ellipse(image, tip, (0.011 * m, 0.008 * m), bgr(s.skin, 0.84))
        left, right = spot(-0.28, 0.56)[0], spot(0.28, 0.56)[0]
        middle = spot(0.0, 0.625)[0]
        stroke(
            image, [left, middle, right], 1, (92, 84, 150) if sum(s.skin) > 480 else (70, 62, 112)
        )

    def _upper_arm(self, image, side: str):
        s = self.subject
        shoulder, elbow = self.at(f"{side} shoulder"), self.at(f"{side} elbow")
        shade = (
            0.9
            if self.depth[_J[f"{side} shoulder"]] > self.depth[_J["spine shoulder"]] + 0.03
            else 1.0
        )
        self._limb(
            image, shoulder, elbow, 0.056, 0.045, s.shirt if s.long_sleeves else s.skin, shade
        )
        if not s.long_sleeves:
            sleeve = shoulder + 0.58 * (elbow - shoulder)
            self._limb(image, shoulder, sleeve, 0.062, 0.058, s.shirt, shade)
        # the sleeve grows out of the shirt: no edge where they meet
        inside = self.at("spine shoulder") + [0, -0.01 * self.metre]
        root, m = shoulder + 0.12 * (elbow - shoulder), self.metre
        seam = shoulder + 0.30 * (inside - shoulder)
        if float(np.linalg.norm(inside - shoulder)) > 0.09 * m:
            capsule(image, root, seam, 0.044 * m, 0.046 * m, bgr(s.shirt, 0.92 * shade))

    def _forearm(self, image, side: str):
        s = self.subject
        elbow, wrist = self.at(f"{side} elbow"), self.at(f"{side} wrist")
        self._limb(image, elbow, wrist, 0.043, 0.029, s.skin)
        if s.long_sleeves:
            self._limb(image, elbow, elbow + 0.86 * (wrist - elbow), 0.046, 0.040, s.shirt)
        self._hand(image, side)

    def _hand(self, image, side: str):
        """Palm, then what it holds, then the fingers that close over it."""
        s, m, i = self.subject, self.metre, ("left", "right").index(side)
        wrist, hand, tip = (self.at(f"{side} {p}") for p in ("wrist", "hand", "hand tip"))
        thumb, held = self.at(f"{side} thumb"), self.held[i]
        along = tip - wrist
        length = np.linalg.norm(along)
        along = along / length if length > 1e-3 else np.array([0.0, 1.0])
        across = np.array([-along[1], along[0]])
        if (thumb - hand) @ across < 0:
            across = -across
        capsule(image, wrist, hand + along * 0.012 * m, 0.026 * m, 0.038 * m, bgr(s.skin, 0.78))
        capsule(
            image,
            wrist + _LIGHT * 0.6,
            hand + along * 0.010 * m + _LIGHT * 0.8,
            0.024 * m,
            0.033 * m,
            bgr(s.skin, 0.95),
        )
        pale, dark = bgr(s.skin, 1.0), bgr(s.skin, 0.74)
        if not held:
            reach = max(0.45, min(1.0, length / (0.15 * m)))  # fingers that point at us look short
            for k in (-1.5, -0.5, 0.5, 1.5):
                root = hand + along * 0.026 * m + across * k * 0.0185 * m
                end = root + (along * (0.062 - 0.006 * abs(k)) * reach + across * k * 0.009) * m
                capsule(image, root, end, 0.0125 * m, 0.0095 * m, dark)
                capsule(
                    image, root + _LIGHT * 0.6, end + _LIGHT * 0.6, 0.0098 * m, 0.0075 * m, pale
                )
            self._thumb(image, hand, along, across, 0.052)
            return
        lean = (
            np.degrees(np.arctan2(along[0], -along[1]))
            if along[1] < 0
            else np.degrees(np.arctan2(-along[0], along[1]))
        )
        picture = sprite(held, self.colours[i])
        angle = (
            float(np.clip(lean, -1.2 * picture.tilt, 1.2 * picture.tilt)) * 0.6
            + self.tilts[i] * picture.tilt * 0.6
        )
        stamp(image, picture, hand + along * 0.012 * m, m, angle, flip=across[0] > 0)
        for k in (-1.2, 0.0, 1.2):
            root = hand + across * -0.046 * m + along * (0.012 + k * 0.017) * m
            end = root + across * 0.022 * m
            capsule(image, root, end, 0.0115 * m, 0.0095 * m, dark)
            capsule(image, root + _LIGHT * 0.6, end + _LIGHT * 0.6, 0.009 * m, 0.0072 * m, pale)
        self._thumb(image, hand, along, across, 0.036)

    def _thumb(self, image, hand, along, across, length: float):
        s, m = self.subject, self.metre
        root = hand + across * 0.026 * m - along * 0.012 * m
        end = root + (across * 0.5 + along * 0.86) * length * m
        capsule(image, root, end, 0.014 * m, 0.010 * m, bgr(s.skin, 0.74))
        capsule(
            image, root + _LIGHT * 0.6, end + _LIGHT * 0.6, 0.011 * m, 0.008 * m, bgr(s.skin, 1.0)
        )

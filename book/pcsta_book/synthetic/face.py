"""Head, hair and a face whose features lie on a sphere, so that they show where it looks."""

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic.actors import Subject
from pcsta_book.synthetic.brush import LIGHT, Brush

WIDE, TALL = 0.092, 0.122  # metres: half axes of a head
_LIT = 0.94  # share of the face that light reaches
_EAR = 0.35  # cosine from which on an ear lies before the cheek
_LONG = np.array(
    [(-0.10, -0.06), (0.10, -0.06), (0.125, 0.10), (0.11, 0.25), (-0.11, 0.25), (-0.125, 0.10)]
)
_FRINGE = np.array([
    (-0.99, -0.10), (-0.92, -0.60), (-0.45, -0.98), (0.25, -1.02), (0.85, -0.70),
    (0.99, -0.12), (0.70, -0.44), (0.05, -0.58), (-0.60, -0.42),
])  # fmt: skip
_PROFILE = np.array([  # of somebody who looks to the right, from the hairline down and back up
    (0.40, -0.84), (0.80, -0.52), (0.93, -0.16), (0.90, 0.08), (1.20, 0.36), (1.20, 0.44),
    (0.96, 0.48), (1.02, 0.62), (0.96, 0.72), (0.98, 0.86), (0.84, 1.02), (0.54, 1.04),
    (0.10, 0.84), (-0.20, 0.44), (-0.22, 0.0), (-0.06, -0.50),
])  # fmt: skip
_BROW = np.array([(-0.021, -0.027), (0.0, -0.033), (0.021, -0.027)])


def paint_hair_behind(
    brush: Brush, s: Subject, shoulders: np.ndarray, head: np.ndarray, gaze: float
) -> None:
    """Hair that falls on the shoulders; gaze: radians, 0 looks at the camera."""
    back = -np.sin(gaze)
    if s.hairstyle == "long":
        down = _down(shoulders, head)
        falls = _LONG @ np.array([[down[1], -down[0]], down]) + (0.045 * back, 0)
        brush.polygon(head + falls * brush.metre, s.hair, 0.78, rounds=2)
    elif s.hairstyle == "bob":
        brush.ellipse(head, (0.122, 0.145), s.hair, 0.78, (0.036 * back, 0.03))


def _down(shoulders: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The direction of a neck, which leans with the body."""
    neck = shoulders - head
    return np.asarray(neck / max(float(np.linalg.norm(neck)), 1.0))


def paint(brush: Brush, s: Subject, shoulders: np.ndarray, head: np.ndarray, gaze: float) -> None:
    """Neck, skull, ears, face, fringe and features; positions in pixels."""
    turn, m, down = np.sin(gaze), brush.metre, _down(shoulders, head)
    neck = brush.move(shoulders, -0.055 * down + (turn * 0.01, 0))
    nape = brush.move(head, 0.07 * down + (turn * 0.005, 0))
    brush.capsule((neck, nape), (0.050, 0.046), s.skin, 0.78)
    throat, chin = brush.move(neck, (-0.008, -0.01)), brush.move(head, 0.13 * down - (0.008, 0))
    brush.capsule((throat, chin), (0.034, 0.030), s.skin, 0.88)
    if s.hairstyle == "bun":
        brush.ellipse(head, (0.052, 0.047), s.hair, 0.85, (-turn * 0.07, -0.125))
    back = -turn * 0.020
    skull = WIDE * (1.09 + 0.10 * abs(turn)), TALL * 1.06
    brush.ellipse(head, skull, s.hair, 0.85, (back, -0.012))
    brush.ellipse(head, (WIDE * 0.9, TALL * 0.85), s.hair, 1.04, (back - 0.012, -0.03))
    ears = [(quarter, np.cos(gaze + quarter)) for quarter in (-np.pi / 2, np.pi / 2)]
    for quarter, shown in ears:
        if -0.35 < shown < _EAR:
            _ear(brush, s, head, gaze, gaze + quarter)
    if np.cos(gaze) < -0.2:  # the back of a head
        return
    outline = _outline(turn)
    brush.polygon(head + outline * m, s.skin, 0.84, rounds=1)
    brush.polygon(head + (_LIT * outline + LIGHT * 0.006) * m, s.skin, rounds=1)
    if s.hairstyle not in ("long", "bob"):
        for quarter, shown in ears:
            if shown >= _EAR:
                _ear(brush, s, head, gaze, gaze + quarter)
    fringe = head + _FRINGE * (WIDE * 1.05 * m, TALL * 1.02 * m)
    brush.polygon(fringe, s.hair, 0.96, (-turn * 0.012, 0), rounds=2)
    _features(brush, s, head, gaze)


def _outline(turn: float) -> Float[np.ndarray, "n 2"]:
    """Metres from the middle of the head: an oval that becomes a profile as the head turns away."""
    sign, aside = np.copysign(1.0, turn), abs(turn)
    share = float(np.clip((aside - 0.5) / 0.4, 0, 1))
    share = share * share * (3 - 2 * share)
    middle = _PROFILE.mean(0)
    around = _PROFILE - middle
    around = around / np.linalg.norm(around, axis=1, keepdims=True)
    oval = around * (WIDE * (0.90 - 0.12 * aside), TALL * 0.88) + (0.030 * aside, 0.020)
    mixed = (1 - share) * oval + share * _PROFILE * (WIDE, TALL)
    return np.asarray(mixed * (sign, 1.0))


def _ear(brush: Brush, s: Subject, head: np.ndarray, gaze: float, angle: float) -> None:
    shown = max(float(np.cos(angle)), 0.0)
    place = np.array(
        ((np.sin(angle) * 0.90 - np.copysign(0.30 * shown, np.sin(gaze))) * WIDE, 0.02)
    )
    wide = 0.017 + 0.006 * shown
    brush.ellipse(head, (wide, 0.030), s.skin, 0.74, place)
    brush.ellipse(head, (0.66 * wide, 0.021), s.skin, 0.94, place + LIGHT * 0.004)


def _features(brush: Brush, s: Subject, head: np.ndarray, gaze: float) -> None:
    turn = float(np.sin(gaze))
    inward = 0.17 * turn * abs(turn) ** 3  # a profile's eye and mouth lie behind its outline

    def spot(angle: float, height: float) -> np.ndarray:
        across = np.sin(gaze + angle) * 0.93 - inward
        return brush.move(head, (across * WIDE, height * TALL))

    for angle in (-0.40, 0.40):
        shown = np.cos(gaze + angle)
        if shown > 0.12:
            eye, narrow = spot(angle, 0.10), 0.45 + 0.55 * shown
            brush.ellipse(eye, (0.0185 * narrow, 0.0125), (248, 246, 244))
            pupil = (np.sin(gaze) * 0.005, 0.001)
            brush.ellipse(eye, (0.0105 * narrow, 0.0115), (34, 36, 42), 1.0, pupil)
            brush.stroke(eye + _BROW * (narrow * brush.metre, brush.metre), s.hair, 0.7)
    nose = spot(0.0, 0.30)
    tip = brush.move(nose, (np.sin(gaze) * 0.020, 0.006))
    bridge, right = brush.move(nose, (0, -0.045)), brush.move(tip, (0.006, 0))
    brush.polygon([bridge, right, brush.move(tip, (-0.006, 0.006))], s.skin, 0.80)
    brush.ellipse(tip, (0.011, 0.008), s.skin, 0.84)
    lips = (150, 84, 92) if sum(s.skin) > 480 else (112, 62, 70)
    far = 0.5 * turn * abs(turn) ** 3  # seen from the side, the mouth reaches further back
    corners = -0.28 - max(far, 0.0), 0.28 - min(far, 0.0)
    brush.stroke([spot(corners[0], 0.56), spot(0.0, 0.625), spot(corners[1], 0.56)], lips)

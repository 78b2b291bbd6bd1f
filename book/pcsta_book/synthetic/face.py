"""Head, hair and a face whose features lie on a sphere, so that they show where it looks."""

from __future__ import annotations

import numpy as np

from pcsta_book.synthetic.actors import Subject
from pcsta_book.synthetic.brush import LIGHT, Brush

WIDE, TALL = 0.092, 0.122  # metres: half axes of a head
_LONG = np.array(
    [(-0.10, -0.06), (0.10, -0.06), (0.125, 0.10), (0.11, 0.25), (-0.11, 0.25), (-0.125, 0.10)]
)
_FRINGE = np.array([
    (-0.99, -0.10), (-0.92, -0.60), (-0.45, -0.98), (0.25, -1.02), (0.85, -0.70),
    (0.99, -0.12), (0.70, -0.44), (0.05, -0.58), (-0.60, -0.42),
])  # fmt: skip
_BROW = np.array([(-0.021, -0.027), (0.0, -0.033), (0.021, -0.027)])


def paint_hair_behind(brush: Brush, s: Subject, head: np.ndarray, gaze: float) -> None:
    """Hair that falls behind the shoulders; gaze: radians, 0 looks at the camera."""
    back = -np.sin(gaze)
    if s.hairstyle == "long":
        brush.polygon(head + _LONG * brush.metre, s.hair, 0.78, (0.045 * back, 0), rounds=2)
    elif s.hairstyle == "bob":
        brush.ellipse(head, (0.122, 0.145), s.hair, 0.78, (0.03 * back, 0.03))


def paint(brush: Brush, s: Subject, shoulders: np.ndarray, head: np.ndarray, gaze: float) -> None:
    """Neck, skull, ears, face, fringe and features; positions in pixels."""
    turn, m = np.sin(gaze), brush.metre
    neck = brush.move(shoulders, (turn * 0.01, -0.055))
    brush.capsule((neck, brush.move(head, (turn * 0.005, 0.07))), (0.050, 0.046), s.skin, 0.78)
    throat, chin = brush.move(neck, (-0.008, -0.01)), brush.move(head, (-0.008, 0.13))
    brush.capsule((throat, chin), (0.034, 0.030), s.skin, 0.88)
    if s.hairstyle == "bun":
        brush.ellipse(head, (0.052, 0.047), s.hair, 0.85, (-turn * 0.07, -0.125))
    back = -turn * 0.020
    skull = WIDE * (1.09 + 0.10 * abs(turn)), TALL * 1.06
    brush.ellipse(head, skull, s.hair, 0.85, (back, -0.012))
    brush.ellipse(head, (WIDE * 0.9, TALL * 0.85), s.hair, 1.04, (back - 0.012, -0.03))
    for quarter in (-np.pi / 2, np.pi / 2):
        if np.cos(gaze + quarter) > -0.35:
            ear = (np.sin(gaze + quarter) * 0.90 * WIDE, 0.02)
            brush.ellipse(head, (0.017 + 0.010 * abs(turn), 0.030), s.skin, 0.80, ear)
    front = np.array((turn * 0.030, 0.020))
    narrow = 0.12 * abs(turn)
    brush.ellipse(head, (WIDE * (0.90 - narrow), TALL * 0.88), s.skin, 0.84, front)
    lit = front + LIGHT * 0.008
    brush.ellipse(head, (WIDE * (0.83 - narrow), TALL * 0.83), s.skin, 1.0, lit)
    fringe = head + _FRINGE * (WIDE * 1.05 * m, TALL * 1.02 * m)
    brush.polygon(fringe, s.hair, 0.96, (-turn * 0.012, 0), rounds=2)
    if np.cos(gaze) > -0.1:
        _features(brush, s, head, gaze)


def _features(brush: Brush, s: Subject, head: np.ndarray, gaze: float) -> None:
    def spot(angle: float, height: float) -> np.ndarray:
        return brush.move(head, (np.sin(gaze + angle) * WIDE * 0.93, height * TALL))

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
    brush.stroke([spot(-0.28, 0.56), spot(0.0, 0.625), spot(0.28, 0.56)], lips)

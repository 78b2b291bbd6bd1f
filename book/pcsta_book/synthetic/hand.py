"""A hand: palm, then what it holds, then the fingers that close over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic.actors import Subject
from pcsta_book.synthetic.brush import LIGHT, Brush, Point
from pcsta_book.synthetic.objects import sprite, stamp


@dataclass(frozen=True)
class Grip:
    """What a hand holds ("" is nothing), in which of its colours, leaning by `tilt` (-1..1)."""

    held: str
    colour: int = 0
    tilt: float = 0.0


def paint(brush: Brush, s: Subject, joints: Float[np.ndarray, "4 2"], grip: Grip) -> None:
    """joints: pixels (x, y) of wrist, hand, hand tip and thumb."""
    wrist, hand, tip, thumb = joints
    length = float(np.linalg.norm(tip - wrist))
    along = (tip - wrist) / length if length > 1e-3 else np.array([0.0, 1.0])
    across = np.array([-along[1], along[0]])
    if (thumb - hand) @ across < 0:
        across = -across
    palm = brush.move(hand, along * 0.012)
    brush.capsule((wrist, palm), (0.026, 0.038), s.skin, 0.78)
    brush.capsule((wrist + LIGHT * 0.6, palm + LIGHT * 0.8), (0.024, 0.033), s.skin, 0.95)
    if grip.held:
        _object(brush, palm, along, across, grip)
        for k in (-1.2, 0.0, 1.2):
            root = brush.move(hand, across * -0.046 + along * (0.012 + k * 0.017))
            brush.finger((root, brush.move(root, across * 0.068)), (0.0115, 0.0095), s.skin)
    else:
        # fingers that point at the camera look short
        reach = float(np.clip(length / (0.15 * brush.metre), 0.45, 1.0))
        for k in (-1.5, -0.5, 0.5, 1.5):
            root = brush.move(hand, along * 0.026 + across * k * 0.0185)
            end = brush.move(root, along * (0.062 - 0.006 * abs(k)) * reach + across * k * 0.009)
            brush.finger((root, end), (0.0125, 0.0095), s.skin)
    root = brush.move(hand, across * 0.026 - along * 0.012)
    thumb_length = 0.036 if grip.held else 0.052
    end = brush.move(root, (across * 0.5 + along * 0.86) * thumb_length)
    brush.finger((root, end), (0.014, 0.010), s.skin)


def _object(brush: Brush, palm: Point, along: Point, across: Point, grip: Grip) -> None:
    """Upright things stay nearly upright, long ones follow the hand."""
    picture = sprite(grip.held, grip.colour)
    down = along if along[1] >= 0 else -along
    lean = float(np.degrees(np.arctan2(-down[0], down[1])))
    most = 1.2 * picture.tilt
    angle = 0.6 * float(np.clip(lean, -most, most)) + 0.6 * grip.tilt * picture.tilt
    stamp(brush.image, picture, palm, brush.metre, angle, flip=bool(across[0] > 0))

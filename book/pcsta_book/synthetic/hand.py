"""A hand: palm, then what it holds, then the fingers that close over its edge."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pcsta_book.synthetic.actors import Subject
from pcsta_book.synthetic.brush import LIGHT, Brush
from pcsta_book.synthetic.objects import sprite, stamp


@dataclass(frozen=True)
class Grip:
    """What a hand holds ("" is nothing), in which of its colours, leaning by `tilt` (-1..1).

    turn: degrees by which it is turned beyond that, as a bottle is when it pours
    """

    held: str
    colour: int = 0
    tilt: float = 0.0
    turn: float = 0.0


class Hand:
    """One hand of a subject in a frame.

    joints: pixels (x, y) of wrist, hand, hand tip and thumb; mirrored: it is the right one
    """

    def __init__(self, s: Subject, joints: Float[np.ndarray, "4 2"], grip: Grip, mirrored: bool):
        self.skin, self.grip, self.mirrored = s.skin, grip, mirrored
        self.wrist, self.at, tip, thumb = joints
        self.length = float(np.linalg.norm(tip - self.wrist))
        far = self.length > 1e-3
        self.along = (tip - self.wrist) / self.length if far else np.array([0.0, 1.0])
        across = np.array([-self.along[1], self.along[0]])
        self.across = -across if (thumb - self.at) @ across < 0 else across

    def paint(self, brush: Brush) -> None:
        """The whole hand: closed over what it holds, else open."""
        self.paint_back(brush)
        if self.grip.held:
            self.close(brush)
        else:
            self._open(brush)

    def paint_back(self, brush: Brush) -> None:
        """The palm and what lies in it, without fingers."""
        palm = brush.move(self.at, self.along * 0.012)
        brush.capsule((self.wrist, palm), (0.026, 0.038), self.skin, 0.78)
        lit = self.wrist + LIGHT * 0.6, palm + LIGHT * 0.8
        brush.capsule(lit, (0.024, 0.033), self.skin, 0.95)
        if self.grip.held:
            self._thing(brush)

    def close(self, brush: Brush) -> None:
        """The tips of two fingers and of the thumb, on the edge that is next to the wrist."""
        for start, end in ((-0.022, -0.036), (-0.004, -0.014), (0.022, 0.030)):
            self._finger(brush, (start, -0.074), (end, 0.3 * abs(end) - 0.048), (0.0110, 0.0085))

    def clasp(self, brush: Brush) -> None:
        """Fingers about another hand, side by side."""
        for k in (-1.5, -0.5, 0.5, 1.5):
            self._finger(brush, (k * 0.016, 0.016), (k * 0.015 - 0.008, 0.056), (0.0115, 0.0090))

    def thumb_over(self, brush: Brush) -> None:
        self._finger(brush, (0.030, -0.034), (0.018, 0.012), (0.0130, 0.0095))

    def _open(self, brush: Brush) -> None:
        """Four fingers and the thumb, spread; those that point at the camera look short."""
        reach = float(np.clip(self.length / (0.15 * brush.metre), 0.55, 1.0))
        for k in (-1.5, -0.5, 0.5, 1.5):
            end = k * 0.0310, 0.026 + (0.064 - 0.006 * abs(k)) * reach
            self._finger(brush, (k * 0.0185, 0.026), end, (0.0110, 0.0085))
        self._finger(brush, (0.026, -0.012), (0.070, 0.026 * reach), (0.0135, 0.0095))

    def _finger(
        self,
        brush: Brush,
        root: tuple[float, float],
        tip: tuple[float, float],
        radii: tuple[float, float],
    ) -> None:
        """A dark edge and a pale middle, from and to metres (across, along) from the hand."""
        ends = brush.move(self.at, np.array([root, tip]) @ np.array([self.across, self.along]))
        brush.capsule(ends, radii, self.skin, 0.74)
        lit = ends + LIGHT * 0.6  # pixels: fingers are about two wide
        brush.capsule(lit, 0.78 * np.array(radii), self.skin)

    def _thing(self, brush: Brush) -> None:
        """Upright things stay nearly upright, long ones follow the hand; no pose makes them jump."""
        picture = sprite(self.grip.held, self.grip.colour)
        lean = -2 * self.along[0] * self.along[1]  # sine of twice the hand's angle to the vertical
        angle = picture.tilt * (0.7 * lean + 0.5 * self.grip.tilt) + self.grip.turn
        stamp(brush.image, picture, self.at, brush.metre, angle, flip=self.mirrored)

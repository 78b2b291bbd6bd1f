"""Mean of the glimpses: the RGB baseline that tells no hand and no moment apart."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from pcsta.attention import OWN, Given
from pcsta.config import ModelConfig
from pcsta.glimpse_input import GlimpseInput


class GlimpseMean(GlimpseInput):
    """u~ is the mean of V over all frames and all hands that are there: no attention, no LSTM, no f_u.

    With the linear classifier after it this is softmax regression on one average glimpse. What
    more the other rows reach is what order in time, and the choice of a hand, are worth.

    Attribute `features`: the width of u~, that of a (projected) glimpse.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.features = self.glimpse_width
        self.spatial = self.temporal = None

    def forward(
        self,
        glimpses: Float[Tensor, "B T N D"],
        s: Float[Tensor, "B S"] | None = None,
        present: Bool[Tensor, "B T N"] | None = None,
        projected: bool = False,
        given: Given = OWN,
    ) -> tuple[Float[Tensor, "B K"], None, None]:
        """(features u~, None, None) for the arguments of `RGBStream.forward`; s is not read.

        A hand is there when its glimpse is not zero. Of a sub-sequence without any, the mean is zero.
        Raises ValueError when attention is given, as there is none to replace.
        """
        self._check_given(given)
        V = self.read(glimpses, projected)  # (B, T, N, D)
        there = (V != 0).any(-1).sum((1, 2)).clamp(min=1)  # (B,)
        return V.sum((1, 2)) / there[:, None], None, None

"""Mean of the glimpses: the RGB baseline that tells no hand and no moment apart."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from pcsta.attention import Intervention
from pcsta.config import ModelConfig
from pcsta.scaling import Scaling


class GlimpseMean(nn.Module):
    """u~ is the mean of V over all frames and all hands that are there: no attention, no LSTM, no f_u.

    With the linear classifier after it this is softmax regression on one average glimpse. What
    more the other rows reach is what order in time, and the choice of a hand, are worth.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.scaling = Scaling(config)
        self.features = self.scaling.width  # of u~

    def forward(
        self,
        glimpses: Float[Tensor, "B T N D"],
        s: Float[Tensor, "B S"] | None = None,
        present: Bool[Tensor, "B T N"] | None = None,
        projected: bool = False,
        intervention: Intervention | None = None,
        pose_tensor: Float[Tensor, "B C T W"] | None = None,
    ) -> tuple[Float[Tensor, "B K"], None, None]:
        """(u~, None, None) for the arguments of `RGBStream.forward`; zero where no hand is there.

        Raises ValueError when attention is given, as there is none to replace.
        """
        (intervention or Intervention()).check(None, None)
        V = self.scaling(glimpses, projected)  # (B, T, N, D)
        there = (V != 0).any(-1).sum((1, 2)).clamp(min=1)  # (B,)
        return V.sum((1, 2)) / there[:, None], None, None

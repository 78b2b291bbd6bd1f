"""Loss and accuracy of an epoch, gathered while it runs; no step waits for what the device computes."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pcsta import common
from pcsta.batches import Batch
from pcsta.checkpoint import Underway
from pcsta.data.store import Store

_Step = tuple[Tensor, Tensor, Tensor, Tensor, np.ndarray]  # loss, right, logits, labels, clips


class EpochFigures:
    """`sums` over the batches so far: of the loss, of the right answers, and of the clips seen.

    They come from the device when somebody reads them; a loss that is no finite number is told then.

    store, clips: what the training reads
    """

    def __init__(self, store: Store, clips: np.ndarray) -> None:
        self.store, self.clips = store, clips
        self.sums = np.zeros(3)
        self._unread: list[_Step] = []  # still on the device

    def add(self, loss: Tensor, logits: Tensor, batch: Batch) -> None:
        """The mean loss of a batch, and its logits (B, K). Asks nothing of the device."""
        loss, logits = loss.detach(), logits.detach()
        right = (logits.argmax(-1) == batch.labels).sum()
        self._unread.append((loss, right, logits, batch.labels, batch.clips))

    def read(self) -> list[float]:
        """Loss, right and seen. Raises ValueError, naming clips, when a loss is not finite."""
        steps, self._unread = self._unread, []
        if not steps:
            return self.sums.tolist()
        losses, rights = (torch.stack([s[k] for s in steps]).tolist() for k in (0, 1))
        for loss, right, (*_, logits, labels, clips) in zip(losses, rights, steps, strict=True):
            if not math.isfinite(loss):
                raise self._not_finite(logits, labels, clips)
            self.sums += loss * len(clips), right, len(clips)
        return self.sums.tolist()

    def means(self, kind: str = "") -> dict[str, float]:
        """Mean loss and accuracy over all processes' batches, called `kind`loss and `kind`accuracy."""
        loss, right, seen = common.all_reduce(*self.read())
        return {f"{kind}loss": loss / seen, f"{kind}accuracy": right / seen}

    def underway(self, steps: int, seconds: float, rate: float, device: torch.device) -> Underway:
        """Where all processes stand in their epoch. Raises as `read`, in the process that it is true of."""
        sums = common.gather(torch.tensor(self.read(), dtype=torch.float64))
        return Underway(steps, seconds, rate, sums, common.gather(common.random_state(device)))

    def go_on(self, then: Underway, device: torch.device) -> None:
        """Take over an interrupted epoch's sums and dropout. ValueError for a damaged state."""
        rank, processes = common.rank_and_world_size()
        if len(then.sums) == processes:
            self.sums = then.sums[rank].numpy().copy()
        elif rank == 0:  # others shared the epoch: the first one takes all that they had
            self.sums = then.sums.sum(0).numpy()
        if then.random.shape != (processes, len(common.random_state(device))):
            return  # of others, or of another device
        try:
            common.random_state(device, then.random[rank])
        except RuntimeError as error:
            raise ValueError(f"the run's state is damaged ({error}); delete state.safetensors there, "
                             "and the stage begins anew") from None  # fmt: skip

    def _not_finite(self, logits: Tensor, labels: Tensor, clips: np.ndarray) -> ValueError:
        """What to say of a loss that is no number: whose, and where the largest number stands."""
        store, losses = self.store, cross_entropy(logits, labels, reduction="none")
        names = [store.clips[i].name for i in clips[~losses.isfinite().cpu().numpy()]]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        reach, far = max((float(np.abs(store.joints(i)).max()), i) for i in self.clips)
        return ValueError(
            f"the loss is no finite number at {', '.join(names[:5])}{more}; the largest coordinate in "
            f"training is {reach:.3g} m, in {store.clips[far].name}. Look at it with `pcsta inspect "
            "FILE`, and leave it out if it is absurd; else train with a smaller --rate-share"
        )

"""Loss and accuracy of an epoch, gathered while it runs; no step waits for what the device computes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pcsta import common
from pcsta.batches import Batch
from pcsta.checkpoint import Underway
from pcsta.data.store import Store


class _Step(NamedTuple):
    """What a batch came to, still on the device."""

    loss: Tensor  # ()
    right: Tensor  # ()
    logits: Tensor  # (B, K)
    labels: Tensor  # (B,)
    clips: np.ndarray  # (B,)


class EpochFigures:
    """Sums over the batches so far: `loss` and `right`, both over the clips `seen`.

    They come from the device when somebody reads them; a loss that is no finite number is told then.

    store, clips: what the training reads
    """

    def __init__(self, store: Store, clips: np.ndarray) -> None:
        self.store, self.clips = store, clips
        self.loss = self.right = self.seen = 0.0
        self._unread: list[_Step] = []

    def add(self, loss: Tensor, logits: Tensor, batch: Batch) -> None:
        """The mean loss of a batch, and its logits (B, K). Asks nothing of the device."""
        loss, logits = loss.detach(), logits.detach()
        right = (logits.argmax(-1) == batch.labels).sum()
        self._unread.append(_Step(loss, right, logits, batch.labels, batch.clips))

    def read(self) -> list[float]:
        """loss, right and seen. Raises ValueError, naming clips, when a loss is not finite."""
        steps, self._unread = self._unread, []
        losses = torch.stack([s.loss for s in steps]).tolist() if steps else []
        rights = torch.stack([s.right for s in steps]).tolist() if steps else []
        for step, loss, right in zip(steps, losses, rights, strict=True):
            if not math.isfinite(loss):
                raise self._not_finite(step)
            self.loss += loss * len(step.clips)
            self.right += right
            self.seen += len(step.clips)
        return [self.loss, self.right, self.seen]

    def means(self, kind: str = "") -> dict[str, float]:
        """Mean loss and accuracy over all processes' batches, called `kind`loss and `kind`accuracy."""
        loss, right, seen = common.all_reduce(*self.read())
        return {f"{kind}loss": loss / seen, f"{kind}accuracy": right / seen}

    def underway(self, steps: int, seconds: float, rate: float, device: torch.device) -> Underway:
        """Where all processes stand in their epoch. Raises as `read`, in the process that it is true of."""
        sums = common.gather(torch.tensor(self.read(), dtype=torch.float64))
        return Underway(steps, seconds, rate, sums, common.gather(common.random_state(device)))

    def go_on(self, then: Underway, device: torch.device) -> None:
        """Take over what the steps of an interrupted epoch came to, and where dropout stood.

        Raises ValueError for a state of dropout that is none.
        """
        rank, processes = common.rank_and_world_size()
        if len(then.sums) == processes:
            self.loss, self.right, self.seen = then.sums[rank].tolist()
        elif rank == 0:  # others shared the epoch: the first one takes all that they had
            self.loss, self.right, self.seen = then.sums.sum(0).tolist()
        if then.random.shape != (processes, len(common.random_state(device))):
            return  # of others, or of another device
        try:
            # a copy: torch 2.14 takes a row of a tensor for the tensor's beginning, or crashes
            common.set_random_state(then.random[rank].clone(), device)
        except RuntimeError as error:
            raise ValueError(f"the run's state is damaged ({error}); delete state.safetensors there, "
                             "and the stage begins anew") from None  # fmt: skip

    def _not_finite(self, step: _Step) -> ValueError:
        """What to say of a loss that is no number: whose, and where the largest number stands."""
        store, losses = self.store, cross_entropy(step.logits, step.labels, reduction="none")
        names = [store.clips[i].name for i in step.clips[~losses.isfinite().cpu().numpy()]]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        reach, far = max((float(np.abs(store.joints(i)).max()), i) for i in self.clips)
        return ValueError(
            f"the loss is no finite number at {', '.join(names[:5])}{more}; the largest coordinate in "
            f"training is {reach:.3g} m, in {store.clips[far].name}. Look at it with `pcsta inspect "
            "FILE`, and leave it out if it is absurd; else train with a smaller --rate-share"
        )

"""The loss that training meets: of the last slices, and of each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RECENT = 0.9  # weight of the past in the loss that is shown


@dataclass(slots=True)
class Losses:
    """What the threads of a trainer have measured; each writes to sums of its own."""

    threads: int
    epochs: int
    recent: float | None = None  # mean of a pair in the last slices, older ones weighing less; None: nothing measured
    _sums: NDArray[np.float64] = field(init=False)  # [threads, epochs, 2], pairs measured and the sum of their losses

    def __post_init__(self) -> None:
        self._sums = np.zeros((self.threads, self.epochs, 2))

    def note(self, thread: int, epoch: int, pairs: int, loss: float) -> None:
        """A slice of so many pairs with that sum of losses."""
        self._sums[thread, epoch] += pairs, loss
        mean = loss / pairs
        self.recent = mean if self.recent is None else RECENT * self.recent + (1 - RECENT) * mean

    def resume(self, by_epoch: Sequence[tuple[float, float]]) -> None:
        """Go on from what others have measured, as `by_epoch` told it, in no more epochs."""
        for epoch, sums in enumerate(by_epoch):
            self._sums[0, epoch] = sums

    @property
    def pairs(self) -> float:
        """How many were measured."""
        return float(self._sums[:, :, 0].sum())

    @property
    def by_epoch(self) -> list[tuple[float, float]]:
        """For each epoch that has begun the training pairs measured and the sum of their losses."""
        sums = self._sums.sum(axis=0)
        begun = np.flatnonzero(sums[:, 0])
        return [(float(pairs), float(loss)) for pairs, loss in sums[: begun[-1] + 1 if len(begun) else 0]]

    @property
    def means(self) -> list[float]:
        """The mean loss of a pair in each epoch that has begun."""
        return [loss / pairs for pairs, loss in self.by_epoch if pairs]

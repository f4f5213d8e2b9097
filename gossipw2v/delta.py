"""What a link carries: rows of the model, as 4-bit or 8-bit differences from the reference that both ends hold.

Row ids run over both matrices at once: `0 <= row < V` is a row of `syn0`, `V <= row < 2V` one of `syn1neg`.
The residual of the quantiser is not thrown away: it stays in the sender's `x - reference` and goes with a
later batch (error feedback, Seide et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Counts = NDArray[np.uint32]
Floats = NDArray[np.float32]

LARGEST_LEVEL = {8: 127, 4: 7}  # by bits; without the least one, so that the code is symmetric


class DeltaError(ValueError):
    """A delta that must not be merged; the text says why, `reason` in a fixed word: "rows", "values" or "influence"."""

    def __init__(self, text: str, reason: str = "values") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RowDelta:
    """`rows` int32[n], strictly ascending; `counts` uint32[n], training pairs behind each row's change;

    `scales` float32[n] and `values` int8[n, D]: the change itself is `scales[:, None] * values`. Half as wide, a byte
    holds two values of 4 bits: the first half of the row in the low bits, the second in the high ones.
    """

    rows: Rows
    counts: Counts
    scales: Floats
    values: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """What the model gives for an exchange: rows, and how many more are pending or never went over the link.

    `clipped`: rows of the other end that asked to be moved further than is allowed.
    """

    delta: RowDelta
    pending: int
    unsent: int
    clipped: int = 0


def empty(vector_size: int) -> RowDelta:
    """A delta of no rows."""
    return RowDelta(
        np.empty(0, np.int32),
        np.empty(0, np.uint32),
        np.empty(0, np.float32),
        np.empty((0, vector_size), np.int8),
    )


def check(delta: RowDelta, model_rows: int, vector_size: int, largest: float) -> None:
    """Raise DeltaError unless `delta` fits a model of `model_rows` rows and no value exceeds `largest`."""
    levels = LARGEST_LEVEL[_bits(delta, vector_size)]
    rows = delta.rows
    if not len(rows):
        return
    if int(rows[0]) < 0 or int(rows[-1]) >= model_rows:
        raise DeltaError(f"row id outside 0..{model_rows - 1}", "rows")
    if not (rows[1:] > rows[:-1]).all():  # differences could overflow
        raise DeltaError("row ids are not strictly ascending", "rows")
    if not np.isfinite(delta.scales).all():
        raise DeltaError("a scale is not a finite number")
    if float(delta.scales.min()) < 0 or float(delta.scales.max()) * levels > largest:
        raise DeltaError(f"a row would move by more than {largest:g}")


def _bits(delta: RowDelta, vector_size: int) -> int:
    n = len(delta.rows)
    half = (vector_size + 1) // 2
    if delta.values.shape not in ((n, vector_size), (n, half)):
        raise DeltaError(f"values of shape {delta.values.shape}, expected ({n}, {vector_size}) or ({n}, {half})")
    if len(delta.counts) != n or len(delta.scales) != n:
        raise DeltaError("rows, counts and scales differ in length")
    return 8 if delta.values.shape[1] == vector_size else 4

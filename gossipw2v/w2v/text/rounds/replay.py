"""Old text among new: a model that is trained on new text alone forgets what the old one taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.hashing import END

STRETCH = 1000  # ids of old text in a row

Ids = NDArray[np.int32]


def replayed(new: Ids, older: Sequence[Ids], share: float, seed: int) -> Iterator[Ids]:
    """The ids of new text int32[n] in pieces, and among them stretches of older texts, drawn with `seed`.

    `share`, 0 to below 1, of what comes is old, but for a stretch.
    """
    lengths = np.array([len(each) for each in older], np.int64)
    if not share or not lengths.sum():
        yield new
        return
    between, rng = max(1, round(STRETCH * (1 - share) / share)), np.random.default_rng(seed)
    ends, end = np.cumsum(lengths), np.full(1, END, np.int32)
    for at in range(0, len(new), between):
        yield new[at : at + between]
        place = int(rng.integers(0, ends[-1]))
        which = int(np.searchsorted(ends, place, "right"))
        start = place - int(ends[which] - lengths[which])
        yield np.concatenate((end, older[which][start : start + STRETCH], end))

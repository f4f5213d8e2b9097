"""The phrases of a vocabulary as nodes tell each other of them: which units are joined, in which pass."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.phrases.grams import MAX_GRAMS, MOST_PASSES, pair_numbers

Ids = NDArray[np.int32]

_HEADER = struct.Struct(f"<{MOST_PASSES}I")


@dataclass(frozen=True, slots=True, eq=False)
class Joins:
    """Which units are joined to which: int32[n] each. `passes`: how many of them are of the first pass, the second...

    In a pass no two have the same left and right.
    """

    left: Ids
    right: Ids
    joined: Ids
    passes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.left.size

    def spans(self) -> list[tuple[int, int]]:
        """Where each pass begins and ends among them."""
        return list(pairwise(accumulate(self.passes, initial=0)))

    def renumbered(self, units: Ids) -> Joins:
        """The same of units that have these numbers now, in the order in which they travel; equals are one."""
        left, right, joined = (units[column] for column in (self.left, self.right, self.joined))
        pairs = pair_numbers(left, right)
        kept = [begin + np.unique(pairs[begin:end], return_index=True)[1] for begin, end in self.spans()]
        which = np.concatenate(kept)
        return Joins(left[which], right[which], joined[which], tuple(map(len, kept)))

    def to_bytes(self) -> bytes:
        """12 bytes each behind the sizes of the passes; equal joins give equal bytes."""
        sizes = self.passes + (0,) * (MOST_PASSES - len(self.passes))
        columns = (self.left, self.right, self.joined)
        return b"".join((_HEADER.pack(*sizes), *(column.astype("<u4").tobytes() for column in columns)))

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, units: int) -> Joins:
        """Read `to_bytes`, for so many units. Whatever else it is given, it raises ValueError with the reason."""
        sizes = _HEADER.unpack_from(data) if len(data) >= _HEADER.size else ()
        number = sum(sizes)
        if not 0 < number <= MAX_GRAMS or len(data) != _HEADER.size + 12 * number:
            raise ValueError(f"joins: {number:,} in {len(data):,} bytes are none, too many, or not what is there")
        columns = np.frombuffer(data, "<u4", offset=_HEADER.size).reshape(3, number)
        if columns.max() >= units:
            raise ValueError("joins: of units that are not there")
        left, right, joined = columns.astype(np.int32)
        joins = cls(left, right, joined, tuple(sizes))
        pairs = pair_numbers(joins.left, joins.right)
        if not all((np.diff(pairs[begin:end]) > 0).all() for begin, end in joins.spans()):
            raise ValueError("joins: out of order, or one is there twice")
        return joins


def no_joins() -> Joins:
    """None at all."""
    none = np.empty(0, np.int32)
    return Joins(none, none, none)

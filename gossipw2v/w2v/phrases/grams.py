"""How often words follow each other: the grams of two words and more of a text, or of several."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int32]
Ints = NDArray[np.int64]

MAX_GRAMS = 1 << 24  # kept or accepted, of all lengths: 16 bytes each, 48 to 72 while they are counted
MOST_PASSES = 4  # so that a gram has at most five words

_HEADER = struct.Struct("<I")
_LARGEST = 0xFFFFFFFF  # count that travels: more than any text that fits a machine has of one pair
_BYTES = 12  # of a gram that travels


@dataclass(frozen=True, slots=True, eq=False)
class Grams:
    """Grams of the words 0 to W - 1, ascending by (left, right): int32[n], int32[n] and how often they occur, int64[n].

    `right` is the last word. `left` stands for what is before it: a word, or W + the place of an earlier gram. So all
    grams of two words come first, then those of three. `pruned`: how many were forgotten to bound memory.
    """

    left: Places
    right: Places
    counts: Ints
    pruned: int = 0

    def __len__(self) -> int:
        return self.left.size

    @property
    def pairs(self) -> Ints:
        """int64[n]: left and right as one number, ascending."""
        return pair_numbers(self.left, self.right)

    def rows(self) -> Iterator[tuple[int, int, int]]:
        """The left, the right and the count of each."""
        return zip(self.left.tolist(), self.right.tolist(), self.counts.tolist(), strict=True)

    def bounds(self, words: int) -> list[int]:
        """Where the grams of two words of `words` begin, those of three, and so on; then the end."""
        places = [0]
        while places[-1] < len(self) and len(places) < MOST_PASSES + 2:  # one more tells that some are too long
            places.append(int(np.searchsorted(self.left, words + places[-1])))
        return places

    def with_longer(self, pairs: Ints, counts: Ints, word_counts: Ints, pruned: int) -> Grams:
        """The same and those that are longer than all of them: their left << 32 | right, ascending, and their counts.

        None is there more often than its parts, though occurrences of these may have been forgotten.
        """
        left, right = pairs >> 32, pairs & 0xFFFFFFFF
        units = np.concatenate((word_counts, self.counts))
        counts = np.minimum(counts, np.minimum(units[left], units[right]))
        lefts, rights = np.append(self.left, left.astype(np.int32)), np.append(self.right, right.astype(np.int32))
        return Grams(lefts, rights, np.append(self.counts, counts), self.pruned + pruned)

    def kept(self, which: NDArray[np.bool_], places: Ints) -> Grams:
        """Those of `which`, whose left parts must be kept, of words that are at `places` now, in the same order."""
        number = np.cumsum(which) - 1
        words = int(np.count_nonzero(places >= 0))
        units = np.concatenate((places, words + number)).astype(np.int32)
        return Grams(units[self.left[which]], units[self.right[which]], self.counts[which], self.pruned)

    def limited(self, words: int, most: int) -> Grams:
        """At most `most`, without those as rare as the rarest that must go."""
        if len(self) <= most:
            return self
        which = self.counts > np.partition(self.counts, len(self) - most - 1)[len(self) - most - 1]
        left = self.kept(which, np.arange(words))
        return Grams(left.left, left.right, left.counts, self.pruned + len(self) - len(left))

    def to_bytes(self) -> bytes:
        """12 bytes each behind their number; equal grams give equal bytes."""
        columns = (self.left, self.right, np.minimum(self.counts, _LARGEST))
        return b"".join((_HEADER.pack(len(self)), *(column.astype("<u4").tobytes() for column in columns)))

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, word_counts: Ints) -> Grams:
        """Read `to_bytes`, for words of these counts. Whatever else it is given, it raises ValueError with a reason."""
        number = _HEADER.unpack_from(data)[0] if len(data) >= _HEADER.size else -1
        if not 0 < number <= MAX_GRAMS or len(data) != _HEADER.size + _BYTES * number:
            raise ValueError(f"grams: {number:,} in {len(data):,} bytes are none, too many, or not what is there")
        left, right, counts = np.frombuffer(data, "<u4", offset=_HEADER.size).reshape(3, number).astype(np.int64)
        _check(left, right, counts, word_counts)
        return cls(left.astype(np.int32), right.astype(np.int32), counts)


def no_grams() -> Grams:
    """None at all."""
    return Grams(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))


def pair_numbers(left: NDArray[np.int32], right: NDArray[np.int32]) -> Ints:
    """int64[n]: each pair as one number, as the compiled tables have it."""
    return (left.astype(np.int64) << 32) | right


def merge_grams(parts: Sequence[tuple[Grams, Ints]], words: int) -> Grams:
    """The grams of several texts added up; the rarest are forgotten beyond MAX_GRAMS.

    With each come the places, int64, that its words have among the `words` of all.
    """
    merged = no_grams()
    for grams, places in parts:
        merged = _add(merged, grams, places, words).limited(words, MAX_GRAMS)
    return merged


def _add(one: Grams, other: Grams, places: Ints, words: int) -> Grams:
    """Length by length: where the shorter ones have come to lie says what the left parts of the longer ones are."""
    units = [np.arange(words, dtype=np.int64), places]  # of either
    found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    size = words
    for spans in _aligned(one.bounds(words), other.bounds(places.size)):
        mine, theirs = (_renumbered(*each) for each in zip((one, other), spans, units, strict=True))
        counts = [grams.counts[slice(*span)] for grams, span in zip((one, other), spans, strict=True)]
        merged, summed, where = _sums(np.concatenate((mine, theirs)), np.concatenate(counts))
        units = [np.concatenate(each) for each in zip(units, np.split(size + where, [mine.size]), strict=True)]
        found.append((merged, summed))
        size += merged.size
    pairs, sums = (np.concatenate(column) for column in zip(*found, strict=True))
    left, right = (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
    return Grams(left, right, sums, one.pruned + other.pruned)


def _renumbered(grams: Grams, span: tuple[int, int], units: Ints) -> Ints:
    """The pairs of a span, of units that have these numbers now."""
    return (units[grams.left[slice(*span)]] << 32) | units[grams.right[slice(*span)]]


def _aligned(one: list[int], other: list[int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The spans of both, length by length; empty ones where one has no grams of a length."""
    longest = max(len(one), len(other))
    spans = [list(pairwise(each + [each[-1]] * (longest - len(each)))) for each in (one, other)]
    return list(zip(*spans, strict=True))


def _sums(pairs: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """The different pairs, ascending, their counts added up, and where among them each of `pairs` is."""
    order = np.argsort(pairs)
    new = np.diff(pairs[order], prepend=-1) != 0
    where = np.empty(pairs.size, np.int64)
    where[order] = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    return pairs[order][first], np.add.reduceat(counts[order], first) if first.size else counts[:0], where


def _check(left: Ints, right: Ints, counts: Ints, word_counts: Ints) -> None:
    words = word_counts.size
    if not ((left < words + np.arange(left.size)).all() and (right < words).all()):
        raise ValueError("grams: of words, or of shorter grams, that are not there")
    pairs = (left << 32) | right
    if not (pairs[1:] > pairs[:-1]).all():
        raise ValueError("grams: out of order, or one is there twice")
    units = np.concatenate((word_counts, counts))
    if not ((counts >= 1) & (counts <= units[left]) & (counts <= units[right])).all():
        raise ValueError("grams: one is there less than once, or more often than its words")
    grams = Grams(left.astype(np.int32), right.astype(np.int32), counts)
    if len(grams.bounds(words)) > MOST_PASSES + 1:
        raise ValueError(f"grams: of more than {MOST_PASSES + 1} words")

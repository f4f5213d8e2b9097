"""Which words are a phrase: word2vec's score of two neighbours, and what joining them leaves of their counts.

The first pass is exact: the score is that of the counts of the whole swarm. Later passes would need the text that the
earlier ones have made, counted anew by all. Instead they take the grams, each as a sentence of its own: a gram that the
earlier passes have made two units of tells how often these two may meet. That, and how often each unit is left after a
pass, are estimates: where one word may be joined to either neighbour, grams do not tell which one came first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.phrases.grams import Grams, Ints
from gossipw2v.w2v.phrases.joining import Joiner
from gossipw2v.w2v.phrases.joins import Ids, Joins, no_joins
from gossipw2v.w2v.phrases.rule import PhraseRule

Floats = NDArray[np.float64]

ROUNDS = 30  # of the estimate of what is joined, each halving what is wrong with it

_END, _NONE = -1, -2


class Found(NamedTuple):
    """The joins of units: words 0 to W - 1, then each join's result, in order. `counts` float64: of all units, left."""

    joins: Joins
    counts: Floats


def find_phrases(word_counts: Ints, lengths: Ints, grams: Grams, rule: PhraseRule, longest: int) -> Found:
    """The phrases among `grams` of words of these counts and lengths in bytes; none is longer than `longest` bytes."""
    words = word_counts.size
    entries = words + (bounds := grams.bounds(words))[min(1, len(bounds) - 1)]
    grams = grams.kept(grams.counts > rule.min_count, np.arange(words))
    text, units = _sentences(grams, words), _Units(word_counts.astype(np.float64), lengths)
    found: list[tuple[Ids, Ids, Ids]] = []
    for _ in range(rule.passes):
        places, left, right = _twos(text)
        together = np.minimum(grams.counts[places], np.minimum(units.counts[left], units.counts[right]))
        score = (together - rule.min_count) / np.maximum(1.0, units.counts[left] * units.counts[right]) * entries
        good = np.flatnonzero((score > rule.threshold) & (units.joined_lengths(left, right) <= longest))
        good = good[np.lexsort((right[good], left[good]))]
        left, right = left[good], right[good]
        joined = units.join(left, right, together[good])
        found.append((left, right, joined))
        text = Joiner(left, right, joined).join(text)
    return Found(_joins(found), units.counts)


def _joins(found: list[tuple[Ids, Ids, Ids]]) -> Joins:
    if not found:
        return no_joins()
    left, right, joined = (np.concatenate(column) for column in zip(*found, strict=True))
    return Joins(left, right, joined, passes=tuple(len(left) for left, _, _ in found))


@dataclass(slots=True)
class _Units:
    """What there is to join, each with its estimated count and its length in bytes."""

    counts: Floats
    lengths: Ints

    def joined_lengths(self, left: Ids, right: Ids) -> Ints:
        """Bytes of each pair with the joiner."""
        return self.lengths[left] + 1 + self.lengths[right]

    def join(self, left: Ids, right: Ids, together: Floats) -> Ids:
        """Add the units that come of pairs that are `together` so often; takes them from the counts of their parts."""
        size = self.counts.size
        times = _times(self.counts, left, right, together)
        taken = np.bincount(left, times, size) + np.bincount(right, times, size)
        self.counts = np.concatenate((np.maximum(0.0, self.counts - taken), times))
        self.lengths = np.concatenate((self.lengths, self.joined_lengths(left, right)))
        return np.arange(size, self.counts.size, dtype=np.int32)


def _times(counts: Floats, left: Ids, right: Ids, together: Floats) -> Floats:
    """How often each pair is joined, from left to right: as often as its left has not been joined to what is before it.

    Whether that has been is taken to be the same whatever follows.
    """
    times = together
    for _ in range(ROUNDS):
        joined_before = np.bincount(right, times, counts.size)[left] / np.maximum(1.0, counts[left])
        times = (times + together * np.maximum(0.0, 1 - joined_before)) / 2
    return times


def _sentences(grams: Grams, words: int) -> Ids:
    """The words of each gram, then an end, gram after gram: int32[n]."""
    bounds = grams.bounds(words)
    rows = np.full((len(grams), len(bounds)), _NONE, np.int32)
    for length, (begin, end) in enumerate(pairwise(bounds), 1):
        left = grams.left[begin:end]
        rows[begin:end, :length] = left[:, None] if length == 1 else rows[left - words, :length]
        rows[begin:end, length] = grams.right[begin:end]
    text = np.column_stack((rows, np.full(len(grams), _END, np.int32))).ravel()
    return np.asarray(text[text != _NONE])


def _twos(text: Ids) -> tuple[Ints, Ids, Ids]:
    """Which sentences have two units, and these."""
    ends = np.flatnonzero(text == _END)
    places = np.flatnonzero(np.diff(ends, prepend=-1) == 3)
    return places, text[ends[places] - 2], text[ends[places] - 1]

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


class ScoredPhrases(NamedTuple):
    """The joins of units: words 0 to W - 1, then each join's result, in order. `counts` float64: of all units, left."""

    joins: Joins
    counts: Floats


def find_phrases(word_counts: Ints, lengths: Ints, grams: Grams, rule: PhraseRule, longest: int) -> ScoredPhrases:
    """The phrases among `grams` of words of these counts and lengths in bytes; none is longer than `longest` bytes."""
    words = word_counts.size
    entries = words + (bounds := grams.bounds(words))[min(1, len(bounds) - 1)]
    grams = grams.kept(grams.counts > rule.min_count, np.arange(words))
    units, sentences = _Units(word_counts.astype(np.float64), lengths), _Sentences(grams, words)
    found: list[tuple[Ids, Ids, Ids]] = []
    for _ in range(rule.passes):
        places, left, right = sentences.twos()
        together = np.minimum(sentences.free()[places], np.minimum(units.counts[left], units.counts[right]))
        score = (together - rule.min_count) / np.maximum(1.0, units.counts[left] * units.counts[right]) * entries
        good = np.flatnonzero((score > rule.threshold) & (units.joined_lengths(left, right) <= longest))
        left, right = left[good], right[good]
        joined = np.arange(units.counts.size, units.counts.size + good.size, dtype=np.int32)
        sentences.join(left, right, joined)
        units.join(
            left, right, np.minimum(together[good], sentences.free()[places[good]]), sentences.whole[places[good]]
        )
        found.append((left, right, joined))
    return ScoredPhrases(_joins(found), units.counts)


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

    def join(self, left: Ids, right: Ids, together: Floats, whole: NDArray[np.bool_]) -> None:
        """Add the units that come of pairs that are `together` so often; takes them from the counts of their parts.

        Of those that are `whole` it is not known yet what was joined to the word before them.
        """
        size = self.counts.size
        times = np.where(whole, _times(self.counts, left, right, together), together)
        taken = np.bincount(left, times, size) + np.bincount(right, times, size)
        self.lengths = np.concatenate((self.lengths, self.joined_lengths(left, right)))
        self.counts = np.concatenate((np.maximum(0.0, self.counts - taken), times))


def _times(counts: Floats, left: Ids, right: Ids, together: Floats) -> Floats:
    """How often each pair is joined, from left to right: as often as its left has not been joined to what is before it.

    Whether that has been is taken to be the same whatever follows.
    """
    times = together
    for _ in range(ROUNDS):
        joined_before = np.bincount(right, times, counts.size)[left] / np.maximum(1.0, counts[left])
        times = (times + together * np.maximum(0.0, 1 - joined_before)) / 2
    return times


class _Sentences:
    """Grams of words 0 to `words` - 1, each as a sentence of its own, in which units are joined.

    `whole`: which grams are of the greatest length, so that there is none with a word more before them.
    """

    def __init__(self, grams: Grams, words: int) -> None:
        self._words, self._counts = words, grams.counts.astype(np.float64)
        self._text = _written_out(grams, words)
        self._shorter = _without_first(grams, words)
        bounds = grams.bounds(words)
        self.whole = np.arange(len(grams)) >= bounds[max(0, len(bounds) - 2)]

    def twos(self) -> tuple[Ints, Ids, Ids]:
        """Which have two units, and these."""
        ends = np.flatnonzero(self._text == _END)
        places = np.flatnonzero(np.diff(ends, prepend=-1) == 3)
        return places, self._text[ends[places] - 2], self._text[ends[places] - 1]

    def join(self, left: Ids, right: Ids, joined: Ids) -> None:
        """Join these pairs in all of them."""
        self._text = Joiner(left, right, joined).join(self._text)

    def free(self) -> Floats:
        """float64[n]: how often each is there without its first word being joined to the word before it.

        A word alone leaves what is behind it as it would be without that word.
        """
        first = self._text[np.append(0, np.flatnonzero(self._text == _END)[:-1] + 1)] if self._text.size else self._text
        taken = (first >= self._words) & (self._shorter >= 0)
        return self._counts - np.bincount(self._shorter[taken], self._counts[taken], self._counts.size)


def _written_out(grams: Grams, words: int) -> Ids:
    """The words of each gram, then an end, gram after gram: int32[n]."""
    bounds = grams.bounds(words)
    rows = np.full((len(grams), len(bounds) + 1), _NONE, np.int32)
    for length, (begin, end) in enumerate(pairwise(bounds), 1):
        left = grams.left[begin:end]
        rows[begin:end, :length] = left[:, None] if length == 1 else rows[left - words, :length]
        rows[begin:end, length] = grams.right[begin:end]
    rows[:, -1] = _END
    text = rows.ravel()
    return np.asarray(text[text != _NONE])


def _without_first(grams: Grams, words: int) -> Ints:
    """int64[n]: where each gram without its first word is among them; -1 where that is a word, or is not there."""
    pairs, shorter = grams.pairs, np.full(len(grams), -1, np.int64)
    bounds = grams.bounds(words)
    for length, (begin, end) in enumerate(pairwise(bounds), 1):
        before = grams.left[begin:end] - words  # its place without its last word
        if length > 1:
            left = grams.right[before] if length == 2 else words + shorter[before]
            wanted = (left.astype(np.int64) << 32) | grams.right[begin:end]
            at = np.minimum(np.searchsorted(pairs, wanted), len(grams) - 1)
            shorter[begin:end] = np.where((left >= 0) & (pairs[at] == wanted), at, -1)
    return shorter

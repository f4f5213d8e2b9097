# mypy: disable-error-code="no-untyped-call"
"""Joining the phrases of a text: pass after pass, each from left to right over what the one before has made."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

import numpy as np

from gossipw2v.w2v.kernels.phrases.pairs import NOTHING, empty, empty_sieve, enter, join_pairs, sift
from gossipw2v.w2v.phrases.grams import pair_numbers
from gossipw2v.w2v.phrases.joins import Ids, Joins


class Joiner:
    """Joins the pairs of one pass in a stream of ids, those below 0 being no units; a pair may be in two blocks."""

    def __init__(self, left: Ids, right: Ids, joined: Ids) -> None:
        self._seed = np.uint64(secrets.randbits(64))
        self._table, self._sieve, pairs = empty(left.size), empty_sieve(left.size), pair_numbers(left, right)
        enter(pairs, joined.astype(np.int64) + 1, self._table, self._seed)
        sift(pairs, self._sieve, self._seed)
        self._held = NOTHING  # the last unit, which may be joined to the next

    def join(self, ids: Ids) -> Ids:
        """The next block, joined, without its last unit, but with that of the one before."""
        out = np.empty(ids.size + 1, np.int32)
        number, self._held = join_pairs(ids, self._held, self._table, self._sieve, self._seed, out)
        return out[:number]

    def rest(self) -> Ids:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, NOTHING
        return np.array([held] if held >= 0 else [], np.int32)


def join_all(blocks: Iterable[Ids], joins: Joins) -> Iterator[Ids]:
    """A stream of blocks with all passes done to it."""
    for begin, end in joins.spans():
        span = slice(begin, end)
        blocks = _joined(blocks, Joiner(joins.left[span], joins.right[span], joins.joined[span]))
    yield from blocks


def _joined(blocks: Iterable[Ids], joiner: Joiner) -> Iterator[Ids]:
    for block in blocks:
        yield joiner.join(block)
    yield joiner.rest()

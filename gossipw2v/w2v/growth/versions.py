"""Versions of a vocabulary: how the next is made of what nodes propose, and how one follows from another.

Ids never move: a version has the words of its parent in their places, with counts raised by the text that has come
since, and new words behind them. Of two that were made apart of one parent, the one of more tokens is right; rows are
carried over by word then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gossipw2v.w2v.text.rounds.lineage import MOST_INCLUDED, MOST_VERSIONS, Lineage, most_added
from gossipw2v.w2v.text.vocab import MAX_TOKENS, MAX_WORDS, Counts, Ints, Vocab, VocabError, merge_counts, places
from gossipw2v.w2v.text.words import Words


@dataclass(frozen=True, slots=True)
class Rule:
    """Which words a version takes up: `min_count` and `max_vocab` as of a first vocabulary; at most `room` in all."""

    min_count: int
    max_vocab: int = 0
    room: int = MAX_WORDS


@dataclass(frozen=True, eq=False)
class Renumbering:
    """Where the words of a vocabulary are in the one that follows: `places` int64[V], -1 for one that is no more.

    `size`: words of the new one.
    """

    places: Ints
    size: int

    @property
    def dropped(self) -> int:
        """Words that are no more."""
        return int(np.count_nonzero(self.places < 0))

    @cached_property
    def stays(self) -> bool:
        """Whether all words stay where they are."""
        return bool((self.places == np.arange(len(self.places))).all())

    @cached_property
    def rows(self) -> Ints:
        """int64[2V]: the same for the rows of both matrices."""
        below = np.where(self.places < 0, -1, self.places + self.size)
        return np.concatenate((self.places, below))


def digest_of(data: bytes) -> bytes:
    """The name of the content of a proposal, or of a vocabulary's bytes: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).digest()


def root_of(vocab: Vocab) -> bytes:
    """What all versions of one vocabulary share."""
    return vocab.lineage.root if vocab.lineage is not None else digest_of(vocab.to_bytes())


def rank_of(vocab: Vocab) -> int:
    """By which rival vocabularies are ordered: tokens, and a version is always above the one that it grew from."""
    return vocab.tokens + vocab.version


def next_version(vocab: Vocab, proposals: dict[bytes, Counts], rule: Rule) -> Vocab:
    """The version that follows from counts of text that is in no version yet, by their digests.

    VocabError if there can be none: too many versions, or too much text.
    """
    merged = merge_counts([proposals[digest] for digest in sorted(proposals)])
    at = places(vocab.words, merged.words)
    counts = vocab.counts.copy()
    counts[at[at >= 0]] += merged.counts[at >= 0]
    new = _new_words(vocab, merged, at, rule)
    words = Words(vocab.words.text + (more := merged.words.take(new)).text, _behind(vocab.words, more))
    found = Vocab(words, np.concatenate((counts, merged.counts[new])), lineage=_lineage(vocab, sorted(proposals)))
    if found.version > MOST_VERSIONS or found.tokens > MAX_TOKENS:
        raise VocabError(f"version {found.version:,} with {found.tokens:,} tokens: more than there can be")
    return found


def _new_words(vocab: Vocab, merged: Counts, at: Ints, rule: Rule) -> Ints:
    """The places among the merged words of those that are taken up, the most frequent first."""
    most = min(rule.max_vocab or MAX_WORDS, rule.room, MAX_WORDS) - len(vocab)
    order = np.argsort(-merged.counts, kind="stable")  # words ascend, so ties stay in order of their bytes
    order = order[(at[order] < 0) & (merged.counts[order] >= rule.min_count)]
    return np.asarray(order[: max(0, min(most, most_added(len(vocab))))], np.int64)


def _behind(words: Words, more: Words) -> Ints:
    return np.concatenate((words.starts, words.starts[-1] + more.starts[1:]))


def _lineage(vocab: Vocab, proposals: Sequence[bytes]) -> Lineage:
    before = vocab.lineage or Lineage(root_of(vocab), ())
    taken_up = (*before.proposals, *((name, before.number + 1) for name in proposals))[-MOST_INCLUDED:]
    return Lineage(before.root, (*before.steps, (vocab.digest, len(vocab))), taken_up)


def follows(vocab: Vocab, other: Vocab) -> bool:
    """Whether `other` has grown from `vocab`, so that all ids are the same words."""
    return other is not vocab and vocab.digest in other.digests


def renumbering(vocab: Vocab, other: Vocab) -> Renumbering:
    """Where the words of `vocab` are in `other`. VocabError unless that is, as it says, another version of the same."""
    if root_of(vocab) != root_of(other):
        raise VocabError("version of a vocabulary: of another one")
    if follows(vocab, other):
        _check_grown(vocab, other)
        return Renumbering(np.arange(len(vocab)), len(other))
    first = _first_words(vocab)
    if first != _first_words(other):
        raise VocabError("version of a vocabulary: the first words are not those that all its versions have")
    return Renumbering(places(other.words, vocab.words), len(other))


def _check_grown(vocab: Vocab, other: Vocab) -> None:
    assert other.lineage is not None
    sizes = dict(other.lineage.steps)
    same = sizes[vocab.digest] == len(vocab) and other.words.text.startswith(vocab.words.text)
    if not same or (other.counts[: len(vocab)] < vocab.counts).any():
        raise VocabError("version of a vocabulary: its first words, or their counts, are not those that it grew from")


def _first_words(vocab: Vocab) -> Words:
    size = vocab.lineage.steps[0][1] if vocab.lineage is not None else len(vocab)
    return vocab.words[:size]


def part_of(counts: Counts, words: Words) -> Counts:
    """What of some counts is of these words; all totals stay."""
    return counts.of(places(words, counts.words) >= 0)


def without(counts: Counts, part: Counts) -> Counts:
    """Counts less those of a part of them; of the totals its tokens go."""
    at = places(counts.words, part.words)
    left, known = counts.counts.copy(), at >= 0
    left[at[known]] = np.maximum(left[at[known]] - part.counts[known], 0)
    gone = int(counts.counts.sum() - left.sum())
    rest = replace(counts, counts=left, tokens=max(counts.tokens - gone, int(left.sum())))
    return rest.of(left > 0)

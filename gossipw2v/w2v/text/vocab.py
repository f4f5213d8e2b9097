"""Which words there are: counted by every node on its own text, merged, and frozen alike on all of them.

A `Counts` and a `Vocab` travel as bytes and are kept on disk; what comes back from there is judged as input. Their
bytes are plain: words joined by newlines, then a 16-bit number for each word, then the numbers that need 64 bits.
Nothing is compressed, so the bytes of equal contents are equal, and no blob unpacks to more than it is. Where there are
phrases, what they need stands behind that, as numbers: no word of a text can be taken for it.
"""

from __future__ import annotations

import codecs
import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.phrases.grams import MAX_GRAMS, Grams, merge_grams, no_grams
from gossipw2v.w2v.phrases.joins import Joins, no_joins
from gossipw2v.w2v.phrases.rule import NO_PHRASES, PhraseRule
from gossipw2v.w2v.text.blocks import MAX_WORD_BYTES, Tally, TextReader
from gossipw2v.w2v.text.files import Source
from gossipw2v.w2v.text.rounds.lineage import Lineage
from gossipw2v.w2v.text.words import Words

T = TypeVar("T")
Blob = TypeVar("Blob")
Ints = NDArray[np.int64]

JOINER = b"_"  # between the words of a phrase
MAX_WORDS = 1 << 24  # distinct words kept or accepted: some 150 bytes each while they are counted, 2.5 GB; then 25
MAX_TOKENS = 1 << 48  # words in all, some 2 petabytes of text; 32,768 such totals still fit int64

_ESCAPE = 0xFFFF
_PIECE = 1 << 16  # bytes decoded at a time
_CHECKED = 1 << 12  # joins looked at at a time
_FORBIDDEN = b" \t\r\v\f\0"
_COUNTS, _VOCAB = b"GWC1", b"GWV1"
_GRAMS, _JOINS = b"GWC2", b"GWV2"  # the same with grams, with joins
_VERSION = b"GWV3"  # a vocabulary behind its lineage
_SIZES = struct.Struct("<4sQQI")  # which of these; bytes of the blob before, then of more words; how many these are


class VocabError(ValueError):
    """Counts or a vocabulary that cannot be used; the message says why."""


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each word occurs in some text: `words` ascending as bytes, `counts` int64[len(words)], all > 0.

    `tokens` is every word read, so at least the sum of `counts`; `replaced` bytes were no UTF-8 or NUL; `dropped`
    words were over-long; to bound memory, rare words were forgotten `pruned_words` times, `pruned_tokens` in all.
    """

    words: Words
    counts: NDArray[np.int64]
    tokens: int
    replaced: int = 0
    dropped: int = 0
    pruned_words: int = 0
    pruned_tokens: int = 0
    grams: Grams = field(default_factory=no_grams, kw_only=True)  # of `words`

    def totals(self) -> tuple[int, int, int, int, int]:
        """Everything that adds up when counts are merged."""
        return self.tokens, self.replaced, self.dropped, self.pruned_words, self.pruned_tokens

    @classmethod
    def of_totals(cls, totals: tuple[int, ...]) -> Counts:
        """What is left of a count when its words are not needed any more: `totals`, for people."""
        return cls(Words.of(()), np.empty(0, np.int64), *totals)

    def at_least(self, count: int) -> Counts:
        """The words and grams that occur at least so often; the totals stay those of the whole text."""
        return self.of(self.counts >= count, count)

    def of(self, chosen: NDArray[np.bool_], least: int = 1) -> Counts:
        """The words of bool[len(words)], and grams that occur at least so often, whose words stay; so do all totals."""
        kept, rows = np.flatnonzero(chosen), np.where(chosen, np.cumsum(chosen) - 1, -1)
        grams = self.grams.kept(self.grams.counts >= least, rows)
        return replace(self, words=self.words.take(kept), counts=self.counts[kept], grams=grams)

    def to_bytes(self) -> bytes:
        """A self-describing blob, about 11 bytes a word and 12 a gram; equal counts give equal bytes."""
        data = _pack(_COUNTS, self.words, self.counts, self.totals())
        return _pack_more(_GRAMS, data, Words.of(()), self.grams.to_bytes()) if len(self.grams) else data

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        """Read `to_bytes`. Whatever else it is given, it raises VocabError with the reason, in bounded memory."""
        data, others, rest = _unpack_more(_GRAMS, data)
        if others:
            raise VocabError("counts: words that are not counted")
        words, counts, totals = _unpack(_COUNTS, data, totals=5)
        if not words.ascend():
            raise VocabError("counts: words out of order, or twice")
        if max(totals) > MAX_TOKENS or _sum(counts) > totals[0]:
            raise VocabError("counts: more tokens than they say, or than there can be")
        return cls(words, counts, *totals, grams=_read(Grams.from_bytes, rest, counts) if rest else no_grams())


@dataclass(frozen=True, eq=False)
class Vocab:
    """The words of a model, most frequent first, ties by bytes; `counts` int64[len]. A word's place is its row.

    `joins` make phrases of a text's words; their units are the places of `words`, then those of `others`, ascending:
    words and phrases that are joined, or come of it, and are no words of the model.

    A version that has grown, of which `lineage` tells, has the words of its parent in their places, then new ones; only
    the last ones are in order.
    """

    words: Words
    counts: NDArray[np.int64]
    others: Words = field(default_factory=lambda: Words.of(()))
    joins: Joins = field(default_factory=no_joins)
    lineage: Lineage | None = None

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that two vocabularies share only if words, order and counts are the same."""
        digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.vocab")
        digest.update(self.words.joined)
        digest.update(b"\n\n")
        digest.update(self.counts.astype("<i8").tobytes())
        if len(self.joins):
            digest.update(self.others.joined)
            digest.update(b"\n\n")
            digest.update(self.joins.to_bytes())
        if self.lineage is not None:
            digest.update(self.lineage.to_bytes())
        return digest.digest()

    @property
    def digests(self) -> frozenset[bytes]:
        """Its own digest, and those of the vocabularies whose ids are the same words here: text stays encoded."""
        before = self.lineage.steps if self.lineage is not None else ()
        return frozenset({self.digest, *(digest for digest, _ in before)})

    @property
    def version(self) -> int:
        """How often it has grown."""
        return self.lineage.number if self.lineage is not None else 0

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """uint64[len]: 8 bytes of BLAKE2b of each word, so that its first vector is the same on every node."""
        digests = (hashlib.blake2b(word, digest_size=8).digest() for word in self.words)
        return np.fromiter((int.from_bytes(digest, "little") for digest in digests), np.uint64, len(self))

    @property
    def tokens(self) -> int:
        """Tokens of the whole swarm's text that are in the vocabulary."""
        return int(self.counts.sum())

    def to_bytes(self) -> bytes:
        """A self-describing blob; equal vocabularies give equal bytes."""
        data = _pack(_VOCAB, self.words, self.counts, ())
        if self.lineage is not None:
            return _VERSION + self.lineage.to_bytes() + data
        return _pack_more(_JOINS, data, self.others, self.joins.to_bytes()) if len(self.joins) else data

    @property
    def units(self) -> Words:
        """What `joins` join, and make."""
        starts = np.concatenate((self.words.starts, self.words.starts[-1] + self.others.starts[1:]))
        return Words(self.words.text + self.others.text, starts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Vocab:
        """Read `to_bytes`. Whatever else it is given, it raises VocabError with the reason, in bounded memory."""
        if data.startswith(_VERSION):
            return cls._version(data[len(_VERSION) :])
        data, others, rest = _unpack_more(_JOINS, data)
        words, counts = _usable(data)
        if not _is_ranked(words, counts):
            raise VocabError("vocabulary: not in order of falling counts, ties by bytes")
        if not rest:
            return cls(words, counts)
        vocab = cls(words, counts, others, _read(Joins.from_bytes, rest, len(words) + len(others)))
        _check_joins(vocab)
        return vocab

    @classmethod
    def _version(cls, data: bytes) -> Vocab:
        """One that has grown; whether it has grown from another is for `growth.versions` to say."""
        try:
            lineage, size = Lineage.from_bytes(data)
            words, counts = _usable(data[size:])
            lineage.check(len(words))
        except ValueError as error:
            raise VocabError(f"version of a vocabulary: {error}") from error
        new = np.arange(lineage.steps[-1][1], len(words))
        if not _is_ranked(words.take(new), counts[new]):
            raise VocabError("version of a vocabulary: new words are not in order of falling counts, ties by bytes")
        return cls(words, counts, lineage=lineage)


def count_words(files: Sequence[Source], reader: TextReader | None = None, max_words: int = MAX_WORDS) -> Counts:
    """Count the words of `files` as `reader` goes through them, at most `max_words` at a time.

    Beyond that the rarest are forgotten, as in word2vec.c, and the loss is reported; what a text gives does not
    depend on threads. Raises CorpusError, or Stopped within a second.
    """
    from gossipw2v.w2v.text.scanner import WordCounter  # noqa: PLC0415 - brings numba, which reading a vocabulary does not need

    tally, counter = Tally(), WordCounter(max_words, MAX_WORD_BYTES)
    for part in (reader or TextReader()).run(files, counter.count, tally):
        counter.add(part)
    words, counts = counter.result()
    dropped = tally.dropped + counter.dropped
    pruned = counter.pruned_words, counter.pruned_tokens
    return Counts(words, counts, counter.tokens, tally.replaced, dropped, *pruned)


def count_grams(
    counts: Counts, files: Sequence[Source], passes: int, reader: TextReader | None = None, most: int = MAX_GRAMS
) -> Counts:
    """`counts`, which are of `files`, with the grams of two words and of up to `passes` more that are in them.

    At most `most` of them, a share of it for each length: beyond that the rarest are forgotten, and the loss reported.
    Raises as `count_words` does.
    """
    from gossipw2v.w2v.phrases.counting import GramCounter  # noqa: PLC0415
    from gossipw2v.w2v.text.scanner import END, GAP, WordIndex  # noqa: PLC0415

    order = np.argsort(-counts.counts, kind="stable")  # words that are often met are found faster near each other
    index, grams = WordIndex(counts.words.take(order)), no_grams()
    places_of = np.append(order, (GAP, END)).astype(np.int32)  # the last two by their negative numbers
    for _ in range(passes):
        counter = GramCounter(order.size, grams, counts.tokens, most // passes)
        for ids in (reader or TextReader()).run(files, lambda data: places_of[index.encode_all(data)], Tally()):
            counter.add(ids)
        grams = grams.with_longer(*counter.result(), counts.counts, counter.pruned)
    return replace(counts, grams=grams)


def merge_counts(parts: Sequence[Counts]) -> Counts:
    """The counts of several texts as one; the order of `parts` does not matter. Raises VocabError beyond the caps."""
    merged = parts[0] if len(parts) == 1 else _add_up(parts)
    if max(merged.totals()) > MAX_TOKENS or len(merged.words) > MAX_WORDS:
        raise VocabError(
            f"merged counts: {len(merged.words):,} words, {merged.tokens:,} tokens are more than there can be"
        )
    return merged


def _add_up(parts: Sequence[Counts]) -> Counts:
    from gossipw2v.w2v.text.scanner import WordCounter  # noqa: PLC0415

    counter = WordCounter(sum(len(part.words) for part in parts), MAX_WORD_BYTES)
    for part in parts:
        counter.add_words(part.words, part.counts)
    words, counts = counter.result()
    grams = merge_grams([(part.grams, places(words, part.words)) for part in parts if len(part.grams)], len(words))
    sums = (sum(column) for column in zip([0] * 5, *(part.totals() for part in parts), strict=True))
    return Counts(words, counts, *sums, grams=grams)


def places(index: Words, words: Words) -> Ints:
    """int64[n]: where in `index`, which has no word twice, each of `words` is; -1 where it is not."""
    from gossipw2v.w2v.text.scanner import END, WordIndex  # noqa: PLC0415

    found = WordIndex(index).encode_all(bytes(words.joined) or b"\n")
    return np.asarray(np.maximum(found[found != END], -1), np.int64)


def freeze(counts: Counts, min_count: int = 5, max_vocab: int = 0, rule: PhraseRule = NO_PHRASES) -> Vocab:
    """The words and phrases seen at least `min_count` times, at most the `max_vocab` most frequent (0: all).

    Words are counted where they are not in phrases. A phrase that is rarer, or one too many, is joined all the same, as
    word2phrase does. Raises VocabError, with the numbers, when fewer than two are left: there is nothing to tell apart.
    """
    if not (rule.passes and len(counts.grams)):
        return _frozen(counts, min_count, max_vocab)
    from gossipw2v.w2v.phrases.scoring import find_phrases  # noqa: PLC0415

    found = find_phrases(counts.counts, counts.words.lengths, counts.grams, rule, MAX_WORD_BYTES)
    phrases = _phrases(counts.words, found.joins)
    vocab = _frozen(_count_anew(counts, phrases, np.rint(found.counts).astype(np.int64)), min_count, max_vocab)
    return _with_joins(vocab, counts.words, phrases, found.joins)


def _phrases(words: Words, joins: Joins) -> list[bytes]:
    """What comes of each join, whose units are `words` and then these."""
    phrases: list[bytes] = []
    for pair in zip(joins.left.tolist(), joins.right.tolist(), strict=True):
        left, right = (words[unit] if unit < len(words) else phrases[unit - len(words)] for unit in pair)
        phrases.append(left + JOINER + right)
    return phrases


def _count_anew(counts: Counts, phrases: list[bytes], left: Ints) -> Counts:
    """The words and phrases with what is `left` for them; what looks alike is one."""
    from gossipw2v.w2v.text.scanner import WordCounter  # noqa: PLC0415

    number: dict[bytes, int] = {}
    for phrase, times in zip(phrases, left[len(counts.words) :].tolist(), strict=True):
        number[phrase] = number.get(phrase, 0) + times
    counter = WordCounter(len(counts.words) + len(number), MAX_WORD_BYTES)
    counter.add_words(counts.words, left[: len(counts.words)])
    counter.add_words(Words.of(list(number)), np.fromiter(number.values(), np.int64, len(number)))
    return Counts(*counter.result(), counts.tokens)


def _with_joins(vocab: Vocab, words: Words, phrases: list[bytes], joins: Joins) -> Vocab:
    """With the joins, whose units are `words` and then `phrases`, as joins of units of the vocabulary."""
    used = np.unique(np.concatenate((joins.left, joins.right, joins.joined)))
    names = [words[unit] if unit < len(words) else phrases[unit - len(words)] for unit in used.tolist()]
    at = places(vocab.words, Words.of(names))
    others = sorted({name for name, place in zip(names, at, strict=True) if place < 0})
    place_of = {name: len(vocab) + place for place, name in enumerate(others)}
    at = np.array([place_of.get(name, place) for name, place in zip(names, at.tolist(), strict=True)], np.int32)
    units = np.full(len(words) + len(phrases), -1, np.int32)
    units[used] = at
    return replace(vocab, others=Words.of(others), joins=joins.renumbered(units))


def _frozen(counts: Counts, min_count: int, max_vocab: int) -> Vocab:
    order = np.argsort(-counts.counts, kind="stable")  # words ascend, so ties stay in order of their bytes
    kept = order[: np.count_nonzero(counts.counts >= min_count)]
    kept = kept[:max_vocab] if max_vocab else kept
    words = counts.words.take(kept)
    seen = f"{counts.tokens:,} tokens of {len(counts.words):,} words, min_count {min_count}"
    _check_usable(words, seen + (f", max_vocab {max_vocab}" if max_vocab else ""))
    return Vocab(words, counts.counts[kept])


def _check_usable(words: Words, where: str) -> None:
    if len(words) < 2:
        found = f"only one word, {words[0].decode()!r}" if words else "no word"
        raise VocabError(f"{where}: {found} left for a vocabulary: give more text, or lower min_count")


def _usable(data: bytes) -> tuple[Words, NDArray[np.int64]]:
    """The words of a vocabulary and their counts, in whatever order. VocabError."""
    words, counts, _ = _unpack(_VOCAB, data, totals=0)
    _check_usable(words, "vocabulary")
    if not words.distinct():
        raise VocabError("vocabulary: a word is there twice")
    if _sum(counts) > MAX_TOKENS:
        raise VocabError(f"vocabulary: more than {MAX_TOKENS:,} tokens")
    return words, counts


def _is_ranked(words: Words, counts: NDArray[np.int64]) -> bool:
    steps = np.diff(counts)
    return bool((steps <= 0).all()) and words.ascend(np.flatnonzero(steps == 0))


def _check_joins(vocab: Vocab) -> None:
    units, joins = vocab.units, vocab.joins
    columns = joins.left, joins.right, joins.joined
    if not vocab.others.ascend() or not units.distinct():
        raise VocabError("vocabulary: a word that is joined is there twice, or out of order")
    for at in range(0, len(joins), _CHECKED):
        parts = (units.take(column[at : at + _CHECKED].astype(np.int64)) for column in columns)
        if not all(left + JOINER + right == joined for left, right, joined in zip(*parts, strict=True)):
            raise VocabError("vocabulary: words are joined to something else")


def _read(read: Callable[[bytes, T], Blob], data: bytes, of: T) -> Blob:
    try:
        return read(data, of)
    except ValueError as error:
        raise VocabError(str(error)) from error


def _sum(counts: NDArray[np.int64]) -> float:
    """In floating point: a hostile sum would overflow int64; below 2**53 it is exact."""
    return float(counts.sum(dtype=np.float64))


def _pack(magic: bytes, words: Words, counts: NDArray[np.int64], totals: tuple[int, ...]) -> bytes:
    text = words.joined
    header = struct.pack(f"<4sIQ{len(totals)}Q", magic, len(words), len(text), *totals)
    small = np.minimum(counts, _ESCAPE).astype("<u2").tobytes()
    return b"".join((header, text, small, counts[counts >= _ESCAPE].astype("<i8").tobytes()))


def _unpack(magic: bytes, data: bytes, totals: int) -> tuple[Words, NDArray[np.int64], tuple[int, ...]]:
    layout = struct.Struct(f"<4sIQ{totals}Q")
    if len(data) < layout.size or not data.startswith(magic):
        raise VocabError(f"not a {magic.decode()} blob: wrong first bytes, or cut short")
    _, number, size, *sums = layout.unpack_from(data)
    small_at = layout.size + size
    large_at = small_at + 2 * number
    if number > MAX_WORDS or large_at > len(data):
        raise VocabError(f"blob: {number:,} words in {size:,} bytes are too many, or more than are there")
    words = _read_words(data[layout.size : small_at], number)
    return words, _read_counts(data[small_at:large_at], data[large_at:]), tuple(sums)


def _pack_more(magic: bytes, data: bytes, words: Words, rest: bytes) -> bytes:
    return b"".join((_SIZES.pack(magic, len(data), len(words.joined), len(words)), data, words.joined, rest))


def _unpack_more(magic: bytes, data: bytes) -> tuple[bytes, Words, bytes]:
    """The blob before, the words and the rest of `_pack_more`; where it is no such blob, all of it and nothing."""
    if not data.startswith(magic):
        return data, Words.of(()), b""
    _, size, text, number = _SIZES.unpack(data[: _SIZES.size].ljust(_SIZES.size, b"\0"))
    words_at = _SIZES.size + size
    rest_at = words_at + text
    if rest_at >= len(data):
        raise VocabError(f"not a {magic.decode()} blob: cut short")
    words = _read_words(data[words_at:rest_at], number)
    return data[_SIZES.size : words_at], words, data[rest_at:]


def _read_words(text: bytes, number: int) -> Words:
    if number != (text.count(b"\n") + 1 if text else 0):  # before anything is made of them
        raise VocabError(f"blob: not {number:,} words, one a line")
    words = Words.split(text)
    lengths = words.lengths
    if number and not 1 <= lengths.min() <= lengths.max() <= MAX_WORD_BYTES:
        raise VocabError(f"blob: a word is empty or longer than {MAX_WORD_BYTES} bytes")
    if any(byte in text for byte in _FORBIDDEN):
        raise VocabError("blob: a word holds whitespace or a NUL")
    try:
        _decode(text)  # with newlines between them, valid together means valid one by one
    except UnicodeDecodeError as error:
        raise VocabError(f"blob: the words are not UTF-8: {error.reason}") from error
    return words


def _decode(text: bytes) -> None:
    """UnicodeDecodeError unless `text` is UTF-8; in pieces, for it may take four times as much memory decoded."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(text), _PIECE):
        decoder.decode(text[start : start + _PIECE], final=start + _PIECE >= len(text))


def _read_counts(small: bytes, large: bytes) -> NDArray[np.int64]:
    counts = np.frombuffer(small, "<u2").astype(np.int64)
    escaped = counts == _ESCAPE
    if len(large) != 8 * np.count_nonzero(escaped):
        raise VocabError("blob: bytes left over or missing after the counts")
    counts[escaped] = np.frombuffer(large, "<i8")
    if counts.size and not (counts.min() >= 1 and (counts[escaped] >= _ESCAPE).all() and counts.max() < MAX_TOKENS):
        raise VocabError(f"blob: a count is not between 1 and {MAX_TOKENS:,}, or not in its shortest form")
    return counts

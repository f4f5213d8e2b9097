"""A public list of words that is a job's vocabulary: no other word leaves a node, nor comes to one.

A line is a word, or a word and how often it occurs, as word2vec.c's vocabularies have it. Where the list has counts,
nobody needs those of any text, and none are sent.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from gossipw2v.w2v.text.blocks import BOM, MAX_WORD_BYTES
from gossipw2v.w2v.text.vocab import MAX_TOKENS, MAX_WORDS, Counts, Ints, VocabError, places
from gossipw2v.w2v.text.words import Words, ascending

MOST_BYTES = 1 << 30  # of a list
LONGEST_LINE = MAX_WORD_BYTES + 64  # bytes: a word, white space and a count
_CURE = "a line is one word, or a word and its count"


@dataclass(frozen=True, eq=False)
class WordList:
    """`words` ascending as bytes, `counts` int64[len(words)] or None where the list has none; `name`: its file."""

    name: str
    words: Words
    counts: Ints | None = None

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that lists share only if words and counts are the same, in whatever order and with whatever ends."""
        digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.list")
        digest.update(self.words.joined)
        digest.update(b"\n\n")
        if self.counts is not None:
            digest.update(self.counts.astype("<i8").tobytes())
        return digest.digest()

    def leaving(self, counts: Counts) -> Counts:
        """What others may be told of a node's `counts`: those of listed words; none where the list has counts."""
        if self.counts is not None:
            return counts.of(np.zeros(len(counts.words), np.bool_))
        return counts.of(self._places(counts.words) >= 0)

    def frozen_from(self, counts: Counts) -> Counts:
        """What a vocabulary is frozen from, where the swarm has counted `counts`."""
        known = self.leaving(counts)  # what others sent has been judged; this holds whatever comes
        return known if self.counts is None else replace(known, words=self.words, counts=self.counts)

    def check(self, words: Words, counts: Ints | None = None) -> None:
        """VocabError for a word from elsewhere that is not in the list, or has another count than there."""
        found = self._places(words)
        if (found < 0).any():
            raise VocabError(f"it holds a word that is not in {self.name}, the list of this job")
        if self.counts is not None and counts is not None and not np.array_equal(self.counts[found], counts):
            raise VocabError(f"it holds another count than {self.name}, the list of this job")

    def _places(self, words: Words) -> Ints:
        return places(self.words, words)


class _Lines(NamedTuple):
    """What the lines of a list hold; `numbers` int64[n]: where each word stands, from 1 on."""

    words: Words
    counts: Ints | None
    numbers: Ints


def read_word_list(path: Path) -> WordList:
    """The list in a file of UTF-8; blank lines are none of it. VocabError names the line and says what to do."""
    try:
        with path.open("rb") as file:
            found = _read(file, path)
    except OSError as error:
        raise VocabError(f"{path}: {error.strerror or error}; --vocab takes a file of words, one a line") from error
    if len(found.words) < 2:
        raise VocabError(f"{path}: holds {len(found.words)} words; a vocabulary has at least two, one a line")
    order = ascending(found.words.array, found.words.starts[:-1], found.words.lengths)
    words = found.words.take(order)
    _check_distinct(words, found.numbers[order], path)
    return WordList(str(path), words, None if found.counts is None else found.counts[order])


def _read(file: IO[bytes], path: Path) -> _Lines:
    text, counts, numbers = bytearray(), array("q"), array("q")
    for number, line in _lines(file, path):
        word, count = _entry(line, f"{path}, line {number}")
        if counts and bool(count) is not bool(counts[0]):
            raise VocabError(f"{path}, line {number}: some words have counts and some have none; give all of them one")
        if len(numbers) == MAX_WORDS:
            raise VocabError(f"{path}, line {number}: more than {MAX_WORDS:,} words; leave out the rarest")
        text += word + b"\n"
        numbers.append(number)
        counts.append(count)
    found = np.array(counts, np.int64)
    if found.sum(dtype=np.float64) > MAX_TOKENS:
        raise VocabError(f"{path}: counts of more than {MAX_TOKENS:,} words of text in all; scale them down")
    words = Words.split(bytes(text[:-1]))
    return _Lines(words, found if found.any() else None, np.array(numbers, np.int64))


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line that is not blank, with its number; none is longer than `LONGEST_LINE`."""
    number, size = 0, 0
    while line := file.readline(LONGEST_LINE):
        number, size = number + 1, size + len(line)
        if size > MOST_BYTES:
            raise VocabError(f"{path}: more than {MOST_BYTES:,} bytes; is it a list of words?")
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise VocabError(f"{path}, line {number}: is longer than {LONGEST_LINE:,} bytes; {_CURE}")
        line = line.removeprefix(BOM) if number == 1 else line
        if line.strip():
            yield number, line


def _entry(line: bytes, where: str) -> tuple[bytes, int]:
    """The word of a line, and its count, 0 if it has none. VocabError, which begins with `where`."""
    word, *rest = line.split()
    if len(rest) > 1 or (rest and not (rest[0].isdigit() and 0 < int(rest[0][:19]) <= MAX_TOKENS)):
        told = b" ".join(rest)[:40].decode("utf-8", "replace")
        raise VocabError(f"{where}: what follows the word is no count, but {told!r}; {_CURE}")
    if len(word) > MAX_WORD_BYTES:
        raise VocabError(f"{where}: a word of {len(word):,} bytes; {MAX_WORD_BYTES:,} are the most: take it out")
    try:
        word.decode()
    except UnicodeDecodeError as error:
        raise VocabError(f"{where}: is not UTF-8 ({error.reason}); convert the file, with iconv for instance") from None
    if b"\0" in word:
        raise VocabError(f"{where}: holds a NUL, which no word of a text can; take it out")
    return word, int(rest[0]) if rest else 0


def _check_distinct(words: Words, numbers: Ints, path: Path) -> None:
    """VocabError if one of the ascending `words`, which stand at the lines `numbers`, is there twice."""
    if words.ascend():
        return
    for row in range(1, len(words)):
        if words[row] == words[row - 1]:
            first, second = sorted((int(numbers[row - 1]), int(numbers[row])))
            shown = words[row][:80].decode("utf-8", "replace")
            raise VocabError(f"{path}, line {second}: the word {shown!r} stood already in line {first}; take one out")

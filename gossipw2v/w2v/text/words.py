"""Many words in one piece of memory: a buffer, and where each of them starts in it.

As Python objects words take some 60 bytes each, and are scattered so that the memory stays taken when they go. Here
they take their own bytes and 9 more. What must be done to all of them NumPy does, to the 8 bytes at the same depth of
every word at once: read as big-endian numbers, those compare as the bytes do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_NEWLINE = ord("\n")
_PIECE = 1 << 10  # words copied or handed out at a time: the indices of their bytes take 16 times as much memory
_HEAD = 8  # bytes of a word that are compared at a time
_SORTED = 1 << 16  # words, or a few more, sorted at a time: sorting takes 70 bytes a word


@dataclass(frozen=True, slots=True, eq=False)
class Words(Sequence[bytes]):
    """An immutable sequence of words of any bytes; equal to another `Words` of the same words.

    `text`: all of them, each followed by a newline. `starts` int64[n + 1]: where each begins there, then the end.
    """

    text: bytes
    starts: Ints

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Words:
        """The words of any sequence; `words` itself if that is what it is."""
        if isinstance(words, Words):
            return words
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        return cls(b"\n".join((*words, b"")), _places(lengths))

    @classmethod
    def split(cls, joined: bytes) -> Words:
        """The words between the newlines of `joined`; of nothing, none."""
        if not joined:
            return cls.of(())
        text = joined + b"\n"
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE)
        return cls(text, np.concatenate(([0], ends + 1)))

    @classmethod
    def gather(cls, text: Bytes, starts: Ints, lengths: Ints) -> Words:
        """Copies of the words at `starts` in `text`, whatever lies between them there."""
        places = _places(lengths)
        out = np.empty(places[-1], np.uint8)
        for at in range(0, lengths.size, _PIECE):
            piece = places[at : at + _PIECE + 1]
            shift = starts[at : at + _PIECE] - piece[:-1]
            source = np.arange(piece[0], piece[-1]) + np.repeat(shift, np.diff(piece))
            out[piece[0] : piece[-1]] = text.take(source, mode="clip")  # the last may have nothing behind it
        out[places[1:] - 1] = _NEWLINE
        return cls(out.tobytes(), places)

    def __len__(self) -> int:
        return self.starts.size - 1

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self), _PIECE):
            for start, end in pairwise(self.starts[at : at + _PIECE + 1].tolist()):
                yield self.text[start : end - 1]

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> Words: ...
    def __getitem__(self, place: int | slice) -> bytes | Words:
        if isinstance(place, slice):
            return self.take(np.arange(*place.indices(len(self))))
        row = range(len(self))[place]
        return self.text[self.starts[row] : self.starts[row + 1] - 1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Words):
            return NotImplemented
        return self.text == other.text and np.array_equal(self.starts, other.starts)

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def joined(self) -> memoryview:
        """The words with newlines between them, not copied."""
        return memoryview(self.text)[: max(0, len(self.text) - 1)]

    @property
    def array(self) -> Bytes:
        """`text` as read-only uint8, not copied."""
        return np.frombuffer(self.text, np.uint8)

    @property
    def lengths(self) -> Ints:
        """int64[n]: bytes of each word."""
        return np.diff(self.starts) - 1

    def take(self, rows: Ints) -> Words:
        """The words at `rows` (0 or more each), in that order."""
        return self.gather(self.array, self.starts[:-1][rows], self.lengths[rows])

    def ascend(self, rows: Ints | None = None) -> bool:
        """Whether each word is less than the one behind it, as bytes; or only the words at `rows`."""
        number = max(0, len(self) - 1) if rows is None else rows.size
        for at in range(0, number, _SORTED):
            end = min(at + _SORTED, number)
            if not self._ascend(np.arange(at, end) if rows is None else rows[at:end]):
                return False
        return True

    def _ascend(self, rows: Ints) -> bool:
        depth = 0
        while rows.size:
            (head, left), (next_head, next_left) = (self._at(each, depth) for each in (rows, rows + 1))
            equal = head == next_head
            tied = equal & (left > _HEAD) & (next_left > _HEAD)
            if not (tied | (head < next_head) | (equal & (left < next_left))).all():
                return False
            rows, depth = rows[tied], depth + _HEAD
        return True

    def _at(self, rows: Ints, depth: int) -> tuple[NDArray[np.uint64], NDArray[np.int8]]:
        """`_heads` of what is left of words behind their first `depth` bytes."""
        starts = self.starts[rows] + depth
        return _heads(self.array, starts, self.starts[rows + 1] - 1 - starts)

    def distinct(self) -> bool:
        """Whether no word is there twice."""
        return self.take(ascending(self.array, self.starts[:-1], self.lengths)).ascend()


def ascending(text: Bytes, starts: Ints, lengths: Ints) -> Ints:
    """int64[n]: the order in which the words at `starts` in `text` ascend as bytes.

    First by two bytes, which takes little memory, then those that have the same, some ten thousands at a time.
    """
    first, _ = _heads(text, starts, lengths, 2)
    order = np.argsort(first.astype(np.uint16), kind="stable")
    ends = np.append(np.flatnonzero(np.diff(first[order])) + 1, order.size)
    start = 0
    while start < order.size:
        end = int(ends[np.searchsorted(ends, min(start + _SORTED, order.size))])
        rows = order[start:end]
        order[start:end] = rows[_ascending(text, starts[rows], lengths[rows])]
        start = end
    return order


def _ascending(text: Bytes, starts: Ints, lengths: Ints) -> Ints:
    """Words that differ in their first 8 bytes are told apart by these; the others, group by group, by the next 8."""
    order = np.arange(starts.size)
    places, group, depth = np.arange(order.size), np.zeros(order.size, np.int64), 0
    while places.size:
        rows = order[places]
        head, left = _heads(text, starts[rows] + depth, lengths[rows] - depth)
        by = np.lexsort((left, head, group))
        order[places] = rows[by]
        group, tied = _ties(group[by], head[by], left[by])
        places, group, depth = places[tied], group[tied], depth + _HEAD
    return order


def _ties(group: Ints, head: NDArray[np.uint64], left: NDArray[np.int8]) -> tuple[Ints, NDArray[np.bool_]]:
    """Of sorted words: the number of each one's new group, and whether it is not alone in it and goes on."""
    same = (np.diff(group) == 0) & (head[1:] == head[:-1]) & (left[:-1] > _HEAD)  # the second is no shorter
    after = np.concatenate(([False], same))
    return np.cumsum(~after), after | np.concatenate((same, [False]))


def _heads(text: Bytes, starts: Ints, lengths: Ints, size: int = _HEAD) -> tuple[NDArray[np.uint64], NDArray[np.int8]]:
    """The first `size` bytes of each word as a big-endian number, 0 where it has none; and its length, 9 if it is more.

    Of two words whose heads are equal, the shorter is the start of the other.
    """
    head = np.zeros(starts.size, np.uint64)
    for n in range(size):
        head <<= np.uint64(8)
        head |= np.where(lengths > n, text.take(starts + n, mode="clip"), np.uint8(0))
    return head, np.minimum(lengths, _HEAD + 1).astype(np.int8)


def _places(lengths: Ints) -> Ints:
    """Where words of these lengths start, each followed by a newline; then the end."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths + 1)))

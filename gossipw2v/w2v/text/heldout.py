"""Which part of a text is kept out of training: passages that its loss can be measured on.

A passage is a sentence or, as a text may be one endless line, a stretch of `PASSAGE` words of a longer one. Each is
held out or not by a draw of its own, so that one seed holds out the same passages of the same text, whatever blocks it
comes in. Where a passage is taken out of the middle of a line, the line ends there: what stood around it never met.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.hashing import END

MOST_WORDS = 200_000  # held out of any text: ten times what a loss is measured on, and small in memory
PASSAGE = 1000  # words
ALWAYS_TRAINED = 2  # passages at the beginning: a text of one or two has none to spare

Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Division:
    """The share of the passages, 0 to 0.5, that is held out by draws from `seed`; 0 holds out nothing."""

    share: float = 0.0
    seed: int = 0

    def of(self, tokens: int) -> Division:
        """The division of a text of so many tokens: a smaller share of a large one, so that it is drawn from all of it.

        About `MOST_WORDS` are held out then, and never more than a passage above.
        """
        return replace(self, share=min(self.share, MOST_WORDS / max(1, tokens)))

    @property
    def digest(self) -> bytes:
        """16 bytes that differ between divisions; zeros for the one that holds out nothing."""
        if not self.share:
            return bytes(16)
        rules = struct.pack("<dQIII", self.share, self.seed, MOST_WORDS, PASSAGE, ALWAYS_TRAINED)
        return hashlib.blake2b(rules, digest_size=16).digest()


@dataclass(slots=True)
class Divider:
    """Divides one text, block after block. `words`: how many have been held out so far."""

    division: Division
    words: int = 0
    _parts: list[Ids] = field(default_factory=list)
    _draws: np.random.PCG64 = field(init=False)
    _passages: int = 0
    _offset: int = 0  # words of the sentence that the last block has begun
    _inside: bool = False  # whether the passage that the last block has begun is held out
    _last: list[int] = field(default_factory=lambda: [END, END])  # ids of what is trained and of what is not

    def __post_init__(self) -> None:
        self._draws = np.random.PCG64(self.division.seed)  # its raw bits are the same in every version of numpy

    def trained(self, block: Ids) -> Ids:
        """What is trained of the text's next ids int32[n], END after each sentence, never twice in a row."""
        if not self.division.share:
            return self._squeezed(block, 0)
        out = self._held_out(block)
        self.words += int(np.count_nonzero(out))
        self._parts.append(self._squeezed(np.where(out, block, np.int32(END)), 1))
        return self._squeezed(np.where(out, np.int32(END), block), 0)

    @property
    def held_out(self) -> Ids:
        """What has been held out so far, int32[n], in the form of what is trained."""
        return np.concatenate([np.empty(0, np.int32), *self._parts])

    def _held_out(self, block: Ids) -> Mask:
        """Which of a block's ids are words that are held out."""
        begins, stops = self._spans(block)
        chosen = np.concatenate(([self._inside], self._choose(len(begins) - 1)))
        words = np.cumsum((stops - begins) * chosen)
        chosen[1:] &= self.words + words[:-1] < MOST_WORDS
        self._inside = bool(chosen[-1])
        out = np.zeros(len(block), np.bool_)
        for begin, stop in zip(begins[chosen], stops[chosen], strict=True):
            out[begin:stop] = True
        return out

    def _spans(self, block: Ids) -> tuple[Places, Places]:
        """Where the passages of a block begin and stop; the first is what is left of the one that has begun before."""
        ends = np.flatnonzero(block == END)
        lines, stops = np.concatenate(([0], ends + 1)), np.concatenate((ends, [len(block)]))
        firsts = lines.copy()
        firsts[0] = min(-self._offset % PASSAGE, stops[0])
        numbers = -((firsts - stops) // PASSAGE)  # of passages that begin in each line
        earlier = np.repeat(np.cumsum(numbers) - numbers, numbers)
        begins = np.repeat(firsts, numbers) + PASSAGE * (np.arange(len(earlier)) - earlier)
        self._offset = int(stops[-1] - lines[-1]) + (0 if len(ends) else self._offset)
        stops = np.minimum(begins + PASSAGE, np.repeat(stops, numbers))
        return np.concatenate(([0], begins)), np.concatenate((firsts[:1], stops))

    def _choose(self, passages: int) -> Mask:
        """Whether each of the next passages is held out."""
        chosen = self._draws.random_raw(passages) < np.uint64(self.division.share * 2.0**64)
        chosen[: max(0, ALWAYS_TRAINED - self._passages)] = False
        self._passages += passages
        return np.asarray(chosen)

    def _squeezed(self, ids: Ids, which: int) -> Ids:
        """`ids` without each END that follows another, or begins the text."""
        if not len(ids):
            return ids
        ends = ids == END
        before = np.concatenate(([self._last[which] == END], ends[:-1]))
        self._last[which] = int(ids[-1])
        further = ends & before
        return np.asarray(ids[~further]) if further.any() else ids

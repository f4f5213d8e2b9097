"""Where a version of a vocabulary comes from: the vocabulary that was frozen first, and all versions since.

As bytes, which stand before those of the words: `root`, how many versions and proposals follow, the versions (digest
and number of words each, the first frozen vocabulary first), and the proposals. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

MOST_VERSIONS = 1 << 16  # of one vocabulary: a new file every hour for seven years
MOST_INCLUDED = 1 << 13  # proposals that are remembered; nodes remember their own last few
MOST_ADDED = 1 << 16  # words that a version may add, or as many as there are if that is more

_HEAD = struct.Struct("<16sII")
_STEP = struct.Struct("<16sI")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What came before a version, and what is in it.

    `root`: digest of the first vocabulary's bytes, by which nodes know whether two versions are of one. `steps`: digest
    (`Vocab.digest`) and number of words of the first vocabulary and of all versions up to the parent. `proposals`: what
    has been taken up, the latest last, and in which version.
    """

    root: bytes
    steps: tuple[tuple[bytes, int], ...]
    proposals: tuple[tuple[bytes, int], ...] = ()

    @property
    def number(self) -> int:
        """Of the version; the first vocabulary would be 0."""
        return len(self.steps)

    @property
    def included(self) -> dict[bytes, int | None]:
        """By proposal, how many words there were once it had been taken up; None: as many as now."""
        sizes = [size for _, size in self.steps]
        return {name: sizes[at] if at < self.number else None for name, at in self.proposals}

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads."""
        head = _HEAD.pack(self.root, len(self.steps), len(self.proposals))
        return b"".join((head, *(_STEP.pack(*each) for each in (*self.steps, *self.proposals))))

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple[Lineage, int]:
        """Read `to_bytes` from the beginning of `data`; also how many bytes it took. ValueError, in bounded memory."""
        if len(data) < _HEAD.size:
            raise ValueError("cut short")
        root, versions, proposals = _HEAD.unpack_from(data)
        if not 1 <= versions <= MOST_VERSIONS or proposals > MOST_INCLUDED:
            raise ValueError(f"{versions:,} versions and {proposals:,} proposals are too many, or none")
        end = _HEAD.size + versions * _STEP.size
        size = end + proposals * _STEP.size
        if len(data) < size:
            raise ValueError("cut short")
        steps = tuple(_STEP.iter_unpack(data[_HEAD.size : end]))
        return cls(root, steps, tuple(_STEP.iter_unpack(data[end:size]))), size

    def check(self, words: int) -> None:
        """ValueError unless a version of so many words can have come of these steps."""
        sizes = [*(size for _, size in self.steps), words]
        if sizes[0] < 2 or any(not 0 <= more - size <= most_added(size) for size, more in pairwise(sizes)):
            raise ValueError("it has fewer words than a version before it, or far more")
        if len(self.included) != len(self.proposals) or len({digest for digest, _ in self.steps}) != self.number:
            raise ValueError("a proposal or a version is there twice")
        if any(not 1 <= at <= self.number for _, at in self.proposals):
            raise ValueError("a proposal was taken up in a version that is none")


def most_added(words: int) -> int:
    """How many words a version may add to so many."""
    return max(MOST_ADDED, words)

"""What is known of a member of the swarm, and the limits on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import gcd

SUSPECT_AFTER = 3.0  # s; beats come every second, and a lost packet delays one by some 0.2 s
DEAD_AFTER = 8.0  # s; a busy machine may stall a daemon for several seconds, a dead one must not block for long
STEM_BYTES = 8  # of 16; two nodes of a thousand have the same stem once in 10^13 swarms
MAX_MEMBERS = 4096  # records kept; a stranger cannot fill the memory with invented ones
MAX_PARTS = 4096  # that files are dealt out in
Verdict = tuple[bytes, int]  # who is dead, and the last beat that was heard of it
NodeId = bytes  # 16 random bytes; the larger id has the higher priority in the tree


class Stage(IntEnum):
    """What a member is doing, in the order in which it does it."""

    COUNTING = 0
    GATHERING = 1
    ENCODING = 2
    JOINING = 3
    TRAINING = 4
    DRAINING = 5
    COMPLETE = 6
    LEFT = 7


@dataclass(frozen=True, slots=True)
class Portion:
    """What a node trains: the `part`-th of `parts` of files whose `digest` of 16 bytes is that of no others."""

    digest: bytes
    part: int = 1
    parts: int = 1

    def overlaps(self, other: Portion) -> bool:
        """Whether something is in both; files are dealt out by a hash, modulo `parts`."""
        return self.digest == other.digest and (self.part - other.part) % gcd(self.parts, other.parts) == 0


@dataclass(frozen=True, slots=True)
class Member:
    """One node's record, written by that node alone; token counts are in-vocabulary tokens times epochs.

    `parent`: the node above it in the tree, b"" for a root. `portion`: of a node that says what it trains.
    """

    node: NodeId
    beat: int
    state: Stage
    addresses: tuple[str, ...] = ()
    trained: int = 0
    total: int = 0
    min_peers: int = 0
    parent: NodeId = b""
    portion: Portion | None = None


def stem(node: NodeId) -> bytes:
    """What all lives of a node have in common."""
    return node[:STEM_BYTES]

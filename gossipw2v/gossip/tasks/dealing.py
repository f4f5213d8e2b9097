"""Which tasks a node claims, and which it gives away; numbers only, so that every rule can be looked at by itself.

*Claims* go by rendezvous hashing (Thaler and Ravishankar 1998): each piece belongs to the node that scores highest on
it, so that a node which goes moves nobody's pieces but its own, and a node has the same pieces in every pass.

*Gifts* make all end together: a node that will soon have nothing to do is given tasks by the slowest, which is the one
that needs longest for what it holds. It is its owner who gives, so nobody can take what is being trained.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gossipw2v.gossip.records import Member, NodeId

WINDOW = 10.0  # s over which speed is averaged: machines are used by others, too
SOON = 4.0  # s of work left when a node is given more; news of that and the gift take two

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def rendezvous(pieces: Sequence[int], nodes: Sequence[NodeId]) -> list[NodeId]:
    """The node that each piece belongs to, alike on all nodes; `nodes` must not be empty."""
    ordered = sorted(nodes)
    seeds = [int.from_bytes(hashlib.blake2b(node, digest_size=8).digest(), "little") for node in ordered]
    numbers = np.array(pieces, np.uint64)[:, None] * _GOLDEN
    winners = _mixed(numbers ^ np.array(seeds, np.uint64)[None, :]).argmax(axis=1)
    return [ordered[winner] for winner in winners.tolist()]


def _mixed(x: np.typing.NDArray[np.uint64]) -> np.typing.NDArray[np.uint64]:
    """splitmix64's finalizer."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(slots=True)
class Speeds:
    """Tokens a second of each node, from what it says it has trained; standing idle makes nobody slower."""

    at: dict[NodeId, tuple[float, int]] = field(default_factory=dict)  # when, and tokens trained by then
    speed: dict[NodeId, float] = field(default_factory=dict)  # of those that have trained

    def look(self, members: Sequence[Member], now: float) -> None:
        """Look at all of them, about once a second."""
        seen = self.at
        self.at = {member.node: (now, member.trained) for member in members}
        self.speed = {node: speed for node, speed in self.speed.items() if node in self.at}
        for member in members:
            before, trained = seen.get(member.node, (now, member.trained))
            if now > before and member.trained > trained:
                latest = (member.trained - trained) / (now - before)
                known = self.speed.get(member.node, latest)
                self.speed[member.node] = known + (1 - math.exp((before - now) / WINDOW)) * (latest - known)

    def of(self, node: NodeId) -> float:
        """The speed of a node; one that has not trained yet is taken for an average one."""
        mean = sum(self.speed.values()) / len(self.speed) if self.speed else 1.0
        return self.speed.get(node, mean)


def gifts(me: NodeId, left: dict[NodeId, float], speeds: Speeds) -> list[tuple[NodeId, float]]:
    """To whom this node gives, and how many tokens' worth; `left`: what each node holds, this one included.

    Only the slowest gives, so much that both need equally long for what they have then.
    """
    seconds = {node: tokens / speeds.of(node) for node, tokens in left.items()}
    out: list[tuple[NodeId, float]] = []
    if max(seconds, key=lambda node: (seconds[node], node)) != me:
        return out
    for node in sorted(seconds, key=lambda node: (seconds[node], node)):
        if node == me or seconds[node] >= SOON or seconds[me] <= seconds[node]:
            break
        mine, theirs = speeds.of(me), speeds.of(node)
        tokens = (seconds[me] - seconds[node]) * mine * theirs / (mine + theirs)
        out.append((node, tokens))
        seconds[me] = seconds[node] = seconds[me] - tokens / mine
    return out

"""What must hold in every swarm at every step, whatever befalls it; a trial's swarm is looked on by an `Auditor`.

No row holds more than was trained, by however many ways it came; both ends of a link that are done with the same batch
hold the same reference, bit for bit; no honest node takes another for a breaker of the protocol; no work is asked for
on a link that is not open; every table and queue stays within what its swarm needs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from gossipw2v.gossip.instructions import (
    Collect,
    DropLink,
    Freeze,
    Instruction,
    Merge,
    OpenLink,
    Received,
    Refused,
    Settle,
)
from gossipw2v.gossip.records import NodeId
from gossipw2v.simulation.ledger import ROUNDING
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Watch
from gossipw2v.w2v.training.model import Model

TOLD = ("timeout", "vocabulary", "peer", "self")  # what honest nodes may refuse each other for
STRAY = ("sequence", "tree", "blob", "handshake", "barred")  # and where what comes may be older than what came before


class BrokenError(AssertionError):
    """A promise is broken; the text says which and how."""


class Books(Protocol):
    """What was really trained."""

    def excess(self, model: Model, /) -> float:
        """By how much any row of a replica is above it."""


class Blobs(Protocol):
    """What is done about counts and vocabularies."""

    def blob(self, node: SimulatedNode, order: Freeze | Received, /) -> None:
        """A core asks for a vocabulary, or has got a blob."""


@dataclass(slots=True)
class Auditor(Watch):
    """Looks at everything that happens; `trace` is a digest of it. `overlapped`: whether histories ever met twice, of
    which AdaSum leaves less than there was.
    """

    ledger: Books
    trace: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    nodes: dict[NodeId, SimulatedNode] = field(default_factory=dict)
    told: tuple[str, ...] = TOLD
    open: set[tuple[NodeId, bytes]] = field(default_factory=set)
    overlapped: bool = False
    ticks: int = 0
    blobs: Blobs | None = None  # who deals with counts and vocabularies, if it is not the swarm

    def ordered(self, node: SimulatedNode, order: Instruction) -> None:
        """Row work only on links that are open; no honest node breaks the protocol."""
        self._note(node, type(order).__name__.encode())
        match order:
            case OpenLink():
                self._demand((node.core.node, order.link) not in self.open, node, "a link is opened twice")
                self.open.add((node.core.node, order.link))
                self.overlapped |= order.overlap
            case DropLink():
                self._demand((node.core.node, order.link) in self.open, node, "a link is dropped that is not open")
                self.open.discard((node.core.node, order.link))
            case Collect() | Merge() | Settle():
                self._demand((node.core.node, order.link) in self.open, node, "row work on a link that is not open")
                self.overlapped |= isinstance(order, Merge) and order.overlap
            case Refused():
                self._demand(order.reason in self.told, node, "refused: " + order.reason + ", " + order.text)

    def blob(self, node: SimulatedNode, order: Freeze | Received) -> bool:
        """Whether somebody deals with it."""
        if self.blobs is not None:
            self.blobs.blob(node, order)
        return self.blobs is not None

    def delivered(self, node: SimulatedNode, frame: bytes) -> None:
        """Every bit counts for the trace."""
        self._note(node, frame)

    def worked(self, node: SimulatedNode, link: bytes) -> None:
        """Nothing has been taken twice, and the two references are one."""
        if (excess := self.ledger.excess(node.model)) > ROUNDING:
            raise BrokenError(f"{node.name} at {node.machine.clock.now:.3f} s: {excess:.3f} more than was trained")
        self._compared(node, link)

    def _compared(self, node: SimulatedNode, link: bytes) -> None:
        """Both ends of a link that are between the same two batches hold the same reference."""
        edge = node.core.view.link(link)
        other = self.nodes.get(edge.peer) if edge is not None else None
        twin = other.core.view.link(link) if other is not None and other.alive else None
        if edge is None or other is None or twin is None or edge.end.seq != twin.end.seq:
            return
        held = [each.model.links[link].reference for each in (node, other) if link in each.model.links]
        if len(held) == 2 and edge.end.applying is None and twin.end.applying is None:
            self._demand(np.array_equal(held[0], held[1]), node, "two references of one batch with " + other.name)

    def ticked(self, node: SimulatedNode) -> None:
        """What a core and its machine hold is bounded by who has ever been there; a look in ten will find it."""
        self.ticks += 1
        if self.ticks % 11:  # so that every one of fewer has its turn
            return
        most, queue, sizes = len(self.nodes), len(node.machine.queue), node.core.view.sizes()
        bounds = {
            "connections": 6 * most + 6,
            "targets": 3 * most,
            "members": most,
            "transfers": sizes["connections"],
            "children": most,
            "links": most,
            "barred": 2 * most,
            "references": sizes["links kept"] + queue,
            "row work": 3 * sizes["links"] + 6,
        }
        sizes |= {"references": len(node.model.links), "row work": queue}
        for name, bound in bounds.items():
            if (size := sizes[name]) > bound:
                self._demand(False, node, f"{size} {name}, at most {bound} are needed")
        for flaw in node.core.view.flaws(node.machine.now):
            self._demand(False, node, flaw)

    def _note(self, node: SimulatedNode, what: bytes) -> None:
        self.trace.update(b"%a %a " % (node.machine.clock.now, node.name))
        self.trace.update(what)

    def _demand(self, holds: bool, node: SimulatedNode, text: str) -> None:
        if not holds:
            raise BrokenError(f"{node.name} at {node.machine.clock.now:.3f} s: {text}")

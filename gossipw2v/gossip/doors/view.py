"""What the owner of a core may look at: queries only, nothing of it is the owner's to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from gossipw2v.gossip.blobs.names import VOCABULARY
from gossipw2v.gossip.census import Census
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.membership.connections import Connections
from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.link import AnyLink
from gossipw2v.gossip.overlay.provenance import VersionVector
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import Member, NodeId


class Members(Protocol):
    """The part of the member table that is for looking."""

    def everyone(self) -> Iterator[Member]:
        """All records, the own one first."""

    def alive(self, now: float) -> Iterator[Member]:
        """The other members that are alive."""

    def is_alive(self, node: NodeId, now: float, heard: bool = False) -> bool:
        """Whether `node` has neither left nor been silent for too long; and if it has to be `heard`, is no suspect."""

    def get(self, node: NodeId) -> Member | None:
        """The record of another node, or None."""

    def addresses(self, now: float) -> list[tuple[str, ...]]:
        """Where others can be reached, the living first."""


@dataclass(frozen=True, slots=True)
class View:
    """One node as it is now."""

    config: GossipConfig
    _members: MemberTable
    _connections: Connections
    _census: Census
    _tree: Tree
    _scores: PeerScores

    @property
    def me(self) -> Member:
        """The own record."""
        return self._members.me

    @property
    def members(self) -> Members:
        """Everybody this node has heard of."""
        return self._members

    @property
    def vocabulary(self) -> bytes | None:
        """The frozen vocabulary as it travels; None if there is none yet."""
        held = self._census.held.get(VOCABULARY)
        return held[1] if held else None

    @property
    def blobs(self) -> frozenset[str]:
        """The names of the counts, and of the vocabulary, that this node holds."""
        return frozenset(self._census.held)

    # -- links ----------------------------------------------------------------------------------------------

    @property
    def has_model(self) -> bool:
        """Whether links can be made."""
        return self._tree.links.vocabulary is not None

    def links(self) -> list[AnyLink]:
        """The links in use, the parent's first."""
        return self._tree.links.open()

    def link(self, name: bytes) -> AnyLink | None:
        """The link of that name, a retained one too."""
        return self._tree.links.named(name)

    def host_of(self, name: bytes) -> str:
        """The host at the other end of the link of that name, "" if it is not connected."""
        link = self.link(name)
        here = self._connections.by_node.get(link.peer) if link else None
        return here.host if here is not None else ""

    def saved_links(self) -> list[SavedLink]:
        """What the next life of this node needs of its links."""
        return self._tree.retained.save()

    @property
    def at_rest(self) -> bool:
        """Whether no exchange is under way."""
        return not any(link.end.busy for link in self.links())

    # -- training -------------------------------------------------------------------------------------------

    def settled_in(self, now: float) -> bool:
        """Whether training may begin: linked to the tree, if there is one, and caught up with it.

        A resumed node has its vocabulary at once, and so waits as long for others as it did when there was none.
        """
        met = not self._tree.reconciler.earlier.vector or now - self._members.newest_at >= self.config.quiet
        return met and self._tree.settled_in(now)

    def progress(self, now: float) -> tuple[int, int]:
        """(trained, to train) tokens of the swarm, with those in this model whose origins nobody remembers."""
        return self._tree.reconciler.progress(now)

    def final(self, now: float) -> bool:
        """Whether the swarm has trained everything and this node holds the result."""
        return self._tree.termination.final(now)

    def children_complete(self, now: float) -> bool:
        """Whether all nodes below have had the last word and are done with it, or are gone."""
        return self._tree.termination.children_complete(now)

    def claims(self) -> VersionVector:
        """Tokens of every origin that may be in the model by now: what is just being merged counts."""
        return self._tree.links.claims()

    def lives(self) -> VersionVector:
        """The tokens of the own text that earlier lives of this node are past."""
        return dict(self._tree.reconciler.earlier.lives)

    # -- for people and judges ------------------------------------------------------------------------------

    def scores(self, now: float) -> dict[str, Any]:
        """For `/status`: the bans, and what is held against others."""
        return self._scores.describe(now)

    def connections(self) -> set[int]:
        """The numbers of all connections."""
        return set(self._connections.by_conn)

    def flaws(self, now: float) -> list[str]:
        """What does not hold of the tree's invariant, if anything."""
        return self._tree.repair.flaws(now)

    def sizes(self) -> dict[str, int]:
        """How much each table holds."""
        links, candidates = self._tree.links, self._tree.search.candidates
        return {
            "connections": len(self._connections.by_conn),
            "targets": len(self._connections.targets),
            "members": len(self._members.entries),
            "transfers": len(self._census.transfers),
            "children": len(links.seats),
            "links": len(links.open()),
            "links kept": len(links.with_reference()),
            "barred": len(candidates.barred) + len(candidates.full),
        }

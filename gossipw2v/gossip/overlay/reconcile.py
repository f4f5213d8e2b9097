"""How a link begins: what the two models have in common decides how they are merged, and who waits for whose rows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import OpenLink
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.earlier import Earlier, lead
from gossipw2v.gossip.overlay.provenance import Origins, Provenance
from gossipw2v.gossip.records import NodeId, State

OLD = 0.02  # share of all training from which a model is taken over whole by those who have none


@dataclass(slots=True)
class Beginning:
    """What this node's model holds. `catching_up`: whose rows it waits for before it trains."""

    members: MemberTable
    rng: random.Random
    provenance: Provenance = field(default_factory=Provenance, kw_only=True)
    earlier: Earlier = field(default_factory=Earlier, kw_only=True)
    catching_up: set[NodeId] = field(default_factory=set, kw_only=True)

    @property
    def me(self) -> NodeId:
        """This node's id."""
        return self.members.me.node

    @property
    def trained(self) -> bool:
        """Whether the model holds anybody's training."""
        return any(self.provenance.tokens.values())

    def reference(self, node: NodeId, link: bytes, theirs: Origins) -> OpenLink:
        """The link's beginning with `node`, whose model holds `theirs`."""
        mine = {origin: n for origin, n in self.provenance.tokens.items() if n}
        other = {origin: n for origin, n in theirs.items() if n}
        starting = self.members.me.state <= State.JOINING
        take = self.earlier.meet(other, above=node > self.me, starting=starting)
        if (take or not mine) and self._worth_taking(other):
            self.catching_up.add(node)
        catch_up = (not other or self._will_yield(node, mine, other)) and self._worth_taking(mine)
        return OpenLink(link, bool(mine.keys() & other.keys()), catch_up, take=take)

    def _will_yield(self, node: NodeId, mine: Origins, other: Origins) -> bool:
        """Whether a node that holds `other` waits for this one's rows, as far as can be told from here."""
        member = self.members.get(node)
        starting = member is not None and member.state <= State.JOINING
        return starting and lead(mine, other) >= lead(other, mine)

    def _worth_taking(self, tokens: Origins) -> bool:
        """Whether a newcomer should take over all of a model before it trains, rather than merge what comes."""
        total = sum(member.total for member in self.members.everyone())
        return sum(tokens.values()) > OLD * total

    def resumed(self, origins: Origins, lives: Origins) -> None:
        """The model will be one from disk that holds these tokens of every origin; `lives` as in `Earlier`."""
        self.provenance.learn(origins)
        self.earlier = Earlier(dict(origins), dict(lives))

    def progress(self, now: float) -> tuple[int, int]:
        """(trained, to train) tokens of the swarm, with those in this model whose origins nobody remembers."""
        trained, total = self.members.progress(now)
        tokens = self.provenance.tokens
        forgotten = sum(n for origin, n in tokens.items() if origin != self.me and self.members.get(origin) is None)
        return trained + forgotten, total + forgotten

    def young(self, share: float) -> bool:
        """Whether this model holds at most this share of all training.

        What others say they have trained does not count: they may have done so with another vocabulary.
        """
        origins = self.provenance.tokens
        known = [self.members.me, *(self.members.get(node) for node in origins if node != self.me)]
        total = sum(member.total for member in known if member is not None)
        return sum(origins.values()) <= share * total

    def forget_all(self) -> None:
        """Nothing is left of what was trained."""
        self.catching_up.clear()
        self.provenance.clear()
        self.earlier = Earlier()

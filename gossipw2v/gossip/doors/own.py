"""What the owner tells its core of the own node: how far its text, its vocabulary and its model are."""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.blobs.names import VOCABULARY
from gossipw2v.gossip.census import Census, counts_name
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.dissemination import Dissemination
from gossipw2v.gossip.instructions import Cause, Instruction, Send, because
from gossipw2v.gossip.membership.awareness import LocalHealth
from gossipw2v.gossip.membership.connections import Connections
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Leave
from gossipw2v.gossip.overlay.provenance import VersionVector
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import Stage
from gossipw2v.gossip.sanctions import Sanctions


@dataclass(frozen=True, slots=True)
class OwnNode:
    """The stages of the own node, in the order in which they come; each returns what is to be done."""

    config: GossipConfig
    members: MemberTable
    connections: Connections
    census: Census
    tree: Tree
    dissemination: Dissemination
    health: LocalHealth
    sanctions: Sanctions

    @property
    def leaving(self) -> bool:
        """Whether goodbye has been said."""
        return self.members.me.state is Stage.LEFT

    def enter(self, state: Stage) -> None:
        """Go to another stage; the swarm is told with the next beat."""
        if not self.leaving:
            self.members.update_self(state=state)

    def announce(self, addresses: tuple[str, ...], now: float) -> None:
        """Where others can reach this node; known once it listens, and told to all when it changes."""
        if not self.members.me.addresses:  # only from now on silence says something
            self.members.newest_at = self.health.seen_at = now
        self.members.update_self(addresses=addresses)
        self.connections.moved(addresses)

    def ban(self, banned: tuple[str, ...], now: float) -> list[Instruction]:
        """Other bans are configured: node ids, addresses, networks. They hold at once, and those before no more."""
        return because(Cause("bans are configured"), self.sanctions.ban(banned, now))

    # -- vocabulary -----------------------------------------------------------------------------------------

    def counted(self, counts: bytes) -> list[Instruction]:
        """The own text is counted: offer the counts."""
        self.hold_counts(counts_name(self.members.me.node, self.census.shared), counts)
        return because(Cause("the text is counted"), self.dissemination.news())

    def hold_counts(self, name: str, counts: bytes) -> None:
        """A node's counts are there and make sense: pass them on."""
        if self.census.vocabulary is None:
            self.census.hold(name, counts, 0)

    def reject(self, blob: bytes) -> None:
        """A blob that arrived whole turned out to be nonsense: do not ask for it again."""
        self.census.reject(blob)

    def frozen(self, vocabulary: bytes, rank: int, root: bytes = b"") -> list[Instruction]:
        """There is a vocabulary: offer it. Links made for another one are dropped. `root`: as `Census.hold` has it."""
        out = self.tree.reset()
        self.census.hold(VOCABULARY, vocabulary, rank, root)
        return because(Cause("the vocabulary is frozen"), [*out, *self.dissemination.news()])

    # -- model ----------------------------------------------------------------------------------------------

    def resumed(self, vector: VersionVector, lives: VersionVector | None) -> None:
        """The model will be one from disk that holds these tokens of every origin, the own earlier `lives` among them.

        None: it is to give way to no other.
        """
        self.tree.reconciler.resumed(vector, lives)

    def take_up(self, saved: list[SavedLink], now: float) -> None:
        """The model has the references of these links of an earlier life; to be told before `ready`."""
        self.tree.retained.take_up(saved, now, self.config.quiet)

    def to_train(self, total: int) -> None:
        """The own text is `total` in-vocabulary tokens times epochs."""
        self.members.update_self(total=total)

    def ready(self) -> list[Instruction]:
        """The model for the frozen vocabulary is allocated."""
        assert self.census.vocabulary is not None
        out = self.tree.model_ready(self.census.vocabulary.digest, self.connections.conns())
        return because(Cause("the model is ready"), out)

    def shift(self) -> int:
        """Tokens of the own text to leave out, or, negative, to train again: see `Earlier.shift`."""
        return self.tree.reconciler.earlier.shift()

    # -- training -------------------------------------------------------------------------------------------

    def trained(self, tokens: int) -> None:
        """`tokens` of the own text are in the model by now."""
        self.members.update_self(trained=tokens)
        self.tree.links.provenance.learn({self.members.me.node: tokens})

    def pace(self, interval: float, rows: int) -> None:
        """Begin an exchange with the parent every `interval` seconds; this node has time for so many rows in each."""
        self.tree.exchanges.interval, self.tree.exchanges.rows = interval, rows

    def done(self, done: bool) -> None:
        """The own shard has had its epochs (or has not, after all)."""
        self.tree.termination.done = done

    def rest(self) -> None:
        """Begin no exchange any more, and answer none: those under way end."""
        self.tree.exchanges.resting = True

    def leave(self) -> list[Instruction]:
        """Say goodbye; no link is made any more."""
        self.enter(Stage.LEFT)
        self.members.beat()
        goodbyes = [Send(conn, Leave()) for conn in self.connections.conns().values()]
        return because(Cause("it leaves"), [*self.dissemination.news(), *goodbyes])

"""The protocol core of one node: events in, instructions out; no clock, no socket, no randomness of its own.

Every method takes what happened, with the time where time matters, and returns what the owner must do, in order. The
owner (the daemon, or a swarm in memory) moves bytes, runs the model and calls back. It has five doors, and uses no
other part: the methods here for what happens outside and what time brings, `own` for what it tells of its own node,
`view` for looking, `tasks` where all nodes have the same text, and `growth` where the vocabulary grows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from gossipw2v.delta import Batch
from gossipw2v.gossip.census import Census
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.dialer import Dialer
from gossipw2v.gossip.dissemination import Dissemination
from gossipw2v.gossip.doors.growth import Growth
from gossipw2v.gossip.doors.own import OwnNode
from gossipw2v.gossip.doors.reception import Reception
from gossipw2v.gossip.doors.tasks import SharedTasks
from gossipw2v.gossip.doors.view import View
from gossipw2v.gossip.instructions import Cause, Close, Instruction, because
from gossipw2v.gossip.membership.awareness import LocalHealth
from gossipw2v.gossip.membership.connections import Connections, claimed
from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.suspicion import suspect
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import PROTOCOL, Hello, Message, ProtocolError
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import Member, NodeId
from gossipw2v.gossip.sanctions import Sanctions
from gossipw2v.gossip.tasks.listing import CORPUS


class GossipCore:
    """The parts of one node's protocol, put together. `me` is its first member record."""

    def __init__(self, me: Member, config: GossipConfig, rng: random.Random, now: float) -> None:
        self.members = members = MemberTable(me, newest_at=now)
        hello = Hello(PROTOCOL, PROTOCOL, me.node, config.job, list(me.addresses))
        self.connections = connections = Connections(hello, rng, config.listing)
        self.census = census = Census(me.node, CORPUS in config.job)
        self.scores = PeerScores(config.banned)
        self.tree = tree = Tree(members, self.scores, rng, config)
        self.health = LocalHealth(now)
        self.sanctions = Sanctions(self.scores, connections, tree)
        self.dialer = Dialer(connections, members, tree, rng)
        self.dissemination = Dissemination(members, connections, census, now, now)
        self.tasks = tasks = SharedTasks(config, members, connections)
        self.reception = Reception(members, connections, census, tree, self.sanctions, self.dissemination, tasks)
        self.growth = Growth(members, census, tree, self.dissemination, config.quiet)
        self.own = OwnNode(config, members, connections, census, tree, self.dissemination, self.health, self.sanctions)
        self.view = View(config, members, connections, census, tree, self.scores)

    @property
    def node(self) -> NodeId:
        """This node's id."""
        return self.members.me.node

    # -- connections ----------------------------------------------------------------------------------------

    def discovered(self, key: str, addresses: tuple[str, ...], now: float) -> None:
        """Somebody may be at `addresses`; `key` names the source, so that it is known again."""
        self.connections.learn(key, addresses, now)

    def is_welcome(self, host: str, now: float) -> bool:
        """Whether anybody at `host` is talked to; to be asked before `opened`."""
        return self.scores.against(host, now) is None

    def opened(
        self, conn: int, target: str | None, now: float, host: str = "", address: str | None = None
    ) -> list[Instruction]:
        """Connection `conn` to `host` is up; `target` is the key of the Dial that made it, None if it came in.

        `address`: which of the target's addresses answered, if that is known.
        """
        if self.own.leaving:  # others dial again at once whom they no longer reach
            return because(Cause("it leaves"), [Close(conn, "leaving")])
        self._look(now)
        return because(Cause("there is a connection"), self.connections.opened(conn, target, now, host, address))

    def dial_failed(self, target: str, refused: bool = False) -> None:
        """Nobody answered. `refused`: all machines did, and said that no program listens there."""
        self.connections.dial_failed(target)
        node = claimed(target)
        if node not in self.connections.by_node:  # it may have dialled this one meanwhile
            self.tree.search.unreached(target, self.health.seen_at)
        if refused and node is not None:
            suspect(self.members, node)

    def dial_refused(self, target: str, now: float) -> None:
        """A stranger answered: it has not proved to be of this swarm."""
        self.connections.dial_refused(target, now)

    def closed(self, conn: int) -> None:
        """Connection `conn` is gone, whoever closed it."""
        self.census.lost(conn)
        if (node := self.connections.closed(conn)) is not None:
            self.dialer.broke(node)

    def received(self, conn: int, message: Message, now: float) -> list[Instruction]:
        """A message has come in; a breach of the protocol is answered, counted and ends the connection."""
        here = self.connections.by_conn.get(conn)
        if here is None or self.own.leaving:
            return []
        self._look(now)
        here.heard_at = now
        try:
            out = self.reception.take(here, message, now)
        except ProtocolError as error:
            out = self.sanctions.violated(conn, error, now)
        return because(Cause(type(message).__name__, here.node, getattr(message, "link", None)), out)

    def violated(self, conn: int, error: ProtocolError, now: float) -> list[Instruction]:
        """What came in on `conn` is no message of this protocol."""
        here = self.connections.by_conn.get(conn)
        cause = Cause("what came is no message", here.node if here else None)
        return because(cause, self.sanctions.violated(conn, error, now))

    def flow(self, conn: int, sent: int = 0, received: int = 0) -> None:
        """Count the bytes of an exchange for the link that runs over `conn`."""
        here = self.connections.by_conn.get(conn)
        if here is not None and here.node is not None:
            self.tree.exchanges.flow(here.node, sent, received)

    # -- row work -------------------------------------------------------------------------------------------

    def collected(self, link: bytes, got: Batch) -> list[Instruction]:
        """Collect is done."""
        if self.own.leaving:
            return []
        cause = self.tree.links.cause("rows are gathered", link)
        return because(cause, self.tree.exchanges.collected(link, got, self.connections.conns()))

    def merged(self, link: bytes, got: Batch, now: float) -> list[Instruction]:
        """Merge is done."""
        if self.own.leaving:
            return []
        cause = self.tree.links.cause("rows are merged", link)
        return because(cause, self.tree.exchanges.merged(link, got, self.connections.conns(), now))

    def settled(self, link: bytes, now: float) -> float | None:
        """Settle is done; returns how many seconds the exchange took, None if it was given up."""
        return self.tree.exchanges.settled(link, now)

    def broken(self, link: bytes, error: ProtocolError, now: float) -> list[Instruction]:
        """A delta on `link` could not be merged."""
        return because(self.tree.links.cause("rows cannot be merged", link), self.sanctions.broken(link, error, now))

    def clipped(self, link: bytes, now: float) -> list[Instruction]:
        """The other end of `link` asked for rows to be moved further than is allowed."""
        return because(self.tree.links.cause("rows were clipped", link), self.sanctions.clipped(link, now))

    # -- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Instruction]:
        """Called several times a second."""
        if self.own.leaving:
            return []
        self._look(now)  # the own lateness, before any timer could take it for the silence of others
        return [order for cause, orders in self._timers(now) for order in because(cause, orders)]

    def _timers(self, now: float) -> Iterator[tuple[Cause, list[Instruction]]]:
        """What time brings; the order matters."""
        # dead connections stay in the tables until the owner has closed them
        yield Cause("a connection is silent"), self.connections.overdue(now)
        yield from self.tree.timers(now, set(self.connections.by_node))
        yield Cause("links are given up"), self.tree.repair.tell_unseated(self.connections.conns())
        yield self._reach_parent(now)  # only now is it known who that is; before others, who share the dial's pause
        yield Cause("it is time to find strangers"), self.dialer.strangers(now)
        yield Cause("it is time to find suspects"), self.dialer.suspects(now)  # perhaps at an address of strangers
        yield Cause("members are found dead"), self.dissemination.verdicts(now)  # dials might still save them
        yield Cause("a blob does not come"), self.census.overdue(now)  # before it counts as under way for the freeze
        yield Cause("it is time to freeze"), self.census.freeze_due(self.members, now, self.view.config.quiet)
        yield Cause("it is time for a version"), self.growth.due(now)
        yield Cause("it is time to deal out tasks"), [*self.tasks.deal(now), *self.tasks.tell(now)]
        if not self.dissemination.due(now):  # last, so that it tells of all that changed above
            yield Cause("it is time to tell on"), self.dissemination.relay(now)
            return
        self.dialer.silent(now)
        yield Cause("it is time for a beat"), self.dissemination.beat(now)
        yield Cause("a connection is idle"), self.dialer.idle(set(self.census.transfers), now)

    def _reach_parent(self, now: float) -> tuple[Cause, list[Instruction]]:
        """Dial the chosen parent, or ask it for what is next; never one that is banned."""
        parent, cause = self.tree.links.parent, self.tree.parent_cause("it is time to turn to the parent")
        if parent is None:
            return cause, []
        if (here := self.connections.by_node.get(parent.peer)) is not None:
            return cause, self.tree.ask(here.conn, now)
        if self.tree.search.candidates.is_banned(parent.peer):
            return cause, self.tree.search.drop(now)
        return cause, self.dialer.dial(parent.peer, now)

    def _look(self, now: float) -> None:
        """Notice an own pause: what happened meanwhile could not be seen, so all deadlines move."""
        seconds = self.health.look(now)
        self.members.slack = self.health.slack
        if seconds:
            self.members.slept(seconds, now)
            self.connections.slept(seconds, now)
            self.tree.slept(seconds, now)
            self.census.slept()

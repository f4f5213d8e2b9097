"""The protocol core of one node: events in, instructions out; no clock, no socket, no randomness of its own.

Every method takes what happened, with the time where time matters, and returns what the owner must do, in order.
The owner (the daemon, or a test's swarm in memory) moves bytes, runs the model and calls back.
"""

from __future__ import annotations

import random

from gossipw2v.delta import Batch
from gossipw2v.gossip.census import VOCABULARY, YOUNG, Census, counts_name
from gossipw2v.gossip.config import Rules
from gossipw2v.gossip.dialer import Seeker
from gossipw2v.gossip.dissemination import Herald
from gossipw2v.gossip.instructions import Close, Instruction, Refused
from gossipw2v.gossip.membership.awareness import Health
from gossipw2v.gossip.membership.connections import Connection, Connections, claimed
from gossipw2v.gossip.membership.scores import Standing
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import (
    PROTOCOL,
    Adopt,
    Adopted,
    Answer,
    BlobPart,
    BlobPull,
    Dead,
    Hello,
    Leave,
    LinkOpen,
    LinkOpened,
    Message,
    ProtocolError,
    Push,
    Refuse,
    StateNews,
)
from gossipw2v.gossip.overlay.link import Downlink, Uplink
from gossipw2v.gossip.overlay.provenance import Origins
from gossipw2v.gossip.overlay.saved import Bond
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import Member, NodeId, State
from gossipw2v.gossip.sanctions import Blame


class Gossip:
    """The state of one node's protocol. `me` is its first member record."""

    def __init__(self, me: Member, rules: Rules, rng: random.Random, now: float) -> None:
        self.rules = rules
        self.members = MemberTable(me, newest_at=now)
        hello = Hello(PROTOCOL, PROTOCOL, me.node, rules.job, list(me.addresses))
        self.connections = Connections(hello, rng)
        self.census = Census(me.node)
        self.tree = Tree(self.members, rng, rules.seats, interval=rules.interval, max_bandwidth=rules.max_bandwidth)
        self.tree.lost_patience = rules.lost_patience
        self.standing = Standing(rules.banned)
        self.blame = Blame(self.standing, self.connections, self.members, self.tree)
        self.seeker = Seeker(self.connections, self.members, self.tree, rng, self.blame.is_banned)
        self.tree.choice.ban(self.standing.banned_nodes)
        self.health = Health(now)
        self.leaving = False
        self.herald = Herald(self.members, self.connections, self.census, now, now)

    @property
    def node(self) -> NodeId:
        """This node's id."""
        return self.members.me.node

    def announce(self, addresses: tuple[str, ...], now: float) -> None:
        """Where others can reach this node; known once it listens, and told to all when it changes."""
        if not self.members.me.addresses:  # only from now on silence says something
            self.members.newest_at = self.health.seen_at = now
        self.members.update_self(addresses=addresses)
        self.connections.moved(addresses)

    # -- connections ----------------------------------------------------------------------------------------

    def discovered(self, key: str, addresses: tuple[str, ...], now: float) -> None:
        """Somebody may be at `addresses`; `key` names the source, so that it is known again."""
        self.connections.learn(key, addresses, now)

    def opened(
        self, conn: int, target: str | None, now: float, host: str = "", address: str | None = None
    ) -> list[Instruction]:
        """Connection `conn` to `host` is up; `target` is the key of the Dial that made it, None if it came in.

        `address`: which of the target's addresses answered, if that is known. Whether anybody at `host` is welcome,
        `standing` has been asked before.
        """
        if self.leaving:  # others dial again at once whom they no longer reach
            return [Close(conn, "leaving")]
        self._look(now)
        return self.connections.opened(conn, target, now, host, address)

    def dial_failed(self, target: str, refused: bool = False) -> None:
        """Nobody answered. `refused`: all machines did, and said that no program listens there."""
        self.connections.dial_failed(target)
        node = claimed(target)
        if node not in self.connections.by_node:  # it may have dialled this one meanwhile
            self.tree.unreached(target, self.health.seen_at)
        if refused and node is not None:
            self.members.doubt(node)

    def dial_refused(self, target: str, now: float) -> None:
        """Whoever answered has not proved to be of this swarm."""
        self.connections.dial_refused(target, now)

    def closed(self, conn: int) -> None:
        """Connection `conn` is gone, whoever closed it."""
        self.census.lost(conn)
        if (node := self.connections.closed(conn)) is not None:
            self.seeker.broke(node)

    def received(self, conn: int, message: Message, now: float) -> list[Instruction]:
        """A message has come in; a breach of the protocol is answered, counted and ends the connection."""
        here = self.connections.by_conn.get(conn)
        if here is None or self.leaving:
            return []
        self._look(now)
        here.heard_at = now
        try:
            return self._take(here, message, now)
        except ProtocolError as error:
            return self.blame.violated(conn, error, now)

    def _take(self, here: Connection, message: Message, now: float) -> list[Instruction]:
        if isinstance(message, Hello):
            return self._greeted(here.conn, message, now)
        if isinstance(message, Refuse):
            self._quarrelled(here.conn, now, message.reason)
            return [Refused("peer", text := f"refused by the other end: {message.text}"), Close(here.conn, text)]
        if here.node is None:
            raise ProtocolError("handshake", f"{type(message).__name__} before Hello")
        if self.connections.by_node.get(here.node) is not here:
            return []  # the losing one of two crossed connections
        return self._dispatch(here.node, here.conn, message, now)

    # -- the own node ---------------------------------------------------------------------------------------

    def counted(self, counts: bytes) -> list[Instruction]:
        """The own text is counted: offer the counts."""
        if self.census.vocabulary is None:
            self.census.hold(counts_name(self.node), counts, 0)
        return self.herald.news()

    def hold_counts(self, name: str, counts: bytes) -> None:
        """Another node's counts have come and make sense: pass them on."""
        if self.census.vocabulary is None:
            self.census.hold(name, counts, 0)

    def frozen(self, vocabulary: bytes, rank: int) -> list[Instruction]:
        """There is a vocabulary: offer it. Links made for another one are dropped."""
        out = self.tree.reset()
        self.census.hold(VOCABULARY, vocabulary, rank)
        return [*out, *self.herald.news()]

    def resumed(self, origins: Origins, lives: Origins) -> None:
        """The model will be one from disk that holds these tokens of every origin; `lives` as in `Earlier`."""
        self.tree.resumed(origins, lives)

    def bind(self, bonds: list[Bond], now: float) -> None:
        """The model has the references of these links of an earlier life; to be told before `ready`."""
        self.tree.bind(bonds, now, self.rules.quiet)

    def rest(self) -> None:
        """Begin no exchange any more, and answer none: those under way end."""
        self.tree.resting = True

    def ready(self) -> list[Instruction]:
        """The model for the frozen vocabulary is allocated."""
        assert self.census.vocabulary is not None
        return self.tree.model_ready(self.census.vocabulary.digest, self._conns())

    def trained(self, tokens: int) -> None:
        """`tokens` of the own text are in the model by now."""
        self.members.update_self(trained=tokens)
        self.tree.provenance.learn({self.node: tokens})

    def pace(self, interval: float, rows: int) -> None:
        """Begin an exchange with the parent every `interval` seconds; this node has time for so many rows in each."""
        self.tree.interval, self.tree.rows = interval, rows

    def done(self, done: bool) -> None:
        """The own shard has had its epochs (or has not, after all)."""
        self.tree.done = done

    def settled_in(self, now: float) -> bool:
        """Whether training may begin: linked to the tree, if there is one, and caught up with it.

        A resumed node has its vocabulary at once, and so waits as long for others as it did when there was none.
        """
        met = not self.tree.earlier.tokens or now - self.members.newest_at >= self.rules.quiet
        return met and self.tree.settled_in(now)

    def progress(self, now: float) -> tuple[int, int]:
        """(trained, to train) tokens of the swarm, with those in this model whose origins nobody remembers."""
        return self.tree.progress(now)

    def final(self, now: float) -> bool:
        """Whether the swarm has trained everything and this node holds the result."""
        return self.tree.final(now)

    def shift(self) -> int:
        """Tokens of the own text to leave out, or, negative, to train again: see `Earlier.shift`."""
        return self.tree.earlier.shift()

    def collected(self, link: bytes, got: Batch) -> list[Instruction]:
        """Collect is done."""
        return [] if self.leaving else self.tree.collected(link, got, self._conns())

    def merged(self, link: bytes, got: Batch, now: float) -> list[Instruction]:
        """Merge is done."""
        return [] if self.leaving else self.tree.merged(link, got, self._conns(), now)

    def settled(self, link: bytes, now: float) -> float | None:
        """Settle is done; returns how many seconds the exchange took, None if it was given up."""
        return self.tree.settled(link, now)

    def leave(self) -> list[Instruction]:
        """Say goodbye; no link is made any more."""
        self.leaving = True
        self.members.update_self(state=State.LEFT)
        self.members.beat()
        return [*self.herald.news(), *self.tree.leave(self._conns())]

    def flow(self, conn: int, sent: int = 0, received: int = 0) -> None:
        """Count the bytes of an exchange for the link that runs over `conn`."""
        here = self.connections.by_conn.get(conn)
        if here is not None and here.node is not None:
            self.tree.flow(here.node, sent, received)

    def edges(self) -> list[Uplink | Downlink]:
        """All links, the parent's first."""
        return self.tree.edges()

    # -- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Instruction]:
        """Called several times a second."""
        if self.leaving:
            return []
        self._look(now)
        out = self.connections.overdue(now)
        reachable = set(self.connections.by_node)
        moves, wanted = self.tree.tick(now, reachable)
        out += [*moves, *self.tree.tell_unseated(self._conns())]
        if wanted is not None and self.blame.is_banned(wanted):
            out += self.tree.drop_parent(now)
            self.tree.choice.ban([wanted])
        elif wanted is not None:
            out += self.seeker.parent(wanted, now)
        elif self.tree.parent is not None:
            out += self.tree.ask(self.connections.by_node[self.tree.parent.node].conn, now)
        out += self.seeker.strangers(now)
        out += self.seeker.suspects(now)
        out += self.herald.verdicts(now)
        out += self.census.overdue(now)
        out += self.census.freeze_due(self.members, now, self.rules.quiet)
        if not self.herald.due(now):
            return [*out, *self.herald.relay(now)]
        self.seeker.silent(now)
        return [*out, *self.herald.beat(now), *self.seeker.idle(set(self.census.transfers), now)]

    def _look(self, now: float) -> None:
        """Notice an own pause: what happened meanwhile could not be seen, so all deadlines move."""
        seconds = self.health.look(now)
        self.members.slack = self.health.slack
        if seconds:
            self.members.slept(seconds, now)
            self.connections.slept(seconds, now)
            self.tree.slept(seconds, now)
            self.census.slept()

    def _conns(self) -> dict[NodeId, int]:
        return {node: here.conn for node, here in self.connections.by_node.items()}

    # -- messages -------------------------------------------------------------------------------------------

    def _greeted(self, conn: int, hello: Hello, now: float) -> list[Instruction]:
        if objection := self.blame.greeted(conn, hello.node, now):
            return objection
        out = self.connections.greeted(conn, hello, now)
        if self.connections.to(hello.node) != conn:
            return out
        first = Member(hello.node, 0, State.COUNTING, tuple(hello.addresses))
        self.members.witness(first, now, conn)
        return [*out, self.herald.welcome(conn, now), *self.tree.connected(hello.node, conn, now)]

    def _dispatch(self, node: NodeId, conn: int, message: Message, now: float) -> list[Instruction]:  # noqa: PLR0911
        match message:
            case StateNews():
                return self._heard(conn, message, now)
            case BlobPull():
                return [self.census.asked(conn, message)]
            case BlobPart():
                return self.census.part(conn, message)
            case Dead():
                return self.herald.doubted(message, now)
            case Adopt():
                return self.tree.on_adopt(node, message, conn)
            case Adopted():
                return self.tree.on_adopted(node, message, conn, now)
            case LinkOpen():
                return self.tree.on_link_open(node, message, conn)
            case LinkOpened():
                return self.tree.on_link_opened(node, message, conn, now)
            case Push():
                return self.tree.on_push(node, message, conn, now)
            case Answer():
                return self.tree.on_answer(node, message)
            case Leave():
                self.members.left(node)
                return [*self.herald.relay(now), *self.tree.on_leave(node, conn, now)]
            case _:
                raise ProtocolError("protocol", f"{type(message).__name__} out of place")

    def _heard(self, conn: int, news: StateNews, now: float) -> list[Instruction]:
        out = self.herald.heard(conn, news, now)
        out += self.census.heard(conn, news.offers, self.tree.young(YOUNG))
        if any(isinstance(each, Refused) for each in out):
            self._quarrelled(conn, now, VOCABULARY)
        return out

    def _quarrelled(self, conn: int, now: float, reason: str) -> None:
        """Who trains another vocabulary is of another swarm, with all it told of."""
        self.connections.quarrelled(conn, now)
        if reason == VOCABULARY:
            self.members.disown(conn)

"""What comes in over connections: who may speak, and which part each message is for."""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip import messages
from gossipw2v.gossip.blobs.names import VOCABULARY
from gossipw2v.gossip.census import YOUNG, Census
from gossipw2v.gossip.dissemination import Dissemination
from gossipw2v.gossip.doors.tasks import SharedTasks
from gossipw2v.gossip.instructions import Close, Instruction, Refused
from gossipw2v.gossip.membership.connections import Connection, Connections
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Message, ProtocolError
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import Member, NodeId, Stage
from gossipw2v.gossip.sanctions import Sanctions


@dataclass(frozen=True, slots=True)
class Reception:
    """Hands every message to its part; raises ProtocolError for one that is out of place."""

    members: MemberTable
    connections: Connections
    census: Census
    tree: Tree
    sanctions: Sanctions
    dissemination: Dissemination
    tasks: SharedTasks

    def take(self, here: Connection, message: Message, now: float) -> list[Instruction]:
        """A message has come in on a connection that there is."""
        if isinstance(message, messages.Hello):
            return self._greeted(here.conn, message, now)
        if isinstance(message, messages.Refuse):
            self._quarrelled(here.conn, now, message.reason)
            return [Refused("peer", text := f"refused by the other end: {message.text}"), Close(here.conn, text)]
        if isinstance(message, messages.FileListing):
            return self.connections.listed(here.conn, message, now)
        if here.node is None:
            raise ProtocolError("handshake", f"{type(message).__name__} before Hello")
        if self.connections.by_node.get(here.node) is not here:
            return []  # the losing one of two crossed connections
        return self._dispatch(here.node, here.conn, message, now)

    def _greeted(self, conn: int, hello: messages.Hello, now: float) -> list[Instruction]:
        if objection := self.sanctions.greeted(conn, hello.node, now):
            return objection
        out = self.connections.greeted(conn, hello, now)
        if self.connections.conns().get(hello.node) != conn:
            return out
        first = Member(hello.node, 0, Stage.COUNTING, tuple(hello.addresses))
        self.members.witness(first, now, conn)
        return [*out, self.dissemination.welcome(conn, now), *self.tree.connected(hello.node, conn, now)]

    def _dispatch(self, node: NodeId, conn: int, message: Message, now: float) -> list[Instruction]:  # noqa: PLR0911 - a case each
        tree = self.tree
        match message:
            case messages.StateNews():
                return self._heard(conn, message, now)
            case messages.BlobPull():
                return [self.census.asked(conn, message)]
            case messages.BlobPart():
                return self.census.part(conn, message)
            case messages.Dead():
                return self.dissemination.suspected(message, now)
            case messages.LinkOpen():
                return tree.seats.on_link_open(node, message, conn)
            case messages.LinkOpened():
                return tree.search.on_link_opened(node, message, conn, now)
            case messages.LinkRefused():
                return tree.on_link_refused(node, message, now)
            case messages.Push():
                return tree.exchanges.on_push(node, message, conn, now)
            case messages.Answer():
                return tree.exchanges.on_answer(node, message)
            case messages.TaskNews():
                return self.tasks.heard(conn, message)
            case messages.Leave():
                self.members.left(node)
                return [*self.dissemination.relay(now), *tree.on_leave(node, conn, now)]
            case _:
                raise ProtocolError("protocol", f"{type(message).__name__} out of place")

    def _heard(self, conn: int, news: messages.StateNews, now: float) -> list[Instruction]:
        out = self.dissemination.heard(conn, news, now)
        out += self.census.heard(conn, news.offers, self.tree.reconciler.is_young(YOUNG))
        if any(isinstance(each, Refused) for each in out):
            self._quarrelled(conn, now, VOCABULARY)
        return out

    def _quarrelled(self, conn: int, now: float, reason: str) -> None:
        """A node that trains another vocabulary is of another swarm, with all it told of."""
        self.connections.quarrelled(conn, now)
        if reason == VOCABULARY:
            self.members.disown(conn)

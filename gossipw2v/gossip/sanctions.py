"""What is done about those who break the rules: refused and left alone, in the end cut off.

`scores` keeps the score; this draws the consequences for connections and links.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.instructions import Close, Instruction, Refused, Send, turn_away
from gossipw2v.gossip.membership.connections import Connection, Connections
from gossipw2v.gossip.membership.scores import BREACHES, PeerScores
from gossipw2v.gossip.messages import ProtocolError, Refuse
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import NodeId


@dataclass(slots=True)
class Sanctions:
    """Decides over `connections` and `tree` by what `scores` holds against others."""

    scores: PeerScores
    connections: Connections
    tree: Tree

    def violated(self, conn: int, error: ProtocolError, now: float) -> list[Instruction]:
        """The other end broke the protocol: say so, close, and leave it alone for a while."""
        self.connections.quarrelled(conn, now)
        here = self.connections.by_conn.get(conn)
        out: list[Instruction] = [Refused(error.reason, str(error))]
        if here is not None and here.node is not None:
            out += self.tree.drop(here.node, now)
        text = str(error)[:400]
        return [
            *out,
            Send(conn, Refuse(error.reason, text if text.isprintable() else error.reason)),
            Close(conn, text),
            *(self._blamed(here, now) if here is not None and error.reason in BREACHES else ()),
        ]

    def broken(self, link: bytes, error: ProtocolError, now: float) -> list[Instruction]:
        """A delta on `link` could not be merged."""
        here = self._behind(link)
        return self.violated(here.conn, error, now) if here is not None else []

    def clipped(self, link: bytes, now: float) -> list[Instruction]:
        """The other end of `link` asked for rows to be moved further than is allowed."""
        here = self._behind(link)
        return self._blamed(here, now) if here is not None else []

    def greeted(self, conn: int, node: NodeId, now: float) -> list[Instruction]:
        """What is to be said instead of a welcome to `node`; nothing if nothing is held against it."""
        if (why := self.scores.against(node, now)) is None:
            return []
        self.connections.quarrelled(conn, now)
        return turn_away(conn, "barred", f"{node.hex()}: {why}")

    def ban(self, banned: tuple[str, ...], now: float) -> list[Instruction]:
        """Have nothing to do with these from now on, nor keep what there is with them; with those left out, again."""
        self.scores.ban(banned)
        return self._cut_off([each for each in self.connections.by_conn.values() if self._against(each, now)], now)

    def _against(self, here: Connection, now: float) -> str | None:
        """Why the other end of a connection is not to be talked to, or None."""
        said = (self.scores.against(each, now) for each in (here.host, here.node) if each)
        return next(filter(None, said), None)

    def _behind(self, link: bytes) -> Connection | None:
        edge = self.tree.links.named(link)
        return self.connections.by_node.get(edge.peer) if edge else None

    def _blamed(self, here: Connection, now: float) -> list[Instruction]:
        """Hold it against the other end; who has too much against them is cut off, with all its connections."""
        out: list[Instruction] = []
        if here.host and self.scores.blame(here.host, now) > now:
            out += self._cut_off([each for each in self.connections.by_conn.values() if each.host == here.host], now)
        elif here.node is not None and self.scores.blame(here.node, now) > now:
            out += self._cut_off([here], now)
        return out

    def _cut_off(self, whom: list[Connection], now: float) -> list[Instruction]:
        out: list[Instruction] = []
        for here in whom:
            why = f"{here.host or 'a node'} is let in no more: {self._against(here, now)}"
            out += turn_away(here.conn, "barred", why)
            if here.node is not None:
                self.connections.quarrelled(here.conn, now)
                out += self.tree.drop(here.node, now)
        return out

"""What happened to the links of a swarm, as a text to read: what each node was told, what it did, and why.

A `Storyteller` tells of all links in few words, or of the link between two nodes everything. `link_story` is for a seed
that fails.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import (
    Cause,
    Close,
    Collect,
    Dial,
    DropLink,
    Instruction,
    Merge,
    OpenLink,
    Refused,
    Send,
    Settle,
)
from gossipw2v.gossip.messages import Answer, Leave, LinkOpen, LinkOpened, LinkRefused, Message, Push, Refuse
from gossipw2v.gossip.records import NodeId
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm, Watch
from gossipw2v.simulation.trial import Trial

TOLD = LinkOpen | LinkOpened | LinkRefused | Push | Answer | Leave | Refuse


@dataclass(slots=True)
class Storyteller(Watch):
    """Writes down all that concerns links, but of exchanges only those that move rows or end them.

    `between`: if given, two nodes; everything about the link between them is told then, and nothing of others. `also`:
    another who looks on, at the same things.
    """

    swarm: Swarm
    between: frozenset[str] = frozenset()
    also: Watch = field(default_factory=Watch)
    lines: list[str] = field(default_factory=list)  # what has happened so far, with the time in virtual seconds
    final: set[bytes] = field(default_factory=set)  # links on which the last word has been said
    names: dict[NodeId, str] = field(default_factory=dict)  # of all lives of nodes that have asked for anything
    ends: dict[int, str] = field(default_factory=dict)  # the node at the other end, by connection
    peers: dict[bytes, set[str]] = field(default_factory=dict)  # the nodes at both ends, by link

    def say(self, text: str) -> None:
        """Note what somebody does to the swarm."""
        self.lines.append(f"{self.swarm.now:6.2f}  {text}")

    # -- what a core asks for -------------------------------------------------------------------------------

    def ordered(self, node: SimulatedNode, order: Instruction) -> None:
        """A core asks for something."""
        self.also.ordered(node, order)
        self.names[node.core.node] = node.name
        if text := self._wish(node, order):
            self._note({node.name, self._other(node, order)}, text + self._why(order.cause))

    def _wish(self, node: SimulatedNode, order: Instruction) -> str:
        """What is asked for; nothing if that is not told."""
        name, text = node.name, ""
        match order:
            case Send() if order.conn in self.swarm.wires:
                _, other = self.swarm.wires.ends(order.conn)
                text = f"{name} -> {other}: {_said(order.message)}" * self._is_told(name, other, order.message)
            case OpenLink():
                how = [word for word in ("overlap", "catch_up", "take") if getattr(order, word)]
                text = f"{name} opens {_short(order.link)}{' with ' + ', '.join(how) if how else ''}"
            case DropLink():
                text = f"{name} drops {_short(order.link)}"
            case Close() | Refused():
                text = f"{name} {type(order).__name__.lower()}: {order.reason}"
            case Collect() | Merge() | Settle() if self.between:
                text = f"{name} is to {type(order).__name__.lower()} rows of {_short(order.link)}"
            case Dial() if self.between:
                text = f"{name} dials {order.addresses[0]}"
        return text

    def _is_told(self, one: str, other: str, message: Message) -> bool:
        if isinstance(message, LinkOpen):
            self.peers[message.link] = {one, other}
        quiet = isinstance(message, Push | Answer) and not len(message.delta)
        if isinstance(message, Answer) and message.final and message.link not in self.final:
            self.final.add(message.link)
            quiet = False
        return isinstance(message, TOLD) and (bool(self.between) or not quiet)

    def _other(self, node: SimulatedNode, order: Instruction) -> str:
        """The node that an order concerns beside the one that gives it."""
        match order:
            case Send() | Close():
                return self.ends.get(order.conn, "")
            case Dial():
                return order.addresses[0].partition(":")[0]
            case OpenLink() | DropLink() | Collect() | Merge() | Settle():
                return min(self.peers.get(order.link, set()) - {node.name}, default="")
        return self.names.get(order.cause.node, "") if order.cause and order.cause.node else ""

    def _why(self, cause: Cause | None) -> str:
        if cause is None:
            return ""
        if not cause.what[0].isupper():
            return f", since {cause.what}"
        peer = f"{self.names.get(cause.node, cause.node.hex())}'s" if cause.node else "a"
        return f", since {peer} {cause.what} came"

    # -- what a core is told --------------------------------------------------------------------------------

    def began(self, node: SimulatedNode) -> None:
        """A node begins to train."""
        self.also.began(node)
        if not self.between or node.name in self.between:
            self.say(f"{node.name} begins to train")

    def opened(self, node: SimulatedNode, conn: int, other: str) -> None:
        """Of two nodes: they are connected."""
        self.also.opened(node, conn, other)
        self.ends[conn] = other
        self._event(node, conn, f"{node.name} is connected with {other}")

    def closed(self, node: SimulatedNode, conn: int) -> None:
        """Of two nodes: a connection is gone."""
        self.also.closed(node, conn)
        self._event(node, conn, f"{node.name} has one connection with {self.ends.get(conn)} less")

    def arriving(self, node: SimulatedNode, conn: int, message: Message) -> None:
        """Of two nodes: what the other has said arrives."""
        self.also.arriving(node, conn, message)
        if isinstance(message, TOLD):
            self._event(node, conn, f"{node.name} gets {self.ends.get(conn)}'s {_said(message)}")

    def delivered(self, node: SimulatedNode, frame: bytes) -> None:
        """For the other one who looks on."""
        self.also.delivered(node, frame)

    def worked(self, node: SimulatedNode, link: bytes) -> None:
        """Of two nodes: an exchange is over at one end."""
        self.also.worked(node, link)
        held = node.core.view.link(link)
        if self.between and held is not None and not held.end.busy:
            text = f"{node.name} is done with exchange {held.end.seq} on {_short(link)}"
            self._note(self.peers.get(link, set()), text)

    def ticked(self, node: SimulatedNode) -> None:
        """For the other one who looks on."""
        self.also.ticked(node)

    def _event(self, node: SimulatedNode, conn: int, text: str) -> None:
        if self.between:
            self._note({node.name, self.ends.get(conn, "")}, text)

    def _note(self, whom: set[str], text: str) -> None:
        if self.between <= whom:
            self.say(text)


def link_story(trial: Trial, one: str, other: str) -> list[str]:
    """Run a trial to its end, whatever that is; the faults, and everything about the link between two nodes."""
    teller = Storyteller(trial.swarm, frozenset((one, other)), trial.auditor)
    trial.swarm.watch = teller
    try:
        trial.run()
        teller.say("all is well")
    except Exception as error:  # the story is wanted most of all when a trial fails
        teller.say(f"{type(error).__name__}: {error}")
    return list(heapq.merge(trial.nemesis.story, teller.lines, key=lambda line: float(line.split()[0])))


def _said(message: Message) -> str:
    said = ""
    match message:
        case LinkOpen(link, fresh, seq, _, _, insist):
            said = f"{_short(link)}{'' if fresh else f' again after {seq}'}{', insisting' if insist else ''}"
        case LinkOpened(link, resumed):
            said = f"{_short(link)}{', resumed' if resumed else ''}"
        case LinkRefused(link, reason):
            said = f"{_short(link)}, {reason}"
        case Push():
            said = f"{message.seq} on {_short(message.link)}, {len(message.delta)} rows"
        case Answer(final=final):
            said = f"{message.seq} on {_short(message.link)}, {len(message.delta)} rows{', final' if final else ''}"
    return f"{type(message).__name__} {said}".rstrip()


def _short(link: bytes) -> str:
    return link[:2].hex()

"""What happened to the links of a swarm, as a text to read: who asked whom for what, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import Close, DropLink, Instruction, OpenLink, Refused, Send
from gossipw2v.gossip.messages import Answer, Leave, LinkOpen, LinkOpened, LinkRefused, Message, Push, Refuse
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm, Watch

TOLD = LinkOpen | LinkOpened | LinkRefused | Push | Answer | Leave | Refuse


@dataclass(slots=True)
class Storyteller(Watch):
    """Writes down all that concerns links, but of exchanges only those that move rows or end them."""

    swarm: Swarm
    lines: list[str] = field(default_factory=list)  # what has happened so far, with the time in virtual seconds
    final: set[bytes] = field(default_factory=set)  # links on which the last word has been said

    def say(self, text: str) -> None:
        """Note what somebody does to the swarm."""
        self.lines.append(f"{self.swarm.now:6.2f}  {text}")

    def ordered(self, node: SimulatedNode, order: Instruction) -> None:
        """A core asks for something."""
        match order:
            case Send() if order.conn in self.swarm.wires:
                self._sent(*self.swarm.wires.ends(order.conn), order.message)
            case OpenLink():
                how = [word for word in ("overlap", "catch_up", "take") if getattr(order, word)]
                self.say(f"{node.name} opens {_short(order.link)}{' with ' + ', '.join(how) if how else ''}")
            case DropLink():
                self.say(f"{node.name} drops {_short(order.link)}")
            case Close() | Refused():
                self.say(f"{node.name} {type(order).__name__.lower()}: {order.reason}")

    def _sent(self, one: str, other: str, message: Message) -> None:
        quiet = isinstance(message, Push | Answer) and not len(message.delta)
        if isinstance(message, Answer) and message.final and message.link not in self.final:
            self.final.add(message.link)
            quiet = False
        if isinstance(message, TOLD) and not quiet:
            self.say(f"{one} -> {other}: {_said(message)}")

    def began(self, node: SimulatedNode) -> None:
        """A node begins to train."""
        self.say(f"{node.name} begins to train")


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

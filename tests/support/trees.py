"""Trees of one node for tests: made, linked and spoken to by hand."""

from random import Random

from gossipw2v.delta import empty
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.instructions import Send
from gossipw2v.gossip.membership.scores import PeerScores
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import LinkOpen, LinkOpened, LinkRefused, Push
from gossipw2v.gossip.overlay.link import ChildEnd, Downlink, ParentEnd, Uplink
from gossipw2v.gossip.overlay.states import LinkState
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.pacing import Pacing
from gossipw2v.gossip.records import Member, Stage
from support.samples import delta

VOCABULARY = b"V" * 16
SEATS = 2
UP, DOWN = 10, 20  # connections to the parent and to a child


def node(n: int) -> bytes:
    return n.to_bytes(8) + bytes(8)


def later(node: bytes, life: int = 1) -> bytes:
    """The id of a later life of a node: it has the same stem."""
    return node[:8] + bytes(7) + bytes([life])


ME, ROOT, CHILD = node(100), node(200), node(1)


def tree(me: bytes = ME, *others: bytes, ready: bool = True) -> Tree:
    members = MemberTable(Member(me, 1, Stage.TRAINING))
    made = Tree(members, PeerScores(), Random(0), GossipConfig(job={}, interval=0.2, seats=SEATS))
    for other in others:
        hear(made, other, 0.0)
    if ready:
        made.model_ready(VOCABULARY, {})
    return made


def tick(made: Tree, now: float, reachable: set[bytes]) -> tuple[list, bytes | None]:
    """What time brings, and the node to dial, if the parent is not connected."""
    out = [order for _, orders in made.timers(now, reachable) for order in orders]
    parent = made.links.parent
    return out, None if parent is None or parent.peer in reachable else parent.peer


def hear(made: Tree, other: bytes, now: float, state: Stage = Stage.TRAINING, parent: bytes = b"") -> None:
    held = made.members.get(other)
    made.members.witness(Member(other, held.beat + 1 if held else 1, state, parent=parent), now)


def rows(*ids: int):
    return delta(ids, [1] * len(ids), [0.5] * len(ids), [[1, 2]] * len(ids)) if ids else empty(2)


def said(orders) -> list:
    return [order.message for order in orders if isinstance(order, Send)]


def seat(made: Tree, child: bytes = CHILD, conn: int = DOWN, **more) -> bytes:
    """A child with an open link; the link's name."""
    link = child[:8]
    made.seats.on_link_open(child, LinkOpen(link, True, 0, VOCABULARY, more.pop("origins", {})), conn)
    assert child in made.links.downlinks
    return link


def linked(made: Tree, origins=None, now: float = 0.0) -> bytes:
    """The tree with its parent linked; the link's name."""
    tick(made, now, {ROOT})
    (asked,) = said(made.ask(UP, now))
    made.search.on_link_opened(ROOT, LinkOpened(asked.link, False, origins or {}), UP, now)
    assert made.links.uplink is not None
    return asked.link


def question(name: bytes = b"12345678", fresh: bool = True, seq: int = 0, insist: bool = False) -> LinkOpen:
    """A child's question for a link."""
    return LinkOpen(name, fresh, seq, VOCABULARY, {}, insist)


def refused(made: Tree, peer: bytes, name: bytes, now: float, reason: str = "no seat") -> list:
    """What the tree does when `peer` says that there is no link of that name."""
    return made.on_link_refused(peer, LinkRefused(name, reason), now)


def push(link: bytes, batch: int, *ids: int, clean: bool = False, unsent: int = 0, origins=None) -> Push:
    return Push(link, batch, clean, 0, unsent, origins or {}, rows(*ids))


def upward(peer: bytes, name: bytes, state: LinkState = LinkState.OPEN, **more) -> Uplink:
    """A link to a parent as it may stand in a table; `more` is of its end."""
    return Uplink(peer=peer, name=name, state=state, end=ChildEnd(link=name, pacing=Pacing(0.0), **more))


def downward(peer: bytes, name: bytes, state: LinkState = LinkState.OPEN, **more) -> Downlink:
    """The same to a child."""
    return Downlink(peer=peer, name=name, state=state, end=ParentEnd(link=name, **more))

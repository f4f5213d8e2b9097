"""How a swarm without a coordinator comes to one vocabulary.

Every node offers the counts of its own text as a blob; whoever lacks one pulls it, part by part, from any neighbour. Of
a text that all share, the first that has counted it has counted for all.
The member of highest priority freezes the vocabulary once everybody it knows has counted, `min_peers` others are
there and no new member has come for a while; the rest pull the result. Nodes that froze apart and meet settle by
`rank` (tokens counted, then digest), as long as the one that must yield has hardly begun to train. Versions of one
vocabulary are settled by it at any time: rows are carried over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from gossipw2v.gossip.blobs.names import (
    PROPOSAL,
    VOCABULARY,
    is_vocabulary,
    proposals_for,
    proposer,
    root_in,
    tokens_in,
    version_name,
)
from gossipw2v.gossip.instructions import Close, Freeze, Instruction, Received, Refused, Send, turn_away
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import MAX_BLOB, MAX_OFFERS, MAX_PART, BlobPart, BlobPull, Offer, ProtocolError
from gossipw2v.gossip.records import NodeId, Stage

COUNTS = "counts/"
SHARED = "shared"
MAX_HELD = 4 << 30  # bytes of strangers' counts held before the freeze
STALLED = 20.0  # s; a part of 1 MiB takes 4 s at 2 Mbit/s
YOUNG = 0.1  # share of the training after which a swarm no longer gives up its vocabulary


def digest_of(data: bytes) -> bytes:
    """The name of a blob's content: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).digest()


def counts_name(node: NodeId, shared: bool = False) -> str:
    """The blob that holds a node's word counts; of a `shared` text all nodes count the same, and one is enough."""
    return COUNTS + (SHARED if shared else node.hex())


@dataclass(slots=True)
class _Transfer:
    """A blob under way."""

    offer: Offer  # what it is to be
    data: bytearray = field(default_factory=bytearray)  # what has come so far
    seen: tuple[int, float] | None = None  # its length when it was last looked at, and since when it has had that


@dataclass(slots=True)
class Census:
    """Blobs held and wanted, and when to freeze."""

    me: NodeId
    shared: bool = False  # whether all nodes have the same text
    held: dict[str, tuple[Offer, bytes]] = field(default_factory=dict)  # what this node serves, by name
    transfers: dict[int, _Transfer] = field(default_factory=dict)  # what it is getting, by connection
    given_up: set[tuple[int, bytes]] = field(default_factory=set)  # by connection: of which one part may still come
    rejected: set[bytes] = field(default_factory=set)  # digests of what turned out to be nonsense
    freezing: bool = False  # whether the owner has been told to freeze
    newer: Offer | None = None  # the version that has come, or was made here, and is not taken over yet

    @property
    def vocabulary(self) -> Offer | None:
        """The frozen vocabulary's offer, or None."""
        entry = self.held.get(VOCABULARY)
        return entry[0] if entry else None

    def offers(self) -> list[Offer]:
        """What this node can serve."""
        return [offer for offer, _ in self.held.values()]

    def hold(self, name: str, data: bytes, rank: int, root: bytes = b"") -> None:
        """Serve a blob from now on. A vocabulary ends the counting: all counts are let go.

        `root`: of a version, the digest of the first vocabulary.
        """
        if name == VOCABULARY:
            self.held.clear()
            self.given_up |= {(conn, each.offer.digest) for conn, each in self.transfers.items()}
            self.transfers.clear()
            self.freezing, self.newer = False, None
        called = version_name(root) if root else name
        self.held[name] = (Offer(called, digest_of(data), len(data), rank), data)

    def propose(self, name: str, data: bytes) -> None:
        """Serve a proposal in place of any other of the same node."""
        for other in [each for each in self.held if each.startswith(proposer(name))]:
            del self.held[other]
        self.hold(name, data, 0)

    def reject(self, data: bytes) -> None:
        """A blob that arrived whole turned out to be nonsense: do not ask for it again."""
        digest = digest_of(data)
        self.rejected.add(digest)
        if self.newer is not None and self.newer.digest == digest:
            self.newer = None

    def heard(self, conn: int, offers: Iterable[Offer], young: bool) -> list[Instruction]:
        """A neighbour says what it can serve; ask for the first thing wanted."""
        if conn in self.transfers:
            return []
        for offer in offers:
            verdict = self._judge(offer, young)
            if verdict == "refuse":
                text = "another vocabulary; start both with --min-peers so that they agree on one"
                return turn_away(conn, VOCABULARY, text)
            if verdict == "pull":
                self.transfers[conn] = _Transfer(offer)
                return [Send(conn, BlobPull(offer.name, offer.digest, 0))]
        return []

    def asked(self, conn: int, pull: BlobPull) -> Instruction:
        """Serve a part of a blob."""
        offer, data = self.held.get(VOCABULARY if is_vocabulary(pull.name) else pull.name, (None, b""))
        part = data[pull.offset : pull.offset + MAX_PART] if offer and offer.digest == pull.digest else b""
        return Send(conn, BlobPart(pull.name, pull.digest, pull.offset, part))

    def part(self, conn: int, part: BlobPart) -> list[Instruction]:
        """Take a part that was asked for; ask for the next, or hand the whole over."""
        transfer = self.transfers.get(conn)
        if transfer is None or (conn, part.digest) in self.given_up:
            self.given_up.discard((conn, part.digest))
            return []  # asked for before the vocabulary came
        offer = transfer.offer
        if (part.name, part.digest, part.offset) != (offer.name, offer.digest, len(transfer.data)):
            raise ProtocolError("blob", "a part that was not asked for")
        if not part.data:
            del self.transfers[conn]
            return []
        transfer.data += part.data
        if len(transfer.data) < offer.size:
            return [Send(conn, BlobPull(offer.name, offer.digest, len(transfer.data)))]
        del self.transfers[conn]
        data = bytes(transfer.data)
        if len(data) != offer.size or digest_of(data) != offer.digest:
            raise ProtocolError("blob", f"{offer.name} is not what was offered")
        return [Received(offer.name, data)]

    def overdue(self, now: float) -> list[Instruction]:
        """Close connections whose blob has not grown for STALLED: another neighbour may serve it."""
        out: list[Instruction] = []
        for conn, transfer in self.transfers.items():
            if transfer.seen is None or transfer.seen[0] != len(transfer.data):
                transfer.seen = len(transfer.data), now
            elif now - transfer.seen[1] > STALLED:
                text = f"{transfer.offer.name} was offered and does not come"
                out += [Refused("timeout", text), Close(conn, text)]
        return out

    def slept(self) -> None:
        """This node did not run for a while: nothing could arrive."""
        for transfer in self.transfers.values():
            transfer.seen = None

    def lost(self, conn: int) -> None:
        """A connection has gone, and a transfer on it."""
        self.transfers.pop(conn, None)
        self.given_up = {each for each in self.given_up if each[0] != conn}

    def freeze_due(self, members: MemberTable, now: float, quiet: float) -> list[Instruction]:
        """Freeze if that is this node's to do and all conditions hold; said once."""
        if self.vocabulary or self.freezing or counts_name(self.me, self.shared) not in self.held:
            return []
        others = list(members.alive(now))
        if any(member.node > self.me for member in others) or now - members.newest_at < quiet:
            return []
        if len(others) < max([members.me.min_peers, *(m.min_peers for m in others)]):
            return []
        if any(m.state > Stage.GATHERING or counts_name(m.node, self.shared) not in self.held for m in others):
            return []  # somebody still counts, or has a vocabulary that is on its way here
        self.freezing = True
        return [Freeze(tuple(sorted(name for name in self.held if name.startswith(COUNTS))))]

    def _judge(self, offer: Offer, young: bool) -> str:
        """ "pull", "refuse" or "" (nothing to do) for a neighbour's offer."""
        if offer.digest in self.rejected:
            return ""
        mine = self.vocabulary
        if is_vocabulary(offer.name):
            return "pull" if mine is None else self._compared(offer, mine, young)
        if offer.name.startswith(PROPOSAL):
            wanted = mine is not None and self._lacks(offer.name, mine)
        else:
            wanted = mine is None and offer.name.startswith(COUNTS) and offer.name not in self.held
        return "pull" if wanted and self._room(offer) else ""

    def _compared(self, offer: Offer, mine: Offer, young: bool) -> str:
        """What to do about another vocabulary, or another version, than the own one."""
        if mine.digest == offer.digest or _rank(mine) > _rank(offer):
            return ""
        if self._is_version(offer):
            return "pull" if self.newer is None or _rank(offer) > _rank(self.newer) else ""
        return "pull" if young else "refuse"

    def _is_version(self, offer: Offer) -> bool:
        """Whether it is another version of the vocabulary that is here."""
        mine = self.vocabulary
        return mine is not None and is_vocabulary(offer.name) and root_in(offer) == root_in(mine)

    def _lacks(self, name: str, mine: Offer) -> bool:
        """Whether a proposal is for the next version, and none of its node is here, or one of fewer tokens."""
        held = [tokens_in(each) for each in self.held if each.startswith(proposer(name))]
        return name.startswith(proposals_for(mine.digest)) and tokens_in(name) > max(held, default=-1)

    def _room(self, offer: Offer) -> bool:
        sizes = [o.size for o in self.offers()] + [t.offer.size for t in self.transfers.values()]
        fits = offer.size <= MAX_BLOB and sum(sizes) + offer.size <= MAX_HELD
        fits = fits and not any(each.offer.name == offer.name for each in self.transfers.values())
        return fits and len(sizes) < MAX_OFFERS - 1  # all offers, the own counts among them, go into one frame


def _rank(offer: Offer) -> tuple[int, bytes]:
    return offer.rank, offer.digest

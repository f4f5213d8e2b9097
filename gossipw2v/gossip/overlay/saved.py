"""What a stopped node keeps of its links, so that its next life can go on with them.

Both ends must hold the same reference for that. They do if both are done with the same batch: a node that is told to
stop ends the exchanges under way and begins no other, and the other end keeps the link of who said goodbye. Who was
killed comes back with an older model than the others have seen of it, and links anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.overlay.link import Downlink, Phase, Uplink
from gossipw2v.gossip.overlay.provenance import Origins, Provenance
from gossipw2v.gossip.records import NodeId


@dataclass(frozen=True, slots=True)
class Bond:
    """A link to `peer`, its parent if `up`, when both ends were done with `batch`.

    `known`: tokens of every origin that the other end knows to be on both sides; `again`: origins to be named anew;
    `via`: origins of which the last tokens came by this link; `doubts`: such of them as have come another way since.
    """

    up: bool
    peer: NodeId
    link: bytes
    batch: int
    known: Origins
    again: tuple[bytes, ...] = ()
    via: tuple[bytes, ...] = ()
    doubts: tuple[bytes, ...] = ()


def bond_of(edge: Uplink | Downlink, provenance: Provenance) -> Bond | None:
    """What is to be kept of a link; None while its rows are changing hands."""
    under_way = edge.phase is Phase.SETTLING if isinstance(edge, Uplink) else edge.merging is not None
    if under_way:
        return None
    via = tuple(origin for origin, link in provenance.via.items() if link == edge.link)
    doubts = tuple(provenance.doubts.get(edge.link, ()))
    again = _unsaid(edge) if isinstance(edge, Uplink) else ()
    up = isinstance(edge, Uplink)
    return Bond(up, edge.peer, edge.link, edge.batch, dict(edge.known), again, via, doubts)


def _unsaid(edge: Uplink) -> tuple[bytes, ...]:
    """The origins to name anew, with those of a push that perhaps never arrived."""
    under_way = edge.news if edge.phase is not Phase.IDLE else ()
    return tuple(dict.fromkeys((*edge.again, *under_way)))  # in order, so that runs can be replayed


def edge_of(bond: Bond, provenance: Provenance, now: float) -> Uplink | Downlink:
    """The link again; its other end is not there yet."""
    provenance.via.update((origin, bond.link) for origin in bond.via if origin in provenance.tokens)
    if bond.doubts:
        provenance.doubts[bond.link] = dict.fromkeys(origin for origin in bond.doubts if origin in provenance.tokens)
    known = dict(bond.known)
    if not bond.up:
        return Downlink(bond.peer, bond.link, bond.batch, known=known, lost_at=now)
    again = [origin for origin in bond.again if origin in provenance.tokens]
    return Uplink(bond.peer, bond.link, now, batch=bond.batch, known=known, again=again, lost_at=now)

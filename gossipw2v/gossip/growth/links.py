"""Links go on from one version of a vocabulary to the next: both ends give them another name, and ask each other anew.

The name follows from that by which the link was made and from the version, so both ends come to the same one, in
whatever order and over whatever versions. What is still under way names the old one, and is ignored as what belongs to
a link that was given up. Rows that are under way, or may be asked for again, are renumbered as the model's are. Then
the child asks as after a break of the connection, until the parent has the version too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from gossipw2v.delta import RowDelta
from gossipw2v.gossip.messages import LINK_BYTES
from gossipw2v.gossip.overlay.link import AnyLink, Downlink, Uplink
from gossipw2v.gossip.overlay.links import WITH_REFERENCE, Links
from gossipw2v.gossip.overlay.states import LinkInput, LinkState
from gossipw2v.gossip.overlay.tree import Tree

Moved = Callable[[RowDelta], RowDelta]


def name_after(made_as: bytes, vocabulary: bytes) -> bytes:
    """The name of a link that was made by the name `made_as`, for a version of that digest."""
    return hashlib.blake2b(made_as + vocabulary, digest_size=LINK_BYTES).digest()


def is_busy(links: Links) -> bool:
    """Whether row work is under way, so that nobody may renumber rows."""
    return any(
        link.end.applying is not None or (isinstance(link, Uplink) and link.end.busy and link.end.in_flight is None)
        for link in links.with_reference()
    )


def go_on(tree: Tree, vocabulary: bytes, moved: Moved, now: float) -> dict[bytes, bytes]:
    """Take all links over to the version of that digest; `moved` renumbers rows. Returns the new names by the old.

    RuntimeError while row work is under way.
    """
    links = tree.links
    if is_busy(links):
        raise RuntimeError("rows cannot be renumbered while they change hands")
    links.vocabulary = vocabulary
    names: dict[bytes, bytes] = {}
    for link in links.with_reference():
        name = name_after(link.made_as or link.name, vocabulary)
        _renumber(link, name, moved)
        names[link.name] = name
        _rename(links, link, name)
        _ask_anew(link, now)
    parent = links.parent
    if parent is not None and parent.state not in WITH_REFERENCE:
        orders = tree.search.renew(parent)  # it may have been asked for a link of the version before
        assert not orders  # there was no reference to be dropped
    return names


def _ask_anew(link: AnyLink, now: float) -> None:
    if isinstance(link, Uplink):
        link.asked_at = float("-inf")
        if link.state is LinkState.OPEN:
            link.move(LinkInput.OVERDUE)
    elif link.state is LinkState.OPEN:
        link.lost_at = now
        link.move(LinkInput.VANISHED)


def _rename(links: Links, link: AnyLink, name: bytes) -> None:
    before, provenance = link.name, links.provenance
    links.past.append(before)
    link.made_as, link.name, link.end.link = link.made_as or before, name, name
    provenance.via = {origin: name if via == before else via for origin, via in provenance.via.items()}
    if before in provenance.doubts:
        provenance.doubts[name] = provenance.doubts.pop(before)


def _renumber(link: AnyLink, name: bytes, moved: Moved) -> None:
    """What may be sent once more goes by the new name, with the new numbers."""
    if isinstance(link, Uplink) and (push := link.end.in_flight) is not None:
        link.end.in_flight = replace(push, link=name, delta=moved(push.delta))
    elif isinstance(link, Downlink) and (answer := link.end.last_answer) is not None:
        link.end.last_answer = replace(answer, link=name, delta=moved(answer.delta))

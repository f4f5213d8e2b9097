"""The row work that a core orders, and who does it: one model's methods, and the one dispatch to them."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from gossipw2v.delta import Batch, RowDelta
from gossipw2v.gossip.instructions import Collect, DropLink, Merge, OpenLink, Settle

RowWork: TypeAlias = OpenLink | DropLink | Collect | Merge | Settle


class Replica(Protocol):
    """A model with a reference for every link; see the instructions for what each method is asked for.

    All but `open_link` and `drop_link` raise KeyError for a link that is not open, those that take a delta DeltaError
    for one that is none.
    """

    def open_link(self, link: bytes, overlap: bool, catch_up: bool, host: str, take: bool, /) -> None:
        """Make a reference."""

    def drop_link(self, link: bytes, /) -> None:
        """Forget it."""

    def collect(self, link: bytes, flush: bool, room: int, /) -> Batch:
        """Pending rows for a push."""

    def merge(self, link: bytes, theirs: RowDelta, flush: bool, overlap: bool, room: int, /) -> Batch:
        """Rows for the answer to a push."""

    def settle(self, link: bytes, sent: RowDelta, answer: RowDelta, overlap: bool, /) -> None:
        """Apply an answer."""


def perform(replica: Replica, work: RowWork) -> Batch | None:
    """Do a piece of row work; what came of a Collect or a Merge."""
    match work:
        case OpenLink():
            replica.open_link(work.link, work.overlap, work.catch_up, work.host, work.take)
        case DropLink():
            replica.drop_link(work.link)
        case Collect():
            return replica.collect(work.link, work.flush, work.room)
        case Merge():
            return replica.merge(work.link, work.delta, work.flush, work.overlap, work.room)
        case Settle():
            replica.settle(work.link, work.sent, work.answer, work.overlap)
    return None

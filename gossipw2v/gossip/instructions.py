"""What the protocol core asks its owner to do. The core itself touches no socket, clock, thread or array.

Every instruction says what it came of: `because` is the one place that writes that down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from gossipw2v.delta import RowDelta
from gossipw2v.gossip.messages import MAX_ROWS, Message, Refuse
from gossipw2v.gossip.records import NodeId


class Cause(NamedTuple):
    """What a core was dealing with: `what` is the kind of a message, or else says what is so or what time it is.

    `node`, `link`: the peer and the link; None if it concerned no single one, or it is not known which.
    """

    what: str
    node: NodeId | None = None
    link: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caused:
    """`cause`: None until the core gives the instruction out; two that ask for the same are equal all the same."""

    cause: Cause | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Dial(Caused):
    """Connect to one of `addresses`, tried in order; report `dial_failed(key)` if none answers."""

    key: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Send(Caused):
    """Send `message` on connection `conn`."""

    conn: int
    message: Message


@dataclass(frozen=True, slots=True)
class Close(Caused):
    """Close connection `conn` once everything sent has left; `reason` goes into the log."""

    conn: int
    reason: str


@dataclass(frozen=True, slots=True)
class OpenLink(Caused):
    """Make a reference, equal to the initial vectors, for `link`.

    `overlap`: both ends' models hold training of the same origin. `catch_up`: the other end waits for this
    one's model, so rows that it has not seen go first. `take`: nothing of this model is pending, and rows that
    the other end brings take the place of those here. `host`: the machine there, "" if it is not known.
    """

    link: bytes
    overlap: bool
    catch_up: bool
    host: str = ""
    take: bool = False


@dataclass(frozen=True, slots=True)
class DropLink(Caused):
    """Forget the reference of `link`."""

    link: bytes


@dataclass(frozen=True, slots=True)
class Collect(Caused):
    """Take pending rows of `link`; report `collected`. `flush`: residuals of the quantiser count as pending.

    `room`: rows at most, unless this is a flush.
    """

    link: bytes
    flush: bool
    room: int = MAX_ROWS


@dataclass(frozen=True, slots=True)
class Merge(Caused):
    """Merge a child's `delta` with what is pending here; report `merged`.

    `overlap`: both ends bring training of the same origin; `room`: own rows at most, unless this is a flush.
    """

    link: bytes
    delta: RowDelta
    flush: bool
    overlap: bool
    room: int = MAX_ROWS


@dataclass(frozen=True, slots=True)
class Settle(Caused):
    """Apply a parent's `answer` to what was `sent`; report `settled`.

    `overlap`: the answer brings training of an origin that has come here by another way.
    """

    link: bytes
    sent: RowDelta
    answer: RowDelta
    overlap: bool = False


@dataclass(frozen=True, slots=True)
class Freeze(Caused):
    """Freeze the vocabulary from the counts of `origins` (hex names); offer it as a blob."""

    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received(Caused):
    """A blob has arrived whole, equal to its digest; what it holds is still a stranger's claim."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused(Caused):
    """Something from outside was turned away: count it under `reason` and log `text`."""

    reason: str
    text: str


Instruction: TypeAlias = (
    Dial | Send | Close | OpenLink | DropLink | Collect | Merge | Settle | Freeze | Received | Refused
)


def because(cause: Cause, orders: list[Instruction]) -> list[Instruction]:
    """Write `cause` into instructions that have none yet; the same list."""
    for each in orders:
        if each.cause is None:
            object.__setattr__(each, "cause", cause)  # frozen for everybody else
    return orders


def turn_away(conn: int, reason: str, text: str) -> list[Instruction]:
    """Have nothing to do with the other end of `conn`: counted, said to it, and closed."""
    return [Refused(reason, text), Send(conn, Refuse(reason, text[:500])), Close(conn, text)]

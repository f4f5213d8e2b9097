"""The states of a link and what moves it from one to another, as data: a move that is not in the table is a mistake.

README.md beside this file has them for readers.
"""

from __future__ import annotations

from enum import Enum


class LinkState(Enum):
    """Where a link stands; the value says what that means. On disk a link is SAVED, and RETAINED once it is read."""

    WANTED = "the parent is chosen, or a child has asked: for a seat, and a reference to measure from"
    OPEN = "both ends hold a reference: deltas go over it"
    RESUMING = "the child has asked whether the parent still holds the reference"
    LOST = "the other end is not connected, or does not say what it holds: waited for"
    RETAINED = "the other end is gone, the reference is kept in case that it comes back"
    CLOSED = "forgotten"


class LinkInput(Enum):
    """What befalls a link; the value says what that means."""

    ASK = "the child asks for a link"
    OPENED = "the parent gives a seat, and both ends make a reference"
    CONNECTED = "there is a new connection to the parent"
    OVERDUE = "an answer should have come long ago"
    RESUMED = "both ends still hold the reference"
    VANISHED = "the connection is gone, or there is a new one to the child"
    RENEWED = "the parent holds another reference, or none: the child asks for one under a new name"
    RETIRED = "the other end is gone for good, or has left in order"
    RETURNED = "the parent is there again, or heard of"
    AWAITED = "the child is there again, or heard of"
    DROPPED = "it is given up"


S, I = LinkState, LinkInput  # noqa: E741 - columns of a table

TRANSITIONS: dict[tuple[LinkState, LinkInput], LinkState] = {
    (S.WANTED, I.ASK): S.WANTED,
    (S.WANTED, I.OPENED): S.OPEN,
    (S.WANTED, I.VANISHED): S.WANTED,
    (S.WANTED, I.RENEWED): S.WANTED,
    (S.WANTED, I.CONNECTED): S.WANTED,  # a child that never got a link may have been forgotten: it asks again
    (S.OPEN, I.CONNECTED): S.RESUMING,
    (S.OPEN, I.OVERDUE): S.RESUMING,
    (S.OPEN, I.RESUMED): S.OPEN,
    (S.OPEN, I.VANISHED): S.LOST,
    (S.OPEN, I.RENEWED): S.WANTED,
    (S.OPEN, I.RETIRED): S.RETAINED,
    (S.RESUMING, I.CONNECTED): S.RESUMING,
    (S.RESUMING, I.OVERDUE): S.RESUMING,
    (S.RESUMING, I.RESUMED): S.OPEN,
    (S.RESUMING, I.VANISHED): S.RESUMING,  # it is not known yet what the other end holds
    (S.RESUMING, I.RENEWED): S.WANTED,
    (S.RESUMING, I.RETIRED): S.RETAINED,
    (S.LOST, I.CONNECTED): S.RESUMING,
    (S.LOST, I.RESUMED): S.OPEN,
    (S.LOST, I.VANISHED): S.LOST,
    (S.LOST, I.RENEWED): S.WANTED,
    (S.LOST, I.RETIRED): S.RETAINED,
    (S.RETAINED, I.RETURNED): S.RESUMING,
    (S.RETAINED, I.AWAITED): S.LOST,
    **{(state, I.DROPPED): S.CLOSED for state in S if state is not S.CLOSED},
}


def after(state: LinkState, what: LinkInput) -> LinkState:
    """The state that follows. RuntimeError if that cannot happen in this state."""
    try:
        return TRANSITIONS[state, what]
    except KeyError:
        raise RuntimeError(f"{what.name} cannot befall a link that is {state.name}") from None

"""What came of looking for others, for people: who does not answer and who was refused, and why.

Nothing here decides anything. Places come from strangers too, so only the last few are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEPT = 64  # places of each kind
LONGEST = 300  # characters of a reason


@dataclass(slots=True)
class Contacts:
    """Places, as `HOST:PORT` or several of them, with why nothing came of them the last time.

    `unanswered`: nobody spoke there. `refused`: one end refused the other. `nameless`: those of `unanswered` whose name
    nobody knows.
    """

    unanswered: OrderedDict[str, str] = field(default_factory=OrderedDict)
    refused: OrderedDict[str, str] = field(default_factory=OrderedDict)
    nameless: set[str] = field(default_factory=set)

    def failed(self, place: str, why: str, nameless: bool = False) -> None:
        """Nobody spoke at `place`."""
        _put(self.unanswered, place, why)
        self.nameless = (self.nameless | {place} if nameless else self.nameless - {place}) & self.unanswered.keys()

    def met(self, place: str) -> None:
        """Somebody spoke at `place`."""
        self.unanswered.pop(place, None)
        self.nameless.discard(place)

    def turned_away(self, place: str, why: str) -> None:
        """What spoke at `place`, or came from there, was refused, or refused this node."""
        self.met(place)
        _put(self.refused, place, why)

    def joined(self, place: str) -> None:
        """The node at `place` takes part."""
        self.met(place)
        self.refused.pop(place, None)


def _put(places: OrderedDict[str, str], place: str, why: str) -> None:
    places[place] = why[:LONGEST]
    places.move_to_end(place)
    while len(places) > KEPT:
        places.popitem(last=False)

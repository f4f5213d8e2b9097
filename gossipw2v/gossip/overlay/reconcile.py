"""How two models come together: what both hold, and who waits for whose rows, from nothing but two version vectors.

A node gets a new id at every start. The tokens it trained under the ids before, its earlier *lives*, stay in the
provenance under those. When it links to a swarm that went on meanwhile, both models hold much of the same: merged as
equals, the older would hold the newer back. So the node *yields*, as long as it has not begun to train, to an end whose
model holds all that its own does but for what it can train again itself: that end's rows take the place of its own, one
by one as they come. So it is with a node that was killed, or whose neighbours linked to others meanwhile; with one that
was stopped in order the links themselves go on (`retained`), and nothing is yielded or left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.instructions import OpenLink
from gossipw2v.gossip.overlay.link import AnyLink
from gossipw2v.gossip.overlay.links import Links
from gossipw2v.gossip.overlay.provenance import VersionVector, raise_to
from gossipw2v.gossip.records import Stage

OLD = 0.02  # share of all training from which a model is taken over whole by those who have none


def lead(one: VersionVector, other: VersionVector) -> int:
    """Tokens by which `one` is ahead of `other`, where it is."""
    return sum(max(0, n - other.get(origin, 0)) for origin, n in one.items())


def yields(mine: VersionVector, lives: VersionVector, theirs: VersionVector, above: bool) -> bool:
    """Whether a model from disk gives way to another: that one holds all of it but for what `lives` can train again,
    and is ahead by more than that, or by as much if it is `above`, of the higher priority.
    """
    beyond = {origin: more for origin, n in mine.items() if (more := n - theirs.get(origin, 0)) > 0}
    common = any(theirs.get(origin) for origin, n in mine.items() if n)
    again, ahead = sum(beyond.values()), lead(theirs, mine)
    return common and beyond.keys() <= lives.keys() and (again < ahead or (above and again == ahead))


def moves(lives: VersionVector, elsewhere: VersionVector, yielded: bool) -> VersionVector:
    """By how many tokens the text's places move that the `lives` are past: forward where others hold more of a life,
    back where nobody holds what is no longer here since the model has `yielded`.
    """
    there = {life: elsewhere.get(life, 0) - past for life, past in lives.items()}
    return {life: n for life, n in there.items() if n > 0 or yielded}


@dataclass(slots=True)
class Earlier:
    """What a resumed node has of its earlier lives, and what others have of them."""

    vector: VersionVector = field(default_factory=dict)  # of the model that was read from disk
    lives: VersionVector = field(default_factory=dict)  # the own lives in it: tokens that the text's places are past
    elsewhere: VersionVector = field(default_factory=dict)  # what other ends have said their models hold
    yielded: bool = False  # whether rows of another end take the place of those read

    def meet(self, theirs: VersionVector, above: bool, starting: bool) -> bool:
        """An end whose model holds `theirs`: whether to yield to it. `above`: it has the higher priority."""
        raise_to(self.elsewhere, theirs)
        now = starting and yields(self.vector, self.lives, theirs, above)
        self.yielded |= now
        return now

    def shift(self) -> int:
        """Tokens of the own text to leave out, since others hold what an earlier life made of them; negative: to train
        again, since nobody does. The lives are then what the shifted places are past.
        """
        moved = moves(self.lives, self.elsewhere, self.yielded)
        self.lives |= {life: self.lives[life] + n for life, n in moved.items()}
        return sum(moved.values())


@dataclass(slots=True)
class Reconciler:
    """Decides for this node how each link begins."""

    links: Links
    earlier: Earlier = field(default_factory=Earlier)

    @property
    def trained(self) -> bool:
        """Whether the model holds anybody's training."""
        return any(self.links.provenance.vector.values())

    def open(self, link: AnyLink, theirs: VersionVector) -> OpenLink:
        """Make the reference of `link`; the other end's model holds `theirs`."""
        me = self.links.members.me
        mine = {origin: n for origin, n in self.links.provenance.vector.items() if n}
        other = {origin: n for origin, n in theirs.items() if n}
        take = self.earlier.meet(other, above=link.peer > me.node, starting=me.state <= Stage.JOINING)
        link.awaited = (take or not mine) and self._is_worth_taking(other)
        catch_up = (not other or self._will_yield(link, mine, other)) and self._is_worth_taking(mine)
        return OpenLink(link.name, bool(mine.keys() & other.keys()), catch_up, take=take)

    def _will_yield(self, link: AnyLink, mine: VersionVector, other: VersionVector) -> bool:
        """Whether a node that holds `other` waits for this one's rows, as far as can be told from here."""
        member = self.links.members.get(link.peer)
        starting = member is not None and member.state <= Stage.JOINING
        return starting and lead(mine, other) >= lead(other, mine)

    def _is_worth_taking(self, vector: VersionVector) -> bool:
        """Whether a newcomer should take over all of a model before it trains, rather than merge what comes."""
        total = sum(member.total for member in self.links.members.everyone())
        return sum(vector.values()) > OLD * total

    def resumed(self, vector: VersionVector, lives: VersionVector | None) -> None:
        """The model will be one from disk that holds these tokens; with `lives` it may give way to another."""
        self.links.provenance.learn(vector)
        if lives is not None:
            self.earlier = Earlier(dict(vector), dict(lives))

    def progress(self, now: float) -> tuple[int, int]:
        """(trained, to train) tokens of the swarm, with those in this model whose origins nobody remembers."""
        members = self.links.members
        trained, total = members.progress(now)
        held = self.links.provenance.vector.items()
        forgotten = sum(n for origin, n in held if origin != self.links.me and members.get(origin) is None)
        return trained + forgotten, total + forgotten

    def is_young(self, share: float) -> bool:
        """Whether this model holds at most this share of all training.

        What others say they have trained does not count: they may have done so with another vocabulary.
        """
        members, vector = self.links.members, self.links.provenance.vector
        known = [members.me, *(members.get(node) for node in vector if node != self.links.me)]
        total = sum(member.total for member in known if member is not None)
        return sum(vector.values()) <= share * total

    def reset(self) -> None:
        """Nothing is left of what was trained."""
        self.links.provenance.clear()
        self.earlier = Earlier()

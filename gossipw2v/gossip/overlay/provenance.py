"""Which training is in a model, by origin, and by which link it came: version vectors (Parker et al., 1983).

*The rule*: what came by two ways would count twice, so every exchange names the origins whose training it may bring,
and rows are merged with care where one of them may be here already. That is so for an origin

- that both ends name in one exchange, or one of them names though both knew of it before;
- that had come here by another link, or from disk, before it came by this one: then rows of it may still wait at the
  other end of that link too, which is *in doubt* from now on and names the origin in its next exchange.

The model works off what it is asked in order: an origin counts as here from the moment its rows are ordered, and is
named as of the moment in which the rows that go out are. What is under way when a link drops would be here without a
name otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.messages import MAX_ORIGINS

VersionVector = dict[bytes, int]  # tokens that each origin, a node of any life, has trained


@dataclass(slots=True)
class Provenance:
    """What this node's model holds; the own entry grows while the node trains."""

    vector: VersionVector = field(default_factory=dict)  # tokens of every origin in the model
    via: dict[bytes, bytes] = field(default_factory=dict)  # the link by which the last tokens of an origin came
    doubts: dict[bytes, dict[bytes, None]] = field(default_factory=dict)  # by link: origins that came another way since
    own: bytes = b""  # this node, which trains meanwhile

    # -- what to say ----------------------------------------------------------------------------------------

    def announce(self, link: bytes, acked: VersionVector, again: list[bytes]) -> VersionVector:
        """What a push on `link` names: what is new to the other end, what is named again, and what is in doubt."""
        return self.news(acked) | {origin: self.vector[origin] for origin in again} | self.take_doubts(link)

    def news(self, acked: VersionVector) -> VersionVector:
        """The entries that go beyond `acked`."""
        return {origin: n for origin, n in self.vector.items() if n > acked.get(origin, 0)}

    def newest(self, named: VersionVector, acked: VersionVector) -> VersionVector:
        """`named`, with what this node has trained since: it may be in the rows already."""
        n = self.vector.get(self.own, 0)
        return named | {self.own: n} if n > acked.get(self.own, 0) else named

    def take_doubts(self, link: bytes) -> VersionVector:
        """The origins of which `link` is in doubt; it is in none any more, once they are named."""
        return {origin: self.vector.get(origin, 0) for origin in self.doubts.pop(link, ())}

    # -- what was heard -------------------------------------------------------------------------------------

    def hear_push(self, link: bytes, acked: VersionVector, named: VersionVector) -> tuple[VersionVector, bool]:
        """A child's push on `link` names origins: what the answer is to name, and whether to merge with care."""
        mine = self.news(acked)
        both = {origin: n for origin, n in named.items() if origin in mine or n <= acked.get(origin, 0)}
        both |= {origin: named[origin] for origin in self.learn(named, link)}
        both |= self.take_doubts(link)
        return both | mine, bool(both)

    def hear_answer(
        self, link: bytes, acked: VersionVector, pushed: VersionVector, named: VersionVector
    ) -> tuple[list[bytes], bool]:
        """A parent's answer on `link`, to a push that named `pushed`, names origins: what the next push is to name
        again, since it may have come by another way meanwhile, and whether to apply it with care.
        """
        since = self.news(acked | pushed)
        again = [origin for origin, n in named.items() if origin in since and n > acked.get(origin, 0)]
        again += self.learn(named, link, echoed={origin: acked.get(origin, 0) for origin in pushed})
        doubted = any(origin in pushed or n <= acked.get(origin, 0) for origin, n in named.items())
        return again, bool(again) or link in self.doubts or doubted

    def learn(self, news: VersionVector, link: bytes = b"", echoed: VersionVector | None = None) -> list[bytes]:
        """Take the larger of both for each origin; they came by `link`, or from disk, or are the own ones.

        Returns those of others that were here and had not come by it, even if they are no more than what is here: rows
        of them may still wait at the other end of the link by which they had. `echoed`: what was only repeated.
        """
        more = [origin for origin, n in news.items() if n > self.vector.get(origin, 0)]
        told = [origin for origin, n in news.items() if n > (echoed or {}).get(origin, -1) and origin != self.own]
        met = [origin for origin in told if self.vector.get(origin) and self.via.get(origin) != link]
        for origin in met:
            if before := self.via.get(origin):
                self.doubts.setdefault(before, {})[origin] = None  # once, however often it is named
            else:
                self.via[origin] = link  # it came from disk, or by a link that is gone
        raise_to(self.vector, news)
        self.via.update((origin, link) for origin in more if origin in self.vector)
        return met

    def forget(self, link: bytes) -> None:
        """A link is gone."""
        self.via = {origin: via for origin, via in self.via.items() if via != link}
        self.doubts.pop(link, None)

    def clear(self) -> None:
        """Nothing is left of what was trained."""
        for table in (self.vector, self.via, self.doubts):
            table.clear()


def raise_to(vector: VersionVector, news: VersionVector) -> None:
    """Raise the entries of `vector` to those of `news`; a full one takes no new origin, so that it fits a frame."""
    for origin, n in news.items():
        if origin in vector or len(vector) < MAX_ORIGINS:
            vector[origin] = max(n, vector.get(origin, 0))

"""Which training is in a model, by origin, and by which link it came."""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.messages import MAX_ORIGINS

Origins = dict[bytes, int]


@dataclass(slots=True)
class Provenance:
    """Tokens of every origin in this node's model, and by which link the last of them came.

    An origin whose tokens come by another link than before has come by two ways, or moved: rows of it may still wait at
    either end of both links. `doubts`: such origins, in order, by the former link. `own`: this node, which trains
    meanwhile.
    """

    tokens: Origins = field(default_factory=dict)
    via: dict[bytes, bytes] = field(default_factory=dict)
    doubts: dict[bytes, dict[bytes, None]] = field(default_factory=dict)
    own: bytes = b""

    def news(self, known: Origins) -> Origins:
        """The entries that go beyond `known`."""
        return {origin: n for origin, n in self.tokens.items() if n > known.get(origin, 0)}

    def newest(self, news: Origins, known: Origins) -> Origins:
        """`news`, with what this node has trained since they were gathered: it may be in the rows already."""
        n = self.tokens.get(self.own, 0)
        return news | {self.own: n} if n > known.get(self.own, 0) else news

    def learn(self, news: Origins, link: bytes = b"", echoed: Origins | None = None) -> list[bytes]:
        """Take the larger of both for each origin; they came by `link`, or are the own ones.

        Returns those of others that were here and had not come by it. The link by which they had is in doubt from now
        on, though they be no more than what is here: rows of them may still wait there. What is `echoed`, the other end
        has only repeated.
        """
        more = [origin for origin, n in news.items() if n > self.tokens.get(origin, 0)]
        told = [origin for origin, n in news.items() if n > (echoed or {}).get(origin, -1) and origin != self.own]
        met = [origin for origin in told if self.tokens.get(origin) and self.via.get(origin) != link]
        for origin in met:
            if before := self.via.get(origin):
                self.doubts.setdefault(before, {})[origin] = None  # once, however often it is named
            else:
                self.via[origin] = link  # it came from disk, or by a link that is gone
        raise_to(self.tokens, news)
        self.via.update((origin, link) for origin in more if origin in self.tokens)
        return met

    def doubted(self, link: bytes) -> Origins:
        """The origins that have come by `link` and another way, as far as not asked before."""
        return {origin: self.tokens.get(origin, 0) for origin in self.doubts.pop(link, ())}

    def forget(self, link: bytes) -> None:
        """A link is gone."""
        self.via = {origin: via for origin, via in self.via.items() if via != link}
        self.doubts.pop(link, None)

    def clear(self) -> None:
        """Nothing is left of what was trained."""
        for table in (self.tokens, self.via, self.doubts):
            table.clear()


def raise_to(tokens: Origins, news: Origins) -> None:
    """Raise the entries of `tokens` to those of `news`; a full table takes no new origin, so that it fits a frame."""
    for origin, n in news.items():
        if origin in tokens or len(tokens) < MAX_ORIGINS:
            tokens[origin] = max(n, tokens.get(origin, 0))

"""What a resumed node has of its earlier lives, and whether to go on from that or from what the others have.

A node gets a new id at every start. The tokens it trained under the ids before stay in the provenance under those. When
it links to a swarm that went on meanwhile, both models hold much of the same: merged as equals, the older would hold
the newer back. So the node *yields*, as long as it has not begun to train, to an end whose model holds all that its own
does but for what it can train again itself: that end's rows take the place of its own, one by one as they come.

So it is with a node that was killed, or whose neighbours linked to others meanwhile; with one that was stopped in order
the links themselves go on (`bond`), and nothing is yielded or left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.gossip.overlay.provenance import Origins, raise_to


@dataclass(slots=True)
class Earlier:
    """`tokens` of every origin in the model that was read from disk, and its own `lives` among them.

    Each life has the tokens of which the text's places are past. `elsewhere`: what other ends have said their models
    hold; `yielded`: whether rows of another end take the place of those read.
    """

    tokens: Origins = field(default_factory=dict)
    lives: Origins = field(default_factory=dict)
    elsewhere: Origins = field(default_factory=dict)
    yielded: bool = False

    def meet(self, theirs: Origins, above: bool, starting: bool) -> bool:
        """An end whose model holds `theirs`: whether to yield to it. `above`: it has the higher priority."""
        raise_to(self.elsewhere, theirs)
        yields = starting and self._yields(theirs, above)
        self.yielded |= yields
        return yields

    def _yields(self, theirs: Origins, above: bool) -> bool:
        beyond = {origin: more for origin, n in self.tokens.items() if (more := n - theirs.get(origin, 0)) > 0}
        common = any(theirs.get(origin) for origin, n in self.tokens.items() if n)
        again, ahead = sum(beyond.values()), lead(theirs, self.tokens)
        return common and beyond.keys() <= self.lives.keys() and (again < ahead or (above and again == ahead))

    def shift(self) -> int:
        """Tokens of the own text to leave out, since others hold what an earlier life made of them; negative: to train
        again, since nobody does. The lives are then what the shifted places are past.
        """
        moved = 0
        for life, past in self.lives.items():
            there = self.elsewhere.get(life, 0)
            if there > past or self.yielded:
                moved += there - past
                self.lives[life] = there
        return moved


def lead(one: Origins, other: Origins) -> int:
    """Tokens by which `one` is ahead of `other`, where it is."""
    return sum(max(0, n - other.get(origin, 0)) for origin, n in one.items())

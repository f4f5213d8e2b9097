"""How a swarm's vocabulary grows: words are proposed, and at rest the highest member makes a version of them.

What is proposed stays with everybody until there is a version, so that the next highest can make it from the same if
the highest dies. A proposal counts as long as its node lives: one that comes back makes it again, for whatever version
there is then. A version says what went into it, so that nothing is counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.gossip.blobs.names import VOCABULARY, proposal_name, proposals_for, proposer
from gossipw2v.gossip.census import Census
from gossipw2v.gossip.dissemination import Dissemination
from gossipw2v.gossip.growth import links
from gossipw2v.gossip.growth.links import Moved
from gossipw2v.gossip.instructions import Cause, Freeze, Instruction, because
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Offer
from gossipw2v.gossip.overlay.tree import Tree
from gossipw2v.gossip.records import Stage

AGAIN = 60.0  # s until a version is tried again that could not be made


@dataclass(slots=True)
class Growth:
    """Proposals for the next version, when it is to be made, and how this node goes on with it."""

    members: MemberTable
    census: Census
    tree: Tree
    dissemination: Dissemination
    quiet: float  # s without another proposal until a version is made
    heard_at: float = float("-inf")  # when the last proposal came
    making: bool = False  # whether the owner has been told to make a version
    again_at: float = float("-inf")  # when it may be told again, if it could not

    # -- proposals ------------------------------------------------------------------------------------------

    def name(self, tokens: int) -> str:
        """What a proposal of this node, of so many tokens, is to be called. There is a vocabulary."""
        assert self.census.vocabulary is not None
        return proposal_name(self.census.vocabulary.digest, self.members.me.node, tokens)

    def propose(self, name: str, counts: bytes, now: float) -> list[Instruction]:
        """Offer the own counts of text that is in no version."""
        self.hold(name, counts, now)
        return because(Cause("words are proposed"), self.dissemination.news())

    def hold(self, name: str, counts: bytes, now: float) -> None:
        """A node's proposal is there and makes sense: pass it on."""
        mine = self.census.vocabulary
        if mine is not None and name.startswith(proposals_for(mine.digest)):
            self.census.propose(name, counts)
            self.heard_at = now

    def proposals(self, now: float) -> tuple[str, ...]:
        """The names of the proposals for the next version, of this node and others that live."""
        mine = self.census.vocabulary
        held = [name for name in self.census.held if mine and name.startswith(proposals_for(mine.digest))]
        if mine is None or not held:  # as nearly always: asked at every turn, and members may be many
            return ()
        nodes = [self.members.me.node, *(member.node for member in self.members.alive(now))]
        living = tuple(proposer(proposal_name(mine.digest, node, 0)) for node in nodes)
        return tuple(sorted(name for name in held if name.startswith(living)))

    def joins_in(self, now: float) -> bool:
        """Whether others propose words for the next version, and this node has not: what it has may be enough then."""
        if self.making or self.census.newer is not None or self.census.vocabulary is None:
            return False
        mine = proposer(self.name(0))
        names = self.proposals(now)
        return bool(names) and not any(name.startswith(mine) for name in names)

    # -- the next version -----------------------------------------------------------------------------------

    def due(self, now: float) -> list[Instruction]:
        """Have the next version made if that is this node's to do and all is at rest; said once."""
        mine = self.census.vocabulary
        if mine is None or self.making or self.tree.links.vocabulary != mine.digest or self.census.newer is not None:
            return []
        if now < self.again_at or now - self.heard_at < self.quiet or not (names := self.proposals(now)):
            return []
        alive = list(self.members.alive(now))
        if any(member.node > self.members.me.node or member.state < Stage.COMPLETE for member in alive):
            return []
        if not self.tree.termination.final(now):
            return []
        self.making = True
        return [Freeze(names)]

    def failed(self, now: float) -> None:
        """There can be no version of what was proposed, as things are."""
        self.making, self.again_at = False, now + AGAIN

    def made(self, offer: Offer) -> bool:
        """A version was made here, or has come; whether it is the one to take over next."""
        known = [each for each in (self.census.vocabulary, self.census.newer) if each is not None]
        if any((each.rank, each.digest) >= (offer.rank, offer.digest) for each in known):
            return False
        self.census.newer = offer
        return True

    # -- taking one over ------------------------------------------------------------------------------------

    def pause(self, paused: bool) -> None:
        """Begin, answer and end no exchange; or do so again."""
        self.tree.exchanges.paused = paused

    @property
    def busy(self) -> bool:
        """Whether row work is under way."""
        return links.is_busy(self.tree.links)

    def go_on(self, version: bytes, offer: Offer, root: bytes, moved: Moved, now: float) -> dict[bytes, bytes]:
        """The model has been renumbered for this version: offer it, and go on with all links.

        The new names of links by the old ones. The pause is over. RuntimeError while row work is under way.
        """
        names = links.go_on(self.tree, offer.digest, moved, now)
        self.census.hold(VOCABULARY, version, offer.rank, root)
        self.making = self.tree.exchanges.paused = False
        return names

    def tell(self) -> list[Instruction]:
        """Tell others which version there is now."""
        return because(Cause("another version is taken over"), self.dissemination.news())

"""The tasks of a shared text, as the owner of a core uses them: what to train next, what has been trained.

The owner *takes* tasks that this node holds, one by one and shortly before its threads need them, and says when each is
done. What it has taken is given to nobody; what others have claimed meanwhile, since they took this node for dead, is
*lost*, and given up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.dissemination import RELAY
from gossipw2v.gossip.instructions import Instruction, Send
from gossipw2v.gossip.membership.connections import Connections
from gossipw2v.gossip.membership.suspicion import is_cut_off
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Holding, ProtocolError, TaskNews
from gossipw2v.gossip.records import Member, NodeId, Stage
from gossipw2v.gossip.tasks.dealing import Speeds, gifts, rendezvous
from gossipw2v.gossip.tasks.listing import CORPUS
from gossipw2v.gossip.tasks.table import TaskTable

SETTLED = 2.0  # s until a claim counts: others may claim the same before they hear of it, and the higher id has it
DEAL = 1.0  # s between two looks at who is gone and who has nothing to do
RETELL = 10.0  # s until all is told again: news may come on the one of two crossed connections that is closed


@dataclass(slots=True)
class SharedTasks:
    """The table of tasks and what this node does about it. Inactive until `begin`, though it listens."""

    config: GossipConfig
    members: MemberTable
    connections: Connections
    table: TaskTable = field(default_factory=TaskTable)
    speeds: Speeds = field(default_factory=Speeds)
    vocabulary: bytes = b""  # digest of what is trained; b"": nothing is known yet
    tokens: tuple[int, ...] = ()  # words of each piece, about; none until `begin`
    taken: set[int] = field(default_factory=set)  # tasks in the hands of the owner's threads
    settling: dict[int, float] = field(default_factory=dict)  # own claims that do not count yet, and when they will
    gone: set[NodeId] = field(default_factory=set)  # owners that were found dead at the last look
    dealt_at: float = float("-inf")
    told_at: float = float("-inf")  # when news were last told
    retold_at: float = float("-inf")  # when everything was

    @property
    def me(self) -> NodeId:
        """This node's id."""
        return self.members.me.node

    # -- what the owner does --------------------------------------------------------------------------------

    def begin(self, vocabulary: bytes, tokens: tuple[int, ...], passes: int) -> None:
        """Train the pieces, of about so many `tokens` each, so many times; another vocabulary's tasks are forgotten."""
        self._know(vocabulary)
        self.tokens = tokens
        self.taken.clear()
        self.table.resize(len(tokens) * passes)

    def resumed(self, vocabulary: bytes, done: Iterable[int]) -> None:
        """The model will be one from disk that holds these tasks."""
        self._know(vocabulary)
        for task in done:
            self.table.put(task, Holding(True))

    def next(self, now: float) -> int | None:
        """Take the first task that this node holds; None if there is none now."""
        for task in self.table.open():
            if self.table.get(task).owner == self.me and self._is_free(task, now):
                self.taken.add(task)
                return task
        return None

    def finished(self, task: int) -> None:
        """A task that was taken has been trained."""
        self.taken.discard(task)
        self.table.put(task, self.table.get(task)._replace(done=True, owner=self.me))

    def lost(self) -> set[int]:
        """Tasks that were taken and are others' now: they are given up."""
        gone = {task for task in self.taken if self.table.get(task).owner != self.me or task in self.table.done}
        self.taken -= gone
        return gone

    @property
    def complete(self) -> bool:
        """Whether all tasks have been done, by anybody."""
        return bool(self.tokens) and len(self.table.done) == self.table.size

    def left(self) -> int:
        """Words of the tasks that this node holds and has not done."""
        return int(self._left_of([self.me])[self.me])

    def done(self) -> list[int]:
        """The tasks that have been done, in order."""
        return sorted(self.table.done)

    def counted(self) -> dict[str, int]:
        """How many tasks there are, have been done, wait with this node, are in its threads' hands, and are left."""
        done = len(self.table.done)
        mine = sum(self.table.get(task).owner == self.me for task in self.table.open()) if self.tokens else 0
        size = self.table.size if self.tokens else 0
        return {"all": size, "done": done, "own": mine, "in_hand": len(self.taken), "left": max(0, size - done)}

    # -- what comes, and what time brings -------------------------------------------------------------------

    def heard(self, conn: int, news: TaskNews) -> list[Instruction]:
        """A neighbour tells of tasks; those of another vocabulary are not this node's."""
        if CORPUS not in self.config.job:
            raise ProtocolError("protocol", "TaskNews where no text is shared")
        if not self.vocabulary:
            self._know(news.vocabulary)
        if news.vocabulary == self.vocabulary:
            for task, holding in news.tasks:
                self.table.put(task, holding, conn)
        return []

    def deal(self, now: float) -> list[Instruction]:
        """Claim what nobody has, and give to those who have nothing to do, if it is time."""
        if now - self.dealt_at >= DEAL and self.tokens:
            self.dealt_at = now
            here = [self.members.me, *self.members.alive(now)]
            here = [member for member in here if member.state <= Stage.TRAINING]
            self.speeds.look(here, now)
            if self.members.me.state is Stage.TRAINING:
                self._claim(here, now)
                self._give([member.node for member in here if member.state is Stage.TRAINING], now)
        return []

    def tell(self, now: float) -> list[Instruction]:
        """Tell neighbours what is new, if it is time."""
        if not self.vocabulary or now - self.told_at < RELAY:
            return []
        self.told_at, again = now, now - self.retold_at >= RETELL
        self.retold_at = now if again else self.retold_at
        self.table.connected(self.connections.conns().values(), again)
        return [Send(conn, TaskNews(self.vocabulary, told)) for conn, told in self.table.news()]

    # -- dealing --------------------------------------------------------------------------------------------

    def _know(self, vocabulary: bytes) -> None:
        if vocabulary != self.vocabulary:
            self.vocabulary, self.table = vocabulary, TaskTable()
            self.settling.clear()

    def _is_free(self, task: int, now: float) -> bool:
        """Whether a task of this node's may be taken or given."""
        if self.settling.get(task, now) > now:
            return False
        self.settling.pop(task, None)
        return task not in self.taken

    def _claim(self, here: list[Member], now: float) -> None:
        """Claim the tasks whose owner is gone or that have none, as far as they fall to this node.

        A node that was cut off from half of the swarm waits: the other half claims them. To know that it takes a second
        look, since not all of the half are found dead at once.
        """
        owners = {self.table.get(task).owner for task in self.table.open()} - {b""}
        before, self.gone = self.gone, owners - {member.node for member in here}
        dead = set() if is_cut_off(self.members, now, self.config.lost_patience) else before & self.gone
        orphans = [task for task in self.table.open() if self.table.get(task).owner in {b"", *dead}]
        if not orphans:
            return
        able = [member.node for member in here if member.state >= Stage.ENCODING]
        winners = rendezvous(range(len(self.tokens)), able)
        for task in orphans:
            if winners[task % len(self.tokens)] == self.me:
                self.table.hand(task, self.me)
                self.settling[task] = now + SETTLED

    def _give(self, training: list[NodeId], now: float) -> None:
        left = self._left_of(training)
        for node, tokens in gifts(self.me, left, self.speeds):
            self._give_to(node, tokens, now)

    def _give_to(self, node: NodeId, tokens: float, now: float) -> None:
        """Give tasks worth so many tokens at most, the last first."""
        mine = [task for task in self.table.open() if self.table.get(task).owner == self.me]
        for task in reversed(mine):
            worth = self._worth(task)
            if worth <= tokens and self._is_free(task, now):
                tokens -= worth
                self.table.hand(task, node)

    def _worth(self, task: int) -> int:
        return self.tokens[task % len(self.tokens)]

    def _left_of(self, nodes: list[NodeId]) -> dict[NodeId, float]:
        """Tokens of the tasks that each node holds and has not done."""
        left = dict.fromkeys(nodes, 0.0)
        for task in self.table.open() if self.tokens else ():
            owner = self.table.get(task).owner
            if owner in left:
                left[owner] += self._worth(task)
        return left

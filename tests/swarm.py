"""The swarm in memory with workers that count: each token adds one to a random row's first value, so that sums tell
what was lost or doubled."""

from dataclasses import dataclass, field

import numpy as np

from gossipw2v import swarm
from gossipw2v.actor import Node
from gossipw2v.gossip import Gossip
from gossipw2v.instructions import Instruction
from gossipw2v.messages import PROTOCOL, Hello
from gossipw2v.model import Model
from gossipw2v.rules import Rules
from gossipw2v.virtual import Line

PER_TICK = 3


@dataclass
class Counting:
    """Trains `total` tokens, three a tick."""

    model: Model
    rng: np.random.Generator
    total: int
    trained: int = 0

    def train(self, seconds: float, others: tuple[int, int]) -> None:
        for _ in range(min(PER_TICK, self.total - self.trained)):
            row = int(self.rng.integers(0, len(self.model.weights)))
            self.model.weights[row, 0] += 1
            self.model.updates[row] += 1
            self.trained += 1

    def before_merge(self, now: float) -> None:
        pass

    def restart(self) -> None:
        self.trained = 0
        self.model.weights[:] = 0
        self.model.updates[:] = 0


@dataclass
class Swarm(swarm.Swarm):
    """Models of 2 x `rows` rows of `size` values; one line for all, of which connections are cut now and then."""

    rows: int = 100
    size: int = 4
    delay: float = 0.01
    jitter: float = 0.0
    lose: float = 0.0
    line: object = field(default=None)

    def __post_init__(self) -> None:
        self.line = lambda _one, _other: Line(self.delay, self.jitter)
        super().__post_init__()

    def add(self, name: str, work: int = 0, min_peers: int = 0, rules: Rules | None = None) -> Node:
        """A new node with `work` tokens to train."""
        model = Model(lambda: np.zeros((2 * self.rows, self.size), np.float32), budget=40)
        worker = Counting(model, np.random.default_rng(self.rng.randrange(1 << 30)), work)
        return super().add(name, worker, min_peers, rules)

    def _tick(self, node: Node) -> None:
        conns = self.wires.conns()
        if self.lose and conns and self.rng.random() < self.lose:
            self.cut(self.rng.choice(conns))
        super()._tick(node)

    def disagreement(self) -> float:
        """Largest difference of any value between two living nodes."""
        stack = np.stack([node.model.weights for node in self.living()])
        return float((stack.max(axis=0) - stack.min(axis=0)).max())


def lone_core() -> Gossip:
    """A core that one connection has reached, number 1, on which nobody has said who it is."""
    swarm = Swarm(seed=0)
    swarm.add("me")
    core = swarm.nodes["me"].core
    core.opened(1, None, 0.0)
    return core


def greeted(core: Gossip, node: bytes) -> Gossip:
    """The same, once `node` has said Hello on it."""
    core.received(1, Hello(PROTOCOL, PROTOCOL, node, core.rules.job, []), 0.0)
    assert core.connections.to(node) == 1
    return core


def kinds(orders: list[Instruction]) -> list[str]:
    """What a core asks for, in order."""
    return [type(order).__name__ for order in orders]

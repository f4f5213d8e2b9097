"""The swarm in memory with workers that count: each token adds one to a random row's first value, so that sums tell
what was lost or doubled."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Instruction
from gossipw2v.gossip.messages import PROTOCOL, Hello
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm, Watch
from gossipw2v.w2v.training.model import Model

PER_TICK = 3
PATIENCE = 400  # virtual seconds


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
class Losing(Watch):
    """Cuts a connection at some of the looks that cores take at the clock: at that share of them."""

    swarm: Swarm
    share: float

    def ticked(self, node: SimulatedNode) -> None:
        rng, conns = self.swarm.rng, self.swarm.wires.conns()
        if self.share and conns and rng.random() < self.share:
            self.swarm.cut(rng.choice(conns))


def add(swarm: Swarm, name: str, work: int = 0, rows: int = 100, size: int = 4, **more) -> SimulatedNode:
    """A new node with `work` tokens to train, into a model of 2 x `rows` rows of `size` values."""
    model = Model(lambda: np.zeros((2 * rows, size), np.float32), budget=40)
    return swarm.add(name, Counting(model, np.random.default_rng(swarm.rng.randrange(1 << 30)), work), **more)


def disagreement(swarm: Swarm) -> float:
    """Largest difference of any value between two living nodes."""
    stack = np.stack([node.model.weights for node in swarm.living()])
    return float((stack.max(axis=0) - stack.min(axis=0)).max())


def lone_core() -> GossipCore:
    """A core that one connection has reached, number 1, on which nobody has said who it is."""
    core = add(Swarm(seed=0), "me").core
    core.opened(1, None, 0.0)
    return core


def greeted(core: GossipCore, node: bytes) -> GossipCore:
    """The same, once `node` has said Hello on it."""
    core.received(1, Hello(PROTOCOL, PROTOCOL, node, core.view.config.job, []), 0.0)
    assert core.connections.to(node) == 1
    return core


def kinds(orders: list[Instruction]) -> list[str]:
    """What a core asks for, in order."""
    return [type(order).__name__ for order in orders]


def swarm_of(
    n: int,
    seed: int,
    work: int = 300,
    *,
    line: Line | None = None,
    lose: float = 0.0,
    rules: GossipConfig | None = None,
    **model: int,
) -> Swarm:
    """`n` nodes that know two others each and wait for all; `model`: see `add`."""
    swarm = Swarm(seed=seed, line=lambda _one, _other: line or Line())
    swarm.rules, swarm.watch = rules or swarm.rules, Losing(swarm, lose)
    names = [f"n{i}" for i in range(n)]
    for name in names:
        add(swarm, name, work, **model, min_peers=n - 1)
    for name in names:
        swarm.introduce(name, *[other for other in names if other != name][:2])
        swarm.count(name)
    return swarm


def sums(swarm: Swarm) -> list[float]:
    return [float(node.model.weights.sum(dtype=np.float64)) for node in swarm.living()]


def trained(swarm: Swarm) -> int:
    return sum(node.trained for node in swarm.nodes.values())


def story(swarm: Swarm, call: str) -> str:
    lines = [f"{n.name} {n.core.members.me.state.name} {n.trained} {Counter(n.refused)}" for n in swarm.nodes.values()]
    return f"replay with {call}; at {swarm.now:.2f} s: sums {sums(swarm)}\n" + "\n".join(lines)


def complete(swarm: Swarm, call: str) -> None:
    assert swarm.run(PATIENCE, swarm.complete), story(swarm, call)


def ends_equal(swarm: Swarm, call: str, tolerance: float = 0.0) -> None:
    complete(swarm, call)
    assert disagreement(swarm) <= tolerance, story(swarm, call)


def kept_all(swarm: Swarm, call: str) -> None:
    """Every replica holds every update of every node, once."""
    ends_equal(swarm, call)
    assert sums(swarm) == [trained(swarm)] * len(swarm.living()), story(swarm, call)

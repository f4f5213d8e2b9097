"""Nodes in memory that come back from what they had on disk: nothing that others have is trained or merged twice.

As in `test_gossip`, training adds whole ones, so a model's sum tells what has arrived and what arrived twice.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from support.counting_swarm import PER_TICK, add, disagreement

from gossipw2v.gossip.overlay.provenance import VersionVector
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm, Watch

PATIENCE = 400  # virtual seconds
WORK = 600
ROWS = 15  # all fit into one exchange
# a push may claim what was trained while its rows were gathered, some of which is then lost with its node
CLOSE = 12 * PER_TICK


@dataclass
class Disk:
    """What a node had written: rows, and what they hold."""

    weights: NDArray[np.float32]
    updates: NDArray[np.int64]
    origins: VersionVector
    lives: VersionVector


class Shifting(Watch):
    """Has each node leave out of its text what others hold of it, as a node does before it trains."""

    def began(self, node: SimulatedNode) -> None:
        if moved := node.core.own.shift():
            node.worker.total -= moved
            node.core.members.update_self(total=node.worker.total)


def saved(swarm: Swarm, name: str) -> Disk:
    node = swarm.nodes[name]
    node.core.own.trained(node.trained)
    lives = {**node.core.tree.reconciler.earlier.lives, node.core.node: node.trained}
    return Disk(node.model.weights.copy(), node.model.updates.copy(), node.core.view.claims(), lives)


def resume(swarm: Swarm, name: str, disk: Disk, *known: str) -> SimulatedNode:
    """A new node with the rows and the rest of the text of one that was saved."""
    node = add(swarm, name, work=WORK - sum(disk.lives.values()), rows=ROWS)
    node.model.weights[:], node.model.updates[:] = disk.weights, disk.updates
    vocabulary = next(other.core.census.held["vocabulary"] for other in swarm.nodes.values() if other is not node)
    swarm.perform(node, node.core.own.frozen(vocabulary[1], vocabulary[0].rank))
    node.core.own.resumed(disk.origins, disk.lives)
    swarm.introduce(name, *known)
    return node


def pair(seed: int, n: int = 2) -> Swarm:
    made = Swarm(seed=seed, watch=Shifting())
    for number in range(n):
        add(made, f"n{number}", work=WORK, rows=ROWS, min_peers=n - 1)
    for number in range(n):
        made.introduce(f"n{number}", *(f"n{other}" for other in range(n) if other != number))
        made.count(f"n{number}")
    return made


def until(made: Swarm, name: str, tokens: int) -> None:
    assert made.run(PATIENCE, lambda: made.nodes[name].trained >= tokens)


def ends(made: Swarm, call: str) -> list[float]:
    """The sums of all replicas, which agree, when all is done."""
    assert made.run(PATIENCE, made.complete), call
    made.run(5)
    assert made.complete(), call
    assert disagreement(made) <= 1e-3, call
    return [float(node.model.weights.sum(dtype=np.float64)) for node in made.living()]


seeds = pytest.mark.parametrize("seed", range(12))


@seeds
def test_one_that_comes_back_while_the_other_trains_on(seed: int) -> None:
    """Half of the seeds have the one that comes back above, half below."""
    made = pair(seed)
    until(made, "n0", 200)
    disk = saved(made, "n0")
    until(made, "n0", 350)
    made.kill("n0")
    until(made, "n1", 450)
    back = resume(made, "back", disk, "n1")
    for total in ends(made, f"pair({seed})"):
        assert total == pytest.approx(2 * WORK, abs=CLOSE)
    assert back.core.tree.reconciler.earlier.yielded
    assert back.trained == pytest.approx(WORK - 350, abs=CLOSE)  # not 400: what the other has merged is left out


@seeds
def test_one_that_comes_back_when_the_other_is_done(seed: int) -> None:
    made = pair(seed)
    until(made, "n0", 200)
    disk = saved(made, "n0")
    made.kill("n0")
    assert made.run(PATIENCE, made.complete)
    made.run(30)
    resume(made, "back", disk, "n1")
    for total in ends(made, f"pair({seed})"):
        assert total == pytest.approx(2 * WORK, abs=CLOSE)


@seeds
def test_work_that_nobody_has_merged_is_trained_again(seed: int) -> None:
    """Cut off for a while, it has trained what the other does not know; the other has gone further meanwhile."""
    made = pair(seed)
    until(made, "n0", 200)
    made.partition({"n0"}, {"n1"})
    until(made, "n0", 230)
    disk = saved(made, "n0")
    made.kill("n0")
    until(made, "n1", 450)
    made.partition()
    back = resume(made, "back", disk, "n1")
    for total in ends(made, f"pair({seed})"):
        assert total == pytest.approx(2 * WORK, abs=CLOSE)
    assert back.trained == pytest.approx(WORK - 200, abs=CLOSE)


@seeds
def test_one_that_was_done_takes_the_others_model_as_it_is(seed: int) -> None:
    made = pair(seed)
    assert made.run(PATIENCE, made.complete)
    disk = saved(made, "n0")
    made.kill("n0")
    made.run(30)
    back = resume(made, "back", disk, "n1")
    for total in ends(made, f"pair({seed})"):
        assert total == pytest.approx(2 * WORK, abs=1e-3)
    assert back.trained == 0


@seeds
def test_several_lives_in_a_row_lose_and_double_nothing(seed: int) -> None:
    made = pair(seed)
    name, trained = "n0", 0
    for life in range(4):
        until(made, name, 60)
        disk = saved(made, name)
        until(made, name, 90)
        trained += made.nodes[name].trained
        made.kill(name)
        made.run(12)
        name = f"back{life}"
        resume(made, name, disk, "n1")
    for total in ends(made, f"pair({seed})"):
        assert total == pytest.approx(2 * WORK, abs=4 * CLOSE)
    assert trained + made.nodes[name].trained == pytest.approx(WORK, abs=4 * CLOSE)


@seeds
def test_after_a_power_cut_all_go_on_and_agree(seed: int) -> None:
    """What they had merged is merged no second time; of what they had not, at most half is lost (AdaSum)."""
    made = pair(seed, n=3)
    disks = []
    for number, tokens in enumerate((200, 230, 260)):
        until(made, f"n{number}", tokens)
        disks.append(saved(made, f"n{number}"))
    for number in range(3):
        made.kill(f"n{number}")
    made.run(20)
    back = [resume(made, f"back{n}", disk, *(f"back{m}" for m in range(n))) for n, disk in enumerate(disks)]
    for total in ends(made, f"pair({seed}, n=3)"):
        assert 0.75 * 3 * WORK < total < 3 * WORK + 3 * CLOSE
    assert sum(node.trained for node in back) == pytest.approx(3 * WORK - (200 + 230 + 260), abs=3 * CLOSE)

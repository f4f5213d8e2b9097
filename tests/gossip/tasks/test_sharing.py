"""Swarms that share a text: each task is trained once, whatever happens, but for what was in flight."""

import pytest
from support.sharing import Sharing

SEEDS, PART = 300, 25
FAULTS = (("kill", "join"), ("partition",), ("kill", "join", "partition"))
PATIENCE = 400.0  # virtual seconds


def ledger(seed: int) -> str | None:
    """What is wrong after a trial; None if the ledger was kept."""
    faults = FAULTS[seed % 3]
    made = Sharing(seed)
    made.start(*made.swarm.rng.choices((40, 80, 120), k=made.swarm.rng.randrange(2, 6)))
    made.disturb(faults, 20.0)
    ended = made.run(PATIENCE)
    excess, apart = made.book.excess(), sum(made.book.apart.values())
    if not ended or excess or len(made.book.ended) != made.size or (apart and "partition" not in faults):
        return f"seed {seed}: ended {ended}, {len(made.book.ended)} done, too often: {excess}, apart: {apart}"
    return None


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_each_task_is_trained_once_but_for_those_in_flight_at_a_death_or_a_parting(first):
    assert not [text for seed in range(first, first + PART) if (text := ledger(seed)) is not None]


def test_without_faults_each_task_is_trained_once_and_unequal_nodes_end_together():
    made = Sharing(1, pieces=200, each=30)
    made.start(20, 40, 80, 160)
    ends = {}
    while not made.complete():
        assert made.run(0.5) or made.swarm.now < PATIENCE
        for node in made.swarm.living():
            if node.core.tasks.taken:
                ends[node.name] = made.swarm.now
    assert set(made.book.begun.values()) == set(made.book.ended.values()) == {1}
    assert min(ends.values()) >= 0.9 * max(ends.values())


def test_a_late_joiner_takes_from_the_slowest():
    made = Sharing(2, pieces=60)
    made.start(20, 80)
    made.run(15.0)
    made.join("n2", 80)
    assert made.run(PATIENCE)
    assert not made.book.excess()
    slow, fast, late = (made.swarm.nodes[name].trained for name in ("n0", "n1", "n2"))
    assert slow + fast + late == 100 * made.size
    assert late > slow


def test_the_rest_of_a_dead_node_is_trained_by_the_others():
    made = Sharing(3, pieces=30)
    made.start(40, 40, 40, 40)
    made.run(8.0)
    made.kill("n3", silent=True)
    assert made.run(PATIENCE)
    assert made.book.ended.keys() == set(range(made.size))
    assert not made.book.excess()


def test_a_node_that_was_cut_off_leaves_the_rest_of_the_others_to_them():
    made = Sharing(4, pieces=60, lost_patience=60.0)
    made.start(40, 40, 40, 40)
    made.run(8.0)
    made.swarm.partition({"n3"}, {"n0", "n1", "n2"})
    made.run(16.0)  # longer than a verdict takes, shorter than `lost_patience` after it
    alone, node = made.swarm.nodes["n3"].core.tasks, made.swarm.nodes["n3"].core.node
    mine = {task for task, held in alone.table.held.items() if held.owner == node}
    assert not mine & {task for task, held in alone.table.held.items() if held.owner != node}
    assert not alone.settling
    assert any(made.swarm.nodes["n0"].core.tasks.table.get(task).owner != node for task in mine)

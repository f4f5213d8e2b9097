"""What links live through, as texts that are read like a play: each is what the simulator says today.

After a change that is meant, `pytest tests/gossip/test_stories.py --rewrite-stories` writes them anew; the difference
belongs into the same commit.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.counting_swarm import PATIENCE, add, swarm_of

from gossipw2v.delta import empty
from gossipw2v.gossip.instructions import Send
from gossipw2v.gossip.messages import Push
from gossipw2v.simulation.story import Storyteller
from gossipw2v.simulation.trial import Trial

STORIES = Path(__file__).parent / "stories"
SIZE = {"rows": 6, "size": 2}


def told(count: int, seed: int, work: int = 6) -> Storyteller:
    """A swarm whose links are written down, of nodes that have little to do."""
    swarm = swarm_of(count, seed, work, **SIZE)
    swarm.watch = teller = Storyteller(swarm)
    return teller


def join() -> Storyteller:
    teller = told(2, 1)
    swarm = teller.swarm
    swarm.run(3.0)
    teller.say("n2 joins")
    add(swarm, "n2", work=3, **SIZE)
    swarm.introduce("n2", "n0")
    swarm.count("n2")
    swarm.run(PATIENCE, swarm.complete)
    return teller


def leave() -> Storyteller:
    teller = told(3, 2)
    swarm = teller.swarm
    swarm.run(PATIENCE, swarm.complete)
    root = max(swarm.nodes.values(), key=lambda node: node.core.node)
    teller.say(f"{root.name}, the root, leaves")
    swarm.leave(root.name)
    swarm.run(8.0)
    return teller


def partition() -> Storyteller:
    teller = told(3, 3, work=60)
    swarm = teller.swarm
    swarm.run(3.0)
    root = max(swarm.nodes.values(), key=lambda node: node.core.node)
    teller.say(f"{root.name}, the root, is cut off")
    swarm.partition({root.name}, set(swarm.nodes) - {root.name})
    swarm.run(20.0)
    teller.say("the network is whole again")
    swarm.partition()
    swarm.run(PATIENCE, swarm.complete)
    return teller


def restart() -> Storyteller:
    trial = Trial(98)
    assert not trial.counted
    trial.swarm.watch = teller = Storyteller(trial.swarm)
    trial.swarm.run(6.0)
    teller.say("n1 is told to stop")
    trial.swarm.run(trial.stop("n1") + 0.5)
    teller.say("n1 starts again")
    trial.enter("n1", True)
    trial.swarm.run(8.0)
    return teller


def bad_peer() -> Storyteller:
    teller = told(2, 5)
    swarm = teller.swarm
    swarm.run(4.0)
    child, parent = sorted(swarm.nodes.values(), key=lambda node: node.core.node)
    (link,) = child.core.view.links()
    (conn,) = swarm.wires.conns(child.name)
    teller.say(f"{child.name} pushes out of turn")
    swarm.perform(child, [Send(conn, Push(link.name, link.end.seq + 5, False, 0, 0, {}, empty(2)))])
    swarm.run(3.0)
    assert any(text.startswith("sequence") for text in parent.refused)
    return teller


@pytest.mark.parametrize("story", [join, leave, partition, restart, bad_peer], ids=lambda story: story.__name__)
def test_a_story_is_told_as_it_was(story: Callable[[], Storyteller], request: pytest.FixtureRequest):
    text = "\n".join(story().lines) + "\n"
    path = STORIES / f"{story.__name__}.txt"
    if request.config.getoption("--rewrite-stories", default=False):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")

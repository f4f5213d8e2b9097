"""What a node in memory does of its own: it begins once the swarm lets it, and works on rows while their link lives."""

from support.counting_swarm import PER_TICK, add

from gossipw2v.gossip.instructions import Collect, DropLink, OpenLink
from gossipw2v.simulation.swarm import Swarm

LINK = b"link"


def test_a_node_joins_begins_and_trains_once_there_is_a_vocabulary():
    swarm = Swarm()
    node = add(swarm, "a", work=2 * PER_TICK)
    node.train()
    assert (node.join(), node.begin(), node.trained) == ([], False, 0)
    swarm.perform(node, node.core.own.frozen(b"words", 1))
    swarm.perform(node, node.join())
    assert node.core.tree.links.vocabulary is not None
    assert node.join() == []
    node.train()
    assert node.trained == 0
    assert node.begin()
    assert not node.begin()
    for trained in (PER_TICK, 2 * PER_TICK, 2 * PER_TICK):
        node.train()
        assert node.trained == node.core.members.me.trained == trained


def test_row_work_of_a_link_that_is_gone_comes_to_nothing():
    node = add(Swarm(), "a", work=PER_TICK)
    node.worker.train(1.0, (0, 0))
    collect = Collect(LINK, flush=False)
    assert node.rows(collect, 0.0) is None
    assert node.rows(OpenLink(LINK, overlap=False, catch_up=False), 0.0) is None
    done = node.rows(collect, 0.0)
    assert done is not None
    assert done.link == LINK
    assert done.rows > 0
    node.rows(DropLink(LINK), 0.0)
    assert node.rows(collect, 0.0) is None

"""Every instruction says what it came of: the message, the event or the timer, the peer and the link. None is lost."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest
from support.counting_swarm import PATIENCE, greeted, lone_core, swarm_of
from support.samples import LINK, NODE

import gossipw2v.gossip
from gossipw2v.gossip.instructions import Cause, Close, Collect, DropLink, Merge, OpenLink, Send, Settle, because
from gossipw2v.gossip.membership.connections import SILENCE
from gossipw2v.gossip.messages import Answer, Hello, LinkOpen, LinkOpened, LinkRefused, Push
from gossipw2v.simulation.network import Line
from gossipw2v.simulation.swarm import Watch


class Causes(Watch):
    """The causes of all that cores ask for, by what it is and whose. `also`: an onlooker who cuts connections."""

    def __init__(self, also):
        self.also = also
        self.seen = defaultdict(set)
        self.uncaused = []

    def ordered(self, node, order):
        kind = type(order.message) if isinstance(order, Send) else type(order)
        self.seen[node.core.node, kind].add(order.cause)
        if order.cause is None:
            self.uncaused.append(order)

    def ticked(self, node):
        self.also.ticked(node)


def watched(swarm):
    swarm.watch = Causes(swarm.watch)
    return swarm.watch


@pytest.fixture(scope="module")
def joined():
    """Two nodes that have trained everything: the causes, the child's id, the parent's, and the link's name."""
    swarm = swarm_of(2, seed=5, work=6)
    causes = watched(swarm)
    assert swarm.run(PATIENCE, swarm.complete)
    child, parent = sorted(node.core.node for node in swarm.nodes.values())
    (link,) = next(node for node in swarm.nodes.values() if node.core.node == child).core.view.links()
    return causes.seen, child, parent, link.name


def test_a_join_is_caused_by_the_parents_turn_and_then_by_what_the_other_end_says(joined):
    seen, child, parent, link = joined
    assert seen[child, LinkOpen] == {Cause("it is time to turn to the parent", parent, link)}
    assert seen[parent, OpenLink] == seen[parent, LinkOpened] == {Cause("LinkOpen", child, link)}
    assert seen[child, OpenLink] == {Cause("LinkOpened", parent, link)}


def test_an_exchange_goes_from_cause_to_cause(joined):
    seen, child, parent, link = joined
    assert seen[child, Collect] == {Cause("it is time to turn to the parent", parent, link)}
    assert seen[child, Push] == {Cause("rows are gathered", parent, link)}
    assert seen[parent, Merge] == {Cause("Push", child, link)}
    assert seen[parent, Answer] == {Cause("rows are merged", child, link)}
    assert seen[child, Settle] == {Cause("Answer", parent, link)}


def test_a_silent_connection_is_closed_for_the_silence():
    core = greeted(lone_core(), NODE)
    closed = [order for n in range(100) for order in core.tick(n / 10) if isinstance(order, Close)]
    assert {order.cause for order in closed} == {Cause("a connection is silent")}
    assert SILENCE < 10


def test_a_parent_that_does_not_come_back_is_dropped_since_it_is_missed():
    swarm = swarm_of(3, seed=2, work=60)
    causes = watched(swarm)
    swarm.run(4.0)
    parent = max(swarm.nodes.values(), key=lambda node: node.core.node)
    (orphan, *_) = (node for node in swarm.nodes.values() if node is not parent and node.core.view.links())
    (name,) = (link.name for link in orphan.core.view.links() if link.peer == parent.core.node)
    swarm.kill(parent.name)
    swarm.run(60.0)
    assert causes.seen[orphan.core.node, DropLink] == {Cause("the parent is missed", parent.core.node, name)}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_asked_for_without_a_cause(seed):
    swarm = swarm_of(4, seed, work=30, lose=0.02, line=Line(jitter=0.05))
    causes = watched(swarm)
    assert swarm.run(PATIENCE, swarm.complete)
    swarm.leave("n0")
    swarm.run(3.0)
    assert causes.seen
    assert not causes.uncaused


def test_a_breach_is_answered_for_the_message_that_it_was():
    core = greeted(lone_core(), NODE)
    push = Push(LINK, 1, False, 0, 0, {}, None)
    out = core.received(1, push, 0.0)
    assert {order.cause for order in out} == {Cause("Push", NODE, LINK)}
    assert any(isinstance(order, Close) for order in out)


def test_the_first_cause_stays_and_makes_no_instruction_another():
    order = Close(1, "silent")
    assert because(Cause("first"), [order]) == [Close(1, "silent")]
    because(Cause("second"), [order])
    assert order.cause == Cause("first")
    assert Hello.__name__ not in repr(order)
    assert LinkRefused.__match_args__ == ("link", "reason")
    assert Close.__match_args__ == ("conn", "reason")


def asks(function):
    """Whether what a function returns is to be done."""
    return "Instruction]" in ast.unparse(function.returns or ast.Constant(None))


def called(call):
    """The last part of what a call names."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def test_no_instruction_is_thrown_away():
    """No statement is nothing but a call for instructions. Calls are known by name: one that is also the name of a
    function that returns none is left to the reader.
    """
    paths = Path(gossipw2v.gossip.__file__).parent.glob("**/*.py")
    nodes = [(path.name, node) for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    functions = [node for _, node in nodes if isinstance(node, ast.FunctionDef)]
    asking = {each.name for each in functions if asks(each)} - {each.name for each in functions if not asks(each)}
    assert asking > {"close", "drop", "keep_vanished"}
    alone = [(name, n.value) for name, n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    assert not [f"{name}:{call.lineno} {ast.unparse(call)}" for name, call in alone if called(call) in asking]

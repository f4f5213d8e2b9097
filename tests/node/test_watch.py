"""Whether a node gets on: when it is stuck, how often the log says what it waits for, who trains the same text."""

from random import Random

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.records import Member, Portion, Stage
from gossipw2v.node.watch import FIRST_LINE, LONGEST_PAUSE, STUCK, Patience, StepWatch, twice


def test_who_goes_on_is_never_stuck():
    progress = StepWatch()
    assert not any(progress.look(("training", n // 200), 1.0) for n in range(10_000))  # a step in 200 s


def test_who_does_not_is_stuck_until_it_goes_on():
    progress = StepWatch()
    found = [progress.look(("training", 7), 1.0) for _ in range(int(STUCK) + 2)]
    assert found[int(STUCK) - 1] is None
    assert "no step forward in training" in (found[-1] or "")
    assert progress.look(("training", 8), 1.0) is None


def test_what_nobody_waits_for_and_another_stage_begin_anew():
    progress = StepWatch()
    for _ in range(3):
        assert not any(progress.look(("counting", 7), 1.0) for _ in range(int(STUCK)))
        assert progress.look(None, 1.0) is None
        assert not any(progress.look(("encoding", 7), 1.0) for _ in range(int(STUCK)))


def lines(patience, until):
    return [second for second in range(until) if patience.line_due(float(second))]


def test_the_log_says_it_at_growing_intervals_and_anew_with_each_wait():
    patience = Patience()
    first = lines(patience, 100)
    assert first == [5, 10, 20, 40, 80]
    assert first[0] == FIRST_LINE
    assert lines(patience, 100) == first
    late = lines(patience, 4000)
    assert {b - a for a, b in zip(late[-3:], late[-2:], strict=False)} == {LONGEST_PAUSE}


def test_another_with_the_same_text_is_told_by_name_but_no_earlier_life_and_nobody_that_does_not_say():
    same, other = Portion(b"D" * 16), Portion(b"E" * 16)
    core = GossipCore(Member(b"a" * 16, 0, Stage.TRAINING, portion=same), GossipConfig(job={}), Random(1), 0.0)
    for node, portion in ((b"a" * 8 + b"b" * 8, same), (b"c" * 16, other), (b"d" * 16, None)):
        core.members.witness(Member(node, 1, Stage.TRAINING, ("10.0.0.2:1",), portion=portion), 0.0)
    assert twice(core.view, 1.0, graph=False) is None
    core.members.witness(Member(b"e" * 16, 1, Stage.TRAINING, ("10.0.0.5:7411",), portion=same), 0.0)
    told = twice(core.view, 1.0, graph=False)
    assert told == (
        "656565656565 at 10.0.0.5:7411: the same text as here, so it counts twice; give each node a text of its own"
    )
    assert twice(core.view, 100.0, graph=False) is None  # silent for so long

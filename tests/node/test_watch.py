"""Whether a node gets on: when it is told to be stuck, and how often the log says what it waits for."""

from gossipw2v.node.watch import FIRST_LINE, LONGEST_PAUSE, STUCK, Patience, StepWatch


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

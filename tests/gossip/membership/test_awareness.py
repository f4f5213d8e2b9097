"""How late a node was: what counts as a pause, and how its patience grows and shrinks."""

import pytest

from gossipw2v.gossip.membership.awareness import LATE, MOST_SLACK, RECOVERY, LocalHealth


def test_a_node_that_is_on_time_has_no_slack():
    health = LocalHealth(0.0)
    assert [health.look(n * 0.02) for n in range(500)] == [0.0] * 500
    assert health.slack == 0


def test_being_a_little_late_is_no_pause():
    health = LocalHealth(0.0)
    assert health.look(LATE) == 0.0
    assert health.slack == 0


@pytest.mark.parametrize("pause", [1.5, 5.0, 60.0])
def test_a_pause_is_measured_and_makes_patient_for_a_while(pause):
    health = LocalHealth(10.0)
    assert health.look(10.0 + pause) == pytest.approx(pause - LATE)
    assert health.slack == min(MOST_SLACK, pause)
    now, looks = 10.0 + pause, 0
    while health.slack:
        now, looks = now + 0.1, looks + 1
        assert health.look(now) == 0.0
    assert looks == pytest.approx(min(MOST_SLACK, pause) / RECOVERY / 0.1, abs=1)


def test_one_who_is_always_late_comes_to_a_verdict_all_the_same():
    health = LocalHealth(0.0)
    unseen = sum(health.look(5.0 * n) for n in range(1, 101))
    assert health.slack == MOST_SLACK
    assert unseen <= 0.8 * 500  # the rest is time in which others could be silent

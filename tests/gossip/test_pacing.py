"""What an exchange may hold: learned from what exchanges took, and from what merging costs beside training."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.gossip.pacing import FEWEST, PROBE, THRIFT, Costs
from gossipw2v.node.session import PLENTY, Brake

TRIP, ROW = 0.02, 20e-6


def learned(pace: Costs, pause: float, exchanges: int = 60, trip: float = TRIP, row: float = ROW) -> int:
    """The room in the end, if each exchange takes all it gets."""
    rooms = [16_384]
    for _ in range(exchanges):
        pace.saw(THRIFT * rooms[-1], trip + row * THRIFT * rooms[-1])
        rooms.append(min(1_000_000, pace.room(pause)))
    return max(rooms[-PROBE:])


@pytest.mark.parametrize("pause", [0.1, 0.3])
def test_rows_fill_the_pause_that_the_round_trip_leaves(pause):
    assert learned(Costs(), pause) == pytest.approx((pause - TRIP) / ROW / THRIFT, rel=0.3)


def test_on_a_long_way_rows_take_as_long_as_the_way():
    assert learned(Costs(), 0.01, trip=0.2) == pytest.approx(0.2 / ROW / THRIFT, rel=0.3)


def test_a_long_way_alone_is_no_reason_for_fewer_rows():
    assert learned(Costs(), 0.1, trip=0.5, row=1e-7) == 1_000_000


@pytest.mark.parametrize("seed", range(20))
def test_what_is_late_by_chance_is_not_taken_for_a_rows_cost(seed):
    rng, pace, rooms = Random(seed), Costs(), [16_384]
    for _ in range(100):
        pace.saw(THRIFT * rooms[-1], 0.15 + rng.uniform(0, 0.05) + 5e-7 * THRIFT * rooms[-1])
        rooms.append(min(16_384, pace.room(0.13)))
    assert sum(rooms) > 0.8 * len(rooms) * 16_384


def test_an_exchange_on_a_crawling_link_still_holds_some():
    assert learned(Costs(), 0.1, row=1.0) == FEWEST


def test_a_link_that_becomes_quick_is_used_again():
    pace = Costs()
    assert learned(pace, 0.1, row=1e-3) == FEWEST
    assert learned(pace, 0.1, trip=0.0, row=1e-7) > 100_000


@repeatable()
@given(st.lists(st.tuples(st.integers(0, 2**17), st.floats(0, 1e6)), max_size=30), st.floats(0, 1e6))
def test_any_history_gives_a_room(history, pause):
    pace = Costs()
    for rows, seconds in history:
        pace.saw(rows, seconds)
        trip, row = pace.costs()
        assert trip >= -1e-6 * pace.seconds
        assert row >= 0
    assert FEWEST <= pace.room(pause) <= max(2 * FEWEST, 2**17)


def spend(brake: Brake, a_row: float, looks: int, exchanges: float = 1e6) -> int:
    """What is left after some exchanges of which every row costs so many seconds of merging per second of training."""
    merging, training = brake.merging, brake.training
    for _ in range(looks):
        training += 1.0
        merging += a_row * brake.rows
        brake.look(merging, training, exchanges)
    return brake.rows


def test_merging_keeps_to_its_share_of_the_cores():
    brake = Brake(16_384, 0.1)
    rows = spend(brake, 0.4 / 16_384, looks=30)
    spent = 0.4 * rows / 16_384
    assert spent / (1 + spent) == pytest.approx(0.1, rel=0.05)


def test_rows_come_back_when_merging_is_cheap():
    brake = Brake(16_384, 0.1)
    assert spend(brake, 1.0, looks=30) == FEWEST
    assert spend(brake, 1e-9, looks=30) == 16_384


@pytest.mark.parametrize(("exchanges", "rows"), [(1, 16_384), (PLENTY, 16_384), (4 * PLENTY, 4096), (1e4, FEWEST)])
def test_a_short_run_moves_as_many_rows_as_it_needs_whatever_they_cost(exchanges, rows):
    assert spend(Brake(16_384, 0.1), 1.0, looks=30, exchanges=exchanges) == rows


def test_a_moment_tells_nothing():
    assert Brake(16_384, 0.1).look(0.01, 0.01, 1e6) == 16_384

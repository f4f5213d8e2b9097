"""Places in a text: gone on from, gone back from, and dealt out to other threads, nothing is left out or done twice."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.w2v.training.cursor import Position, Schedule, TokenSpan, deal, schedules

SIZE, EPOCHS = 103, 3


def fresh(threads: int) -> list[Position]:
    return [Position((), 0, bits) for bits in range(threads)]


def walk(schedule: Schedule, position: Position, step: int, steps: int) -> tuple[Position, Counter[tuple[int, int]]]:
    """Train so many steps; the position, and how often each id of each epoch was trained."""
    done: Counter[tuple[int, int]] = Counter()
    for _ in range(steps):
        span = schedule.next(position)
        if span is None:
            break
        end = min(span.start + step, span.stop)
        done.update((span.epoch, at) for at in range(span.start, end))
        position = schedule.after(position, end, position.bits + 1)
    return position, done


def everything() -> Counter[tuple[int, int]]:
    return Counter((epoch, at) for epoch in range(EPOCHS) for at in range(SIZE))


def in_order(spans: list[TokenSpan]) -> bool:
    return [s.epoch for s in spans] == sorted(s.epoch for s in spans)


@pytest.mark.parametrize("threads", [1, 2, 7, 150])
def test_all_threads_together_train_each_id_of_each_epoch_once(threads: int) -> None:
    done: Counter[tuple[int, int]] = Counter()
    for schedule, position in zip(schedules(threads, SIZE, EPOCHS), fresh(threads), strict=True):
        end, trained = walk(schedule, position, 10, 1000)
        assert schedule.next(end) is None
        done += trained
    assert done == everything()


def test_a_place_is_past_what_was_trained_and_holds_the_latest_random_state() -> None:
    schedule = Schedule(0, 1, SIZE, EPOCHS)
    position = schedule.after(Position((), 0, 5), 10, 6)
    assert position == Position((TokenSpan(0, 10, SIZE),), 1, 6)
    assert schedule.after(position, SIZE, 7) == Position((), 1, 7)
    assert schedule.next(Position((), EPOCHS, 0)) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40)), min_size=1, max_size=6), st.integers(1, 30))
def test_however_often_the_number_of_threads_changes_each_id_is_trained_once(
    lives: list[tuple[int, int]], step: int
) -> None:
    done: Counter[tuple[int, int]] = Counter()
    positions = fresh(lives[0][0])
    for threads, steps in [*lives, (1, 10_000)]:
        if threads != len(positions):
            positions = deal(positions, fresh(threads), SIZE, EPOCHS)
        for n, schedule in enumerate(schedules(threads, SIZE, EPOCHS)):
            assert schedule.holds(positions[n])
            assert in_order(list(schedule.all_left(positions[n])))
            positions[n], trained = walk(schedule, positions[n], step, steps)
            done += trained
    assert done == everything()


def test_new_shares_are_even_and_do_not_grow_with_the_number_of_changes() -> None:
    positions = fresh(4)
    for threads in (3, 5, 2, 7, 4) * 10:
        positions = deal(positions, fresh(threads), SIZE, EPOCHS)
    assert sum(len(position.left) for position in positions) <= EPOCHS * 5
    positions = deal(fresh(1), fresh(4), SIZE, EPOCHS)
    assert positions == fresh(4)  # nothing has begun: nothing to cut


def test_threads_that_were_there_go_on_with_their_random_numbers_and_new_ones_have_their_own() -> None:
    positions = deal([Position((), 1, 77), Position((), 1, 88)], fresh(3), SIZE, EPOCHS)
    assert [position.bits for position in positions] == [77, 88, 2]
    assert [position.bits for position in deal(positions, fresh(1), SIZE, EPOCHS)] == [77]


def test_going_back_trains_the_text_before_again_but_not_the_text_before_the_first() -> None:
    schedule, start = Schedule(1, 2, SIZE, EPOCHS), SIZE // 2
    assert schedule.back(Position((TokenSpan(1, 60, SIZE),), 2, 0), 5) == Position((TokenSpan(1, 55, SIZE),), 2, 0)
    assert schedule.back(Position((), 1, 0), 20) == Position((TokenSpan(0, SIZE - 20, SIZE),), 1, 0)
    assert schedule.back(Position((TokenSpan(1, 60, SIZE),), 2, 0), 20) == Position((TokenSpan(1, start, SIZE),), 2, 0)
    again = Position((TokenSpan(0, SIZE - 20, SIZE), TokenSpan(1, start, SIZE)), 2, 0)
    assert schedule.back(Position((TokenSpan(1, start, SIZE),), 2, 0), 20) == again
    others = Position((TokenSpan(1, 5, 9),), 2, 0)  # in another thread's part
    assert schedule.back(others, 20) == Position((TokenSpan(1, 0, 9),), 2, 0)
    for beginning in (Position((), 0, 0), Position((TokenSpan(0, start, SIZE),), 1, 0)):
        assert schedule.back(beginning, 20) == beginning
    nothing = Schedule(0, 2, 1, EPOCHS)  # a text of one id has nothing for the first of two
    assert nothing.back(Position((), 2, 0), 20) == Position((), 2, 0)


@pytest.mark.parametrize(
    "position",
    [
        Position((), EPOCHS + 1, 0),
        Position((), -1, 0),
        Position((), 0, 1 << 64),
        Position((TokenSpan(EPOCHS, 0, 1),), 1, 0),
        Position((TokenSpan(0, 0, SIZE + 1),), 1, 0),
        Position((TokenSpan(0, 2, 1),), 1, 0),
        Position((TokenSpan(0, -1, 1),), 1, 0),
    ],
)
def test_positions_that_cannot_be_are_known(position: Position) -> None:
    assert not Schedule(0, 1, SIZE, EPOCHS).holds(position)
    assert Schedule(0, 1, SIZE, EPOCHS).holds(Position((TokenSpan(0, 0, SIZE),), EPOCHS, (1 << 64) - 1))

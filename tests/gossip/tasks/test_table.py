"""The table of tasks: merged in any order it comes to the same, and each neighbour is told what is new."""

from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.gossip.messages import MAX_TERM, MAX_TOLD, Holding
from gossipw2v.gossip.tasks.table import NOBODYS, TaskTable

ONE, OTHER = b"1" * 16, b"2" * 16
holdings = st.builds(Holding, st.booleans(), st.integers(0, 3), st.sampled_from([b"", ONE, OTHER]))
told = st.lists(st.tuples(st.integers(0, 5), holdings), max_size=12)


def table_of(news: list[tuple[int, Holding]]) -> TaskTable:
    table = TaskTable(6)
    for task, holding in news:
        table.put(task, holding)
    return table


@repeatable(200)
@given(told, st.randoms(use_true_random=False))
def test_tables_do_not_depend_on_the_order_or_on_what_comes_twice(news, rng):
    shuffled = news + news[: len(news) // 2]
    rng.shuffle(shuffled)
    one, other = table_of(news), table_of(shuffled)
    assert one.held == other.held
    assert one.done == other.done == {task for task, held in one.held.items() if held.done}


def test_done_beats_every_term_and_a_later_term_every_owner():
    table = table_of([(0, Holding(False, 9, OTHER)), (0, Holding(True, 1, ONE)), (1, Holding(False, 1, OTHER))])
    assert table.get(0) == Holding(True, 1, ONE)
    assert not table.put(0, Holding(False, 10, OTHER))
    assert table.put(1, Holding(False, 2, ONE))
    assert (list(table.open()), table.get(5)) == ([1, 2, 3, 4, 5], NOBODYS)


def test_a_task_can_be_handed_on_however_often_others_say_it_was():
    table = table_of([(0, Holding(False, MAX_TERM, ONE))])
    table.hand(0, OTHER)
    assert table.get(0) == Holding(False, MAX_TERM, OTHER)
    table.hand(1, OTHER)
    assert table.get(1) == Holding(False, 1, OTHER)


def test_a_neighbour_is_told_everything_once_and_nothing_that_it_has_said():
    table = table_of([(0, Holding(False, 1, ONE))])
    table.connected([7, 8])
    assert dict(table.news()) == {7: [(0, Holding(False, 1, ONE))], 8: [(0, Holding(False, 1, ONE))]}
    table.put(0, Holding(True, 1, ONE), source=7)
    table.connected([7, 8, 9])
    assert dict(table.news()) == {8: [(0, Holding(True, 1, ONE))], 9: [(0, Holding(True, 1, ONE))]}
    assert not list(table.news())
    table.connected([8], again=True)
    assert dict(table.news()) == {8: [(0, Holding(True, 1, ONE))]}


def test_what_is_told_fits_frames():
    table = TaskTable()
    table.connected([1])
    for task in range(MAX_TOLD + 3):
        table.put(task, Holding(False, 1, ONE))
    assert [len(tasks) for _, tasks in table.news()] == [MAX_TOLD, 3]


def test_tasks_beyond_the_text_are_forgotten_and_refused():
    table = TaskTable()
    table.put(3, Holding(True, 1, ONE))
    table.put(9, Holding(True, 1, ONE))
    table.connected([1])
    table.resize(9)
    assert (table.done, table.put(9, Holding(True, 1, ONE))) == ({3}, False)
    assert dict(table.news()) == {1: [(3, Holding(True, 1, ONE))]}

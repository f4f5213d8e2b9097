"""Places in a text: gone on from, gone back from, and dealt out to other threads, nothing is left out or done twice."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.w2v.training.cursor import Course, Place, Stretch, courses, deal

SIZE, EPOCHS = 103, 3


def fresh(threads: int) -> list[Place]:
    return [Place((), 0, bits) for bits in range(threads)]


def walk(way: Course, place: Place, step: int, steps: int) -> tuple[Place, Counter[tuple[int, int]]]:
    """Train so many steps; the place, and how often each id of each epoch was trained."""
    done: Counter[tuple[int, int]] = Counter()
    for _ in range(steps):
        stretch = way.next(place)
        if stretch is None:
            break
        end = min(stretch.start + step, stretch.stop)
        done.update((stretch.epoch, at) for at in range(stretch.start, end))
        place = way.after(place, end, place.bits + 1)
    return place, done


def everything() -> Counter[tuple[int, int]]:
    return Counter((epoch, at) for epoch in range(EPOCHS) for at in range(SIZE))


def in_order(stretches: list[Stretch]) -> bool:
    return [s.epoch for s in stretches] == sorted(s.epoch for s in stretches)


@pytest.mark.parametrize("threads", [1, 2, 7, 150])
def test_all_threads_together_train_each_id_of_each_epoch_once(threads: int) -> None:
    done: Counter[tuple[int, int]] = Counter()
    for way, place in zip(courses(threads, SIZE, EPOCHS), fresh(threads), strict=True):
        end, trained = walk(way, place, 10, 1000)
        assert way.next(end) is None
        done += trained
    assert done == everything()


def test_a_place_is_past_what_was_trained_and_holds_the_latest_random_state() -> None:
    way = Course(0, 1, SIZE, EPOCHS)
    place = way.after(Place((), 0, 5), 10, 6)
    assert place == Place((Stretch(0, 10, SIZE),), 1, 6)
    assert way.after(place, SIZE, 7) == Place((), 1, 7)
    assert way.next(Place((), EPOCHS, 0)) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40)), min_size=1, max_size=6), st.integers(1, 30))
def test_however_often_the_number_of_threads_changes_each_id_is_trained_once(
    lives: list[tuple[int, int]], step: int
) -> None:
    done: Counter[tuple[int, int]] = Counter()
    places = fresh(lives[0][0])
    for threads, steps in [*lives, (1, 10_000)]:
        if threads != len(places):
            places = deal(places, fresh(threads), SIZE, EPOCHS)
        for n, way in enumerate(courses(threads, SIZE, EPOCHS)):
            assert way.holds(places[n])
            assert in_order(list(way.all_left(places[n])))
            places[n], trained = walk(way, places[n], step, steps)
            done += trained
    assert done == everything()


def test_new_shares_are_even_and_do_not_grow_with_the_number_of_changes() -> None:
    places = fresh(4)
    for threads in (3, 5, 2, 7, 4) * 10:
        places = deal(places, fresh(threads), SIZE, EPOCHS)
    assert sum(len(place.left) for place in places) <= EPOCHS * 5
    places = deal(fresh(1), fresh(4), SIZE, EPOCHS)
    assert places == fresh(4)  # nothing has begun: nothing to cut


def test_threads_that_were_there_go_on_with_their_random_numbers_and_new_ones_have_their_own() -> None:
    places = deal([Place((), 1, 77), Place((), 1, 88)], fresh(3), SIZE, EPOCHS)
    assert [place.bits for place in places] == [77, 88, 2]
    assert [place.bits for place in deal(places, fresh(1), SIZE, EPOCHS)] == [77]


def test_going_back_trains_the_text_before_again_but_not_the_text_before_the_first() -> None:
    way, start = Course(1, 2, SIZE, EPOCHS), SIZE // 2
    assert way.back(Place((Stretch(1, 60, SIZE),), 2, 0), 5) == Place((Stretch(1, 55, SIZE),), 2, 0)
    assert way.back(Place((), 1, 0), 20) == Place((Stretch(0, SIZE - 20, SIZE),), 1, 0)
    assert way.back(Place((Stretch(1, 60, SIZE),), 2, 0), 20) == Place((Stretch(1, start, SIZE),), 2, 0)
    again = Place((Stretch(0, SIZE - 20, SIZE), Stretch(1, start, SIZE)), 2, 0)
    assert way.back(Place((Stretch(1, start, SIZE),), 2, 0), 20) == again
    assert way.back(Place((Stretch(1, 5, 9),), 2, 0), 20) == Place((Stretch(1, 0, 9),), 2, 0)  # of another's part
    for beginning in (Place((), 0, 0), Place((Stretch(0, start, SIZE),), 1, 0)):
        assert way.back(beginning, 20) == beginning
    nothing = Course(0, 2, 1, EPOCHS)  # a text of one id has nothing for the first of two
    assert nothing.back(Place((), 2, 0), 20) == Place((), 2, 0)


@pytest.mark.parametrize(
    "place",
    [
        Place((), EPOCHS + 1, 0),
        Place((), -1, 0),
        Place((), 0, 1 << 64),
        Place((Stretch(EPOCHS, 0, 1),), 1, 0),
        Place((Stretch(0, 0, SIZE + 1),), 1, 0),
        Place((Stretch(0, 2, 1),), 1, 0),
        Place((Stretch(0, -1, 1),), 1, 0),
    ],
)
def test_places_that_cannot_be_are_known(place: Place) -> None:
    assert not Course(0, 1, SIZE, EPOCHS).holds(place)
    assert Course(0, 1, SIZE, EPOCHS).holds(Place((Stretch(0, 0, SIZE),), EPOCHS, (1 << 64) - 1))

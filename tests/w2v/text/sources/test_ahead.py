"""What is taken ahead comes as it would have come, errors in their place; nothing is left open."""

import threading
from collections.abc import Generator

import pytest

from gossipw2v.w2v.text.sources.ahead import AHEAD, taken_ahead


class Source:
    """Numbers from 0, and what has become of it."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        self.number, self.error, self.closed = number, error, False
        self.given = 0
        self.threads: set[int] = set()

    def items(self) -> Generator[int | None, None, None]:
        try:
            for n in range(self.number):
                self.threads.add(threading.get_ident())
                self.given = n + 1
                yield n if n % 2 else None
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


@pytest.mark.parametrize("number", [0, 1, AHEAD, AHEAD + 1, 20])
def test_everything_comes_in_its_order_out_of_one_other_thread(number: int) -> None:
    source = Source(number)
    assert list(taken_ahead(source.items())) == [n if n % 2 else None for n in range(number)]
    assert source.closed
    assert threading.get_ident() not in source.threads
    assert len(source.threads) == min(1, number)


@pytest.mark.parametrize("number", [0, 1, 5])
def test_an_error_comes_behind_what_was_there_before_it(number: int) -> None:
    source, found = Source(number, ValueError("gone")), []
    with pytest.raises(ValueError, match="gone"):
        found.extend(taken_ahead(source.items()))
    seen = taken_ahead(Source(number, ValueError("gone")).items())
    assert [next(seen) for _ in range(number)] == [n if n % 2 else None for n in range(number)]
    with pytest.raises(ValueError, match="gone"):
        next(seen)
    assert source.closed


def test_who_stops_asking_has_it_closed_soon() -> None:
    source = Source(1000)
    items = taken_ahead(source.items())
    assert next(items) is None
    items.close()  # type: ignore[attr-defined]
    assert source.closed
    assert source.given <= AHEAD + 2

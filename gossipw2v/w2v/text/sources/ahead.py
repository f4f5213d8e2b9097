"""What takes time to come, taken ahead: a text is unpacked, decoded or fetched while its words are found."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

AHEAD = 2  # items that wait to be asked for, at most


def taken_ahead(items: Generator[T, None, None]) -> Iterator[T]:
    """All of `items`, which run in a thread of their own, some of them ahead; what they raise comes in its place.

    Whoever stops asking has `items` closed when the one under way is there.
    """
    end = object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="reading")
    waiting = deque(pool.submit(next, items, end) for _ in range(AHEAD))
    try:
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]  # it is not the end
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()

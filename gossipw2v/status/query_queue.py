"""Questions to the model: one at a time, in a thread of their own, a few waiting, all others turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class QueueFullError(Exception):
    """As many questions wait as may."""


class QueryQueue:
    """At most `most` questions, that under way included."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: set[Future[Any]] = set()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="query")

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """Its answer, or what it raises; QueueFullError at once if there is no room.

        A question that nobody waits for any more is left out if it has not begun.
        """
        self._waiting = {each for each in self._waiting if not each.done()}
        if len(self._waiting) >= self._most:
            raise QueueFullError(f"{self._most} questions wait, and no more at a time")
        future = self._worker.submit(question)
        self._waiting.add(future)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Begin no question any more; one under way ends in its thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)

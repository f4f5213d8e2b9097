"""Counting a shared text: until another node has done so."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gossipw2v.node.node import Node
from gossipw2v.node.sharing.tasks import count_until_told
from gossipw2v.w2v.text.blocks import Stopped


class Text:
    """Counted when it is stopped, as `Corpus` is, or when it is `told`."""

    def __init__(self) -> None:
        self.stopped, self.told = asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        self.stopped.set()


def run(check: Callable[[Text, "asyncio.Queue[object]", Callable[[], Awaitable[None]]], Awaitable[None]]) -> None:
    async def main() -> None:
        text, ready = Text(), asyncio.Queue[object]()
        node = cast("Node", SimpleNamespace(corpus=text, agreement=SimpleNamespace(ready=ready)))

        async def count(_: Any) -> None:
            ends = [asyncio.ensure_future(each.wait()) for each in (text.stopped, text.told)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            if text.stopped.is_set():
                raise Stopped

        async with asyncio.timeout(30):
            await check(text, ready, lambda: count_until_told(node, count))

    asyncio.run(main())


def test_counting_ends_when_there_is_a_vocabulary() -> None:
    async def check(text: Text, ready: "asyncio.Queue[object]", counted: Callable[[], Awaitable[None]]) -> None:
        ready.put_nowait("vocabulary")
        await counted()
        assert text.stopped.is_set()
        assert ready.qsize() == 1

    run(check)


def test_else_it_goes_to_its_end() -> None:
    async def check(text: Text, _: "asyncio.Queue[object]", counted: Callable[[], Awaitable[None]]) -> None:
        text.told.set()
        await counted()
        assert not text.stopped.is_set()

    run(check)


def test_what_is_wrong_with_the_text_is_told() -> None:
    async def check(text: Text, _: "asyncio.Queue[object]", counted: Callable[[], Awaitable[None]]) -> None:
        text.stop()
        with pytest.raises(Stopped):
            await counted()

    run(check)

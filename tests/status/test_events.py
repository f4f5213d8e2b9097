"""Events over real sockets: a summary every second to a few listeners, and none that reads nothing is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.status import events
from gossipw2v.status.events import LISTED, LONGEST, summary
from gossipw2v.status.humanize import condition
from gossipw2v.status.responses import encoded
from gossipw2v.status.server import ClientLimits, Server, StatusSources, serve
from gossipw2v.system.metrics import Metrics

PATH = "/api/v1/events"


def nothing() -> Any:
    raise LookupError("no model yet")


@contextlib.asynccontextmanager
async def running(status: dict[str, Any], **limits: Any) -> AsyncIterator[Server]:
    sources = StatusSources(lambda: status, nothing)
    server = await serve(("127.0.0.1", 0), sources, Metrics(), ClientLimits(**limits))
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PERIOD", 0.05)


@contextlib.asynccontextmanager
async def listening(
    status: dict[str, Any], method: str = "GET"
) -> AsyncIterator[tuple[Server, aiohttp.ClientResponse]]:
    """A server of `status`, and the answer to one who listens to its events."""
    async with (
        asyncio.timeout(20),
        running(status) as server,
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{server.address}{PATH}") as answer,
    ):
        yield server, answer


async def next_event(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    lines = [(await answer.content.readline()).decode().rstrip("\n") for _ in range(3)]
    assert lines[0] == "event: status"
    assert lines[2] == ""
    return dict(json.loads(lines[1].removeprefix("data: ")))


async def test_the_status_comes_at_once_and_again_and_again() -> None:
    status: dict[str, Any] = {"state": "counting", "uptime_seconds": 1.0}
    async with listening(status) as (_, answer):
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert (await next_event(answer))["state"] == "counting"
        status["state"] = "training"
        while (await next_event(answer))["state"] != "training":
            pass


async def test_head_has_headers_and_ends() -> None:
    async with listening({}, "HEAD") as (_, answer):
        assert (answer.status, await answer.read()) == (200, b"")


async def test_there_are_so_many_listeners_and_places_are_given_back() -> None:
    async with running({}, listeners=1) as server, aiohttp.ClientSession() as session, asyncio.timeout(20):
        url = f"http://{server.address}{PATH}"
        async with session.get(url) as first:
            await next_event(first)
            async with session.get(url) as second:
                assert (second.status, second.headers["Retry-After"]) == (429, "5")
                assert (await second.json())["hint"]
        while True:
            async with session.get(url) as third:
                if third.status == 200:
                    break
            await asyncio.sleep(0.01)


async def test_a_listener_that_reads_nothing_is_cut_and_holds_nobody_up() -> None:
    status = {"problems": ["x" * LONGEST] * LISTED}
    async with running(status, listeners=2, stall_seconds=0.5) as server, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(*server.address, limit=1024)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with aiohttp.ClientSession() as session, session.get(f"http://{server.address}{PATH}") as other:
            while server._events._listeners < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            while server._events._listeners == 2:
                assert await next_event(other)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        writer.close()


async def test_a_snapshot_that_fails_ends_no_stream(caplog: pytest.LogCaptureFixture) -> None:
    status: dict[str, Any] = {"state": "training"}
    async with listening(status) as (_, answer):
        await next_event(answer)
        status["odd"] = object()
        while "no event" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        del status["odd"]
        assert await next_event(answer)


async def test_close_ends_streams() -> None:
    async with listening({}) as (server, answer):
        await next_event(answer)
        await server.close()
        with contextlib.suppress(aiohttp.ClientError):
            await answer.read()


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ({"state": "training", "alive": True}, "training"),
        ({"state": "training", "alive": True, "suspect": True}, "suspect"),
        ({"state": "training", "alive": False, "suspect": True}, "dead"),
        ({"state": "left", "alive": False}, "left"),
    ],
)
def test_how_a_member_is_in_one_word(member: dict[str, Any], told: str) -> None:
    assert condition(member) == told


def test_a_summary_is_bounded_and_says_how_much_there_is() -> None:
    members = [{"node": "n" * 32, "state": "training", "alive": True, "addresses": ["a" * 9999] * 9}] * 4096
    status = {"members": members, "problems": ["p" * 9999] * 999, "held_out": {"loss": 1, "history": [1] * 100}}
    short = summary(status)
    assert short["counts"] == {"members": 4096, "links": 0, "conditions": {"training": 4096}}
    assert (len(short["members"]), len(short["problems"])) == (LISTED, LISTED)
    assert short["held_out"] == {"loss": 1}
    assert len(encoded(short)) < 2 << 20


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(codec=None), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(JSON, JSON)
def test_a_status_of_any_kind_has_a_summary_in_one_line(members: Any, other: Any) -> None:
    body = encoded(summary({"members": members, "links": other, "probe": other}))
    assert b"\n" not in body
    assert json.loads(body)["counts"]

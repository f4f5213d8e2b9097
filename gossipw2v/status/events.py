"""Server-sent events: a summary of the status every second to all who listen, and the history that it leaves."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from gossipw2v.status.history import History
from gossipw2v.status.humanize import condition, items, rows
from gossipw2v.status.responses import HEADERS, accepted, busy, encoded

PERIOD = 1.0  # s between two events
LISTED = 200  # members, links and problems in an event; /status has them all
LONGEST = 600  # characters of a text

Status = dict[str, Any]

log = logging.getLogger(__name__)


class Events:
    """What is told of a node every second. At most `most` listeners; who accepts nothing for `stall` s is cut off.

    A listener that is late gets the newest summary next: nothing is kept for anybody.
    """

    def __init__(self, snapshot: Callable[[], Status], most: int, stall: float) -> None:
        self.history = History()
        self._snapshot = snapshot
        self._most, self._stall = most, stall
        self._listeners = 0
        self._newest = b""
        self._next = asyncio.Event()  # set, and replaced, when there is something new
        self._closed = False

    async def run(self) -> None:
        """Look again and again; for as long as the server lives."""
        while True:
            try:
                self._look()
            except Exception:
                log.exception("no event of the status")
            await asyncio.sleep(PERIOD)

    def _look(self) -> None:
        """A status takes some milliseconds in a swarm of thousands: it is made only where somebody needs it."""
        now = asyncio.get_running_loop().time()
        due = self.history.due(now)
        if not (due or self._listeners):
            return
        status = self._snapshot()
        if due:
            self.history.add(status, now)
        if self._listeners:
            self._tell(status)

    def _tell(self, status: Status) -> None:
        self._newest = b"event: status\ndata: " + encoded(summary(status)) + b"\n\n"
        told, self._next = self._next, asyncio.Event()
        told.set()

    def close(self) -> None:
        """Let all listeners go."""
        self._closed = True
        self._next.set()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Tell one listener until it goes; 429 if there are too many."""
        if self._listeners >= self._most:
            return busy(f"{self._listeners} listen to events, and no more at a time", "close a page, or read /status")
        self._listeners += 1
        try:
            return await self._stream(request)
        finally:
            self._listeners -= 1

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": "text/event-stream"})
        async with accepted(request, self._stall):
            await response.prepare(request)
        if request.method == "HEAD":
            return response
        self._tell(self._snapshot())  # the others see the same a little early
        while not self._closed:
            following = self._next
            async with accepted(request, self._stall):
                await response.write(self._newest)
            await following.wait()
        return response


def summary(status: Status) -> Status:
    """The status without what may be long: curves go, lists and texts are cut; `counts` says how long lists were."""
    short = {key: _cut(value) for key, value in status.items() if key != "events"}
    short["counts"] = {
        "members": len(items(status, "members")),
        "links": len(items(status, "links")),
        "conditions": Counter(map(condition, rows(status, "members"))),
    }
    return short


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST]
    if isinstance(value, Mapping):
        return {key: _cut(value[key]) for key in list(value)[:LISTED] if key not in ("history", "curve")}
    return [_cut(item) for item in value[:LISTED]] if isinstance(value, list | tuple) else value

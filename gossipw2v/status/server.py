"""The HTTP side of a node: /healthz, /readyz, /status, /metrics, /export and a page at /.

Read-only and small on purpose: GET and HEAD, no request body is ever read, a bound on connections, on exports
and on how long an answer may wait to be accepted. aiohttp's low-level server is enough for six fixed paths.
Whether a request is answered at all is `access`' business.
"""

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import HttpVersion10, web

from gossipw2v.config.address import Address, is_local
from gossipw2v.status import page, query
from gossipw2v.status.access import Access
from gossipw2v.system.metrics import Metrics
from gossipw2v.system.wellformed import well_formed

CLOSE_SECONDS = 2.0
BLOCK_BYTES = 256 * 1024
RETRY_SECONDS = 5  # after which one who was turned away may come back
SERVING = frozenset({"training", "draining", "complete"})
PROBES = frozenset({"/healthz", "/readyz"})
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CHALLENGE = {"WWW-Authenticate": 'Basic realm="gossipw2v", charset="UTF-8"'}  # what makes a browser ask

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n"
    % RETRY_SECONDS
)

log = logging.getLogger(__name__)
# aiohttp logs a traceback for each malformed request: strangers must not fill the log. Our errors go to `log`.
protocol_log = logging.getLogger("gossipw2v.status.protocol")
protocol_log.setLevel(logging.CRITICAL)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class StatusSources:
    """Where answers come from. `snapshot` is called in the event loop and must not wait; `export` in a thread.

    `export(asked)` returns the number of words and the file in chunks of at most a few MB; LookupError: no model yet;
    ValueError: none that may be exported, its text says why.
    """

    snapshot: Callable[[], dict[str, Any]]
    export: Callable[[query.ExportRequest], tuple[int, Iterator[bytes]]]


@dataclass(frozen=True)
class ClientLimits:
    """What clients may use of a node."""

    connections: int = 64  # at once; a scraper and a few open pages need a handful
    exports: int = 2  # at once: each reads the whole model
    idle_seconds: float = 10.0  # between requests, and for a request's headers; aiohttp's default is an hour
    stall_seconds: float = 30.0  # without accepting any of an answer


async def serve(
    address: tuple[str, int],
    sources: StatusSources,
    metrics: Metrics,
    limits: ClientLimits | None = None,
    access: Access | None = None,
) -> "Server":
    """Listen on (host, port), port 0 for a free one; OSError where that cannot be, or needs a token and has none."""
    server = Server(sources, metrics, limits or ClientLimits(), access or Access())
    await server.start(address)
    return server


class Server:
    """A running HTTP server. `address` is where it really listens."""

    address: Address

    def __init__(self, sources: StatusSources, metrics: Metrics, limits: ClientLimits, access: Access) -> None:
        self._sources = sources
        self._metrics = metrics
        self._access = access
        self._limits = limits
        self._exports = 0
        self._routes: dict[str, Handler] = {
            "/": self._page,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/status": self._status,
            "/metrics": self._scrape,
            "/export": self._export,
        }
        self._http = web.Server(
            self._answer,
            access_log=None,
            logger=protocol_log,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=0,
            auto_decompress=False,
        )

    async def start(self, address: tuple[str, int]) -> None:
        """Begin to listen; `serve` calls it."""
        loop = asyncio.get_running_loop()
        backlog = self._limits.connections
        self._listener = await loop.create_server(self._protocol, *address, backlog=backlog)
        self._places = [Address(*each.getsockname()[:2]) for each in self._listener.sockets]
        self.address = self._places[0]
        try:
            self.admit(self._access)
        except PermissionError:
            self._listener.close()
            raise

    def admit(self, access: Access) -> None:
        """Answer to those who have this access from now on. PermissionError without a token for other machines."""
        far = next((place for place in self._places if not is_local(place.host)), None)
        if access.token is None and far is not None:  # whatever the name was that led here
            raise PermissionError(f"{far} is open to other machines and needs a token")
        self._access = access

    async def close(self) -> None:
        """Stop listening and end all connections, within 2 s; running exports are cut."""
        self._listener.close()  # not wait_closed: on Python 3.12 it waits for connections, without a bound
        self._http.pre_shutdown()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._http.shutdown(CLOSE_SECONDS / 4)  # applied twice: to finish, then to be cancelled
        except TimeoutError:
            log.warning("HTTP connections were still open after %s s and are left behind", CLOSE_SECONDS)

    def _protocol(self) -> asyncio.Protocol:
        return self._http() if len(self._http.connections) < self._limits.connections else _Full()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; an error inside becomes a 500, a client that accepts nothing is cut."""
        try:
            response = await self._route(request)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("no answer to %s", request.path[:100])
            response = _refusal(500, "an error of this node; its log says more")
        async with self._accepted(request):
            await response.prepare(request)
            await response.write_eof()
        return response

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            headers = {"Allow": "GET, HEAD", "Connection": "close"}
            return _refusal(405, "only GET and HEAD are answered here", headers)
        if request.path not in PROBES and (refusal := self._objection(request)) is not None:
            return refusal
        handler = self._routes.get(request.path)
        return await handler(request) if handler else _refusal(404, f"there is only {' '.join(self._routes)}")

    def _objection(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Why not to answer; probes are answered to anybody, since they tell no more than that a node is there."""
        hosts = request.headers.getall("Host", [])
        bare = not hosts and request.version == HttpVersion10  # no browser: all send Host
        if not bare and not self._access.names_us(hosts, self.address.host):
            return _refusal(403, "the Host header has to name this machine; see --http-names")
        if not self._access.admits(request.headers.getall("Authorization", [])):
            return _refusal(401, "a token is needed; see --http-token-file", CHALLENGE)
        return None

    async def _healthz(self, request: web.BaseRequest) -> web.StreamResponse:
        """Whether the node works as it should, whatever it is at: else an orchestrator should start it anew."""
        return self._health(request, frozenset())

    async def _readyz(self, request: web.BaseRequest) -> web.StreamResponse:
        """Whether the node has a model to serve."""
        return self._health(request, SERVING)

    def _health(self, request: web.BaseRequest, wanted: frozenset[str]) -> web.StreamResponse:
        snapshot = self._sources.snapshot()
        state, broken = snapshot.get("state"), snapshot.get("failure") or snapshot.get("stuck")
        well = not broken and state != "failed" and (not wanted or state in wanted)
        reason = {"reason": broken} if broken and self._objection(request) is None else {}
        return _json(200 if well else 503, {"state": state, "ok": well, **reason})

    async def _status(self, _: web.BaseRequest) -> web.StreamResponse:
        return _json(200, self._sources.snapshot())

    async def _scrape(self, request: web.BaseRequest) -> web.StreamResponse:
        self._metrics.observe(self._sources.snapshot())
        body, content_type = self._metrics.render(",".join(request.headers.getall("Accept", [])))
        return web.Response(body=body, headers=HEADERS | {"Content-Type": content_type})

    async def _page(self, _: web.BaseRequest) -> web.StreamResponse:
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": page.POLICY}
        return web.Response(body=page.render(self._sources.snapshot()).encode(), headers=HEADERS | headers)

    async def _export(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            asked = query.parse(request.query.items())
        except ValueError as error:
            return _refusal(400, str(error))
        if self._exports >= self._limits.exports:
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return _refusal(429, f"{self._exports} exports are under way, and no more at a time", headers)
        self._exports += 1
        worker = ThreadPoolExecutor(1, thread_name_prefix="export")  # one thread: a generator cannot be shared
        try:
            return await self._stream(request, asked, worker)
        finally:
            self._exports -= 1
            worker.shutdown(wait=False)

    async def _stream(
        self, request: web.BaseRequest, asked: query.ExportRequest, worker: ThreadPoolExecutor
    ) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        try:
            rows, chunks = await loop.run_in_executor(worker, self._sources.export, asked)
        except LookupError as error:
            return _refusal(409, str(error.args[0] if error.args else "there is no model to export yet"))
        except ValueError as error:
            return _refusal(409, str(error))
        kind = "application/octet-stream" if asked.binary else "text/plain; charset=utf-8"
        headers = {"Content-Type": kind, "X-Gossipw2v-Rows": str(rows)}
        response = web.StreamResponse(headers=HEADERS | headers)
        try:
            async with self._accepted(request):
                await response.prepare(request)
            while request.method == "GET" and (block := await loop.run_in_executor(worker, _block, chunks)):
                await self._send(request, response, block)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("an export broke off")
            raise _cut(request) from None  # the client sees a broken transfer, never a short file
        finally:
            worker.submit(getattr(chunks, "close", int))  # in its own thread: it may still be running there
        return response

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse, block: bytes) -> None:
        view = memoryview(block)
        for start in range(0, len(view), BLOCK_BYTES):
            async with self._accepted(request):
                await response.write(view[start : start + BLOCK_BYTES])

    @contextlib.asynccontextmanager
    async def _accepted(self, request: web.BaseRequest) -> AsyncIterator[None]:
        """Cut a client that accepts nothing: it would hold one of few places for ever."""
        try:
            async with asyncio.timeout(self._limits.stall_seconds):
                yield
        except TimeoutError:
            raise _cut(request) from None


class _Full(asyncio.Protocol):
    """What a connection above the cap meets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writable = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass of it
        writable.write(_FULL)
        writable.close()


def _block(chunks: Iterator[bytes]) -> bytes:
    """The next chunks up to about BLOCK_BYTES; empty at the end."""
    parts, room = [], BLOCK_BYTES
    for chunk in chunks:
        parts.append(chunk)
        room -= len(chunk)
        if room <= 0:
            break
    return b"".join(parts)


def _cut(request: web.BaseRequest) -> ConnectionError:
    """Drop the connection at once, unsent bytes and all; raise what this returns."""
    if request.transport is not None:
        request.transport.abort()
    return ConnectionAbortedError("the connection was cut")


def _refusal(code: int, reason: str, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    return _json(code, {"error": reason}, headers)


def _json(code: int, value: Any, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    body = json.dumps(_plain(value), allow_nan=False).encode() + b"\n"
    headers = HEADERS | {"Content-Type": "application/json"} | dict(headers or {})
    return web.Response(status=code, body=body, headers=headers)


def _plain(value: Any) -> Any:
    """`value` with null for numbers that JSON does not have, and text that it does."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {well_formed(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

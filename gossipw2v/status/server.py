"""The HTTP side of a node: what `routes` lists, and nothing else.

Read-only and small on purpose: GET and HEAD, no request body is ever read, a bound on connections, on exports, on
listeners, on questions and on how long an answer may wait to be accepted. Whether a request is answered at all is
`access`' business.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from aiohttp import HttpVersion10, web

from gossipw2v.config.address import Address, is_local
from gossipw2v.status.access import Access
from gossipw2v.status.api import Api, Handler
from gossipw2v.status.events import Events
from gossipw2v.status.exports import Exports
from gossipw2v.status.query import ExportRequest
from gossipw2v.status.responses import HEADERS, RETRY_SECONDS, accepted, answer, refusal
from gossipw2v.status.routes import API, ROUTES
from gossipw2v.system.metrics import Metrics

if TYPE_CHECKING:
    from gossipw2v.w2v.queries import Floats
    from gossipw2v.w2v.text.words import Words

CLOSE_SECONDS = 2.0
SERVING = frozenset({"training", "draining", "complete"})
PROBES = frozenset({"/healthz", "/readyz"})
CHALLENGE = {"WWW-Authenticate": 'Basic realm="gossipw2v", charset="UTF-8"'}  # what makes a browser ask

PAGE = resources.files("gossipw2v.status").joinpath("page")
FILES = {
    "index.html": "text/html",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "charts.js": "text/javascript",
    "map.js": "text/javascript",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)  # the page's Content-Security-Policy: nothing from elsewhere, and no text that becomes a script or a tag

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n"
    % RETRY_SECONDS
)

log = logging.getLogger(__name__)
# aiohttp logs a traceback for each malformed request: strangers must not fill the log. Our errors go to `log`.
protocol_log = logging.getLogger("gossipw2v.status.protocol")
protocol_log.setLevel(logging.CRITICAL)


def _no_model() -> "tuple[Words, Floats]":
    raise LookupError("there is no model here")


@dataclass(frozen=True)
class StatusSources:
    """Where answers come from. `snapshot` and `model` are called in the event loop and must not wait; `export` in a
    thread.

    `export(asked)` returns the number of words and the file in chunks of at most a few MB. `model()` returns the words
    and their live vectors, float32[V, D]. Of both, LookupError: no model yet; ValueError: none that may be read, its
    text says why.
    """

    snapshot: Callable[[], dict[str, Any]]
    export: Callable[[ExportRequest], tuple[int, Iterator[bytes]]]
    model: "Callable[[], tuple[Words, Floats]]" = _no_model


@dataclass(frozen=True)
class ClientLimits:
    """What clients may use of a node."""

    connections: int = 64  # at once; a scraper and a few open pages need a handful
    exports: int = 2  # at once: each reads the whole model
    listeners: int = 16  # to events, at once
    questions: int = 8  # to the model, that under way included
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
        self._events = Events(sources.snapshot, limits.listeners, limits.stall_seconds)
        self._api = Api(sources.snapshot, sources.model, self._events, limits.questions)
        self._runner = web.AppRunner(
            self._application(),
            handle_signals=False,
            shutdown_timeout=CLOSE_SECONDS / 4,  # applied twice: to finish, then to be cancelled
            access_log=None,
            logger=protocol_log,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=0,
            auto_decompress=False,
        )

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._answer])
        handlers: dict[str, Handler] = {
            "page": self._page,
            "file": self._file,
            "healthz": self._healthz,
            "readyz": self._readyz,
            "status": self._status,
            "metrics": self._scrape,
            "export": Exports(self._sources.export, self._limits.exports, self._limits.stall_seconds).stream,
        }
        for route in ROUTES:
            handler = self._api.handler(route) if route.path.startswith(API) else handlers[route.name]
            application.router.add_get(route.path, handler)  # HEAD with it
        return application

    async def start(self, address: tuple[str, int]) -> None:
        """Begin to listen; `serve` calls it."""
        await self._runner.setup()
        loop, backlog = asyncio.get_running_loop(), self._limits.connections
        self._listener = await loop.create_server(self._protocol, *address, backlog=backlog)
        self._places = [Address(*each.getsockname()[:2]) for each in self._listener.sockets]
        self.address = self._places[0]
        try:
            self.admit(self._access)
        except PermissionError:
            self._listener.close()
            raise
        self._looking = asyncio.create_task(self._events.run(), name="events")

    def admit(self, access: Access) -> None:
        """Answer to those who have this access from now on. PermissionError without a token for other machines."""
        far = next((place for place in self._places if not is_local(place.host)), None)
        if access.token is None and far is not None:  # whatever the name was that led here
            raise PermissionError(f"{far} is open to other machines and needs a token")
        self._access = access

    async def close(self) -> None:
        """Stop listening and end all connections, within 2 s; running exports are cut."""
        self._listener.close()  # not wait_closed: on Python 3.12 it waits for connections, without a bound
        self._looking.cancel()
        self._events.close()
        self._api.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._runner.cleanup()
        except TimeoutError:
            log.warning("HTTP connections were still open after %s s and are left behind", CLOSE_SECONDS)

    def _protocol(self) -> asyncio.Protocol:
        http = self._runner.server
        assert http is not None
        return http() if len(http.connections) < self._limits.connections else _Full()

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, whatever happens; a client that accepts nothing is cut."""
        try:
            refused = self._refusal(request)
            response = await handler(request) if refused is None else refused
        except (asyncio.CancelledError, ConnectionError):
            raise
        except web.HTTPNotFound:
            known = " ".join(route.path for route in ROUTES)
            response = refusal(404, f"there is only {known}", hint=f"{API}/openapi.json tells of each")
        except Exception:
            log.exception("no answer to %s", request.path[:100])
            response = refusal(500, "an error of this node; its log says more")
        async with accepted(request, self._limits.stall_seconds):
            await response.prepare(request)
            await response.write_eof()
        return response

    def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        if request.method not in ("GET", "HEAD"):
            headers = {"Allow": "GET, HEAD", "Connection": "close"}
            return refusal(405, "only GET and HEAD are answered here", headers)
        return None if request.path in PROBES else self._objection(request)

    def _objection(self, request: web.Request) -> web.StreamResponse | None:
        """Why not to answer; probes are answered to anybody, since they tell no more than that a node is there."""
        hosts = request.headers.getall("Host", [])
        bare = not hosts and request.version == HttpVersion10  # no browser: all send Host
        if not bare and not self._access.names_us(hosts, self.address.host):
            return refusal(403, "the Host header has to name this machine; see --http-names")
        if not self._access.admits(request.headers.getall("Authorization", [])):
            return refusal(401, "a token is needed; see --http-token-file", CHALLENGE)
        return None

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        """Whether the node works as it should, whatever it is at: else an orchestrator should start it anew."""
        return self._health(request, frozenset())

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        """Whether the node has a model to serve."""
        return self._health(request, SERVING)

    def _health(self, request: web.Request, wanted: frozenset[str]) -> web.StreamResponse:
        snapshot = self._sources.snapshot()
        state, broken = snapshot.get("state"), snapshot.get("failure") or snapshot.get("stuck")
        well = not broken and state != "failed" and (not wanted or state in wanted)
        reason = {"reason": broken} if broken and self._objection(request) is None else {}
        return answer(200 if well else 503, {"state": state, "ok": well, **reason})

    async def _status(self, _: web.Request) -> web.StreamResponse:
        return answer(200, self._sources.snapshot())

    async def _scrape(self, request: web.Request) -> web.StreamResponse:
        self._metrics.observe(self._sources.snapshot())
        body, content_type = self._metrics.render(",".join(request.headers.getall("Accept", [])))
        return web.Response(body=body, headers=HEADERS | {"Content-Type": content_type})

    async def _page(self, _: web.Request) -> web.StreamResponse:
        return _sent("index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        if name not in FILES:
            raise web.HTTPNotFound
        return _sent(name)


class _Full(asyncio.Protocol):
    """What a connection above the cap meets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writable = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass of it
        writable.write(_FULL)
        writable.close()


def _sent(name: str) -> web.Response:
    """A file of the page; a kilobyte each, so that reading one costs nothing."""
    headers = {"Content-Type": f"{FILES[name]}; charset=utf-8", "Content-Security-Policy": POLICY}
    return web.Response(body=PAGE.joinpath(name).read_bytes(), headers=HEADERS | headers)

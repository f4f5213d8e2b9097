"""The HTTP server over real sockets: what it answers, what it refuses, and that no client can hold it up."""

import asyncio
import contextlib
import json
import math
import os
import re
import resource
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import aiohttp
import pytest
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from gossipw2v.status.access import Access
from gossipw2v.status.exports import BLOCK_BYTES
from gossipw2v.status.query import ExportRequest
from gossipw2v.status.responses import RETRY_SECONDS
from gossipw2v.status.server import PAGE, ClientLimits, Server, StatusSources, serve
from gossipw2v.system.metrics import STATES, Metrics
from gossipw2v.w2v.vectors.table import ExportError

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "node": "3fa2" * 8,
    "job": "default",
    "state": "training",
    "uptime_seconds": 12.0,
    "addresses": {"listen": "127.0.0.1:7411", "http": "127.0.0.1:7412"},
    "vocabulary": {"words": 67867, "digest": "9b1e" * 8, "tokens": 16718844},
    "progress": {"ratio": 0.42, "swarm_trained_tokens": 21000000, "eta_seconds": 200.0, "loss": 2.31},
    "members": [{"node": "3fa2" * 8, "state": "training", "alive": True, "addresses": ["1.2.3.4:7411"], "self": True}],
    "links": [{"peer": "81d0" * 8, "role": "parent", "exchanges": 10, "sent_bytes": 81234567, "pending_rows": 5}],
    "refusals": {"magic": 3, "other": 0},
    "corpus": {"files": 1, "bytes": 33333333, "replaced_bytes": 0, "tokens": 5572948},
    "problems": [],
}  # fmt: skip

TOKEN = b"dG9rZW4tb2YtdGhpcy10ZXN0LW9ubHktMTIz"
GUARDED = Access(TOKEN, ("models.example",))


def nothing_to_export() -> tuple[int, Iterator[bytes]]:
    raise LookupError("the vocabulary is not frozen yet")


@contextlib.asynccontextmanager
async def running(
    status: dict[str, Any] | None = None,
    export: Any = nothing_to_export,
    access: Access | None = None,
    host: str = "127.0.0.1",
    **limits: Any,
) -> AsyncIterator[Server]:
    """A server on a free port of `host` that serves the dict `status`, read anew for every request."""
    sources = StatusSources(lambda: STATUS if status is None else status, lambda _: export())
    server = await serve((host, 0), sources, Metrics(), ClientLimits(**limits), access)
    try:
        yield server
    finally:
        await server.close()


async def fetch(server: Server, path: str, method: str = "GET", **kw: Any) -> tuple[int, Any, bytes]:
    """Status code, headers and body of one request."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{server.address}{path}", **kw) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


def on_each_loop(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Run a test on asyncio's loop and on uvloop, whose transports are of other kinds."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
    def test(run: Any) -> None:
        run(scenario())

    return test


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another thread or the other end of a connection brings about."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def exchange(server: Server, request: bytes) -> bytes:
    """Everything the server says to raw bytes until it closes the connection."""
    reader, writer = await asyncio.open_connection(*server.address)
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_status_is_the_snapshot_of_the_moment() -> None:
    status = {"state": "counting", "progress": None}
    async with running(status) as server:
        assert json.loads((await fetch(server, "/status"))[2]) == {"state": "counting", "progress": None}
        status["state"] = "training"
        code, headers, body = await fetch(server, "/status")
    assert (code, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
    assert json.loads(body)["state"] == "training"


async def test_numbers_that_json_lacks_become_null() -> None:
    async with running({"progress": {"loss": math.nan, "list": [math.inf, 1.5]}}) as server:
        body = (await fetch(server, "/status"))[2]
    assert json.loads(body, parse_constant=pytest.fail) == {"progress": {"loss": None, "list": [None, 1.5]}}


@pytest.mark.parametrize("state", STATES)
async def test_a_node_is_alive_whatever_it_is_at_and_ready_when_it_has_a_model_to_serve(state: str) -> None:
    alive, ready = state != "failed", state in {"training", "draining", "complete"}
    async with running({"state": state}) as server:
        for path, well in (("/healthz", alive), ("/readyz", ready)):
            answer, _, body = await fetch(server, path)
            assert (answer, json.loads(body)) == (200 if well else 503, {"state": state, "ok": well})


async def test_a_node_that_is_stuck_is_neither_alive_nor_ready() -> None:
    async with running(STATUS | {"stuck": "no step forward in training"}) as server:
        for path in ("/healthz", "/readyz"):
            answer, _, body = await fetch(server, path)
            assert (answer, json.loads(body)["reason"]) == (503, "no step forward in training")


BARE = [
    b"GET %s HTTP/1.0\r\n\r\n",
    b"HEAD %s HTTP/1.0\r\n\r\n",
    b"GET %s HTTP/1.1\r\nHost: 10.9.8.7:7412\r\nUser-Agent: ELB-HealthChecker/2.0\r\nConnection: close\r\n\r\n",
    b"GET %s HTTP/1.1\r\nHost: [fd00::7]:7412\r\nUser-Agent: kube-probe/1.30\r\nConnection: close\r\n\r\n",
    b"GET %s?verbose HTTP/1.1\r\nHost: LB.EXAMPLE.\r\nConnection: close\r\n\r\n",
]


@pytest.mark.parametrize("request_line", BARE)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_a_probe_is_answered_whatever_it_calls_the_node_and_without_a_token(
    request_line: bytes, token: bytes | None
) -> None:
    async with running(STATUS | {"failure": "the settings are too large"}, access=Access(token)) as server:
        for path in (b"/healthz", b"/readyz"):
            answer = await exchange(server, request_line % path)
            assert answer.split()[1] == b"503"
        bare = token is None and b"1.0" in request_line  # no browser: there the reason may be told
        assert (b"too large" in answer) is (bare and b"HEAD" not in request_line)


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/export"])
async def test_what_tells_something_is_told_to_no_foreign_name(path: str) -> None:
    async with running() as server:
        assert (await fetch(server, path, headers={"Host": "evil.example"}))[0] == 403
        assert b" 403 " not in await exchange(server, b"GET %s HTTP/1.0\r\n\r\n" % path.encode())


async def test_a_node_that_has_failed_is_ill_and_says_why_wherever_one_looks() -> None:
    why = "the model diverged again with half of alpha: alpha 1 (0.025 is usual) " + "and more " * 30
    status = {**STATUS, "state": "failed", "failure": why, "divergences": 2, "problems": [why]}
    async with running(status) as server:
        answer, _, body = await fetch(server, "/healthz")
        scraped = (await fetch(server, "/metrics"))[2].decode()
    assert (answer, json.loads(body)) == (503, {"state": "failed", "ok": False, "reason": why})
    assert 'gossipw2v_state{state="failed"} 1.0' in scraped
    assert "gossipw2v_divergences_total 2.0" in scraped


async def test_metrics_are_those_of_the_snapshot() -> None:
    async with running() as server:
        code, headers, body = await fetch(server, "/metrics", headers={"Accept": "text/plain"})
    found = {s.name: s.value for family in text_string_to_metric_families(body.decode()) for s in family.samples}
    assert (code, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert found["gossipw2v_progress_ratio"] == 0.42
    assert found["gossipw2v_vocabulary_words"] == 67867


async def test_an_error_inside_is_a_500_and_the_next_request_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    status: dict[str, Any] = {"progress": object()}
    async with running(status) as server:
        assert (await fetch(server, "/status"))[0] == 500
        status.clear()
        assert (await fetch(server, "/status"))[0] == 200
    assert "no answer to /status" in caplog.text


# --- the page


async def test_the_page_loads_nothing_from_elsewhere_and_no_text_becomes_a_script() -> None:
    async with running() as server:
        code, headers, body = await fetch(server, "/")
        parts = set(re.findall(r"""(?:src|href)="(/page/[^"]+)""", body.decode()))
        files = {path: await fetch(server, path) for path in parts}
    assert (code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert parts == {f"/page/{file.name}" for file in PAGE.iterdir() if file.name != "index.html"}
    assert all(answer[0] == 200 for answer in files.values())
    assert {answer[1]["Content-Type"].split("/")[1].split(";")[0] for answer in files.values()} == {"css", "javascript"}
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    for text in (body.decode(), *(answer[2].decode() for answer in files.values())):
        assert not re.search(
            r"""src="(?!/page/)|url\(|@import|href="(?!/|data:|#)|<script>|<style|https?://(?!www.w3.org/2000)""", text
        )
        assert not re.search("innerHTML|outerHTML|insertAdjacentHTML|document.write|eval\\(", text)


@pytest.mark.parametrize("name", ["", "nothing.js", "../server.py", "..%2fserver.py", "%2e%2e/server.py", "style.css/"])
async def test_no_other_file_is_sent(name: str) -> None:
    async with running() as server:
        request = f"GET /page/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        assert (await exchange(server, request)).split()[1] == b"404"


NO_UTF8, SHOWN = os.fsdecode(b"/srv/latin-\xe4/peers"), "/srv/latin-\ufffd/peers"


async def test_a_name_that_is_no_utf8_is_shown_with_a_replacement_everywhere() -> None:
    strange: dict[str, Any] = {**STATUS, "problems": [NO_UTF8], "job": NO_UTF8, "refusals": {NO_UTF8: 1}}
    strange |= {"addresses": {"listen": NO_UTF8}, "failure": NO_UTF8, "state": "failed"}
    async with running(strange) as server:
        answers = {path: await fetch(server, path) for path in ("/status", "/healthz", "/metrics")}
    assert [code for code, _, _ in answers.values()] == [200, 503, 200]
    status, health, _ = (body.decode() for _, _, body in answers.values())
    assert [json.loads(status)[key] for key in ("job", "failure", "problems", "refusals")] == [
        SHOWN, SHOWN, [SHOWN], {SHOWN: 1},
    ]  # fmt: skip
    assert json.loads(health)["reason"] == SHOWN


async def test_a_refusal_that_names_no_utf8_can_be_read() -> None:
    def refused() -> tuple[int, Iterator[bytes]]:
        raise LookupError(NO_UTF8)

    async with running(export=refused) as server:
        code, _, body = await fetch(server, "/export")
        assert (code, json.loads(body)) == (409, {"error": SHOWN})


# --- export


def lines(count: int, chunk: bytes = b"word 0.1 0.2 0.3\n" * 4096) -> Any:
    return lambda: (count, iter([chunk] * count))


@on_each_loop
async def test_export_streams_the_whole_file() -> None:
    async with running(export=lines(200)) as server:
        code, headers, body = await fetch(server, "/export")
    assert (code, headers["X-Gossipw2v-Rows"]) == (200, "200")
    assert "Content-Length" not in headers
    assert body == b"word 0.1 0.2 0.3\n" * 4096 * 200


async def test_what_is_asked_of_export_reaches_the_model_or_is_refused() -> None:
    asked: list[ExportRequest] = []

    def export(request: ExportRequest) -> tuple[int, Iterator[bytes]]:
        asked.append(request)
        return 1, iter([b"x"])

    server = await serve(("127.0.0.1", 0), StatusSources(dict, export), Metrics())
    try:
        code, headers, _ = await fetch(server, "/export?format=binary&matrix=sum&top=7")
        assert (code, headers["Content-Type"]) == (200, "application/octet-stream")
        code, headers, _ = await fetch(server, "/export")
        assert (code, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        code, _, body = await fetch(server, "/export?matrix=both")
        assert (code, json.loads(body)) == (400, {"error": "matrix=both is none of in, out, sum"})
    finally:
        await server.close()
    assert asked == [ExportRequest(True, "sum", 7), ExportRequest()]


async def test_export_runs_off_the_event_loop_and_only_as_fast_as_it_is_read() -> None:
    produced, threads = [], set()

    def chunks() -> Iterator[bytes]:
        for number in range(64):
            threads.add(threading.current_thread())
            produced.append(number)
            yield bytes(1 << 20)

    async with running(export=lambda: (64, chunks())) as server:
        reader, writer = await asyncio.open_connection(*server.address, limit=1 << 16)
        writer.write(b"GET /export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        still = -1
        while len(produced) != still:  # until the buffers between us are full
            still = len(produced)
            await asyncio.sleep(0.3)
            assert (await fetch(server, "/healthz"))[0] == 200
        assert still < 32  # MB: kernel buffers, and no more than a block of ours
        writer.transport.abort()
    assert threading.main_thread() not in threads


async def test_export_before_there_is_a_model_is_a_conflict_with_a_reason() -> None:
    async with running() as server:
        code, _, body = await fetch(server, "/export")
    assert (code, json.loads(body)) == (409, {"error": "the vocabulary is not frozen yet"})


async def test_a_model_that_must_not_be_exported_is_a_conflict_with_a_reason() -> None:
    def broken() -> tuple[int, Iterator[bytes]]:
        raise ExportError("the vector of 'the' holds a value that is not finite")

    async with running(export=broken) as server:
        code, _, body = await fetch(server, "/export")
    assert (code, json.loads(body)) == (409, {"error": "the vector of 'the' holds a value that is not finite"})


async def test_head_of_export_tells_the_rows_and_reads_nothing() -> None:
    chunks = iter([b"x"] * 7)
    async with running(export=lambda: (7, chunks)) as server:
        code, headers, body = await fetch(server, "/export", "HEAD")
    assert (code, headers["X-Gossipw2v-Rows"], body) == (200, "7", b"")
    assert len(list(chunks)) == 7


async def test_an_export_that_breaks_off_is_never_taken_for_a_whole_file(caplog: pytest.LogCaptureFixture) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(BLOCK_BYTES)
        raise OSError("the model went away")

    async with running(export=lambda: (2, chunks())) as server:
        with pytest.raises(aiohttp.ClientError):
            await fetch(server, "/export")
    assert "the model went away" in caplog.text


async def test_two_exports_at_once_and_not_a_third() -> None:
    go = threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b"x" * BLOCK_BYTES
        go.wait(20)
        yield b"y"

    async with running(export=lambda: (1, chunks())) as server, aiohttp.ClientSession() as session:
        url = f"http://{server.address}/export"
        async with session.get(url) as one, session.get(url) as two:
            code, headers, _ = await fetch(server, "/export")
            assert (code, headers["Retry-After"]) == (429, str(RETRY_SECONDS))
            go.set()
            assert [len(await answer.read()) for answer in (one, two)] == [BLOCK_BYTES + 1] * 2
        assert (await fetch(server, "/export"))[0] == 200


@on_each_loop
async def test_a_client_that_accepts_nothing_is_cut_and_its_place_freed() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            loop.call_soon_threadsafe(ended.set)

    async with running(export=lambda: (1, chunks()), stall_seconds=0.3, exports=1) as server:
        _, writer = await asyncio.open_connection(*server.address, limit=1024)
        writer.write(b"GET /export HTTP/1.1\r\nHost: localhost\r\n\r\n")

        async def free() -> bool:
            return (await fetch(server, "/export", "HEAD"))[0] == 200

        async with asyncio.timeout(20):
            await ended.wait()
        await until(free)
        writer.transport.abort()


@on_each_loop
async def test_close_cuts_a_running_export() -> None:
    def chunks() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async with running(export=lambda: (1, chunks())) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /export HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(20):
            await server.close()
            with contextlib.suppress(ConnectionError):
                while await reader.read(1 << 20):
                    pass
        writer.close()


# --- strangers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_only_get_and_head(method: str) -> None:
    async with running() as server:
        code, headers, _ = await fetch(server, "/status", method)
        assert (code, headers["Allow"]) == (405, "GET, HEAD")


async def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async with running(idle_seconds=1000) as server:
        request = b"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc"
        assert (await exchange(server, request)).startswith(b"HTTP/1.1 405 ")


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with running() as server:
        (_, get, body), (code, head, none) = await fetch(server, "/status"), await fetch(server, "/status", "HEAD")
    assert (code, none) == (200, b"")
    assert head["Content-Length"] == get["Content-Length"] == str(len(body))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7412", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
async def test_a_foreign_name_for_this_machine_is_refused(host: str) -> None:
    async with running() as server:
        request = f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        assert (await exchange(server, request)).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:7412", "[::1]:7412", "127.9.9.9"])
async def test_every_name_of_loopback_is_served(host: str) -> None:
    async with running() as server:
        request = f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        assert (await exchange(server, request)).startswith(b"HTTP/1.1 200 ")


@on_each_loop
async def test_with_a_token_every_path_asks_for_it() -> None:
    async with running(access=GUARDED) as server:
        for path in ("/", "/page/app.js", "/status", "/metrics", "/export", "/api/v1/events", "/nothing"):
            code, headers, body = await fetch(server, path)
            assert (code, headers["WWW-Authenticate"]) == (401, 'Basic realm="gossipw2v", charset="UTF-8"')
            assert TOKEN not in body
        bearer = {"Authorization": f"Bearer {TOKEN.decode()}"}
        assert (await fetch(server, "/status", headers=bearer))[0] == 200
        assert (await fetch(server, "/nothing", headers=bearer))[0] == 404


async def test_the_page_can_be_used_by_what_a_browser_asks_its_reader_for() -> None:
    def browse(url: str, password: str) -> int:
        """What a browser does: ask, be challenged, ask its reader, ask again."""
        known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        known.add_password("gossipw2v", url, "anyone", password)
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(known)
        try:
            with urllib.request.build_opener(*handlers).open(url, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    async with running(access=GUARDED) as server:
        url = f"http://{server.address}/"
        assert await asyncio.to_thread(browse, url, TOKEN.decode()) == 200
        assert await asyncio.to_thread(browse, url, "guess") == 401


async def test_an_address_of_other_machines_is_not_served_without_a_token() -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(PermissionError, match="token"):
            async with running(host=host):
                pass


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200), ("127.0.0.1:7412", 200), ("10.0.0.7:80", 200), ("[fe80::1]:9", 200),
        ("models.example", 200), ("MODELS.example:443", 200), ("evil.example", 403), ("a.models.example", 403),
        ("10.0.0.7.evil.example", 403), ("", 403),
    ],
)  # fmt: skip
async def test_on_all_addresses_any_address_and_the_given_names_are_ours(host: str, code: int) -> None:
    async with running(access=GUARDED, host="0.0.0.0") as server:
        request = f"GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer ".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        writer.write(request + TOKEN + b"\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 %d " % code)
        writer.close()


async def test_access_may_change_while_the_server_runs_but_never_opens_it_to_other_machines() -> None:
    async with running(access=GUARDED, host="0.0.0.0") as server:
        with pytest.raises(PermissionError, match="token"):
            server.admit(Access())
        server.admit(Access(b"another " * 8))
        headers = {"Authorization": f"Bearer {TOKEN.decode()}", "Host": "127.0.0.1"}
        assert (await fetch(server, "/status", headers=headers))[0] == 401


async def test_no_other_site_is_ever_allowed_to_read() -> None:
    async with running() as server:
        _, headers, _ = await fetch(server, "/status", headers={"Origin": "http://evil.example"})
    assert not [name for name in headers if name.lower().startswith("access-control-")]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_a_client_that_asks_on_and_on_and_reads_nothing_fills_no_memory() -> None:
    async with running(stall_seconds=30) as server:
        _, writer = await asyncio.open_connection(*server.address, limit=1024)
        requests = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with contextlib.suppress(TimeoutError):
            for _ in range(1000):  # 50 MB
                writer.write(requests)
                async with asyncio.timeout(1):
                    await writer.drain()
        assert writer.transport.get_write_buffer_size()  # type: ignore[attr-defined]  # it was the server that stopped
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10
        assert (await fetch(server, "/healthz"))[0] == 200
        writer.transport.abort()


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
async def test_exactly_one_host_header(hosts: bytes) -> None:
    async with running() as server:
        answer = await exchange(server, b"GET /status HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
        assert answer.split(b" ")[1] in (b"400", b"403")


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: local"])
async def test_a_client_that_does_not_finish_its_headers_is_cut(sent: bytes) -> None:
    async with running(idle_seconds=0.3) as server:
        assert await exchange(server, sent) == b""


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\0" * 100000, b"GET " + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
     b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
     b"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
)  # fmt: skip
async def test_bytes_that_are_no_request_end_the_connection_quietly(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(idle_seconds=0.5) as server:
        assert not (await exchange(server, sent)).startswith(b"HTTP/1.1 2")
        assert (await fetch(server, "/healthz"))[0] == 200
    assert caplog.text == ""


@on_each_loop
async def test_connections_above_the_cap_are_turned_away_and_places_are_given_back() -> None:
    async with running(connections=3) as server:
        held = [await asyncio.open_connection(*server.address) for _ in range(3)]

        async def served() -> bool:
            return (await fetch(server, "/healthz"))[0] == 200

        turned_away = await exchange(server, b"")
        assert turned_away.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: %d\r\n" % RETRY_SECONDS in turned_away
        assert not await served()
        for _, writer in held:
            writer.close()
        await until(served)


@on_each_loop
async def test_close_ends_idle_connections_and_the_port() -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"}\n")
        async with asyncio.timeout(20):
            await server.close()
            assert await reader.read() == b""
        writer.close()
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection(*server.address)


async def test_a_port_in_use_is_said_at_once() -> None:
    async with running() as server:
        with pytest.raises(OSError, match="in use"):
            await serve(server.address, StatusSources(dict, nothing_to_export), Metrics())

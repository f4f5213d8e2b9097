"""GET /export: the vectors, streamed as fast as the client takes them, a few clients at a time."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from gossipw2v.status.query import ExportRequest, parse
from gossipw2v.status.responses import HEADERS, RETRY_SECONDS, accepted, cut, refusal

BLOCK_BYTES = 256 * 1024

Export = Callable[[ExportRequest], tuple[int, Iterator[bytes]]]

log = logging.getLogger(__name__)


class Exports:
    """At most `most` at once; a client that accepts nothing for `stall` seconds is cut off."""

    def __init__(self, export: Export, most: int, stall: float) -> None:
        self._export, self._most, self._stall = export, most, stall
        self._running = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send the file; 400 for what cannot be asked, 409 if there is none, 429 if too many are under way."""
        try:
            asked = parse(request.query.items())
        except ValueError as error:
            return refusal(400, str(error))
        if self._running >= self._most:
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return refusal(429, f"{self._running} exports are under way, and no more at a time", headers)
        self._running += 1
        worker = ThreadPoolExecutor(1, thread_name_prefix="export")  # one thread: a generator cannot be shared
        try:
            return await self._stream(request, asked, worker)
        finally:
            self._running -= 1
            worker.shutdown(wait=False)

    async def _stream(
        self, request: web.Request, asked: ExportRequest, worker: ThreadPoolExecutor
    ) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        try:
            rows, chunks = await loop.run_in_executor(worker, self._export, asked)
        except LookupError as error:
            return refusal(409, str(error.args[0] if error.args else "there is no model to export yet"))
        except ValueError as error:
            return refusal(409, str(error))
        kind = "application/octet-stream" if asked.binary else "text/plain; charset=utf-8"
        headers = {"Content-Type": kind, "X-Gossipw2v-Rows": str(rows)}
        response = web.StreamResponse(headers=HEADERS | headers)
        try:
            async with accepted(request, self._stall):
                await response.prepare(request)
            while request.method == "GET" and (block := await loop.run_in_executor(worker, _block, chunks)):
                await self._send(request, response, block)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("an export broke off")
            raise cut(request) from None  # the client sees a broken transfer, never a short file
        finally:
            worker.submit(getattr(chunks, "close", int))  # in its own thread: it may still be running there
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, block: bytes) -> None:
        view = memoryview(block)
        for start in range(0, len(view), BLOCK_BYTES):
            async with accepted(request, self._stall):
                await response.write(view[start : start + BLOCK_BYTES])


def _block(chunks: Iterator[bytes]) -> bytes:
    """The next chunks up to about BLOCK_BYTES; empty at the end."""
    parts, room = [], BLOCK_BYTES
    for chunk in chunks:
        parts.append(chunk)
        room -= len(chunk)
        if room <= 0:
            break
    return b"".join(parts)

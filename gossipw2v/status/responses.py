"""Answers over HTTP: JSON that every reader takes, refusals with what to do, and a bound on clients that wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from gossipw2v.system.wellformed import well_formed

RETRY_SECONDS = 5  # after which one who was turned away may come back
HALF = "\\ud"  # how half of a character above U+FFFF begins in JSON: it may stand alone
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_encode = json.JSONEncoder(allow_nan=False).encode


def answer(code: int, value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """`value` as JSON; null for numbers that JSON does not have."""
    headers = HEADERS | {"Content-Type": "application/json"} | dict(headers or {})
    return web.Response(status=code, body=encoded(value) + b"\n", headers=headers)


def refusal(code: int, error: str, headers: Mapping[str, str] | None = None, **more: Any) -> web.Response:
    """Why a request is not answered; `more` may hold a `hint` of what to do."""
    return answer(code, {"error": error, **more}, headers)


def busy(error: str, hint: str, seconds: int = RETRY_SECONDS) -> web.Response:
    """429, and when to come back."""
    return refusal(429, error, {"Retry-After": str(seconds)}, hint=hint)


def encoded(value: Any) -> bytes:
    """`value` as JSON in one line."""
    try:
        text = _encode(value)
    except (TypeError, ValueError):  # a number or a kind of mapping that JSON does not have
        text = HALF
    return (_encode(plain(value)) if HALF in text else text).encode()


def plain(value: Any) -> Any:
    """`value` with null for numbers that JSON does not have, and text that it does."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {well_formed(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.asynccontextmanager
async def accepted(request: web.BaseRequest, seconds: float) -> AsyncIterator[None]:
    """Cut a client that accepts nothing for so long: it would hold one of few places for ever."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise cut(request) from None


def cut(request: web.BaseRequest) -> ConnectionError:
    """Drop the connection at once, unsent bytes and all; raise what this returns."""
    if request.transport is not None:
        request.transport.abort()
    return ConnectionAbortedError("the connection was cut")

"""Asks a running node over HTTP: its status, its model. Standard library only; never through a proxy."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO

from gossipw2v.status.query import ExportRequest
from gossipw2v.system.output import writing

TIMEOUT_SECONDS = 5.0
MAX_STATUS_BYTES = 16 << 20  # a swarm of thousands; stops at an endless answer of something else
MAX_HEADER_BYTES = 64
MAX_REFUSAL_BYTES = 2000
CHUNK_BYTES = 1 << 20
USUAL_WORD_BYTES, MOST_WORD_BYTES = 9, 1002  # in a row of word2vec binary, with a space and a line end

PATIENCE_SECONDS = 60.0  # for a node that is busy with others, in all
RETRY_SECONDS = 5.0  # before the next try, where the node does not say when
MOST_RETRY_SECONDS = 30.0  # however long the node says: it may be anybody
BUSY = (429, 503)  # answers of who wants to be asked again later


class NoNodeError(Exception):
    """Nothing answers at the address."""


class AnswerError(Exception):
    """Something answered, but not what was asked for; the text says what and, if the node said so, why."""


class BusyError(AnswerError):
    """The node has too much to do; `seconds` is when it wants to be asked again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(f"{message}; try again in {seconds:g} s")
        self.seconds = seconds


def _ignore(*_: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Watcher:
    """Told how an export goes on."""

    progress: Callable[[int, int], None] = _ignore  # vectors so far, in all
    waiting: Callable[[str, float], None] = _ignore  # why the node is not asked now, and for how many seconds


def status(url: str, token: bytes | None = None) -> dict[str, Any]:
    """The node's GET /status as it sent it. NoNodeError, or AnswerError if it is no status."""
    answer = _json(url, "/status", token)
    if not isinstance(answer.get("state"), str):
        raise AnswerError(f"{url} answers, but not like gossipw2v: there is no state in its status")
    return answer


def query(url: str, name: str, parameters: Mapping[str, str | int], token: bytes | None = None) -> dict[str, Any]:
    """The node's answer to a question to its model, as `/api/v1/NAME` gives it. NoNodeError, or AnswerError."""
    typed = urllib.parse.urlencode(parameters, errors="replace")
    answer = _json(url, f"/api/v1/{name}?{typed}", token)
    if not isinstance(answer.get(name), list):
        raise AnswerError(f"{url} answers, but not like gossipw2v: there are no {name} in its answer")
    return answer


def _json(url: str, path: str, token: bytes | None) -> dict[str, Any]:
    with _get(url, path, token) as response:
        try:
            answer = json.loads(response.read(MAX_STATUS_BYTES))
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            raise AnswerError(f"{url} answers, but not like gossipw2v: {error}") from error
    if not isinstance(answer, dict):
        raise AnswerError(f"{url} answers, but not like gossipw2v: there is no object")
    return answer


def export(url: str, path: Path, watcher: Watcher = Watcher(), token: bytes | None = None) -> tuple[int, int]:
    """Write the node's vectors to `path` in word2vec's text format; the number of words and dimensions.

    A file appears whole or not at all; what else `path` may be, and its errors, are those of `output.writing`.
    A busy node is asked again for PATIENCE_SECONDS, then BusyError. AnswerError if the rows are not those the first
    line promised.
    """
    with writing(path) as file, _get_patiently(url, "/export", token, watcher) as response:
        return _copy(response, file, watcher)


def fetch(
    url: str, asked: ExportRequest, file: BinaryIO, watcher: Watcher = Watcher(), token: bytes | None = None
) -> None:
    """Write the node's answer to what is asked for to `file`, as it comes: word2vec binary, or its text.

    What it is has still to be looked at: a node of an older version sends text. AnswerError, BusyError as `export`;
    also if an older one was asked for another matrix than it sends.
    """
    with _get_patiently(url, asked.path(), token, watcher) as response:
        old = asked.binary and not response.headers.get("Content-Type", "").startswith("application/octet-stream")
        if old and asked.matrix != "in":
            raise AnswerError(f"{url}: the node's version sends its word vectors only; leave --matrix out")
        if not old:
            _copy_binary(response, file, watcher)
        else:
            _copy(response, file, watcher)


def _copy_binary(response: HTTPResponse, file: BinaryIO, watcher: Watcher) -> None:
    header = _read(response.readline, MAX_HEADER_BYTES)
    words, dimensions = _shape(header)
    file.write(header)
    done, row = 0, 4 * dimensions + USUAL_WORD_BYTES
    while chunk := _read(response.read, CHUNK_BYTES):
        file.write(chunk)
        done += len(chunk)
        if done > words * (4 * dimensions + MOST_WORD_BYTES):
            raise AnswerError(f"the node promised {words} vectors and sends more; try again")
        watcher.progress(min(words, done // row), words)
    if response.length:
        raise AnswerError(f"the node promised {words} vectors and stopped before their end; try again")


def _get_patiently(url: str, path: str, token: bytes | None, watcher: Watcher) -> HTTPResponse:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _get(url, path, token)
        except BusyError as error:
            if time.monotonic() + error.seconds > deadline:
                raise
            watcher.waiting(str(error), error.seconds)
            time.sleep(error.seconds)


def _copy(response: HTTPResponse, file: BinaryIO, watcher: Watcher) -> tuple[int, int]:
    header = _read(response.readline, MAX_HEADER_BYTES)
    words, dimensions = _shape(header)
    file.write(header)
    rows, last = 0, b"\n"
    while chunk := _read(response.read, CHUNK_BYTES):
        file.write(chunk)
        rows, last = rows + chunk.count(b"\n"), chunk[-1:]
        watcher.progress(rows, words)
    if rows != words or last != b"\n" or response.length:  # length: what was promised and has not come
        raise AnswerError(f"the node promised {words} vectors and sent {rows}; try again")
    return words, dimensions


def _read(source: Callable[[int], bytes], most: int) -> bytes:
    """Up to `most` bytes of the answer: what fails here is the node, not where its answer goes."""
    try:
        return source(most)
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise AnswerError(f"the node stopped in the middle of its vectors: {error}") from error


def _shape(header: bytes) -> tuple[int, int]:
    parts = header.split()
    if not header.endswith(b"\n") or len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise AnswerError(f"{header[:40]!r} does not begin a file of vectors")
    return int(parts[0]), int(parts[1])


def _get(url: str, path: str, token: bytes | None) -> HTTPResponse:
    request = urllib.request.Request(base_url(url) + path)
    if token is not None:  # for this node alone: no other that it might point to
        request.add_unredirected_header("Authorization", f"Bearer {token.decode()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        response: HTTPResponse = opener.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        told = f"{url}{path}: {_refusal(error)}"
        if error.code in BUSY:
            raise BusyError(told, _retry_seconds(error.headers.get("Retry-After"))) from error
        raise AnswerError(told) from error
    except (OSError, HTTPException) as error:
        raise NoNodeError(f"{url}: {getattr(error, 'reason', error)}") from error
    return response


def _retry_seconds(header: str | None) -> float:
    """What a Retry-After header says in seconds, within bounds; the usual time for none, or for a date."""
    given = (header or "").strip()
    known = given.isascii() and given.isdigit()
    return min(MOST_RETRY_SECONDS, max(1.0, float(given[:9]))) if known else RETRY_SECONDS


def _refusal(error: urllib.error.HTTPError) -> str:
    """Why the node said no; its own words where they can be read."""
    with error, suppress(OSError, HTTPException, ValueError, LookupError, TypeError):
        told = json.loads(error.read(MAX_REFUSAL_BYTES))
        return "; ".join(filter(None, (str(told["error"]), str(told.get("hint", "")))))
    return f"{error.code} {error.reason}"


def base_url(text: str) -> str:
    """`http://HOST:PORT` of what was typed, with or without the scheme; ValueError for anything else."""
    url = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    odd = not url.hostname or url.query or url.fragment or url.port == 0 or not re.fullmatch(r"[!-~]+", text)
    if odd or url.scheme not in ("http", "https"):
        raise ValueError(f"{text!r} is not the address of a node, as in http://127.0.0.1:7412")
    return url.geturl().rstrip("/")

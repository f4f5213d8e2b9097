"""The API of a node, `/api/v1/`: what it is at, and questions to the model that it trains."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from gossipw2v.status import routes
from gossipw2v.status.events import Events
from gossipw2v.status.responses import answer, busy, refusal
from gossipw2v.status.routes import ParameterError, Route, Values, read_parameters
from gossipw2v.system.machine import make_way
from gossipw2v.w2v import queries
from gossipw2v.w2v.projection import WordMap
from gossipw2v.w2v.queries import UnknownWordError

if TYPE_CHECKING:
    from gossipw2v.w2v.queries import Floats
    from gossipw2v.w2v.text.words import Words

NO_MODEL = "wait until /readyz is 200; `waiting` in /status says for what"
QUERY_RETRY = 1  # s: a question takes a fraction of one

Answer = TypeVar("Answer")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Question = Callable[..., dict[str, Any]]
ModelSource = Callable[[], "tuple[Words, Floats]"]


class Api:
    """Handlers by the names of their routes. `snapshot` and `model` are called in the event loop and must not wait.

    `model()`: the words and their live vectors, float32[V, D]; LookupError or ValueError, as text, if there are none.
    """

    def __init__(self, snapshot: Callable[[], dict[str, Any]], model: ModelSource, events: Events, most: int) -> None:
        self._snapshot, self._model, self._events = snapshot, model, events
        self._queue = QueryQueue(most)
        self._questions: dict[str, Question] = {**QUESTIONS, "map": partial(_map, WordMap())}
        document = routes.document()
        self._told: dict[str, Callable[[], Any]] = {
            "document": lambda: document,
            "status": snapshot,
            "members": self._members,
            "history": events.history.describe,
        }

    def handler(self, route: Route) -> Handler:
        """What answers a route of the API; its parameters are read first."""
        return partial(self._checked, route)

    def close(self) -> None:
        """Begin no question any more."""
        self._queue.close()

    async def _checked(self, route: Route, request: web.Request) -> web.StreamResponse:
        try:
            values = read_parameters(route, list(request.query.items()))
        except ParameterError as error:
            return refusal(400, str(error), hint=error.hint)
        if route.name == "events":
            return await self._events.stream(request)
        return await self._ask(route, values) if route.asks_model else answer(200, self._told[route.name]())

    def _members(self) -> dict[str, Any]:
        return {"members": self._snapshot().get("members") or []}

    async def _ask(self, route: Route, values: Values) -> web.StreamResponse:
        try:
            words, vectors = self._model()
        except (LookupError, ValueError) as error:
            return refusal(409, str(error.args[0]), hint=NO_MODEL)
        try:
            return answer(200, await self._queue.ask(partial(self._questions[route.name], words, vectors, **values)))
        except UnknownWordError as error:
            hint = f"close to it: {', '.join(error.close)}" if error.close else "/api/v1/words?prefix= lists words"
            return refusal(404, str(error), hint=hint, word=error.word, close=error.close)
        except QueueFullError as error:
            return busy(str(error), "ask again later", QUERY_RETRY)
        except ValueError as error:
            return refusal(409, str(error), hint="ask for another word; a model that diverged is mended within seconds")


# -- questions: each in the queue's thread ------------------------------------------------------------------


def _neighbors(words: Words, vectors: Floats, word: str, topn: int) -> dict[str, Any]:
    return {"word": word, "neighbors": _scored(queries.neighbors(words, vectors, word, topn))}


def _similarity(words: Words, vectors: Floats, a: str, b: str) -> dict[str, Any]:
    return {"a": a, "b": b, "similarity": queries.similarity(words, vectors, a, b)}


def _analogy(words: Words, vectors: Floats, a: str, b: str, c: str, topn: int) -> dict[str, Any]:
    found = queries.analogy(words, vectors, (a, b, c), topn)
    return {"a": a, "b": b, "c": c, "words": _scored(found)}


def _vector(words: Words, vectors: Floats, word: str) -> dict[str, Any]:
    row = queries.known(words, word)
    return {"word": word, "row": row, "vector": queries.finite_row(vectors, row, word).tolist()}


def _words(words: Words, _: Floats, prefix: str, limit: int) -> dict[str, Any]:
    return {"prefix": prefix, "words": queries.complete(words, prefix, limit)}


def _map(kept: WordMap, vocabulary: Words, vectors: Floats, /, words: int) -> dict[str, Any]:
    points, share = kept.places(vocabulary, vectors)
    shown = ((queries.shown(vocabulary, row), *map(float, point)) for row, point in enumerate(points[:words].round(4)))
    return {"share": share, "words": [{"word": word, "x": x, "y": y} for word, x, y in shown]}


def _scored(found: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": word, "similarity": score} for word, score in found]


QUESTIONS: dict[str, Question] = {
    "neighbors": _neighbors,
    "similarity": _similarity,
    "analogy": _analogy,
    "vector": _vector,
    "words": _words,
}


# -- questions wait for each other ---------------------------------------------------------------------------


class QueueFullError(Exception):
    """As many questions wait as may."""


class QueryQueue:
    """At most `most` questions, that under way included."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: set[Future[Any]] = set()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="query", initializer=make_way)

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

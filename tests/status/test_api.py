"""The API over real sockets: questions to a model, what is refused, and that it is as its document says."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.status import api
from gossipw2v.status.access import Access
from gossipw2v.status.api import QueryQueue, QueueFullError
from gossipw2v.status.routes import API, MOST_WORDS, ROUTES, ParameterError, document, read_parameters
from gossipw2v.status.server import ClientLimits, Server, StatusSources, serve
from gossipw2v.system import machine
from gossipw2v.system.metrics import Metrics
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.threads import NICE as TRAINING_NICE
from gossipw2v.w2v.vectors.table import ExportError

NAMES = ["man", "king", "woman", "queen", "kingdom", "K\u00f6nig", "broken"]
VECTORS = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [0.9, 1, 0], [0.8, 1, 0.1], [np.nan, 0, 0]], np.float32)
MEMBER = {"node": "ab" * 16, "state": "training", "alive": True, "addresses": ["1.2.3.4:5"], "parent": None}
STATUS: dict[str, Any] = {"state": "training", "uptime_seconds": 1.0, "members": [MEMBER], "links": []}
BY_NAME = {route.name: route for route in ROUTES if route.path.startswith(API)}


def model() -> tuple[Words, np.ndarray]:
    return Words.of([name.encode() for name in NAMES]), VECTORS


def whole_model() -> tuple[Words, np.ndarray]:
    return Words.of([name.encode() for name in NAMES[:-1]]), VECTORS[:-1]


def nothing(*_: object) -> Any:
    raise LookupError("no model yet")


@asynccontextmanager
async def running(source: Any = model, access: Access | None = None, **limits: Any) -> AsyncIterator[Server]:
    sources = StatusSources(lambda: STATUS, nothing, source)
    server = await serve(("127.0.0.1", 0), sources, Metrics(), ClientLimits(**limits), access)
    try:
        yield server
    finally:
        await server.close()


async def get(server: Server, path: str, **parameters: Any) -> tuple[int, Any, Any]:
    """Code, headers and JSON of a path of the API."""
    url = f"http://{server.address}{API}/{path}"
    async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as told:
        return told.status, told.headers, await told.json()


# --- answers


async def test_questions_to_the_model() -> None:
    async with running() as server:
        near = (await get(server, "neighbors", word="king", topn=2))[2]
        alike = (await get(server, "similarity", a="man", b="king"))[2]
        analogy = (await get(server, "analogy", a="man", b="king", c="woman"))[2]
        vector = (await get(server, "vector", word="queen"))[2]
        words = (await get(server, "words", prefix="k"))[2]
        every = (await get(server, "words", limit=2))[2]
    assert [each["word"] for each in near["neighbors"]] == ["kingdom", "K\u00f6nig"]
    assert alike["similarity"] == pytest.approx(0.5**0.5, abs=1e-6)
    assert analogy["words"][0]["word"] == "queen"
    assert not {"man", "king", "woman"} & {each["word"] for each in analogy["words"]}
    assert vector == {"word": "queen", "row": 3, "vector": [1, 1, 1]}
    assert words == {"prefix": "k", "words": ["king", "kingdom"]}
    assert every["words"] == NAMES[:2]


async def test_the_map_has_the_most_frequent_words_and_stays_for_some_seconds() -> None:
    words, vectors = whole_model()
    vectors = vectors.copy()
    async with running(lambda: (words, vectors)) as server:
        told = (await get(server, "map"))[2]
        few = (await get(server, "map", words=2))[2]
        vectors[:] = vectors[::-1].copy()
        again = (await get(server, "map"))[2]
    assert [each["word"] for each in told["words"]] == NAMES[:-1]
    assert 0.5 < told["share"] <= 1
    assert few["words"] == told["words"][:2]
    assert again == told
    places = {each["word"]: np.array([each["x"], each["y"]]) for each in told["words"]}
    near, far = (np.linalg.norm(places["king"] - places[other]) for other in ("kingdom", "man"))
    assert near < far


async def test_a_word_of_any_letters_can_be_asked_for() -> None:
    async with running() as server:
        assert (await get(server, "vector", word="K\u00f6nig"))[0] == 200


async def test_the_weights_are_those_of_the_moment() -> None:
    vectors = VECTORS.copy()
    async with running(lambda: (model()[0], vectors)) as server:
        await get(server, "vector", word="man")
        vectors[0] = 7
        assert (await get(server, "vector", word="man"))[2]["vector"] == [7, 7, 7]


async def test_what_the_node_tells_of_itself() -> None:
    async with running() as server:
        assert (await get(server, "status"))[2] == STATUS
        assert (await get(server, "members"))[2] == {"members": [MEMBER]}
        history = (await get(server, "history"))[2]
        assert (await get(server, "openapi.json"))[2] == json.loads(json.dumps(document()))
    assert history["points"][0]["seconds"] == 1.0


# --- refusals


@pytest.mark.parametrize(
    ("path", "parameters", "code", "told"),
    [
        ("neighbors", {"word": "kign"}, 404, "kign"),
        ("neighbors", {}, 400, "word is missing"),
        ("neighbors", {"word": ""}, 400, "0 letters"),
        ("neighbors", {"word": "x" * 201}, 400, "201 letters"),
        ("neighbors", {"word": "king", "topn": "0"}, 400, "topn is '0'"),
        ("neighbors", {"word": "king", "topn": "1001"}, 400, "topn is '1001'"),
        ("neighbors", {"word": "king", "topn": "\u0663"}, 400, "topn"),
        ("neighbors", {"word": "king", "top": "3"}, 400, "no parameter 'top'"),
        ("words", {"limit": "-1"}, 400, "limit"),
        ("status", {"x": "1"}, 400, "no parameter 'x'"),
        ("vector", {"word": "broken"}, 409, "not finite"),
        ("neighbors", {"word": "broken"}, 409, "not finite"),
        ("map", {}, 409, "not finite"),
        ("map", {"words": "1001"}, 400, "words is '1001'"),
        ("nothing", {}, 404, "/api/v1/neighbors"),
    ],
)
async def test_a_refusal_says_what_is_wrong_and_what_to_do(path: str, parameters: Any, code: int, told: str) -> None:
    async with running() as server:
        answer = await get(server, path, **parameters)
    assert answer[0] == code
    assert told in answer[2]["error"]
    assert answer[2]["hint"]


async def test_an_unknown_word_comes_with_close_ones() -> None:
    async with running() as server:
        told = (await get(server, "similarity", a="king", b="quen"))[2]
    assert told["close"] == ["queen"]
    assert "queen" in told["hint"]


async def test_a_parameter_twice_is_refused() -> None:
    async with running() as server:
        assert (await get(server, "vector?word=man&word=king"))[0] == 400


@pytest.mark.parametrize("error", [LookupError("no model yet"), ExportError("the model diverged")])
async def test_without_a_model_questions_are_a_conflict(error: Exception) -> None:
    def source() -> Any:
        raise error

    async with running(source) as server:
        for route in ROUTES:
            if route.asks_model:
                values = {each.name: "a" for each in route.parameters if each.default is None}
                code, _, told = await get(server, route.path.removeprefix(f"{API}/"), **values)
                assert (code, told["error"]) == (409, str(error))


async def test_the_api_asks_for_the_token_as_all_else_does() -> None:
    async with running(access=Access(b"secret-token")) as server:
        for route in ROUTES:
            if route.path.startswith(API):
                assert (await get(server, route.path.removeprefix(f"{API}/")))[0] == 401


# --- one at a time, a few waiting


async def test_a_full_queue_turns_away_and_the_event_loop_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    go, threads, asking = threading.Event(), set(), list[int]()
    ask = QueryQueue.ask

    async def counted(queue: QueryQueue, question: Any) -> Any:
        asking.append(1)
        return await ask(queue, question)

    def slow(words: Words, vectors: Any, word: str) -> dict[str, Any]:
        threads.add(threading.current_thread().name)
        go.wait(20)
        return {"word": word}

    monkeypatch.setitem(api.QUESTIONS, "vector", slow)
    monkeypatch.setattr(QueryQueue, "ask", counted)
    async with running(questions=3) as server:
        asked = [asyncio.create_task(get(server, "vector", word=f"w{number}")) for number in range(3)]
        async with asyncio.timeout(20):
            while len(asking) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            code, headers, told = await get(server, "words")
            assert (code, headers["Retry-After"]) == (429, "1")
            assert told["hint"]
            assert (await get(server, "status"))[0] == 200
            go.set()
            assert [(await each)[0] for each in asked] == [200] * 3
        assert (await get(server, "words"))[0] == 200
    assert len(threads) == 1
    assert threading.main_thread().name not in threads


async def test_a_question_that_nobody_waits_for_is_left_out() -> None:
    queue, go, done = QueryQueue(2), threading.Event(), list[int]()
    first = asyncio.create_task(queue.ask(lambda: go.wait(20)))
    second = asyncio.create_task(queue.ask(lambda: done.append(1)))
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError):
        await queue.ask(int)
    second.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await first
    assert await queue.ask(lambda: 7) == 7
    assert done == []
    queue.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
async def test_questions_make_way_for_training() -> None:
    queue, own = QueryQueue(1), os.getpriority(os.PRIO_PROCESS, 0)
    nice = await queue.ask(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    queue.close()
    assert nice == min(19, own + machine.NICE) > TRAINING_NICE + own
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


# --- the document


def test_the_document_has_every_route_that_is_for_programs_and_no_other() -> None:
    told = document()
    assert set(told["paths"]) == {route.path for route in ROUTES if route.shown}
    ids = [each["get"]["operationId"] for each in told["paths"].values()]
    assert len(set(ids)) == len(ids)
    for route in ROUTES:
        if route.shown and route.path.startswith(API):
            refused = set(told["paths"][route.path]["get"]["responses"]) - {"200"}
            assert {"400", "401", "403"} <= refused


@given(st.sampled_from(sorted(BY_NAME)), st.data())
def test_parameters_are_taken_as_the_document_bounds_them(name: str, data: st.DataObject) -> None:
    route = BY_NAME[name]
    query, fits = [], True
    for parameter in route.parameters:
        schema = parameter.schema
        if schema["type"] == "integer":
            number = data.draw(st.integers(-2, MOST_WORDS + 2))
            value, good = str(number), schema["minimum"] <= number <= schema["maximum"]
        else:
            value = data.draw(st.text(max_size=3) | st.text("a", min_size=198, max_size=203))
            good = schema["minLength"] <= len(value) <= schema["maxLength"]
        query.append((parameter.name, value))
        fits = fits and good
    if fits:
        assert {key: str(value) for key, value in read_parameters(route, query).items()} == dict(query)
    else:
        with pytest.raises(ParameterError) as caught:
            read_parameters(route, query)
        assert caught.value.hint


SCHEMATHESIS = Path(sys.executable).with_name("st")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection"
)
SECONDS = int(
    os.environ.get("SCHEMATHESIS_SECONDS", "0")
)  # as long as it is to try; 0: the same few requests each time
EXTENT = ("--phases", "examples,coverage,fuzzing", "--max-examples")
EXTENT += ("1000000", "--max-time", str(SECONDS)) if SECONDS else ("25", "--seed", "1")


@pytest.mark.slow
@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is not installed here")
async def test_the_server_answers_as_its_document_says(tmp_path: Path) -> None:
    """A program that reads the document makes requests of it, good and bad; but for events, which do not end."""
    async with running(whole_model) as server:
        url = f"http://{server.address}{API}/openapi.json"
        line = [SCHEMATHESIS, "run", url, "--exclude-path", f"{API}/events", *EXTENT, "--checks", CHECKS, "--no-color"]
        done = await asyncio.to_thread(
            subprocess.run, line, cwd=tmp_path, capture_output=True, text=True, timeout=120 + SECONDS, check=False
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout, done.stdout[-3000:]

"""What a node answers over HTTP, as a table: paths, parameters with their bounds, and forms of answers.

The server makes its routes from it, reads parameters by it, and publishes it as an OpenAPI document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gossipw2v import __version__

API = "/api/v1"
MOST_LETTERS = 200  # of a word that is asked for
MOST_WORDS = 1000  # in one answer
MAPPED = 500  # words of a map, unless another number is asked for

Schema = dict[str, Any]
Values = dict[str, Any]  # of parameters: text, or whole numbers


class ParameterError(ValueError):
    """A parameter that cannot be taken; the text names it, `hint` says what could be."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class TextParameter:
    """A parameter of `least` to MOST_LETTERS letters; `default` None: it has to be given."""

    name: str
    about: str
    least: int = 1
    default: str | None = None
    example: str = "king"

    @property
    def schema(self) -> Schema:
        """As JSON schema."""
        default = {} if self.default is None else {"default": self.default}
        bounds = {"minLength": self.least, "maxLength": MOST_LETTERS}
        return {"type": "string", **bounds, **default, "examples": [self.example]}

    def read(self, given: str) -> str:
        """The value; ParameterError if it is out of bounds."""
        if not self.least <= len(given) <= MOST_LETTERS:
            raise ParameterError(f"{self.name} has {len(given)} letters", f"give {self.least} to {MOST_LETTERS}")
        return given


@dataclass(frozen=True)
class NumberParameter:
    """A parameter that is a whole number from 1 to `most`, and `default` where it is not given."""

    name: str
    about: str
    most: int
    default: int

    @property
    def schema(self) -> Schema:
        """As JSON schema."""
        return {"type": "integer", "minimum": 1, "maximum": self.most, "default": self.default}

    def read(self, given: str) -> int:
        """The value; ParameterError if it is out of bounds, or no number."""
        if not re.fullmatch("[0-9]{1,9}", given) or not 1 <= int(given) <= self.most:
            raise ParameterError(f"{self.name} is {given[:40]!r}", f"give a whole number from 1 to {self.most}")
        return int(given)


@dataclass(frozen=True)
class Route:
    """One path: `name` is its handler's, `answer` the form of its JSON or else None, `refusals` with what they mean.

    `asks_model`: it is answered from the weights. `shown`: it stands in the document.
    """

    path: str
    name: str
    about: str
    answer: Schema | None = None
    media: str = "application/json"
    parameters: tuple[TextParameter | NumberParameter, ...] = ()
    refusals: tuple[int, ...] = ()
    asks_model: bool = False
    shown: bool = True


def read_parameters(route: Route, query: Sequence[tuple[str, str]]) -> Values:
    """The values of a query's pairs by name, defaults filled in; ParameterError for one unknown, missing or twice."""
    known = {each.name: each for each in route.parameters}
    given: dict[str, str] = {}
    for name, value in query:
        if name not in known:
            raise ParameterError(f"there is no parameter {name[:40]!r}", f"there are: {', '.join(known) or 'none'}")
        if name in given:
            raise ParameterError(f"{name} is given twice", "give it once")
        given[name] = value
    if missing := [name for name, each in known.items() if name not in given and each.default is None]:
        raise ParameterError(f"{missing[0]} is missing", f"add {missing[0]}=, {known[missing[0]].about}")
    return {name: each.read(given[name]) if name in given else each.default for name, each in known.items()}


# -- the table ----------------------------------------------------------------------------------------------


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


OBJECT: Schema = {"type": "object"}
STRING: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COSINE: Schema = {"type": "number", "minimum": -1.001, "maximum": 1.001}
SCORED = _list(_record(word=STRING, similarity=COSINE))
MEMBER = _record(node=STRING, state=STRING, alive={"type": "boolean"}, addresses=_list(STRING))
ERROR: Schema = {**_record(error=STRING, hint=STRING), "required": ["error"]}
HEALTH = _record(state={"type": ["string", "null"]}, ok={"type": "boolean"})
MODEL = (400, 404, 409, 429)

TOPN = NumberParameter("topn", "how many words to answer with", MOST_WORDS, 10)

ROUTES = (
    Route("/", "page", "The page for people", None, "text/html", shown=False),
    Route("/page/{file}", "file", "What the page is made of", None, "text/plain", shown=False),
    Route("/healthz", "healthz", "Whether the node works as it should", HEALTH, refusals=(503,)),
    Route("/readyz", "readyz", "Whether the node has a model to serve", HEALTH, refusals=(503,)),
    Route("/status", "status", "All that a node tells of itself", OBJECT),
    Route("/metrics", "metrics", "The same in numbers, for Prometheus", None, "text/plain"),
    Route(
        "/export", "export", "The vectors in word2vec's text format; or ?format=binary, matrix=in|out|sum, top=N",
        None, "text/plain", refusals=(400, 409, 429),
    ),
    Route(f"{API}/openapi.json", "document", "This document", OBJECT),
    Route(f"{API}/status", "status", "All that a node tells of itself", OBJECT),
    Route(f"{API}/members", "members", "Everybody that the node has heard of", _record(members=_list(MEMBER))),
    Route(
        f"{API}/history", "history", "Figures over the whole run, at most some hundred points, the oldest first",
        _record(every_seconds=NUMBER, points=_list(OBJECT)),
    ),
    Route(
        f"{API}/events", "events", "A summary of the status every second, as server-sent events named `status`",
        None, "text/event-stream", refusals=(429,),
    ),
    Route(
        f"{API}/neighbors", "neighbors", "The words nearest to a word by cosine",
        _record(word=STRING, neighbors=SCORED), parameters=(TextParameter("word", "the word, as it is written"), TOPN),
        refusals=MODEL, asks_model=True,
    ),
    Route(
        f"{API}/similarity", "similarity", "The cosine of two words",
        _record(a=STRING, b=STRING, similarity=COSINE),
        parameters=(TextParameter("a", "a word"), TextParameter("b", "another", example="queen")),
        refusals=MODEL, asks_model=True,
    ),
    Route(
        f"{API}/analogy", "analogy", "What is to c as b is to a (3CosAdd)",
        _record(a=STRING, b=STRING, c=STRING, words=SCORED),
        parameters=(
            TextParameter("a", "as this word", example="man"), TextParameter("b", "is to this"),
            TextParameter("c", "so is this to the answer", example="woman"), TOPN,
        ),
        refusals=MODEL, asks_model=True,
    ),
    Route(
        f"{API}/vector", "vector", "A word's vector as it is now; `row`: its rank by frequency, from 0",
        _record(word=STRING, row={"type": "integer"}, vector=_list(NUMBER)),
        parameters=(TextParameter("word", "the word, as it is written"),), refusals=MODEL, asks_model=True,
    ),
    Route(
        f"{API}/words", "words", "The most frequent words that begin so",
        _record(prefix=STRING, words=_list(STRING)),
        parameters=(
            TextParameter("prefix", "how they begin", 0, ""),
            NumberParameter("limit", "how many words", MOST_WORDS, 10),
        ),
        refusals=(400, 409, 429), asks_model=True,
    ),
    Route(
        f"{API}/map", "map", "Where the most frequent words are in the plane that shows most (PCA of unit vectors): at "
        "most 5 s old, of mean 0 and mean square 1, and turned as it was before. `share`: of the variance",
        _record(share=NUMBER, words=_list(_record(word=STRING, x=NUMBER, y=NUMBER))),
        parameters=(NumberParameter("words", "how many words", MOST_WORDS, MAPPED),),
        refusals=(400, 409, 429), asks_model=True,
    ),
)  # fmt: skip


# -- the document -------------------------------------------------------------------------------------------

REFUSALS = {
    400: "a parameter is missing, unknown or out of bounds",
    401: "the node asks for a token (--http-token-file)",
    403: "the Host header does not name this machine (--http-names)",
    404: "a word is not in the vocabulary; `close` has words that may have been meant",
    409: "there is no model yet, or none that may be read",
    429: "too many ask at once; Retry-After says when to come back",
    500: "an error of the node, of which its log says more",
    503: "not well, or not ready; too many connections",
}


def document() -> Schema:
    """The OpenAPI 3.1 document of all routes that are for programs."""
    paths = {route.path: {"get": _operation(route)} for route in ROUTES if route.shown}
    schemes = {"token": {"type": "http", "scheme": "bearer", "description": "if the node has --http-token-file"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "gossipw2v", "version": __version__, "description": "A node and its vectors; GET and HEAD."},
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}, "securitySchemes": schemes},
        "security": [{}, {"token": []}],
    }


def _operation(route: Route) -> Schema:
    content = {route.media: {"schema": route.answer or STRING}}
    refused = (400, *route.refusals) if route.path.startswith(API) else route.refusals
    health = route.answer is HEALTH
    answers = {str(code): _refused(code, HEALTH if health and code == 503 else None) for code in (*refused, 401, 403)}
    return {
        "operationId": re.sub(r"\W+", "_", route.path).strip("_"),
        "summary": route.about,
        "parameters": [_parameter(each) for each in route.parameters],
        "responses": {"200": {"description": route.about, "content": content}, **dict(sorted(answers.items()))},
    }


def _parameter(parameter: TextParameter | NumberParameter) -> Mapping[str, Any]:
    needed = parameter.default is None
    about = {"name": parameter.name, "in": "query", "required": needed, "description": parameter.about}
    return {**about, "schema": parameter.schema}


def _refused(code: int, answer: Schema | None) -> Schema:
    schema = answer or {"$ref": "#/components/schemas/Error"}
    return {"description": REFUSALS[code], "content": {"application/json": {"schema": schema}}}

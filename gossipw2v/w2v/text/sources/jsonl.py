"""Text in JSON lines: one field of each object, which is a text, or a list of words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from gossipw2v.config.encoding import UTF_8
from gossipw2v.w2v.text.encodings import LOST
from gossipw2v.w2v.text.sources.records import MOST_BYTES, LeftOut, excerpt, gathered, text_of

BOM = "\ufeff"


def jsonl_text(stream: IO[bytes], field: str, left_out: LeftOut) -> Iterator[bytes]:
    """The text of `field` (`a.b`: of b in a) of each line of `stream`, which is UTF-8, as pieces of plain text.

    Lines that are no JSON or have no such text are counted in `left_out`. SourceError if they are too many.
    """
    left_out.begin("lines")
    yield from gathered(_texts(stream, field, left_out), LOST)
    left_out.end()


def _texts(stream: IO[bytes], field: str, left_out: LeftOut) -> Iterator[str]:
    for number, line in enumerate(_lines(stream), 1):
        if line is not None and not line.strip():
            continue
        left_out.read += 1
        text = _text(line, field) if line is not None else None
        if text is not None:
            yield text
        else:
            left_out.add(number, _why(line, field))


def _lines(stream: IO[bytes]) -> Iterator[str | None]:
    """Each line; None for one that is too long."""
    first = True
    while line := stream.readline(MOST_BYTES):
        whole = len(line) < MOST_BYTES or line.endswith(b"\n")
        while len(line) == MOST_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MOST_BYTES)
        text = line.decode(UTF_8, LOST)
        yield (text.removeprefix(BOM) if first else text) if whole else None
        first = False


def _text(line: str, field: str) -> str | None:
    try:
        return text_of(_value(json.loads(line), field))
    except (ValueError, RecursionError):
        return None


def _value(record: Any, field: str) -> object:
    """What a record holds under a name, or under a path of names with dots between; None if that is nothing."""
    if isinstance(record, dict) and field in record:
        return record[field]
    for name in field.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def _why(line: str | None, field: str) -> str:
    if line is None:
        return f"is longer than {MOST_BYTES >> 20} MiB"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return f"is no JSON: {excerpt(line)}"
    if not isinstance(record, dict):
        return f"is no JSON object: {excerpt(line)}"
    if _value(record, field) is not None:
        return f"has neither text nor a list of words in {field!r}: {excerpt(line)}"
    return f"has no {field!r}, but {', '.join(map(repr, list(record)[:10])) or 'nothing'}"

"""Text that is surely kept in records: told by its beginning, so that a setting which reads it can be named.

What may as well be text is none of it. A log, a poem, a program, a list of words with tabs may all have as many commas
or tabs in every line; a table is told by a row of names over columns that are numbers or sentences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from gossipw2v.w2v.text.sources.tables import DELIMITERS, sample_rows, separator

FEWEST_ROWS = 3  # under the names of a table
FEWEST_EDGES = 10  # under what may be a header
COMMENT_SIGNS = ("#", "%")  # of files of edges
LOOKED_AT = 100  # lines
LONGEST_NAME = 40  # characters of a column's name
SENTENCE = 3  # words that cells of a column of text have on average

AS_IS = "say --plain if it is to be read as it is"

_OBJECT = re.compile(r'\{"[^"\n]{0,200}"[ \t]*:')
_COUNT = re.compile(r"\d+")
_NAME = re.compile(r"[^\W\d][\w.#/()-]*(?: [\w.#/()-]+){0,2}")
_NUMBER = re.compile(r"[-+]?[\d.,]++(?:e[-+]?\d+)?%?|\d{4}-\d\d-\d\d(?:[T ][\d:.]+Z?)?|true|false", re.IGNORECASE)


def structure(head: str) -> str | None:
    """What a text that begins with `head` is kept in, and what to say then; None if it may be plain text."""
    lines = head.splitlines(keepends=True)
    whole = lines[:-1] if len(lines) > 1 and not head.endswith("\n") else lines
    return next((told for looks_like, told in KINDS if looks_like(whole[:LOOKED_AT])), None)


def is_jsonl(lines: list[str]) -> bool:
    """Whether each of these lines is a JSON object; of a first one that is cut, whether it begins so."""
    given = [line for line in lines if line.strip()]
    if not given or not all(map(_OBJECT.match, given)):
        return False
    return all(map(_is_object, given)) or (len(given) == 1 and not given[0].endswith("\n"))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def is_edges(lines: list[str]) -> bool:
    """Whether each of many lines is two or three numbers between tabs or commas; comments and a header may be there.

    What stands in columns of spaces may be meant as sentences of ids.
    """
    _, *edges = [line for line in lines if line.strip() and not line.startswith(COMMENT_SIGNS)] or [""]
    if len(edges) < FEWEST_EDGES:
        return False
    separator = "\t" if "\t" in edges[0] else ","
    rows = [line.split(separator) for line in edges]
    same = len(rows[0]) in (2, 3) and all(len(row) == len(rows[0]) for row in rows)
    return same and all(_COUNT.fullmatch(cell.strip()) for row in rows for cell in row[:2]) and _weighted(rows)


def _weighted(rows: list[list[str]]) -> bool:
    return all(_NUMBER.fullmatch(cell.strip()) for row in rows for cell in row[2:])


def is_table(lines: list[str]) -> bool:
    """Whether these lines are rows of as many cells, the first of names, over a column of numbers or sentences."""
    if not lines or not any(delimiter in lines[0] for delimiter in DELIMITERS):
        return False
    delimiter = separator(lines)
    names, *rows = sample_rows(lines, delimiter) or [[]]
    if len(names) < 2 or len(rows) < FEWEST_ROWS or any(len(row) != len(names) for row in rows):
        return False
    return _are_names(names) and any(map(_is_told_apart, zip(*rows, strict=True)))


def _are_names(names: list[str]) -> bool:
    alike = len({name.casefold() for name in names}) < len(names)
    return not alike and all(len(name) <= LONGEST_NAME and _NAME.fullmatch(name) for name in names)


def _is_told_apart(cells: tuple[str, ...]) -> bool:
    """Whether a column holds numbers, times, or sentences, none of which is a name."""
    given = [cell for cell in cells if cell.strip()]
    if 2 * len(given) < len(cells):
        return False
    numbers = all(_NUMBER.fullmatch(cell.strip()) for cell in given)
    return numbers or sum(len(cell.split()) for cell in given) >= SENTENCE * len(given)


# Another kind of records: a way to tell it, and the setting that reads it.
KINDS: tuple[tuple[Callable[[list[str]], bool], str], ...] = (
    (is_edges, f"holds the edges of a graph: give it with --graph instead of --corpus, for walks over it; {AS_IS}"),
    (is_jsonl, f"is JSON lines: say --jsonl FIELD for the field that is text; {AS_IS}"),
    (is_table, f"is a table (CSV): say --csv COLUMN for the column that is text; {AS_IS}"),
)

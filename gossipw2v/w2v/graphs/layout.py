"""How a list of edges is laid out, guessed from how it begins: its separator, its columns, and whether it has a header.

What is guessed is told in the log, and holds for the whole file: a line that differs is refused later on.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gossipw2v.w2v.kernels.graphs.parsing import SPACES

COMMENT_SIGNS = (b"#", b"%")
SEPARATORS = {b"\t": "tabs", b",": "commas", b" ": "spaces"}
LOOKED_AT = 200  # lines with edges
TITLES = re.compile(rb"(?:from|to|source|target|src|dst|head|tail)(?:_?(?:node|id|node_?id))?|node_?(?:1|2|a|b)")
NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?")
WHOLE = re.compile(rb"-?\d+")
FIRST_TIME = 1e8  # a third column of larger whole numbers most likely holds times, in seconds since 1970

MATRIX_MARKET = (
    "is in the Matrix Market format: leave out its comments and its line of sizes (`grep -v '^%' FILE | tail -n +2`)"
)


class Layout(NamedTuple):
    """`separator`: a key of SEPARATORS; `columns`: 2, or 3 with weights; `header`: the line that is one, from 1; or 0.

    `times`: whether the weights look like times.
    """

    separator: bytes
    columns: int
    header: int = 0
    times: bool = False

    @property
    def code(self) -> int:
        """The separator as `parsing.Rules` has it."""
        return SPACES if self.separator == b" " else self.separator[0]


def guess(head: bytes, whole: bool) -> Layout:
    """The layout of a file that begins with `head`, or is that `whole`. ValueError says what to do if there is none."""
    if head.startswith(b"%%MatrixMarket"):
        raise ValueError(MATRIX_MARKET)
    lines = [line.strip(b" \r\v\f") for line in head.split(b"\n")]
    lines = lines if whole or len(lines) == 1 else lines[:-1]
    numbers = [n for n, line in enumerate(lines, 1) if line and not line.startswith(COMMENT_SIGNS)][:LOOKED_AT]
    if not numbers:
        raise ValueError("holds no edge: give a file with two columns, the nodes of an edge, or three, with its weight")
    separator = _separator(lines[numbers[0] - 1])
    rows = [_fields(lines[n - 1], separator) for n in numbers]
    columns = len(rows[0])
    if columns not in (2, 3):
        raise ValueError(f"line {numbers[0]}: {columns_wrong(columns, separator)}")
    header = _is_header(rows[0], [row for row in rows[1:] if len(row) == columns])
    return Layout(separator, columns, numbers[0] if header else 0, _are_times(rows[header:]))


def columns_wrong(columns: int, separator: bytes) -> str:
    """What is wrong with a line of so many columns."""
    found = "1 column" if columns == 1 else f"{columns} columns" if columns < 4 else "more than 3 columns"
    return (
        f"{found}, separated by {SEPARATORS[separator]}: every line must have the two nodes of an edge, or all of them "
        "also its weight, separated by tabs, commas or spaces"
    )


def _separator(line: bytes) -> bytes:
    return next((each for each in (b"\t", b",") if each in line), b" ")


def _fields(line: bytes, separator: bytes) -> list[bytes]:
    return line.split() if separator == b" " else [part.strip() for part in line.split(separator)]


def _is_header(first: list[bytes], rest: list[list[bytes]]) -> bool:
    """Whether the first line names the columns: a weight that is none, names among numbers, or the usual titles."""
    if not rest:
        return False
    if len(first) == 3 and not NUMBER.fullmatch(first[2]):
        return all(NUMBER.fullmatch(row[2]) for row in rest)
    if not any(map(WHOLE.fullmatch, first[:2])):
        names = {name for row in rest for name in row[:2]}
        titles = all(TITLES.fullmatch(name.lower()) for name in first[:2]) and names.isdisjoint(first[:2])
        return titles or all(map(WHOLE.fullmatch, names))
    return False


def _are_times(rows: list[list[bytes]]) -> bool:
    weights = [row[2] for row in rows if len(row) == 3]
    return bool(weights) and all(WHOLE.fullmatch(w) and float(w) >= FIRST_TIME for w in weights)

"""Text in CSV: one column of rows whose cells are separated by commas, tabs or semicolons."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import IO

from gossipw2v.config.encoding import UTF_8
from gossipw2v.w2v.text.encodings import LOST
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.records import MOST_BYTES, LeftOut, excerpt, gathered

DELIMITERS = ",\t;"
SAMPLE_BYTES = 1 << 16  # of a file by which it is told what separates its cells
MOST_TOLD = 30  # columns
BOM = "\ufeff"

csv.field_size_limit(MOST_BYTES)  # of the whole process, which reads CSV nowhere else


def csv_text(stream: IO[bytes], column: str, left_out: LeftOut) -> Iterator[bytes]:
    """The text of one column of `stream`, which is UTF-8, as pieces of plain text, a row a line or more.

    `column`: a name of the first row, or a number from 1, where the first row is like the others. Rows of another
    number of cells are counted in `left_out`. SourceError if they are too many, or there is no such column.
    """
    left_out.begin("rows")
    yield from gathered(_texts(stream, column, left_out), LOST)
    left_out.end()


def _texts(stream: IO[bytes], column: str, left_out: LeftOut) -> Iterator[str]:
    lines = _lines(stream)
    sample = _sample(lines)
    rows = csv.reader(chain(sample, lines), delimiter=separator(sample))
    place, width = -1, 0
    for number, row in enumerate(_whole(rows), 1):
        if not row:
            continue
        if place < 0:
            place, width, named = _place(row, column)
            if named:
                continue
        left_out.read += 1
        if len(row) == width:
            yield row[place]
        else:
            left_out.add(number, f"has {len(row)} cells and not {width}: {excerpt(row[0])}")


def _sample(lines: Iterator[str]) -> list[str]:
    """The first lines, of SAMPLE_BYTES or a little more."""
    sample: list[str] = []
    size = 0
    while size < SAMPLE_BYTES and (line := next(lines, None)) is not None:
        sample.append(line)
        size += len(line)
    return sample


def _whole(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows; SourceError where the file is no CSV."""
    number = 0
    try:
        for number, row in enumerate(rows, 1):  # noqa: B007 - told below
            yield row
    except csv.Error as error:
        raise SourceError(f"behind row {number:,} it is no CSV: {error} (a quote that does not end?)") from error


def _lines(stream: IO[bytes]) -> Iterator[str]:
    first = True
    while line := stream.readline(MOST_BYTES):
        if len(line) == MOST_BYTES and not line.endswith(b"\n"):
            raise SourceError(f"a line is longer than {MOST_BYTES >> 20} MiB: is it CSV?")
        text = line.decode(UTF_8, LOST)
        yield text.removeprefix(BOM) if first else text
        first = False


def separator(sample: Sequence[str]) -> str:
    """What separates the cells of a file that begins with these lines: of what gives the most regular rows."""
    return max(DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))


def _regularity(sample: Sequence[str], delimiter: str) -> tuple[float, int]:
    """The share of rows that are as wide as the first, if that has cells, and how wide it is."""
    rows = sample_rows(sample, delimiter)
    width = len(rows[0]) if rows else 0
    alike = sum(len(row) == width for row in rows)
    return (alike / len(rows), width) if width > 1 else (0.0, width)


def sample_rows(sample: Sequence[str], delimiter: str) -> list[list[str]]:
    """The rows of some lines, as far as they are CSV, but for the last if it goes on behind them."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in csv.reader(sample, delimiter=delimiter) if row)
    return rows[:-1] if len(rows) > 1 and not sample[-1].endswith(("\n", "\r")) else rows


def _place(row: list[str], column: str) -> tuple[int, int, bool]:
    """Where the column is, how many there are, and whether this first row holds their names."""
    if column.isascii() and column.isdigit():
        if not 1 <= int(column) <= len(row):
            raise SourceError(f"has no column {column}, but {len(row)}; the first row is {excerpt(str(row))}")
        return int(column) - 1, len(row), False
    names = [name.strip() for name in row]
    if column not in names:
        raise SourceError(f"has no column {column!r}; its first row is {', '.join(map(excerpt, names[:MOST_TOLD]))}")
    return names.index(column), len(row), True

"""Lines and columns of a test set, whatever separates them: tabs, semicolons, commas or spaces."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gossipw2v.w2v.text.files import open_text

MOST_BYTES = 1 << 28  # of a test set, unpacked: all of it is in memory, some times as large
MOST_LINE = 1 << 20  # bytes: a sequence of some 100,000 items
SAMPLE = 200  # lines that say what separates columns
SEPARATORS = ("\t", ";", ",", None)  # None: white space; of those that fit as many lines the first counts
COLUMNS = "word words word1 word2 word3 word4 class category cluster group label labels node node_id id user item items"
HEADINGS = frozenset(COLUMNS.split())  # a first line of nothing else is a heading


class LayoutError(ValueError):
    """A file that is no test set of its kind; the message names file and line, and says what was expected."""


class Row(NamedTuple):
    """The columns of a line, and its number in the file, from 1."""

    number: int
    cells: list[str]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty and no comment, which begins with `#`; unpacked if it is packed.

    LayoutError for a line that is too long or no UTF-8, and for a file that is too large; CorpusError for one that
    cannot be read.
    """
    size = 0
    with open_text(path) as (file, _):
        for number in itertools.count(1):
            line = file.readline(MOST_LINE + 1)
            size += len(line)
            if not line:
                return
            if len(line) > MOST_LINE or size > MOST_BYTES:
                raise wrong(path, number, "is too long: is this a test set?")
            text = _decoded(line, path, number)
            if text.strip() and not text.startswith("#"):
                yield number, text


def read_rows(path: Path, fits: Callable[[int], bool]) -> tuple[list[Row], str | None]:
    """The lines in columns, and what separates them: that by which most lines of the first 200 have columns that fit.

    `fits` says whether so many columns do. A heading is left out. Errors as of `read_lines`.
    """
    lines = list(read_lines(path))
    separator = separator_of([text for _, text in lines[:SAMPLE]], fits)
    rows = [Row(number, split(text, separator)) for number, text in lines]
    headed = bool(rows) and is_heading(rows[0].cells)
    return rows[int(headed) :], separator


def separator_of(lines: Sequence[str], fits: Callable[[int], bool]) -> str | None:
    """What separates columns, None for white space, such that most lines have a number of them that `fits`."""
    return max(SEPARATORS, key=lambda each: fitting(lines, each, fits))


def fitting(lines: Sequence[str], separator: str | None, fits: Callable[[int], bool]) -> int:
    """How many lines have as many columns as they should, separated so."""
    return sum(fits(len(split(line, separator))) for line in lines)


def split(line: str, separator: str | None) -> list[str]:
    """The columns of a line without white space around them, empty ones at its end left out; quotes as in CSV."""
    if separator in (None, "\t"):
        cells = line.split(separator)
    else:
        try:
            cells = next(csv.reader([line], delimiter=separator or ",", skipinitialspace=True))
        except csv.Error:
            cells = line.split(separator)
    cells = [cell.strip() for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def is_heading(cells: Sequence[str]) -> bool:
    """Whether a line names columns and nothing else."""
    return all("".join(cell.lower().split()) in HEADINGS for cell in cells)


def number_of(text: str, separator: str | None) -> float | None:
    """The finite number that a column holds, if it is one; with a decimal comma where no comma separates columns."""
    try:
        number = float(text if separator in (",", None) else text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def wrong(path: Path, line: int, what: str) -> LayoutError:
    """The error that names a line."""
    return LayoutError(f"{path}, line {line}: {what}")


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise wrong(path, number, f"is no UTF-8 ({error.reason} at byte {error.start}): convert the file") from None

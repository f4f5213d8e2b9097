"""The test sets themselves, each kind read from the layouts in which such sets are published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gossipw2v.w2v.evaluation.tables import (
    SAMPLE,
    LayoutError,
    Row,
    fitting,
    is_heading,
    number_of,
    read_lines,
    read_rows,
    separator_of,
    split,
    wrong,
)

MOST_FILES = 1000  # of a folder of analogies
MOST_PAIRS = 1000  # of words in a file of BATS, each of which is asked of each other
MOST_QUESTIONS = 2_000_000
NO_SECTION = "no section"

PAIR = "not two words and a score, separated by tabs, semicolons, commas or spaces"
ANALOGY = (
    "neither a section (: name), nor four words, nor, in all lines, two words of which the second may have more (a/b)"
)
CATEGORY = "not a word and its class"
SEQUENCE = "not a sequence of items"
LABEL = "not a node and its labels"


class RatedPair(NamedTuple):
    """Two words and how alike people find them."""

    one: str
    other: str
    rating: float


class Question(NamedTuple):
    """`a` is to `b` as `c` is to any of the `answers`; of a section of its test set."""

    section: str
    a: str
    b: str
    c: str
    answers: tuple[str, ...]


def read_pairs(path: Path) -> list[RatedPair]:
    """Pairs of words with a rating, in the first later column that is a number: WordSim-353, SimLex-999, MEN, RW, ...

    The first line may name the columns. LayoutError.
    """
    rows, separator = read_rows(path, lambda columns: columns >= 3)
    headed = bool(rows) and len(rows[0].cells) > 2 and _rating_column(rows[0], separator) is None
    rows = rows[int(headed) :]
    if not rows:
        raise LayoutError(f"{path}: no line holds two words and a score")
    column = _rating_column(rows[0], separator)
    return [_rated(path, row, column, separator) for row in rows]


def _rating_column(row: Row, separator: str | None) -> int | None:
    found = (at for at in range(2, len(row.cells)) if number_of(row.cells[at], separator) is not None)
    return next(found, None)


def _rated(path: Path, row: Row, column: int | None, separator: str | None) -> RatedPair:
    inside = column is not None and column < len(row.cells)
    rating = number_of(row.cells[column], separator) if inside and column is not None else None
    if rating is None or not all(row.cells[:2]):
        raise wrong(path, row.number, PAIR)
    return RatedPair(row.cells[0], row.cells[1], rating)


def read_analogies(path: Path) -> list[Question]:
    """Questions as in Google's questions-words.txt, or of BATS, a file or a folder of files, a section each.

    LayoutError.
    """
    files = _files_of(path) if path.is_dir() else [path]
    questions: list[Question] = []
    for file in files:
        questions += _read_questions(file)
        if len(questions) > MOST_QUESTIONS:
            raise LayoutError(f"{path}: more than {MOST_QUESTIONS:,} questions: give fewer files")
    return questions


def _files_of(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.txt") if path.is_file() and not path.name.startswith("."))
    if not found or len(found) > MOST_FILES:
        raise LayoutError(f"{folder}: holds {len(found)} files *.txt; 1 to {MOST_FILES} were expected")
    return found


def _read_questions(path: Path) -> list[Question]:
    lines = list(read_lines(path))
    sample = [text for _, text in lines if not text.startswith(":")][:SAMPLE]
    four, two = (separator_of(sample, columns.__eq__) for columns in (4, 2))
    if not sample:
        raise LayoutError(f"{path}: no line holds an analogy")
    if fitting(sample, two, (2).__eq__) > fitting(sample, four, (4).__eq__):
        return list(_crossed(path, [Row(number, split(text, two)) for number, text in lines]))
    return list(_sections(path, lines, four))


def _sections(path: Path, lines: list[tuple[int, str]], separator: str | None) -> Iterator[Question]:
    """Google's layout; a first line of headings is left out."""
    section = NO_SECTION
    for at, (number, text) in enumerate(lines):
        if text.startswith(":"):
            section = text[1:].strip() or NO_SECTION
            continue
        cells = split(text, separator)
        if len(cells) == 4 and all(cells) and not (at == 0 and is_heading(cells)):
            yield Question(section, cells[0], cells[1], cells[2], (cells[3],))
        elif at > 0 or not is_heading(cells):
            raise wrong(path, number, ANALOGY)


def _crossed(path: Path, rows: list[Row]) -> Iterator[Question]:
    """BATS: of a file's pairs each with each other; where the second word is given, it is the first of several."""
    pairs = []
    for row in rows:
        cells = row.cells
        answers = tuple(filter(None, cells[1].split("/"))) if len(cells) == 2 else ()
        if not answers or not cells[0]:
            raise wrong(path, row.number, ANALOGY)
        pairs.append((cells[0], answers))
    if len(pairs) > MOST_PAIRS:
        raise LayoutError(f"{path}: {len(pairs)} pairs of words, each to be asked of each other: {MOST_PAIRS} at most")
    for a, given in pairs:
        yield from (Question(path.stem, a, given[0], c, wanted) for c, wanted in pairs if c != a)


def read_either(path: Path) -> tuple[str, list[RatedPair] | list[Question]]:
    """`pairs` or `analogies`, as most lines of a file look, and what is in it. LayoutError, CorpusError."""
    if path.is_dir():
        return "analogies", read_analogies(path)
    lines = list(islice(read_lines(path), SAMPLE))
    separator = separator_of([text for _, text in lines], lambda columns: columns >= 3)
    rated = sum(_rating_column(Row(number, split(text, separator)), separator) is not None for number, text in lines)
    if any(text.startswith(":") for _, text in lines) or not rated:
        return "analogies", read_analogies(path)
    return "pairs", read_pairs(path)


def read_categories(path: Path) -> dict[str, str]:
    """Words and their classes, the first two columns. LayoutError, also for a word of two classes."""
    rows, _ = read_rows(path, lambda columns: columns >= 2)
    found: dict[str, str] = {}
    for row in rows:
        if len(row.cells) < 2 or not all(row.cells[:2]):
            raise wrong(path, row.number, CATEGORY)
        word, group = row.cells[:2]
        if found.setdefault(word, group) != group:
            raise wrong(path, row.number, f"{word!r} is in {group!r} here and in {found[word]!r} above")
    if len(set(found.values())) < 2:
        raise LayoutError(f"{path}: holds words of fewer than two classes")
    return found


def read_sequences(path: Path, drop_first: bool = False) -> list[list[str]]:
    """Sequences of items, one a line, those of a single item left out; `drop_first`: a line begins with its user.

    LayoutError if none is left.
    """
    rows, _ = read_rows(path, lambda columns: columns >= 2)
    found = [[item for item in row.cells[int(drop_first) :] if item] for row in rows]
    found = [items for items in found if len(items) >= 2]
    if not found:
        raise LayoutError(f"{path}: no line holds a sequence of two items or more")
    return found


def read_labels(path: Path) -> dict[str, tuple[str, ...]]:
    """Nodes and their labels: further columns, behind a tab also several with commas or semicolons, or further lines.

    LayoutError.
    """
    rows, separator = read_rows(path, lambda columns: columns >= 2)
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        node, *cells = row.cells
        labels = re.split(r"\s*[,;]\s*", ",".join(cells)) if separator == "\t" else cells
        if not node or not any(labels):
            raise wrong(path, row.number, LABEL)
        found.setdefault(node, {}).update(dict.fromkeys(filter(None, labels)))
    if len({label for labels in found.values() for label in labels}) < 2:
        raise LayoutError(f"{path}: holds fewer than two labels")
    return {node: tuple(labels) for node, labels in found.items()}

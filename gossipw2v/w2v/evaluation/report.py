"""What a test set gives: results, for people as tables, for programs as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

SCHEMA = "gossipw2v-evaluation-1"
SHOWN = 10  # unknown words
LONGEST = 60  # characters of a name or word
MISSING = "-"

MEANING = {
    "pairs": "correlation with people's ratings x 100",
    "analogies": "solved, in per cent",
    "categories": "words in the cluster of their class, in per cent",
    "next-item": "last items found, in per cent",
    "labels": "F1 x 100 where labels are learned from some nodes",
    "compare": "largest difference of a value, in per cent of its vector's length",
}
OF = {"pairs": "pairs", "analogies": "questions", "next-item": "sequences", "labels": "nodes"}  # else words


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of a test set, of one of its sections or of a band of frequency; nan where there is none.

    `known` of `total` questions had words that are all known, and these alone count; `zeroed` is what the figures are
    if the others count as 0, a cosine or a wrong answer. `unknown`: the words, of the whole set alone.
    """

    kind: str
    name: str
    figures: Mapping[str, float]
    known: int
    total: int
    section: str | None = None
    band: str | None = None
    zeroed: Mapping[str, float] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def coverage(self) -> float:
        """The share of the questions whose words are all known."""
        return self.known / self.total if self.total else 0.0


def as_json(source: str, shape: tuple[int, int], results: Sequence[Result]) -> dict[str, Any]:
    """What `--json` prints; the manual says what is in it (`vectors`). Numbers that are not finite are null."""
    words, dimensions = shape
    about = {"schema": SCHEMA, "source": source, "words": words, "dimensions": dimensions}
    return {**about, "results": [_entry(result) for result in results]}


def _entry(result: Result) -> dict[str, Any]:
    return {
        "kind": result.kind,
        "name": result.name,
        "section": result.section,
        "band": result.band,
        "known": result.known,
        "total": result.total,
        "figures": _finite(result.figures),
        "figures_with_unknown_as_zero": _finite(result.zeroed),
        "unknown_words": len(result.unknown),
        "unknown": list(result.unknown[:SHOWN]),
    }


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def as_text(source: str, shape: tuple[int, int], results: Sequence[Result]) -> str:
    """A table for each kind of test set: figures, coverage, and what comes of it if what is unknown counts as 0."""
    words, dimensions = shape
    lines = [f"{_plain(source)}: {words:,} words of {dimensions} dimensions"]
    for kind, found in groupby(results, lambda result: result.kind):
        lines += ["", f"{kind}: {MEANING[kind]}", *_table(kind, list(found))]
    return "\n".join(lines)


def _table(kind: str, results: Sequence[Result]) -> Iterator[str]:
    figures = list(results[0].figures)
    zeroed = results[0].zeroed and figures[0]
    heads = ["", *figures, f"{OF.get(kind, 'words')} known", f"{zeroed}, unknown as 0" if zeroed else ""]
    rows = [heads, *(_cells(result, figures) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield _line(heads, widths)
    name = None
    for result, row in zip(results, rows[1:], strict=True):
        if result.name != name and result.section is not None:  # nothing is of the whole set: it has sections alone
            yield f"  {_plain(result.name)}"
        name = result.name
        yield _line(row, widths)
        if result.unknown:
            yield _unknown(result.unknown)


def _cells(result: Result, figures: Sequence[str]) -> list[str]:
    name = _plain(result.name) if result.band is None and result.section is None else ""
    if result.section is not None:
        name = f"  {_plain(result.section)}"
    if result.band is not None:
        name = f"    of {result.band}" if result.section is not None else f"  {result.band}"
    share = f"{100 * result.coverage:5.1f} %"
    zeroed = _hundred(result.zeroed[figures[0]]) if result.zeroed else ""
    digits = "3g" if result.kind == "compare" else "1f"
    values = [_hundred(result.figures[figure], digits) for figure in figures]
    return [name, *values, f"{result.known:,} of {result.total:,} {share}", zeroed]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first column to the left, numbers to the right."""
    numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([f"  {cells[0].ljust(widths[0])}", *numbers]).rstrip()


def _unknown(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return f"    unknown: {', '.join(map(_plain, words[:SHOWN]))}{more}"


def _hundred(value: float, digits: str = "1f") -> str:
    return f"{100 * value:.{digits}}" if math.isfinite(value) else MISSING


def _plain(text: str) -> str:
    """Text without what moves a terminal's cursor: it comes from files."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."

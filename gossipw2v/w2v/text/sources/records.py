"""Records with text in them become plain text: one line or more of each, and those that have none are counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gossipw2v.w2v.text.sources.errors import SourceError

MOST_BYTES = 1 << 24  # of one record: a line of JSON, a row of CSV
PIECE_BYTES = 1 << 17  # of text that are handed on together
FEW = 16  # records without text that are borne in any file
MOST_BAD = 0.001  # of a file's records
SOON = 1000  # records after which a file is refused at once if half of them are bad
LONGEST_EXCERPT = 80  # characters

Piece = bytes | memoryview

_SPACES = re.compile(r"[ \t\n\r\v\f]+")  # what separates words


@dataclass(slots=True)
class LeftOut:
    """Records of one file, and those of them that hold no text."""

    what: str = "records"  # how people call them: lines, rows
    read: int = 0
    bad: int = 0
    first: str = ""  # where the first bad one is, and what is wrong with it

    def begin(self, what: str) -> None:
        """The file is read from its beginning."""
        self.what, self.read, self.bad, self.first = what, 0, 0, ""

    def add(self, where: int, why: str) -> None:
        """Count a bad one, the `where`-th. SourceError if there are too many already."""
        self.bad += 1
        self.first = self.first or f"the first is {self.what[:-1]} {where:,}, which {why}"
        if self.read >= SOON and self.bad > self.read / 2:
            self._refuse()

    def end(self) -> None:
        """The file has ended. SourceError if too many were bad, or all."""
        if self.bad > max(FEW, MOST_BAD * self.read) or self.bad == self.read > 0:
            self._refuse()

    def _refuse(self) -> None:
        raise SourceError(f"{self}: is this the right form and name? Take them out if it is")

    def __str__(self) -> str:
        return f"{self.bad:,} of {self.read:,} {self.what} hold no text: {self.first}"


@dataclass(slots=True)
class Pieces:
    """Bytes that come in pieces of any size, as a file gives them; no piece may be empty."""

    pieces: Iterator[Piece]
    _piece: Piece = b""  # the one under way
    _taken: int = 0  # bytes of it that were handed out

    def some(self, most: int) -> Piece:
        """The next bytes, at most so many; none at the end alone."""
        if self._taken == len(self._piece):
            self._piece, self._taken = next(self.pieces, b""), 0
        some = self._piece[self._taken : self._taken + most]
        self._taken += len(some)
        return some


def gathered(texts: Iterator[str], errors: str) -> Iterator[bytes]:
    """UTF-8 of `texts`, a line end behind each, in pieces of PIECE_BYTES or more; `errors` as in `str.encode`."""
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text) + 1
        if size >= PIECE_BYTES:
            yield _joined(waiting, errors)
            waiting, size = [], 0
    if waiting:
        yield _joined(waiting, errors)


def _joined(texts: list[str], errors: str) -> bytes:
    return ("\n".join(texts) + "\n").encode("utf-8", errors)


def text_of(value: object) -> str | None:
    """A text as it is, a list of words as one sentence, in which white space within a word is `_`; else None."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(_SPACES.sub("_", word.strip(" \t\n\r\v\f")) for word in value)
    return None


def excerpt(text: str) -> str:
    """The beginning of a record, for people."""
    return repr(text[:LONGEST_EXCERPT].rstrip()) + ("..." if len(text) > LONGEST_EXCERPT else "")

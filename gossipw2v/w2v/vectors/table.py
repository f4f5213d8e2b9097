"""Words with their vectors, as every format takes and gives them, and what may be in them.

Rows are read in blocks and, where a format allows, mapped from disk: a file may be larger than memory.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.text.words import Words

Floats = NDArray[np.float32]
Numbers = NDArray[Any]  # float32 or float16
Progress = Callable[[int, int], None]  # rows so far, in all

BLOCK_ROWS = 512  # rows that are in memory at a time
MOST_WORDS = 1 << 24  # of a file, as of a vocabulary
MOST_DIMENSIONS = 65_536
LONGEST_WORD = 4096  # bytes
MOST_LIST_BYTES = 1 << 30  # of a file of words

_WHITE_SPACE = b" \t\n\v\f\r"  # what separates words in the text format
_CURE = "replace such words where the file is written, and write it again"


class ExportError(ValueError):
    """The model cannot be written in the format asked for; the message names the word, or says what is missing."""


class VectorFileError(ValueError):
    """A file holds no vectors, or is damaged; the message names file, line or row, and says what to do."""


class Rows(Protocol):
    """float32 or float16 [V, D], of which a block at a time is looked at: an array is, and what computes one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(V, D)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float16."""
        ...

    def __getitem__(self, block: slice, /) -> Numbers:
        """The rows of a block, as an array."""
        ...


@dataclass(frozen=True, slots=True)
class Vectors:
    """`words`, usually most frequent first, and their `rows` float32 or float16 [V, D].

    `name` is where they are from. Rows may be mapped from a file by `mapping`; who goes through many of them calls
    `release` between blocks, so that they do not count as this process' memory.
    """

    name: str
    words: Words
    rows: Numbers
    mapping: mmap.mmap | None = None

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.rows.shape[1])

    def release(self) -> None:
        """Give back the memory of mapped rows; they are read from the file again when they are asked for."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)


def mapped(name: str, words: Words, file: IO[bytes], dimensions: int, form: str, offset: int = 0) -> Vectors:
    """`words` with the rows that stand in `file` from `offset` on, numbers of the type `form`, '<f4' or '<f2'."""
    mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    count = len(words) * dimensions
    rows = np.frombuffer(mapping, form, count, offset).reshape(len(words), dimensions)
    return Vectors(name, words, rows, mapping)


def blocks(rows: Rows, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """All of some rows, in pieces."""
    for start in range(0, rows.shape[0], size):
        yield slice(start, min(start + size, rows.shape[0]))


# -- what must be true before rows are written -----------------------------------------------------------------


def check_exportable(words: Sequence[bytes], rows: Rows) -> None:
    """ExportError naming the first word that holds ASCII white space or whose vector is not finite."""
    if len(rows.shape) != 2 or len(words) != rows.shape[0]:
        raise ExportError(f"{len(words)} words do not go with vectors of shape {rows.shape}")
    for word in words:
        if not word or holds_white_space(word):
            raise ExportError(f"the word {shown(word)} is empty or holds white space, which files of vectors cannot")
    check_finite(words, rows)


def check_finite(words: Sequence[bytes], rows: Rows) -> None:
    """ExportError naming the first of the words whose vector is not finite."""
    for block in blocks(rows):
        finite = np.isfinite(rows[block]).all(axis=1)
        if not finite.all():
            word = words[block.start + int(finite.argmin())]
            raise ExportError(f"the vector of {shown(word)} holds a value that is not finite{_too_large(rows)}")


def _too_large(rows: Rows) -> str:
    return ", or that float16 has no room for" if rows.dtype == np.float16 else ""


def holds_white_space(word: bytes) -> bool:
    """Whether there is ASCII white space in a word."""
    return len(word.translate(None, _WHITE_SPACE)) != len(word)


def shown(word: bytes) -> str:
    """A word for people, cut if it is long."""
    return repr(word[:80].decode("utf-8", "replace"))


# -- what must be true of what was read --------------------------------------------------------------------------


def check_shape(name: str, words: int, dimensions: int) -> None:
    """VectorFileError unless a file may hold so many."""
    if not (0 < words <= MOST_WORDS and 0 < dimensions <= MOST_DIMENSIONS):
        raise VectorFileError(
            f"{name}: {words:,} words of {dimensions:,} dimensions are promised; 1 to {MOST_WORDS:,} words of 1 to "
            f"{MOST_DIMENSIONS:,} dimensions can be read. Is it a file of vectors?"
        )


def check_word(word: bytes, where: str) -> None:
    """VectorFileError, which begins with `where`, unless `word` can be one."""
    if not word or len(word) > LONGEST_WORD:
        raise VectorFileError(f"{where}: {'no word' if not word else f'a word of {len(word):,} bytes'}; {_CURE}")
    if holds_white_space(word):
        raise VectorFileError(f"{where}: the word {shown(word)} holds white space; {_CURE}, with _ for instance")
    try:
        word.decode()
    except UnicodeDecodeError:
        raise VectorFileError(f"{where}: the word {shown(word)} is not UTF-8; {_CURE} in UTF-8") from None


def check_distinct(words: Words, place: Callable[[int], str]) -> None:
    """VectorFileError if a word is there twice; `place` says where the word of a number stands."""
    if words.distinct():
        return
    seen: dict[bytes, int] = {}
    for number, word in enumerate(words):
        if (first := seen.setdefault(word, number)) != number:
            raise VectorFileError(f"{place(number)}: the word {shown(word)} stood already at {place(first)}; {_CURE}")


def check_rows(vectors: Vectors, place: Callable[[int], str]) -> Vectors:
    """`vectors`, if all of them are finite; else VectorFileError."""
    for block in blocks(vectors.rows, 16 * BLOCK_ROWS):
        finite = np.isfinite(vectors.rows[block]).all(axis=1)
        vectors.release()
        if not finite.all():
            row = block.start + int(finite.argmin())
            raise VectorFileError(
                f"{place(row)}: the vector of {shown(vectors.words[row])} holds a value that is not finite; export it "
                "again from a model that is whole"
            )
    return vectors


def read_words(path: Path) -> Words:
    """The words of a file that has one a line; VectorFileError names the line. OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_LIST_BYTES:
            raise VectorFileError(f"{path}: {size:,} bytes are too many for a list of words, one a line")
        words = Words.split(file.read(size).removesuffix(b"\n"))
    if len(words) > MOST_WORDS:
        raise VectorFileError(f"{path}: {len(words):,} words; {MOST_WORDS:,} can be read")
    check_words(words, lambda number: f"{path}, line {number + 1}")
    return words


def check_words(words: Words, place: Callable[[int], str]) -> None:
    """VectorFileError unless all can be words, and none is there twice."""
    for number, word in enumerate(words):
        check_word(word, place(number))
    check_distinct(words, place)


@dataclass(slots=True)
class KeptRows:
    """Rows that come one after the other, kept in a file without a name: none of them stays in memory.

    A context: what has been kept goes with it, but for what `vectors` has mapped.
    """

    dimensions: int  # of each row
    text: bytearray = field(default_factory=bytearray)  # the words, each followed by a newline
    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)  # their rows

    def __enter__(self) -> KeptRows:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what could not be written has been told, or nobody wants it any more
            self.file.close()

    def add(self, word: bytes, row: bytes) -> None:
        """Keep a word without white space, and its row as little-endian float32."""
        self.text += word + b"\n"
        self.write(row)

    def write(self, rows: bytes) -> None:
        """Keep rows whose words come by another way. OSError names the folder of temporary files."""
        try:
            self.file.write(rows)
        except OSError as error:
            raise OSError(error.errno or errno.EIO, _no_room(error), tempfile.gettempdir()) from error

    def vectors(self, name: str, words: Words | None = None) -> Vectors:
        """All that has been kept, mapped."""
        try:
            self.file.flush()
        except OSError as error:
            raise OSError(error.errno or errno.EIO, _no_room(error), tempfile.gettempdir()) from error
        words = Words.split(bytes(self.text).removesuffix(b"\n")) if words is None else words
        return mapped(name, words, self.file, self.dimensions, "<f4")


def _no_room(error: OSError) -> str:
    return f"{error.strerror} while vectors were unpacked there; let TMPDIR name a folder on a larger disk"

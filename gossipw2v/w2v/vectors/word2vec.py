"""The formats of word2vec: a header, then a row a word, in text or binary. gensim, fastText and spaCy read them.

Read is also GloVe's text, which has no header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO

import numpy as np

from gossipw2v.w2v.vectors.table import (
    BLOCK_ROWS,
    LONGEST_WORD,
    MOST_DIMENSIONS,
    MOST_WORDS,
    Floats,
    KeptRows,
    Progress,
    Rows,
    VectorFileError,
    Vectors,
    blocks,
    check_distinct,
    check_finite,
    check_shape,
    check_word,
    shown,
)

LONGEST_LINE = 1 << 21  # bytes of a row: a long word and 65,536 numbers of 30 digits
LONGEST_HEADER = 64  # bytes
DIGITS = {"float32": 9, "float16": 5}  # that bring every number back bit for bit
_HEADER = re.compile(rb"(\d{1,18}) (\d{1,18}) ?\r?\n")
NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)", re.IGNORECASE)


def write_text(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write word2vec text, as `formats.write` says."""
    for piece, done in zip(lines(words, rows), _done(rows), strict=True):
        files[0].write(piece)
        progress(done, len(words))


def write_binary(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write word2vec binary, as `formats.write` says."""
    for piece, done in zip(binary(words, rows), _done(rows), strict=True):
        files[0].write(piece)
        progress(done, len(words))


def _done(rows: Rows) -> Iterator[int]:
    """Rows that are there after each piece; the header is one."""
    yield 0
    yield from (block.stop for block in blocks(rows))


def lines(words: Sequence[bytes], rows: Rows, block: int = BLOCK_ROWS) -> Iterator[bytes]:
    """word2vec text in pieces of `block` rows, the header first; its digits bring every number back bit for bit.

    Training may go on meanwhile: ExportError in place of a piece that is not finite any more.
    """
    size = rows.shape[1]
    yield b"%d %d\n" % (len(words), size)
    row = b"%b" + b" %%.%dg" % DIGITS[rows.dtype.name] * size + b"\n"
    for some, held in _pieces(words, rows, block):
        pairs = zip(some, held.tolist(), strict=True)
        yield b"".join([row % (word, *values) for word, values in pairs])


def binary(words: Sequence[bytes], rows: Rows, block: int = BLOCK_ROWS) -> Iterator[bytes]:
    """word2vec binary in pieces as `lines`: each row is its word, a space, little-endian float32[D] and a newline."""
    yield b"%d %d\n" % (len(words), rows.shape[1])
    for some, held in _pieces(words, rows, block):
        pairs = zip(some, held.astype("<f4"), strict=True)
        yield b"".join([b"%b %b\n" % (word, row.tobytes()) for word, row in pairs])


def _pieces(words: Sequence[bytes], rows: Rows, size: int) -> Iterator[tuple[Sequence[bytes], Floats]]:
    for block in blocks(rows, size):
        some, held = words[block], rows[block].copy()
        check_finite(some, held)
        yield some, held


# -- reading -----------------------------------------------------------------------------------------------------


def read(stream: IO[bytes], name: str, most: int, progress: Progress) -> Vectors:
    """The vectors in a stream of at most about `most` bytes, text or binary, with or without a header.

    VectorFileError names the line or the row.
    """
    header = stream.readline(LONGEST_HEADER)
    if (found := _HEADER.fullmatch(header)) is None:
        return _read_headless(stream, name, header, progress)
    count, size = int(found[1]), int(found[2])
    check_shape(name, count, size)
    if count * (2 * size + 2) > most:  # a letter, a space and a digit for each number, and the line's end
        raise VectorFileError(
            f"{name}: its first line promises {count:,} words of {size:,} dimensions, for which its {most:,} bytes are "
            "too few; export or download it again"
        )
    first = stream.readline(LONGEST_LINE)
    read_rows = _text_rows if _is_text(first, size) else _binary_rows
    kind, before = ("line", 1) if read_rows is _text_rows else ("row", 0)
    with KeptRows(size) as spool:
        for done, (word, row) in enumerate(read_rows(stream, name, first, count, size), 1):
            spool.add(word, row)
            if done % BLOCK_ROWS == 0 or done == count:
                progress(done, count)
        return _distinct(spool, name, kind, before)


def _distinct(spool: KeptRows, name: str, kind: str, before: int) -> Vectors:
    vectors = spool.vectors(name)
    check_distinct(vectors.words, lambda number: f"{name}, {kind} {number + before + 1}")
    return vectors


def _is_text(line: bytes, size: int) -> bool:
    """Whether the first row is text: what follows its word looks like numbers."""
    values = line.split()[1:]
    return bool(values) and all(map(NUMBER.fullmatch, values[:size]))


def _text_rows(stream: IO[bytes], name: str, line: bytes, count: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(2, count + 2):
        if not line:
            raise VectorFileError(f"{name}: its first line promises {count:,} words, and {number - 2:,} are there")
        yield _row(line, size, f"{name}, line {number}")
        line = stream.readline(LONGEST_LINE)
    if line.strip() or stream.read(1).strip():
        raise VectorFileError(
            f"{name}, line {count + 2}: more follows the {count:,} words that the first line promises"
        )


def _row(line: bytes, size: int, where: str) -> tuple[bytes, bytes]:
    """A word and its row, little-endian float32[size], from a line; VectorFileError."""
    if not line.endswith(b"\n"):
        raise VectorFileError(f"{where}: is cut short, or too long; export or download the file again")
    word, *values = line.rstrip(b" \t\r\n").split(b" ")
    if len(values) != size:
        raise VectorFileError(
            f"{where}: {len(values):,} columns behind the word {shown(word)}, not {size:,} numbers; a word that holds "
            "white space has to be replaced, with _ for instance, where the file is written"
        )
    check_word(word, where)
    return word, numbers(values, where, word).astype("<f4").tobytes()


def numbers(values: Sequence[bytes], where: str, word: bytes) -> Floats:
    """float32[D] of D numbers as text; VectorFileError names where they stand, and the word."""
    try:
        with np.errstate(over="ignore"):
            found = np.array([float(value) for value in values], np.float64).astype(np.float32)
    except ValueError:
        found = np.full(1, np.nan, np.float32)
    if not np.isfinite(found).all() or any(b"_" in value for value in values):
        raise VectorFileError(
            f"{where}: what follows {shown(word)} is not {len(values):,} finite numbers; export the file again"
        )
    return found


def _binary_rows(stream: IO[bytes], name: str, begun: bytes, count: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    source = _Begun(begun, stream)
    for number in range(1, count + 1):
        where = f"{name}, row {number}"
        word = source.word()
        row = source.read(4 * size)
        if word is None or len(row) < 4 * size:
            raise VectorFileError(f"{where}: no word and {size:,} numbers; the file is cut short or damaged")
        check_word(word, where)
        if not np.isfinite(np.frombuffer(row, "<f4")).all():
            raise VectorFileError(f"{where}: the vector of {shown(word)} is not finite; export the file again")
        yield word, row
    if source.read(2).strip(b"\n"):
        raise VectorFileError(f"{name}: more follows the {count:,} words that its first line promises")


class _Begun:
    """A stream of which the first bytes have been read already."""

    def __init__(self, begun: bytes, stream: IO[bytes]) -> None:
        self._begun, self._stream = begun, stream

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        if not self._begun:
            return self._stream.read(size)
        data, self._begun = self._begun[:size], self._begun[size:]
        return data + self._stream.read(size - len(data))

    def word(self) -> bytes | None:
        """What stands before the next space, without the end of the row before; None if no word comes."""
        word = bytearray()
        while (byte := self.read(1)) != b" ":
            if not byte or len(word) > LONGEST_WORD:
                return None
            word += byte
        return bytes(word).removeprefix(b"\n")


def _read_headless(stream: IO[bytes], name: str, begun: bytes, progress: Progress) -> Vectors:
    """GloVe's text: a row a line, and no header. `begun` is the start of the first line, or all of it."""
    line = begun if begun.endswith(b"\n") else begun + stream.readline(LONGEST_LINE)
    values = line.split()[1:]
    if not values or len(values) > MOST_DIMENSIONS or not all(map(NUMBER.fullmatch, values)):
        raise VectorFileError(
            f"{name}: its first line is neither `WORDS DIMENSIONS` nor a word and its numbers; nothing that can be "
            "read begins so. Export it as word2vec, npy, safetensors or parquet"
        )
    number = 1
    with KeptRows(len(values)) as spool:
        while line:
            if number > MOST_WORDS:
                raise VectorFileError(f"{name}, line {number}: {MOST_WORDS:,} words are the most that can be read")
            spool.add(*_row(line, spool.dimensions, f"{name}, line {number}"))
            line, number = stream.readline(LONGEST_LINE), number + 1
            if number % BLOCK_ROWS == 0:
                progress(number, number)
        return _distinct(spool, name, "line", 0)

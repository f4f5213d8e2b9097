"""TensorBoard's projector: a row of numbers with tabs between for each word, and the words in a file beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from gossipw2v.w2v.vectors.formats import metadata
from gossipw2v.w2v.vectors.npy import write_words
from gossipw2v.w2v.vectors.table import (
    KeptRows,
    Progress,
    Rows,
    VectorFileError,
    Vectors,
    blocks,
    check_shape,
    read_words,
)
from gossipw2v.w2v.vectors.word2vec import DIGITS, LONGEST_LINE, NUMBER, numbers


def write(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write the rows to the first file and the words to the second, as `formats.write` says.

    A single column of words has no header: the projector would take it for a word.
    """
    row = b"\t".join([b"%%.%dg" % DIGITS[rows.dtype.name]] * rows.shape[1]) + b"\n"
    for block in blocks(rows):
        files[0].write(b"".join([row % tuple(values) for values in rows[block].tolist()]))
        progress(block.stop, len(words))
    write_words(files[1], words)


def recognised(head: bytes) -> bool:
    """Whether a file begins with a line of numbers, with tabs between if there are several."""
    line = head.partition(b"\n")[0].rstrip(b"\r")
    values = line.split(b"\t")[:-1] if len(head) == len(line) else line.split(b"\t")  # the last may be cut off
    return bool(values) and all(map(NUMBER.fullmatch, values))


def read(file: IO[bytes], path: Path, name: str) -> Vectors:
    """The vectors of a pair of files, unpacked into a temporary file. VectorFileError names the line. OSError."""
    beside = metadata(path)
    if not beside.is_file():
        raise VectorFileError(f"{name}: numbers without words; put these beside it, one a line, as {beside}")
    words = read_words(beside)
    first = file.readline(LONGEST_LINE)
    size = first.count(b"\t") + 1
    check_shape(name, len(words), size)
    if len(words) * 2 * size > os.fstat(file.fileno()).st_size:
        raise VectorFileError(f"{name}: is too short for the {len(words):,} words in {beside}; write both again")
    with KeptRows(size) as spool:
        line = first
        for number, word in enumerate(words, 1):
            spool.write(_row(line, size, f"{name}, line {number}", word))
            line = file.readline(LONGEST_LINE)
        if line:
            raise VectorFileError(f"{name}: has more lines than the {len(words):,} of {beside}; write both again")
        return spool.vectors(name, words)


def _row(line: bytes, size: int, where: str, word: bytes) -> bytes:
    values = line.rstrip(b"\r\n").split(b"\t")
    if not line.endswith(b"\n") or len(values) != size:
        raise VectorFileError(f"{where}: not {size:,} numbers with tabs between; the file is cut short or damaged")
    return np.asarray(numbers(values, where, word), "<f4").tobytes()

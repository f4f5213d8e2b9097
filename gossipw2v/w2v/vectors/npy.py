"""NumPy's own file of an array, float [V, D], with the words in a file beside it, one a line."""

from __future__ import annotations

import os
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from gossipw2v.w2v.vectors.formats import word_list
from gossipw2v.w2v.vectors.table import (
    Progress,
    Rows,
    VectorFileError,
    Vectors,
    blocks,
    check_rows,
    check_shape,
    mapped,
    read_words,
)

MAGIC = npy_format.MAGIC_PREFIX
# What NumPy raises for headers that are none: it parses them as Python.
_BROKEN = (ValueError, KeyError, TypeError, EOFError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError)
_READABLE = {np.dtype("<f4"): "<f4", np.dtype("<f2"): "<f2"}


def write(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write the array to the first file and the words to the second, as `formats.write` says."""
    described = {"descr": form(rows), "fortran_order": False, "shape": tuple(rows.shape)}
    npy_format.write_array_header_1_0(files[0], described)
    write_rows(files[0], rows, progress)
    write_words(files[1], words)


def form(rows: Rows) -> str:
    """The type of numbers as they stand in files: '<f4' or '<f2'."""
    return rows.dtype.newbyteorder("<").str


def write_rows(file: BinaryIO, rows: Rows, progress: Progress) -> None:
    """Write rows as bare little-endian numbers, one after the other."""
    for block in blocks(rows):
        file.write(np.ascontiguousarray(rows[block]).astype(form(rows)).tobytes())
        progress(block.stop, rows.shape[0])


def write_words(file: BinaryIO, words: Sequence[bytes]) -> None:
    """Write words, one a line."""
    file.writelines(b"%b\n" % word for word in words)


def read(file: IO[bytes], path: Path, name: str) -> Vectors:
    """The vectors of an array file, mapped, with the words beside it. VectorFileError, OSError."""
    (words_in_file, dimensions), kind = _header(file, name)
    size, offset = os.fstat(file.fileno()).st_size, file.tell()
    if offset + words_in_file * dimensions * kind.itemsize != size:
        raise VectorFileError(
            f"{name}: its header promises {words_in_file:,} rows of {dimensions:,} numbers of {kind.itemsize} bytes; "
            f"{size - offset:,} bytes follow. Write it again"
        )
    beside = word_list(path)
    if not beside.is_file():
        raise VectorFileError(f"{name}: an array alone has no words; put them beside it, one a line, as {beside}")
    words = read_words(beside)
    if len(words) != words_in_file:
        raise VectorFileError(f"{beside}: {len(words):,} words for {words_in_file:,} rows in {name}; write both again")
    vectors = mapped(name, words, file, dimensions, _READABLE[kind], offset)
    return check_rows(vectors, lambda row: f"{name}, row {row + 1}")


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, int], np.dtype[Any]]:
    """The shape and the type of the array, both such as can be read."""
    try:
        version = npy_format.read_magic(file)
        read_header = {
            (1, 0): npy_format.read_array_header_1_0,
            (2, 0): npy_format.read_array_header_2_0,
        }[version]
        shape, fortran, kind = read_header(file)
    except _BROKEN as error:
        raise VectorFileError(f"{name}: its header is damaged or of another version of .npy: {error}") from error
    if len(shape) != 2 or fortran or kind not in _READABLE:
        raise VectorFileError(
            f"{name}: an array of shape {shape} and type {kind}{' in columns' if fortran else ''}; save "
            "numpy.ascontiguousarray(vectors, 'float32'), a row a word"
        )
    check_shape(name, *shape)
    return (int(shape[0]), int(shape[1])), kind

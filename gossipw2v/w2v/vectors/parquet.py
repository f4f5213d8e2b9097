"""Parquet: a table of `word` (string) and `vector` (list of float), a row group for some thousand words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from gossipw2v.w2v.vectors.compression import MOST_RATIO
from gossipw2v.w2v.vectors.formats import library
from gossipw2v.w2v.vectors.table import (
    Floats,
    KeptRows,
    Progress,
    Rows,
    VectorFileError,
    Vectors,
    blocks,
    check_distinct,
    check_shape,
    check_word,
    shown,
)

MAGIC = b"PAR1"
WORD, VECTOR = "word", "vector"
_GROUP = 1 << 13  # rows of a row group: 10 MB at 300 dimensions
_READ_ROWS = 1 << 10  # decoded at a time
_BUFFER = 1 << 20  # bytes read ahead; else all of a file may be in memory at once
_CURE = f"write a table with the columns {WORD} (string) and {VECTOR} (list of float32)"


def write(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write the table, with a checksum for every page, as `formats.write` says."""
    arrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    schema = arrow.schema([(WORD, arrow.string()), (VECTOR, arrow.list_(arrow.from_numpy_dtype(rows.dtype)))])
    packing = {WORD: "zstd", f"{VECTOR}.list.element": "none"}  # numbers that were trained do not get smaller
    plain = {"use_dictionary": False, "write_page_checksum": True, "compression": packing}
    with parquet.ParquetWriter(files[0], schema, **plain) as writer:
        for block in blocks(rows, _GROUP):
            held = np.ascontiguousarray(rows[block])
            ends = np.arange(len(held) + 1, dtype=np.int32) * held.shape[1]
            lists = arrow.ListArray.from_arrays(arrow.array(ends), arrow.array(held.reshape(-1)))
            some = arrow.array(list(words[block]), arrow.binary()).cast(arrow.string())
            writer.write_table(arrow.Table.from_arrays([some, lists], schema=schema))
            progress(block.stop, len(words))


def read(file: IO[bytes], _path: Path, name: str) -> Vectors:
    """The vectors of a table, unpacked into a temporary file. VectorFileError, OSError."""
    parquet = library("pyarrow.parquet")
    size, done = os.fstat(file.fileno()).st_size, 0
    with _naming(name):
        table = parquet.ParquetFile(file, page_checksum_verification=True, pre_buffer=False, buffer_size=_BUFFER)
        _check_columns(table, name, size)
        with KeptRows(0) as spool:
            for batch in table.iter_batches(_READ_ROWS, columns=[WORD, VECTOR], use_threads=False):
                _keep(spool, *_batch(batch, name, done), name, done)
                done += len(batch)
            if not done:
                raise VectorFileError(f"{name}: an empty table; {_CURE}")
            vectors = spool.vectors(name)
    check_distinct(vectors.words, lambda row: f"{name}, row {row + 1}")
    return vectors


def _check_columns(table: Any, name: str, size: int) -> None:
    """VectorFileError unless there are both columns, of no more than the file can hold."""
    described = table.metadata
    lacking = {WORD, VECTOR} - set(table.schema_arrow.names)
    if lacking:
        raise VectorFileError(f"{name}: a table without the column {' and '.join(sorted(lacking))}; {_CURE}")
    check_shape(name, described.num_rows, 1)
    unpacked = sum(described.row_group(n).total_byte_size for n in range(described.num_row_groups))
    if max(unpacked, 4 * described.num_rows) > MOST_RATIO * size:
        raise VectorFileError(f"{name}: {unpacked:,} bytes are promised in {size:,}; it is damaged, write it again")


def _batch(batch: Any, name: str, done: int) -> tuple[list[Any], Floats]:
    """Words, as text or bytes, and float32 rows."""
    words, lists = batch.column(WORD).to_pylist(), batch.column(VECTOR)
    if not hasattr(lists, "flatten"):
        raise VectorFileError(f"{name}: its column {VECTOR} holds {lists.type}; {_CURE}")
    flat = lists.flatten()
    lengths = set(library("pyarrow.compute").list_value_length(lists).to_pylist())
    if len(lengths) != 1 or flat.null_count or None in lengths:
        raise VectorFileError(f"{name}, behind row {done}: vectors of different lengths, or none; {_CURE}")
    check_shape(name, len(words), *lengths)
    values = flat.to_numpy(zero_copy_only=False)
    if values.dtype.kind != "f":
        raise VectorFileError(f"{name}: its column {VECTOR} holds {values.dtype}; {_CURE}")
    with np.errstate(over="ignore"):
        return words, values.astype(np.float32).reshape(len(words), -1)


def _keep(spool: KeptRows, words: list[Any], rows: Floats, name: str, done: int) -> None:
    spool.dimensions = spool.dimensions or rows.shape[1]  # as the first row has it
    if rows.shape[1] != spool.dimensions:
        raise VectorFileError(
            f"{name}, row {done + 1}: {rows.shape[1]} numbers, and {spool.dimensions} before; {_CURE}"
        )
    for number, (word, row) in enumerate(zip(words, rows, strict=True), done + 1):
        raw = word.encode() if isinstance(word, str) else word if isinstance(word, bytes) else b""
        check_word(raw, f"{name}, row {number}")
        if not np.isfinite(row).all():
            raise VectorFileError(f"{name}, row {number}: the vector of {shown(raw)} is not finite; export it again")
        spool.add(raw, row.astype("<f4").tobytes())


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """VectorFileError with the file's name for whatever the library finds wrong with it."""
    arrow = library("pyarrow")
    try:
        yield
    except VectorFileError:
        raise
    except (arrow.ArrowException, ValueError, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise VectorFileError(f"{name}: is damaged, or no Parquet that can be read: {error}") from error

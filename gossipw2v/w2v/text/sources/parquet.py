"""Text in Parquet: one column, read a few thousand rows at a time; the one door to `pyarrow`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from gossipw2v.w2v.text.sources.errors import SourceError, needed
from gossipw2v.w2v.text.sources.records import LeftOut, Piece

MAGIC = b"PAR1"  # that such a file begins with
MOST_BATCH_ROWS, BATCH_BYTES = 1 << 11, 1 << 23  # of text that are decoded together, going by the mean of all rows
BUFFER_BYTES = 1 << 20  # of a column that are read together, however large a row group is
MOST_TOLD = 30  # columns

_SPACES = b" \t\n\r\v\f"
_JOINED = bytes.maketrans(_SPACES, b"_" * len(_SPACES))


class ParquetText:
    """The text of `column` of the Parquet file `raw`, which can be sought in; it says how far it is as files do.

    A row of strings is a text, a row of lists of strings a sentence of words; an empty one has none. SourceError if
    that is no such file, or it has no such column of text, or `pyarrow` is not installed.
    """

    def __init__(self, raw: IO[bytes], column: str, left_out: LeftOut) -> None:
        with needed("Parquet"):
            import pyarrow as pa  # noqa: PLC0415
            import pyarrow.compute as pc  # noqa: PLC0415
            import pyarrow.parquet as pq  # noqa: PLC0415
        left_out.begin("rows")
        self._arrow, self._compute, self._column, self._left_out = pa, pc, column, left_out
        self._size = raw.seek(0, 2)
        try:
            self._file: Any = pq.ParquetFile(raw, buffer_size=BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"is damaged, or is no Parquet file: {error}") from error
        self._type = self._bytes_type()

    def tell(self) -> int:
        """About how many bytes of the file have been read, going by rows."""
        rows = int(self._file.metadata.num_rows)
        done: int = self._size * self._left_out.read // rows if rows else self._size
        return done

    @property
    def groups(self) -> list[int]:
        """The bytes of each row group, unpacked."""
        metadata = self._file.metadata
        return [metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)]

    def pieces(self, groups: Sequence[int] | None = None) -> Iterator[Piece]:
        """The text in pieces of some thousand rows, and line ends between them; of some row groups, or of all."""
        try:
            for batch in self._batches(range(self._file.num_row_groups) if groups is None else groups):
                self._left_out.read += batch.num_rows
                yield from filter(len, self._lines(batch.column(0)))
        except (self._arrow.ArrowException, OSError) as error:
            raise SourceError(f"is damaged behind row {self._left_out.read:,}: {error}") from error

    def _batches(self, groups: Sequence[int]) -> Iterator[Any]:
        """Row group by row group, as lists of dictionaries cannot be read across two of them."""
        size = self._batch_rows()
        for group in groups:
            yield from self._file.iter_batches(size, [group], [self._column], use_threads=False)

    def _batch_rows(self) -> int:
        metadata, place = self._file.metadata, self._file.schema_arrow.names.index(self._column)
        parts = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        size = sum(part.column(min(place, part.num_columns - 1)).total_uncompressed_size for part in parts)
        return max(1, min(MOST_BATCH_ROWS, int(BATCH_BYTES * metadata.num_rows // max(1, size))))

    def _lines(self, column: Any) -> tuple[Piece, ...]:
        """The rows that are there, a line each; joined by Arrow, as objects of Python would take most of the time."""
        rows = column.cast(self._type).drop_null()
        if self._type != self._arrow.large_binary():
            rows = self._sentences(rows)
        if not len(rows):
            return ()
        whole = self._arrow.LargeListArray.from_arrays(self._arrow.array([0, len(rows)], self._arrow.int64()), rows)
        return memoryview(self._joined(whole, b"\n")[0].as_buffer()).cast("B"), b"\n"

    def _sentences(self, rows: Any) -> Any:
        """Lists of words as sentences; those that hold what is no word as it is go through Python."""
        words = rows.flatten()
        if words.null_count or _is_unfit(words):
            sentences = [b" ".join(_word(word) for word in row if word) for row in rows.to_pylist()]
            return self._arrow.array(sentences, self._arrow.large_binary())
        return self._joined(rows, b" ")

    def _joined(self, lists: Any, separator: bytes) -> Any:
        """One of the bytes in each list, with a separator between them."""
        return self._compute.binary_join(lists, self._arrow.scalar(separator, self._arrow.large_binary()))

    def _bytes_type(self) -> Any:
        """What the column is to be read as: its bytes, since Arrow takes for granted that they are UTF-8."""
        pa, schema = self._arrow, self._file.schema_arrow
        types = {name: self._as_bytes(schema.field(name).type) for name in schema.names}
        if types.get(self._column) is None:
            text = [repr(name) for name, kind in types.items() if kind is not None]
            told = f"has no column of text {self._column!r}"
            if self._column in types:
                told = f"column {self._column!r} is no text, but {schema.field(self._column).type}"
            raise SourceError(f"{told}; those of text are {', '.join(text[:MOST_TOLD]) or 'none'}")
        return types[self._column] or pa.large_binary()

    def _as_bytes(self, kind: Any) -> Any:
        types = self._arrow.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_string(kind) or types.is_large_string(kind):
            return self._arrow.large_binary()
        if types.is_list(kind) or types.is_large_list(kind):
            inner = self._as_bytes(kind.value_type)
            return self._arrow.large_list(inner) if inner == self._arrow.large_binary() else None
        return None


def _is_unfit(words: Any) -> bool:
    """Whether one of `words`, large binary without nulls, is empty or holds white space."""
    if not len(words):
        return False
    _, bounds, data = words.buffers()
    starts = np.frombuffer(bounds, np.int64)[words.offset : words.offset + len(words) + 1]
    text = data.slice(starts[0], starts[-1] - starts[0]).to_pybytes()
    return not np.diff(starts).all() or any(space in text for space in _SPACES)


def _word(word: bytes) -> bytes:
    """A word of a list; white space within it becomes `_`."""
    return word.strip(_SPACES).translate(_JOINED)

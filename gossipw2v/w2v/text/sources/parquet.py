"""Text in Parquet: one column, read a few thousand rows at a time; the one door to `pyarrow`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any

from gossipw2v.w2v.text.sources.errors import SourceError, needed
from gossipw2v.w2v.text.sources.records import LeftOut

MAGIC = b"PAR1"  # that such a file begins with
MOST_BATCH_ROWS, BATCH_BYTES = 1 << 12, 1 << 23  # of text that are decoded together, going by the mean of all rows
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
            import pyarrow.parquet as pq  # noqa: PLC0415
        left_out.begin("rows")
        self._arrow, self._column, self._left_out = pa, column, left_out
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

    def pieces(self, groups: Sequence[int] | None = None) -> Iterator[bytes]:
        """The text in pieces of some thousand rows; of some row groups, or of all."""
        batches = self._file.iter_batches(self._batch_rows(), groups, columns=[self._column], use_threads=False)
        try:
            for batch in batches:
                self._left_out.read += batch.num_rows
                if lines := self._lines(batch.column(0)):
                    yield b"\n".join(lines) + b"\n"
        except (self._arrow.ArrowException, OSError) as error:
            raise SourceError(f"is damaged behind row {self._left_out.read:,}: {error}") from error

    def _batch_rows(self) -> int:
        metadata, place = self._file.metadata, self._file.schema_arrow.names.index(self._column)
        parts = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
        size = sum(part.column(min(place, part.num_columns - 1)).total_uncompressed_size for part in parts)
        return max(1, min(MOST_BATCH_ROWS, int(BATCH_BYTES * metadata.num_rows // max(1, size))))

    def _lines(self, column: Any) -> list[bytes]:
        values = [value for value in column.cast(self._type).to_pylist() if value is not None]
        if self._type == self._arrow.large_binary():
            return values
        return [b" ".join(_word(word) for word in words if word) for words in values]

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


def _word(word: bytes) -> bytes:
    """A word of a list; white space within it becomes `_`."""
    return word.strip(_SPACES).translate(_JOINED)

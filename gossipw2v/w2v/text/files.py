"""One file of a text: how large it is, and its bytes as they are, or as plain text: unpacked, and as UTF-8."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from gossipw2v.config.encoding import UTF_8
from gossipw2v.w2v.text.encodings import Transcoder, resolved
from gossipw2v.w2v.text.formats import HEAD_BYTES, refusal
from gossipw2v.w2v.text.sources import remote
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import CSV, JSONL, PARQUET, PLAIN, TEXT, Form
from gossipw2v.w2v.text.sources.jsonl import jsonl_text
from gossipw2v.w2v.text.sources.parquet import MAGIC, ParquetText
from gossipw2v.w2v.text.sources.records import LeftOut, Pieces
from gossipw2v.w2v.text.sources.remote import Remote
from gossipw2v.w2v.text.sources.tables import csv_text
from gossipw2v.w2v.text.unpack import Unpacker, buffered, packing

Source = Path | Remote


class CorpusError(ValueError):
    """The text cannot be used; the message names the file, what is wrong and what to do."""


class Place(Protocol):
    """What says how many bytes of a file have been read."""

    def tell(self) -> int:
        """The number of bytes."""


def total_bytes(files: Sequence[Source]) -> int:
    """Size on disk of `files` in bytes (compressed, where they are)."""
    return sum(map(size_of, files))


@contextmanager
def open_text(source: Source, form: Form = PLAIN, left_out: LeftOut | None = None) -> Iterator[tuple[IO[bytes], Place]]:
    """The text of one file as plain text in UTF-8, unpacked if its first bytes say so, and how far the file is read.

    What is no text in its encoding comes as bytes that are no UTF-8; records without text are counted in `left_out`.
    Raises CorpusError naming the file, now or while it is read, when it cannot be read to its end, or is no text by
    its first bytes.
    """
    size_of(source)
    left_out = LeftOut() if left_out is None else left_out
    with naming(source), opened(source) as raw:
        kind, head = looked_at(raw, form)
        if form.kind == PARQUET:
            table = ParquetText(raw, form.field, left_out)
            yield buffered(Pieces(table.pieces()).some), table
            return
        actual = encoding_of(form, head)
        stream: IO[bytes] = raw if kind is None else buffered(Unpacker(raw, kind).some)
        stream = stream if actual == UTF_8 else buffered(Transcoder(stream, actual).some)
        yield _plain(stream, form, left_out), raw


def is_divisible(source: Source, form: Form) -> bool:
    """Whether a part of a file, from the end of one line to that of another, is text by itself. CorpusError."""
    with naming(source), opened(source) as raw:
        kind, head = looked_at(raw, form)
        return kind is None and form.kind in (TEXT, JSONL) and encoding_of(form, head) == UTF_8


@contextmanager
def open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """A file as it is, which can be sought in. CorpusError naming it, now or while it is read."""
    with naming(source), opened(source) as raw:
        yield raw


@contextmanager
def open_stretch(source: Source, form: Form, start: int, stop: int) -> Iterator[IO[bytes]]:
    """Bytes `start` to `stop` of a divisible file as plain text in UTF-8. CorpusError."""
    with open_bytes(source) as raw:
        raw.seek(start)
        left = stop - start

        def some(most: int) -> bytes:
            nonlocal left
            data = raw.read(min(left, most))
            left -= len(data)
            return data

        yield _plain(buffered(some), form, LeftOut())


def head_of(source: Source, form: Form) -> str:
    """The beginning of a file's plain text. CorpusError."""
    with open_text(source, form) as (stream, _):
        return stream.read(HEAD_BYTES).decode(UTF_8, "replace")


def _plain(stream: IO[bytes], form: Form, left_out: LeftOut) -> IO[bytes]:
    """The text in records of UTF-8."""
    if form.kind == TEXT:
        return stream
    read = csv_text if form.kind == CSV else jsonl_text
    return buffered(Pieces(read(stream, form.field, left_out)).some)


def looked_at(raw: IO[bytes], form: Form) -> tuple[str | None, bytes]:
    """How a file is packed, and the first bytes of what is in it; SourceError if that is no text."""
    head = raw.read(HEAD_BYTES)
    raw.seek(0)
    if form.kind == PARQUET:
        if not head.startswith(MAGIC):
            raise SourceError("is no Parquet file")
        return None, head
    kind, why = packing(head), refusal(head)
    if kind is not None:
        head = buffered(Unpacker(raw, kind).some).read(HEAD_BYTES)
        raw.seek(0)
        why = refusal(head, inside=True)
    if why is not None:
        raise SourceError(why)
    return kind, head


def encoding_of(form: Form, head: bytes) -> str:
    """The encoding of a text that begins with `head`. SourceError if it is surely not in the one that was given."""
    try:
        return resolved(form.encoding, head)
    except ValueError as error:
        raise SourceError(str(error)) from error


def status_of(file: Path | int) -> os.stat_result | None:
    """What the system says of a file or an open descriptor; None if that is nothing."""
    try:
        return os.stat(file)  # noqa: PTH116 - of a handle, too
    except OSError:
        return None


def size_of(source: Source) -> int:
    """Its bytes as it is. CorpusError."""
    return source.size if isinstance(source, Remote) else regular(source).st_size


def opened(source: Source) -> IO[bytes]:
    """Its bytes as they are, which can be sought in. OSError, SourceError."""
    return remote.opened(source) if isinstance(source, Remote) else source.open("rb")


def regular(path: Path) -> os.stat_result:
    """What the system says of a regular file; CorpusError for anything else."""
    with naming(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CorpusError(f"{path}: is not a regular file (a pipe, device or socket): give a file of text")
    return status


@contextmanager
def naming(where: Source | str) -> Iterator[None]:
    """Turn whatever goes wrong while reading `where` into a CorpusError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        link = where.readlink() if isinstance(where, Path) and where.is_symlink() else None
        gone = "no such file or folder" if link is None else f"is a link to {link}, which is not there"
        raise CorpusError(f"{where}: {gone}") from error
    except EOFError as error:
        raise CorpusError(f"{where}: is cut short: the compressed data ends too early; fetch it again") from error
    except OSError as error:
        raise CorpusError(f"{where}: cannot be read: {error}") from error
    except SourceError as error:
        raise CorpusError(f"{where}: {error}") from error

"""One door for files of vectors: they are written as the table of formats says, and read by their first bytes."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from gossipw2v.system.output import writing
from gossipw2v.w2v.vectors import (
    compression,
    keyed_vectors,
    npy,
    parquet,
    projector,
    tensors,
    usearch_index,
    word2vec,
)
from gossipw2v.w2v.vectors.formats import Destination
from gossipw2v.w2v.vectors.table import Progress, Rows, VectorFileError, Vectors, check_exportable

HEAD_BYTES = 1 << 12  # by which a file is told

Write = Callable[[Sequence[BinaryIO], Sequence[bytes], Rows, Progress], None]
Read = Callable[[IO[bytes], Path, str], Vectors]

_WRITERS: dict[str, Write] = {
    "word2vec": word2vec.write_text,
    "word2vec-binary": word2vec.write_binary,
    "npy": npy.write,
    "gensim": keyed_vectors.write,
    "safetensors": tensors.write,
    "parquet": parquet.write,
    "projector": projector.write,
    "usearch": usearch_index.write,
}
_READABLE = "word2vec (text or binary, also .gz and .zst), GloVe, npy, safetensors, Parquet and projector can be read"
_AGAIN = f"write the vectors in a format that can be read: {_READABLE}"
# What is recognised and not read: its first bytes, what it is, what to do.
_OTHERS = (
    (b"GW2VCKPT", "a checkpoint of gossipw2v", "name the data directory that it is in"),
    (
        b"\x80",
        "a Python pickle, as gensim's own files are, which can run anything when it is read",
        "where you trust it, load it with gensim and use save_word2vec_format",
    ),
    (b"PK\x03\x04", "a zip archive, or arrays of numpy.savez", "save the vectors with numpy.save"),
    (b"\xba\x16\x4f\x2f", "a model of fastText", "its .vec file has the same vectors as text"),
    (b"ARROW1", "an Arrow or Feather file", "write the table as Parquet"),
    (b"\x89HDF", "an HDF5 file", _AGAIN),
    (b"BZh", "packed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ", "packed with xz", "unpack it with unxz"),
)
_INDEX = b"usearch"  # behind the vectors of an index
_INDEX_SHAPE = struct.Struct("<II")  # before them: how many, and bytes of each


# -- writing -----------------------------------------------------------------------------------------------------


@contextmanager
def opened(target: Destination) -> Iterator[list[BinaryIO]]:
    """The files of a target, to be handed to `write`; each appears whole or not at all, as `output.writing` has it.

    Where there are two, the words appear last of all: until then a reader finds both old, or is told of the mismatch.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(writing(path)) for path in target.paths[::-1]][::-1]


def write(
    files: Sequence[BinaryIO], target: Destination, words: Sequence[bytes], rows: Rows, progress: Progress | None = None
) -> None:
    """Write `words` with their `rows`, float [V, D], to the files of `opened`. `progress(rows, all)` is told.

    ExportError names a word that cannot be in any format, or whose vector is not finite.
    """
    check_exportable(words, rows)
    with compression.packed(files[0], target.packing) as stream:
        _WRITERS[target.format.name]([stream, *files[1:]], words, rows, progress or _ignore)


def _ignore(_rows: int, _all: int) -> None:
    """Nobody watches."""


# -- reading -----------------------------------------------------------------------------------------------------


def read_vectors(path: Path, progress: Progress = _ignore) -> Vectors:
    """The vectors in a file of any format that can be read.

    Rows are mapped from the file (npy, safetensors), or from a temporary one in TMPDIR, of V * D * 4 bytes, which has
    no name. `progress(rows, all)` is told where it takes long. VectorFileError: no vectors, or not sound ones, and what
    to do; MissingLibraryError; OSError. Whoever cuts a mapped file short while it is in use ends this process.
    """
    with path.open("rb") as file:
        return read_open(file, path, str(path), progress)


def read_open(file: IO[bytes], path: Path, name: str, progress: Progress = _ignore) -> Vectors:
    """As `read_vectors`, of an open file, called `name`, at `path`, beside which its words may be."""
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise VectorFileError(f"{name}: is no file; write what comes from there to one first")
    file.seek(0)
    head = file.read(HEAD_BYTES)
    _refuse_others(file, head, found.st_size, name)
    file.seek(0)
    read = _reader(head, found.st_size)
    return read(file, path, name) if read else _read_text(file, name, found.st_size, progress)


def _refuse_others(file: IO[bytes], head: bytes, size: int, name: str) -> None:
    if not head:
        raise VectorFileError(f"{name}: is empty; export the vectors again")
    for magic, what, cure in () if tensors.recognised(head, size) else _OTHERS:
        if head.startswith(magic):
            raise VectorFileError(f"{name}: is {what}; {cure}")
    if _is_index(file, head, size):
        raise VectorFileError(f"{name}: is an index of usearch, for searching; {_AGAIN}")


def _is_index(file: IO[bytes], head: bytes, size: int) -> bool:
    if len(head) < _INDEX_SHAPE.size:
        return False
    rows, width = _INDEX_SHAPE.unpack_from(head)
    end = _INDEX_SHAPE.size + rows * width
    file.seek(min(end, size))
    return file.read(len(_INDEX)) == _INDEX


def _reader(head: bytes, size: int) -> Read | None:
    """What reads a file that begins so; None for word2vec's formats."""
    if head.startswith(npy.MAGIC):
        return npy.read
    if head.startswith(parquet.MAGIC):
        return parquet.read
    if tensors.recognised(head, size):
        return tensors.read
    return projector.read if projector.recognised(head) else None


def _read_text(file: IO[bytes], name: str, size: int, progress: Progress) -> Vectors:
    """word2vec's formats, packed or not."""
    kind = compression.packing(file.read(4))
    file.seek(0)
    if kind is None:
        return word2vec.read(file, name, size, progress)
    with compression.naming_damage(name):
        return word2vec.read(compression.unpacked(file, kind), name, compression.MOST_RATIO * size, progress)

"""safetensors: two tensors in one file, `vectors` float [V, D] and `words`, their UTF-8 bytes with newlines between.

A file is the length of its header, the header in JSON, and the bare numbers: so it is written without the library, a
block at a time, and mapped when it is read.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.npy import write_rows
from gossipw2v.w2v.vectors.table import (
    MOST_LIST_BYTES,
    Progress,
    Rows,
    VectorFileError,
    Vectors,
    check_rows,
    check_shape,
    check_words,
    mapped,
)

_LENGTH = struct.Struct("<Q")
_MOST_HEADER = 1 << 16  # bytes; two tensors and some remarks
_ALIGNED = 8  # bytes, to which headers are filled up, as the library does
_TYPES = {"F32": "<f4", "F16": "<f2"}
_WIDTHS = {"F32": 4, "F16": 2, "U8": 1}
_CURE = "write it again, with tensors `vectors` (float32 or float16) and `words` (uint8: UTF-8, one word a line)"


def write(files: Sequence[BinaryIO], words: Sequence[bytes], rows: Rows, progress: Progress) -> None:
    """Write both tensors, as `formats.write` says."""
    size = rows.shape[0] * rows.shape[1] * rows.dtype.itemsize
    text = b"\n".join(words)
    kind = next(kind for kind, width in _WIDTHS.items() if width == rows.dtype.itemsize)
    header = {
        "__metadata__": {"program": "gossipw2v"},
        "vectors": {"dtype": kind, "shape": list(rows.shape), "data_offsets": [0, size]},
        "words": {"dtype": "U8", "shape": [len(text)], "data_offsets": [size, size + len(text)]},
    }
    described = json.dumps(header, separators=(",", ":")).encode()
    described += b" " * (-len(described) % _ALIGNED)
    files[0].write(_LENGTH.pack(len(described)) + described)
    write_rows(files[0], rows, progress)
    files[0].write(text)


def recognised(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that begins with `head` is safetensors."""
    return len(head) > _LENGTH.size and head[8:9] == b"{" and _LENGTH.unpack_from(head)[0] < size


def read(file: IO[bytes], _path: Path, name: str) -> Vectors:
    """The vectors of a file, mapped. VectorFileError, OSError."""
    size = os.fstat(file.fileno()).st_size
    header, start = _header(file, name)
    kind, shape, at, _ = _tensor(header, "vectors", name, size - start)
    if kind not in _TYPES or len(shape) != 2:
        raise VectorFileError(f"{name}: its tensor `vectors` is of type {kind} and shape {shape}; {_CURE}")
    check_shape(name, *shape)
    words = _words(file, header, name, start)
    if len(words) != shape[0]:
        raise VectorFileError(f"{name}: {len(words):,} words for {shape[0]:,} rows; {_CURE}")
    vectors = mapped(name, words, file, shape[1], _TYPES[kind], start + at)
    return check_rows(vectors, lambda row: f"{name}, row {row + 1}")


def _header(file: IO[bytes], name: str) -> tuple[dict[str, Any], int]:
    """What is said of the tensors, and where their bytes begin."""
    raw = file.read(_LENGTH.size)
    length = _LENGTH.unpack(raw)[0] if len(raw) == _LENGTH.size else 0
    if not 0 < length <= _MOST_HEADER:
        raise VectorFileError(f"{name}: a header of {length:,} bytes, for tensors `vectors` and `words`; {_CURE}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise VectorFileError(f"{name}: its header is damaged: {error}; {_CURE}") from error
    if not isinstance(header, dict):
        raise VectorFileError(f"{name}: its header is no object of JSON; {_CURE}")
    return header, _LENGTH.size + length


def _tensor(header: dict[str, Any], key: str, name: str, room: int) -> tuple[str, list[int], int, int]:
    """Type, shape, first byte and the byte behind the last of a tensor, which is where the file says it is."""
    try:
        kind, shape, (at, end) = (header[key][part] for part in ("dtype", "shape", "data_offsets"))
        right = all(type(number) is int and number >= 0 for number in (*shape, at, end))
        right = right and end <= room and end - at == math.prod(shape) * _WIDTHS[kind]
    except (KeyError, TypeError, ValueError) as error:
        raise VectorFileError(f"{name}: has no tensor `{key}` that can be read ({error}); {_CURE}") from error
    if not right:
        raise VectorFileError(f"{name}: its tensor `{key}` does not fit into the file; it is cut short or damaged")
    return kind, list(shape), at, end


def _words(file: IO[bytes], header: dict[str, Any], name: str, start: int) -> Words:
    size = os.fstat(file.fileno()).st_size
    kind, shape, at, end = _tensor(header, "words", name, size - start)
    if kind != "U8" or len(shape) != 1 or end - at > MOST_LIST_BYTES:
        raise VectorFileError(f"{name}: its tensor `words` is of type {kind} and shape {shape}; {_CURE}")
    file.seek(start + at)
    words = Words.split(file.read(end - at))
    check_words(words, lambda row: f"{name}, row {row + 1}")
    return words

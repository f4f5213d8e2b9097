"""Models as files: the word2vec text format for everybody else, and the snapshot a node leaves in its data directory.

Both are written under a temporary name in the same folder, synced and renamed, so that a reader finds the old file
or the new one and never a part. What is read back may be damaged or hostile: nothing is believed before it is
checked, and nothing is unpickled.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gossipw2v.durable import replace_file
from gossipw2v.words import Words

Floats = NDArray[np.float32]

SNAPSHOT = "model.gw2v"
MAGIC = b"gossipw2v model\r\n\x1a\n"  # as PNG does: a transfer that rewrites line ends shows at once
VERSION = 1
BLOCK_ROWS = 512  # rows formatted or copied at a time
MAX_HEADER = 1 << 20  # bytes; a description of a model takes a few hundred
# A header that asks for more than this is damaged or hostile, whatever the size of the file.
LIMITS = {"words": 1 << 29, "word_bytes": 1 << 40, "vector_size": 1 << 16}
_PREFIX = struct.Struct(f"<{len(MAGIC)}sHI")  # magic, version, length of the header
_DIGEST = 16
_WHITE_SPACE = b" \t\n\v\f\r"  # what separates words in the text format


class ExportError(ValueError):
    """The model cannot be written in the format asked for; the message names the word."""


class SnapshotError(ValueError):
    """A snapshot that cannot be used; the message names the file and the reason."""


def write_word2vec(path: Path, words: Sequence[bytes], vectors: Floats) -> None:
    """Write float32[V, D] as word2vec text, replacing `path` at once and only when all is on disk; ExportError."""
    check_exportable(words, vectors)
    replace_file(path, lines(words, vectors))


def check_exportable(words: Sequence[bytes], vectors: Floats) -> None:
    """ExportError naming the first word that holds ASCII white space or whose vector is not finite."""
    if vectors.ndim != 2 or len(words) != len(vectors):
        raise ExportError(f"{len(words)} words do not go with vectors of shape {vectors.shape}")
    for word in words:
        if not word or len(word.translate(None, _WHITE_SPACE)) != len(word):
            raise ExportError(f"the word {_shown(word)} is empty or holds white space, which word2vec text cannot")
    for start in range(0, len(words), BLOCK_ROWS):
        finite = np.isfinite(vectors[start : start + BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            word = words[start + int(finite.argmin())]
            raise ExportError(f"the vector of {_shown(word)} holds a value that is not finite")


def lines(words: Sequence[bytes], vectors: Floats, block: int = BLOCK_ROWS) -> Iterator[bytes]:
    """word2vec text in pieces of `block` rows, the header first; nine digits bring every float32 back bit for bit."""
    size = vectors.shape[1]
    yield b"%d %d\n" % (len(words), size)
    row = b"%b" + b" %.9g" * size + b"\n"
    for start in range(0, len(words), block):
        rows = zip(words[start : start + block], vectors[start : start + block].tolist(), strict=True)
        yield b"".join([row % (word, *values) for word, values in rows])


def export_snapshot(data_dir: Path, path: Path) -> tuple[int, int]:
    """Write the model that a stopped node left in `data_dir` as word2vec text; words and vector size."""
    words, weights, _ = load_snapshot(data_dir)
    write_word2vec(path, words, weights[: len(words)])
    return len(words), weights.shape[1]


def save_snapshot(folder: Path, words: Sequence[bytes], weights: Floats, meta: dict[str, Any]) -> None:
    """Keep a model in `folder`: float32[2V, D] weights (syn0 above syn1neg), its words, and JSON-able `meta`.

    The weights may change meanwhile (each block of rows is copied before it is sealed and written).
    """
    if weights.ndim != 2 or weights.shape[0] != 2 * len(words):
        raise SnapshotError(f"{len(words)} words do not go with weights of shape {weights.shape}")
    words = Words.of(words)
    if words.lengths.min(initial=1) < 1 or words.text.count(b"\n") != len(words):
        raise SnapshotError("a word is empty or holds a line end")
    shape = {"words": len(words), "word_bytes": len(words.joined), "vector_size": weights.shape[1]}
    header = json.dumps({**shape, "meta": meta}, allow_nan=False).encode()
    if len(header) > MAX_HEADER:
        raise SnapshotError(f"the description takes {len(header)} bytes; at most {MAX_HEADER} fit")
    start = _PREFIX.pack(MAGIC, VERSION, len(header)) + header
    replace_file(folder / SNAPSHOT, chain(_sealed([start]), _sealed([words.joined]), _sealed(_little(weights))))


def load_snapshot(folder: Path) -> tuple[Words, Floats, dict[str, Any]]:
    """Words, float32[2V, D] weights and meta of the snapshot in `folder`; SnapshotError if none can be trusted."""
    path = folder / SNAPSHOT
    try:
        with path.open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        raise SnapshotError(f"{path}: no model has been saved here") from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise SnapshotError(f"{path}: {error}") from error


def _sealed(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """A section: its bytes, then their checksum."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for piece in pieces:
        digest.update(piece)
        yield piece
    yield digest.digest()


def _little(weights: Floats) -> Iterator[bytes]:
    for start in range(0, len(weights), BLOCK_ROWS):
        yield weights[start : start + BLOCK_ROWS].astype("<f4").tobytes()


def _read(file: BinaryIO) -> tuple[Words, Floats, dict[str, Any]]:
    described = _read_header(file)
    count, word_bytes, size = (_whole(described, name) for name in ("words", "word_bytes", "vector_size"))
    expected = word_bytes + 8 * count * size + 2 * _DIGEST
    left = os.fstat(file.fileno()).st_size - file.tell()
    if left != expected:  # before anything of that size is allocated
        raise SnapshotError(f"{left} bytes follow the header, which announces {expected}: the file is damaged")
    listed = bytearray(word_bytes)
    _fill(file, listed, "words")
    weights = np.empty((2 * count, size), "<f4")
    _fill(file, weights.data.cast("B") if weights.size else bytearray(), "weights")
    meta = described.get("meta")
    return _words(bytes(listed), count), np.asarray(weights, np.float32), meta if isinstance(meta, dict) else {}


def _read_header(file: BinaryIO) -> dict[str, Any]:
    start = file.read(_PREFIX.size)
    if not start.startswith(MAGIC) or len(start) < _PREFIX.size:
        raise SnapshotError("this is not a gossipw2v snapshot, or a damaged one")
    _, version, length = _PREFIX.unpack(start)
    if version != VERSION:
        raise SnapshotError(f"format {version} was written by another version of gossipw2v; this one reads {VERSION}")
    if length > MAX_HEADER:
        raise SnapshotError(f"a header of {length} bytes; at most {MAX_HEADER} are read")
    header = file.read(length)
    _verify(hashlib.blake2b(start + header, digest_size=_DIGEST).digest(), file, "header")
    described = json.loads(header)
    if not isinstance(described, dict):
        raise SnapshotError("the header is not a JSON object")
    return described


def _whole(described: dict[str, Any], name: str) -> int:
    value = described.get(name)
    if type(value) is not int or not 0 <= value <= LIMITS[name]:
        raise SnapshotError(f"{name} in the header should be a number from 0 to {LIMITS[name]}")
    return value


def _fill(file: BinaryIO, section: bytearray | memoryview, name: str) -> None:
    file.readinto(section)  # type: ignore[attr-defined]
    _verify(hashlib.blake2b(section, digest_size=_DIGEST).digest(), file, name)


def _verify(digest: bytes, file: BinaryIO, name: str) -> None:
    if file.read(_DIGEST) != digest:
        raise SnapshotError(f"the checksum of its {name} is wrong: the file is damaged")


def _words(listed: bytes, count: int) -> Words:
    words = Words.split(listed)
    if len(words) != count or not words.lengths.all() or not words.distinct():
        raise SnapshotError(f"it should hold {count} different words")
    return words


def _shown(word: bytes) -> str:
    return repr(word[:80].decode("utf-8", "replace"))

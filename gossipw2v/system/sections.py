"""Sealed sections of a file: what is read back is what was written, in its place and from the same file, or refused.

A section is its length (uint64, little-endian), its bytes, and 16 bytes of BLAKE2b over the checksum before it, length
and bytes; so a section of another file fits nowhere.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

HASH_BYTES = 16

_LENGTH = struct.Struct("<Q")
_BLOCK = 1 << 20  # bytes read at a time
_NUMBERS = 1 << 17  # copied at a time


class DamagedError(ValueError):
    """A file that is not as it was written; the message says what is wrong with it."""


def digest(data: bytes) -> bytes:
    """The checksum of `data`."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).digest()


def to_json(value: Any) -> bytes:
    """What `Reader.json` reads."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def blocks(numbers: NDArray[Any], form: str) -> Iterator[bytes]:
    """What `Reader.fill` reads: one-dimensional `numbers`, of the type `form` on disk."""
    for at in range(0, len(numbers), _NUMBERS):
        yield numbers[at : at + _NUMBERS].astype(form).tobytes()


@dataclass(slots=True)
class Writer:
    """Writes sections to `file`, behind something whose checksum is `sealed`."""

    file: BinaryIO
    sealed: bytes

    def section(self, length: int, pieces: Iterable[bytes]) -> None:
        """Write `pieces`, `length` bytes in all."""
        seal = hashlib.blake2b(self.sealed + _LENGTH.pack(length), digest_size=HASH_BYTES)
        self.file.write(_LENGTH.pack(length))
        for piece in pieces:
            seal.update(piece)
            self.file.write(piece)
        self.sealed = seal.digest()
        self.file.write(self.sealed)


@dataclass(slots=True)
class Reader:
    """Reads the sections of `file` one after the other; every method raises DamagedError for one that is not whole."""

    file: BinaryIO
    sealed: bytes

    def data(self, most: int) -> bytes:
        """The bytes of a section of at most so many."""
        length = self._length()
        if length > most:
            raise DamagedError(f"a section of {length:,} bytes where at most {most:,} can be")
        return b"".join(self._pieces(length))

    def json(self, most: int) -> dict[str, Any]:
        """The JSON object in a section of at most `most` bytes."""
        try:
            value = json.loads(self.data(most))
        except (ValueError, RecursionError) as error:
            raise DamagedError(str(error)) from error
        if not isinstance(value, dict):
            raise DamagedError("a description that is no object")
        return value

    def skip(self, length: int) -> None:
        """Check a section that must have this length."""
        for _ in self._exactly(length):
            pass

    def fill(self, out: NDArray[Any], form: str) -> None:
        """Read a section of as many numbers as `out` has, which is one-dimensional; `form` is their type on disk."""
        at, item = 0, np.dtype(form).itemsize
        for piece in self._exactly(len(out) * item):
            numbers = np.frombuffer(piece, form)
            out[at : at + len(numbers)] = numbers
            at += len(numbers)

    def _exactly(self, length: int) -> Iterator[bytes]:
        if self._length() != length:
            raise DamagedError(f"a section should have {length:,} bytes")
        yield from self._pieces(length)

    def _length(self) -> int:
        raw = self.file.read(_LENGTH.size)
        if len(raw) < _LENGTH.size:
            raise DamagedError("it is cut short")
        return int(_LENGTH.unpack(raw)[0])

    def _pieces(self, length: int) -> Iterator[bytes]:
        seal = hashlib.blake2b(self.sealed + _LENGTH.pack(length), digest_size=HASH_BYTES)
        while length:
            size = min(_BLOCK, length)
            piece = self.file.read(size)
            if len(piece) < size:
                raise DamagedError("it is cut short")
            length -= len(piece)
            seal.update(piece)
            yield piece
        if self.file.read(HASH_BYTES) != seal.digest():
            raise DamagedError("a checksum does not match")
        self.sealed = seal.digest()

"""Text packed with gzip, bzip2, xz or zstd, in one stream or in many: all of it, or an error.

Python's own readers of bzip2 and xz take whatever does not begin a stream behind a whole one for garbage, and end there
without a word: damage in the second stream of a multistream dump would cost all text from there on. Here nothing but
padding may stand between streams and behind the last.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from gossipw2v.w2v.text.sources.zstd import ZstdDecoder

READ_BYTES = 1 << 17  # packed bytes in memory at a time
MOST_XZ_MEMORY = 1 << 30  # bytes; `xz -9` needs 65 MB, and a hostile file may ask for 4 GB
MAGIC = {
    re.compile(rb"\x1f\x8b"): "gz",
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): "bz2",  # text, too, may start with "BZh"
    re.compile(rb"\xfd7zXZ\0"): "xz",
    re.compile(rb"(?:[\x50-\x5f]\x2a\x4d\x18\x04\0{3}.{4})?\x28\xb5\x2f\xfd", re.DOTALL): "zst",  # also of pzstd
}
PADDING = {"gz": 1, "xz": 4}  # zeros may follow a stream, in multiples of so many bytes


def packing(head: bytes) -> str | None:
    """How a file that begins with `head` is packed: gz, bz2, xz or zst; None if it is not."""
    return next((kind for start, kind in MAGIC.items() if start.match(head)), None)


def buffered(some: Callable[[int], bytes | memoryview]) -> io.BufferedReader:
    """A file of what `some(most)` gives again and again, at most `most` bytes each time; of nothing it ends."""
    return io.BufferedReader(_Raw(some))


class _Raw(io.RawIOBase):
    def __init__(self, some: Callable[[int], bytes | memoryview]) -> None:
        self._some = some

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Gzip:
    """A decompressor with the interface that those of bz2 and lzma have: of `isal`, three times as fast, or zlib's."""

    def __init__(self) -> None:
        library: Any = zlib
        with suppress(ImportError):
            from isal import isal_zlib as library  # noqa: PLC0415 - an extra; most text is not packed
        self._error: type[Exception] = library.error
        self._zlib: Any = library.decompressobj(16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes, at most so many. OSError if they are damaged."""
        try:
            piece: bytes = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        except self._error as error:
            raise OSError(str(error)) from error
        return piece

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def eof(self) -> bool:
        return bool(self._zlib.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._zlib.unused_data)


_DECODERS: dict[str, Callable[[], Any]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MOST_XZ_MEMORY),
    "zst": ZstdDecoder,
}


@dataclass(slots=True)
class Unpacker:
    """The bytes that are packed in `raw`, which is of `kind` gz, bz2, xz or zst."""

    raw: IO[bytes]
    kind: str
    streams: int = 0  # that have begun
    _decoder: Any = None  # of the stream that is being read
    _ahead: bytes = b""  # bytes of `raw` that no decoder has seen

    def some(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end of the last stream alone.

        EOFError if the file is cut short, OSError if it is damaged, or goes on with what is no stream.
        """
        while self._decoder is not None or self._begin():
            try:
                piece = self._step(most)
            except (OSError, lzma.LZMAError) as error:
                raise OSError(f"stream {self.streams} of it is damaged, or is no {self.kind}: {error}") from error
            if piece:
                return piece
        return b""

    def _step(self, most: int) -> bytes:
        decoder, data = self._decoder, b""
        if hungry := decoder.needs_input:
            data, self._ahead = self._ahead or self.raw.read(READ_BYTES), b""
        piece: bytes = decoder.decompress(data, most)
        if decoder.eof:
            self._decoder, self._ahead = None, decoder.unused_data
        elif hungry and not data and not piece:
            raise EOFError
        return piece

    def _begin(self) -> bool:
        """Go to the next stream; whether there is one."""
        if self.streams:
            self._pass_padding()
        self._ahead = self._ahead or self.raw.read(READ_BYTES)
        if not self._ahead:
            return False
        self._decoder = _DECODERS[self.kind]()
        self.streams += 1
        return True

    def _pass_padding(self) -> None:
        unit, zeros = PADDING.get(self.kind, 0), 0
        while unit and (data := self._ahead or self.raw.read(READ_BYTES)):
            self._ahead = data.lstrip(b"\0")
            zeros += len(data) - len(self._ahead)
            if self._ahead:
                break
        if unit and zeros % unit:
            raise OSError(f"{zeros} zeros follow stream {self.streams} of it, which is no padding of {self.kind}")

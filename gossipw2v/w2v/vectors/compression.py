"""gzip and zstd around a stream of vectors, both ways: all of it comes back, or an error."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, cast

from gossipw2v.w2v.text.unpack import Unpacker, buffered
from gossipw2v.w2v.vectors.formats import GZIP, ZSTD, library
from gossipw2v.w2v.vectors.table import VectorFileError

GZIP_LEVEL = 6  # as the program gzip has it
_PIECE = 1 << 10  # packed bytes given to zstd at a time: they become 32 MB at most
_MOST_WINDOW = 1 << 27  # bytes that a zstd frame may look back, as `zstd -d` allows; a hostile one asks for more
MOST_RATIO = 2000  # unpacked bytes for each packed one; gzip reaches 1032, vectors 2 to 5
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}


def packing(head: bytes) -> str | None:
    """How a file that begins with `head` is packed: GZIP, ZSTD, or None."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


@contextmanager
def packed(file: BinaryIO, kind: str | None) -> Iterator[BinaryIO]:
    """A file whose bytes come packed into `file`: GZIP, ZSTD with a checksum, or as they are. The same each time."""
    if kind == GZIP:
        with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    elif kind == ZSTD:
        packer = library("zstandard").ZstdCompressor(write_checksum=True)
        with packer.stream_writer(file, closefd=False) as stream:
            yield stream
    else:
        yield file


def unpacked(file: IO[bytes], kind: str) -> io.BufferedReader:
    """What is packed in `file`, a piece at a time. Reading it raises EOFError where it is cut short, OSError elsewhere.

    VectorFileError if zstd cannot be read here.
    """
    return buffered(Unpacker(file, GZIP).some if kind == GZIP else _Unzstd(file, library("zstandard")).some)


@dataclass(slots=True)
class _Unzstd:
    """The library's own reader takes a frame that is cut short for a whole one; this one does not."""

    raw: IO[bytes]  # where frames follow each other
    zstd: Any  # the library
    decoder: Any = None  # of the frame that is being read
    ahead: bytes = b""  # bytes of `raw` that no decoder has seen
    ready: memoryview = field(default_factory=lambda: memoryview(b""))  # unpacked, and not yet asked for

    def some(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end of the last frame alone. EOFError, OSError."""
        while not self.ready and self._more():
            pass
        piece = bytes(self.ready[:most])
        self.ready = self.ready[most:]
        return piece

    def _more(self) -> bool:
        """Unpack a piece; False at the end."""
        data, self.ahead = self.ahead or self.raw.read(_PIECE), b""
        if not data:
            if self.decoder is not None:
                raise EOFError
            return False
        self.decoder = self.decoder or self.zstd.ZstdDecompressor(max_window_size=_MOST_WINDOW).decompressobj()
        try:
            self.ready = memoryview(self.decoder.decompress(data))
        except self.zstd.ZstdError as error:
            raise OSError(f"it is damaged, or is no zstd: {error}") from error
        if self.decoder.eof:
            self.ahead, self.decoder = self.decoder.unused_data, None
        return True


@contextmanager
def naming_damage(name: str) -> Iterator[None]:
    """VectorFileError with the file's name for what is wrong with its packing."""
    try:
        yield
    except EOFError:
        raise VectorFileError(f"{name}: is cut short; copy or download it again") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise VectorFileError(f"{name}: {error}; copy or download it again") from error

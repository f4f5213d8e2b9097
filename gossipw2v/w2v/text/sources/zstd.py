"""Frames of zstd, with the interface that Python's own decompressors have; the one door to `zstandard`."""

from __future__ import annotations

from typing import Any

from gossipw2v.w2v.text.sources.errors import needed

MOST_WINDOW = 1 << 27  # bytes of memory that a frame may ask for; `zstd --ultra -22` needs as much, `--long=31` more
FED_BYTES = 1 << 11  # packed bytes at a time: a block of four may unpack to 128 KiB, so these come to 64 MiB at most


class ZstdDecoder:
    """One frame. OSError if it is damaged; SourceError where `zstandard` is not installed."""

    def __init__(self) -> None:
        with needed("zstd-compressed text"):
            import zstandard  # noqa: PLC0415

        self._error = zstandard.ZstdError
        self._frame: Any = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW).decompressobj()
        self._packed = b""  # what has been given and not been fed
        self._fed = 0  # bytes of it that have
        self._ready = b""  # unpacked, and not been asked for
        self._taken = 0  # bytes of it that have

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes, at most so many, of what has been given so far and `data`."""
        if data:
            self._packed, self._fed = self._packed[self._fed :] + data, 0
        if self._taken == len(self._ready) and not self._frame.eof:
            self._feed()
        piece = self._ready[self._taken : self._taken + max_length]
        self._taken += len(piece)
        return piece

    def _feed(self) -> None:
        self._ready, self._taken = b"", 0
        while not self._ready and self._fed < len(self._packed) and not self._frame.eof:
            some = self._packed[self._fed : self._fed + FED_BYTES]
            self._fed += len(some)
            try:
                self._ready = self._frame.decompress(some)
            except self._error as error:
                raise OSError(str(error)) from error

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes without more data."""
        return self._taken == len(self._ready) and self._fed == len(self._packed)

    @property
    def eof(self) -> bool:
        """Whether the frame has ended and all of it was handed out."""
        return bool(self._frame.eof) and self._taken == len(self._ready)

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the frame's end."""
        return bytes(self._frame.unused_data) + self._packed[self._fed :]

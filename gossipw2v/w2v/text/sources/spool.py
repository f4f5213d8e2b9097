"""Text that can be read only once, kept in the data directory: it is read twice at least, and again after a crash.

A kept text is written under a temporary name and renamed when it has ended, so what is there is whole. A later start
goes on with it, whatever its standard input is then, unless it is told to start over.
"""

from __future__ import annotations

import hashlib
import os
import select
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gossipw2v.system.durable import PRIVATE, replacing, sweep
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.text.sources.errors import SourceError

SUFFIX = ".spool"
STDIN = "-"
CHUNK_BYTES = 1 << 20
TOLD_BYTES = 1 << 30  # after which it is told how much has come
LOOK_SECONDS = 0.2  # between two looks whether the node was told to stop, while nothing comes

log = get_logger("corpus")


@dataclass(frozen=True)
class Spool:
    """Texts kept in `folder`, which is made if need be. `should_stop` ends the wait for what does not come.

    `fresh`: what an earlier start has kept is replaced.
    """

    folder: Path
    should_stop: Callable[[], bool] = lambda: False
    fresh: bool = False

    def drop_others(self, used: Container[object]) -> None:
        """Remove texts that are kept and not among those."""
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path not in used:
                path.unlink(missing_ok=True)

    def holds(self, path: Path) -> bool:
        """Whether `path` is a text that is kept here."""
        return path.parent == self.folder and path.suffix == SUFFIX

    def standard_input(self) -> Path:
        """All of standard input, in a file. SourceError."""
        if _status(0) is None:
            raise SourceError("standard input is closed: give text by a pipe or a file, such as `zcat FILE |`")
        return self._kept(STDIN, "standard input", lambda: _reading(0, self.should_stop))

    def pipe(self, path: Path) -> Path:
        """All that comes through the named pipe `path`, in a file. SourceError."""

        def opened() -> Callable[[], bytes]:
            return _reading(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), self.should_stop)

        return self._kept(str(path), str(path), opened)

    def stream(self, name: str, shown: str, opened: Callable[[], Callable[[], bytes]]) -> Path:
        """All of what the function that `opened()` returns gives until it gives nothing, in a file. SourceError."""
        return self._kept(name, shown, opened)

    def _kept(self, name: str, shown: str, opened: Callable[[], Callable[[], bytes]]) -> Path:
        digest = hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
        path = self.folder / f"{digest}{SUFFIX}"
        if path.exists() and not self.fresh:
            told = "goes on with the text that an earlier start has kept; --fresh reads it anew"
            log.info(told, source=shown, bytes=path.stat().st_size, path=str(path))
            return path
        log.info("keeps text that can be read only once in the data directory", source=shown, path=str(path))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder, f"*{SUFFIX}")
            size = self._write(path, opened())
        except OSError as error:
            raise SourceError(f"cannot be kept in {self.folder}: {error}: look for its space and owner") from error
        log.info("kept the text", source=shown, bytes=size)
        return path

    def _write(self, path: Path, read: Callable[[], bytes]) -> int:
        size = 0
        with replacing(path) as file:
            os.fchmod(file.fileno(), PRIVATE)  # the text may be open to fewer people than the folder is
            while data := read():
                if self.should_stop():
                    raise SourceError("was not read to its end, since the node was told to stop")
                told, size = size // TOLD_BYTES, size + file.write(data)
                if size // TOLD_BYTES > told:
                    log.info("still keeps text that can be read only once", bytes=size)
            if not size:
                raise SourceError("is empty")
        return size


def _status(handle: int) -> os.stat_result | None:
    try:
        return os.fstat(handle)
    except OSError:
        return None


def _reading(handle: int, should_stop: Callable[[], bool]) -> Callable[[], bytes]:
    """A function that gives the next bytes of a file handle, and waits for them; none at the end, or when stopped."""

    def read() -> bytes:
        while not should_stop():
            if select.select([handle], [], [], LOOK_SECONDS)[0]:
                with suppress(BlockingIOError):
                    data = os.read(handle, CHUNK_BYTES)
                    if not data and handle:
                        os.close(handle)
                    return data
        raise SourceError("was not read to its end, since the node was told to stop")

    return read

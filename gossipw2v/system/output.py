"""Where a command's result goes: a file that is whole or not there, or what else a path leads to.

Only a file can be replaced. Devices, pipes, sockets and descriptors that are open already (`/dev/stdout`, a shell's
`>(...)`) are written to as they are, and what they have taken they keep, whatever happens afterwards.
"""

from __future__ import annotations

import errno
import io
import os
import re
import select
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from gossipw2v.system.durable import replacing, sweep_one

STANDARD_OUTPUT = Path("/dev/fd/1")
READER_SECONDS = 10.0  # to wait for somebody to read a named pipe, or to answer at a socket
_PAUSE = 0.05  # s
_MOST_LINKS = 40  # one after the other, as in Linux


class SteadyFile(io.FileIO):
    """Writes all it is given, also where the other end of a descriptor was made non-blocking by somebody else."""

    def write(self, data: object) -> int:
        """Return when all bytes of `data`, a buffer, are taken; how many they are. OSError."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # io's own annotation is narrower than what it takes
        rest = view
        while rest:
            taken = super().write(rest)
            if taken is None:  # nothing, for now
                select.select([], [self], [])
            else:
                rest = rest[taken:]
        return len(view)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """What to write to, so that it ends up at `path`, which may be of any kind.

    A file, or a link to one, is replaced as by `durable.replacing`, and rests of killed writers of the same file are
    removed. BrokenPipeError when a reader has gone away. TimeoutError when nobody reads a named pipe within
    READER_SECONDS. Any other OSError names the path, or the folder that is not there or not for us.
    """
    stream = _stream(path)
    if stream is None:
        _check_place(path)
        sweep_one(path)
        with replacing(path) as file:
            yield file
        return
    try:
        with stream:
            yield cast(BinaryIO, stream)
    except ConnectionResetError as error:  # how a socket says what a pipe calls broken
        raise BrokenPipeError(errno.EPIPE, "its reader has gone away", str(path)) from error
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _stream(path: Path) -> SteadyFile | None:
    """What is there already and is no file. None for a file, or where there is nothing yet. OSError."""
    if (number := _descriptor(path)) is not None:
        return SteadyFile(_duplicate(number, path), "wb")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, "is a disk, and what it holds would be lost; name a file on it", str(path))
    if stat.S_ISSOCK(mode):
        return SteadyFile(_connected(path), "wb")
    if stat.S_ISFIFO(mode):
        return SteadyFile(_opened_pipe(path), "wb")
    return SteadyFile(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb") if stat.S_ISCHR(mode) else None


def _descriptor(path: Path) -> int | None:
    """The number of the open descriptor of this process that `path` is or leads to, if any."""
    own = re.compile(rf"/dev/fd|/proc/{os.getpid()}(/task/[0-9]+)?/fd")
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if path.name.isdigit() and own.fullmatch(folder):
            return int(path.name)
        if not path.is_symlink():
            return None
        path = Path(folder) / path.readlink()
    return None


def _duplicate(number: int, path: Path) -> int:
    try:
        return os.dup(number)
    except (OSError, OverflowError):
        raise OSError(errno.EBADF, "is not open", str(path)) from None


def _opened_pipe(path: Path) -> int:
    """A named pipe, open for writing. Without a reader that would wait for ever: TimeoutError."""
    deadline = time.monotonic() + READER_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if time.monotonic() > deadline:
            told = f"nobody has read this pipe for {READER_SECONDS:g} s; start its reader first"
            raise TimeoutError(errno.ETIMEDOUT, told, str(path))
        time.sleep(_PAUSE)


def _connected(path: Path) -> int:
    """A socket in the file system, connected to. OSError where nobody listens or it is of another kind."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(READER_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            told = error.strerror or str(error)
            raise OSError(error.errno or errno.EINVAL, f"cannot connect to this socket: {told}", str(path)) from error
        connection.settimeout(None)
        return connection.detach()


def _check_place(path: Path) -> None:
    """OSError unless a file at `path` may be made, or replaced, as far as that can be known before."""
    target = Path(os.path.realpath(path))
    if path.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written to; chmod u+w it, or name another file", str(path))
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder; make it, or name another", str(folder))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is no folder; name another", str(folder))

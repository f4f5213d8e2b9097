"""One daemon for each data directory: a lock that the kernel takes back when its holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK_FILE = "lock"
TRIES, TRY_PAUSE = 5, 0.05  # s
_MOST_DIGITS = 20


class LockedError(ValueError):
    """The folder is in use; the message names it, the process that uses it, and what to do."""


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Have `folder`, made if need be, to oneself for the block. LockedError if another has it; OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file, or a link that leads nowhere
        raise NotADirectoryError(errno.ENOTDIR, "is no folder; give --data-dir another", str(folder)) from error
    handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(handle):
            raise LockedError(
                f"{folder}: in use by the node with pid {_pid(handle)}; end that one, or give --data-dir another folder"
            )
        _say_who(handle)
        yield
    finally:
        os.close(handle)  # the file stays: were it removed, two could each hold the lock of a file of that name


def in_use(folder: Path) -> bool:
    """Whether a daemon has the folder now."""
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NONBLOCK)  # it may be a pipe that nobody writes to
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def holder(folder: Path) -> int | None:
    """The pid of the daemon that has the folder; None if none has, or if it is one that this user may not look at.

    What the file says is not enough: it may be the number of a process in another container.
    """
    if not in_use(folder):
        return None
    try:
        with (folder / LOCK_FILE).open("rb") as file:
            pid, opened = _pid(file.fileno()), os.fstat(file.fileno())
    except OSError:
        return None
    return int(pid) if pid.isdigit() and _has_open(int(pid), opened) else None


def _has_open(pid: int, file: os.stat_result) -> bool:
    """Whether a process has a file open; taken for granted where the system does not tell."""
    if not Path("/proc/self/fd").exists():
        return True
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    for handle in handles:
        with suppress(OSError):  # closed meanwhile
            if os.path.samestat(handle.stat(), file):
                return True
    return False


def _taken(handle: int) -> bool:
    """Take the lock; tried for a moment, since one who looks (`in_use`) holds it for as long as that takes."""
    for _ in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TRY_PAUSE)
        else:
            return True
    return False


def _say_who(handle: int) -> None:
    """Leave the own pid for whoever finds the folder in use; the lock holds without, on a disk that is full."""
    text = b"%d\n" % os.getpid()
    with suppress(OSError):
        os.pwrite(handle, text, 0)  # first, over what is there: that needs no room
        os.ftruncate(handle, len(text))


def _pid(handle: int) -> str:
    text = os.pread(handle, _MOST_DIGITS, 0).strip()
    return text.decode() if text.isdigit() else "unknown"

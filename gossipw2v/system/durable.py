"""Files that are whole and on disk, or not there: written under a temporary name, synced and renamed.

A temporary file is locked for as long as its writer lives. The kernel ends the lock with the writer, however that ends:
so what is left over can be told from what is under way, and removed.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

MARK, TEMPORARY = ".gossipw2v-", ".tmp"  # around the random part of a temporary name; nobody else's has both
LONGEST_STEM = 200  # bytes of the name kept in a temporary one: file systems allow 255 in all
PRIVATE, USUAL = 0o600, 0o666  # modes of a new file, from which the umask is taken
_ACL = "system.posix_acl_access"  # acl(5), as Linux keeps it
_NOT_SYNCED_HERE = (errno.EINVAL, errno.ENOTSUP)  # fsync(2) of what some file systems cannot sync
_LIKE_A_RENAME = 0o777  # the bits of a mode that a new file takes over: set-user-ID is for what its owner wrote


class Disk:
    """All that is done to files that matter, one operation a method: where a test puts a disk that fails."""

    def create(self, path: Path, mode: int = USUAL) -> BinaryIO:
        """A new file, open for writing and locked against `sweep`. FileExistsError if the name is taken."""
        while True:
            file = open(path, "xb", opener=partial(os.open, mode=mode))  # noqa: SIM115 (Path's has no opener)
            if _locked(file.fileno()):
                return file
            file.close()  # swept between its making and its locking

    def sync(self, file: BinaryIO) -> None:
        """Return when what was written to `file` is on disk."""
        file.flush()
        _sync(file.fileno())

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, which replaces whatever had it."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in `folder` are on disk: a rename is only then. Nothing where one may not read it."""
        try:
            handle = os.open(folder, os.O_RDONLY)
        except PermissionError:  # one may put files there, and not look
            return
        try:
            _sync(handle)
        finally:
            os.close(handle)


DISK = Disk()


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SYNCED_HERE:
            raise


def _locked(handle: int) -> bool:
    """Lock a new file; False if it has no name any more. Where the file system has no locks it is as it is."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.fstat(handle).st_nlink > 0


@contextmanager
def replacing(path: Path, disk: Disk = DISK) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well, and vanishes when it does not.

    A link stays, and what it leads to is replaced. The new file has the old one's mode, and its owner, group and ACL as
    far as this process may give them. What is no regular file is never replaced: OSError. OSError names `path` or its
    folder, never the temporary name, also where the system names nothing, as for a full disk.
    """
    old, target = _present(path), Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary = _temporary_name(target)
    with _naming(path, temporary):
        try:
            with disk.create(temporary, USUAL if old is None else PRIVATE) as file:
                yield file
                if old is not None:
                    _keep_attributes(file.fileno(), old, target)
                disk.sync(file)
                _put(temporary, target, disk)  # while the lock holds
        except BaseException:
            with suppress(OSError):  # what went wrong first is what must be told
                disk.remove(temporary)
            raise
        disk.sync_folder(target.parent)


def _present(path: Path) -> os.stat_result | None:
    """The regular file that `path` is or leads to; None if there is none yet. OSError for anything else."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder; name a file in it", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(errno.EEXIST, "is a device, pipe or socket, which no file may replace", str(path))
    return found


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{_stem(path)}{MARK}{secrets.token_hex(4)}{TEMPORARY}")


def _stem(path: Path) -> str:
    return os.fsdecode(os.fsencode(path.name)[:LONGEST_STEM])


@contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Let no error name the temporary file, nor nothing: the user knows neither."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _keep_attributes(handle: int, old: os.stat_result, target: Path) -> None:
    """Give the new file the owner, mode and ACL of the one it replaces, as far as that is allowed."""
    mode = old.st_mode & _LIKE_A_RENAME
    with suppress(OSError):  # only root may
        os.fchown(handle, old.st_uid, -1)
    try:
        os.fchown(handle, -1, old.st_gid)
    except OSError:
        mode = mode & 0o707 | (mode & 0o007) << 3  # the new group was granted no more than everybody
        os.fchmod(handle, mode)
        return
    os.fchmod(handle, mode)
    _keep_acl(handle, target)


def _keep_acl(handle: int, target: Path) -> None:
    if not hasattr(os, "getxattr"):
        return
    try:
        acl = os.getxattr(target, _ACL)
    except OSError:  # none there, though the folder may have given the new file one
        with suppress(OSError):
            os.removexattr(handle, _ACL)
        return
    with suppress(OSError):
        os.setxattr(handle, _ACL, acl)


def _put(temporary: Path, target: Path, disk: Disk) -> None:
    """Rename; a file that is itself a mount point, as containers have them, is written over: it has no other way."""
    try:
        disk.rename(temporary, target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        with temporary.open("rb") as source, target.open("r+b") as file:
            file.truncate()
            shutil.copyfileobj(source, file)
            disk.sync(file)
        disk.remove(temporary)


def replace_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put `pieces` at `path`: whole and on disk, or not at all. OSError, or whatever `pieces` raises."""
    with replacing(path) as file:
        file.writelines(pieces)


def sweep(folder: Path, name: str) -> None:
    """Remove what killed processes left half written of files that match the pattern `name`.

    What somebody still writes stays, and so does what may not be removed.
    """
    for path in folder.glob(f".{name}.*{TEMPORARY}"):
        _sweep(path)


def sweep_one(path: Path) -> None:
    """Remove what killed processes left of the one file `path`, or of what it leads to; as `sweep`."""
    target = Path(os.path.realpath(path))
    for left in target.parent.glob(f".{glob.escape(_stem(target))}{MARK}*{TEMPORARY}"):
        _sweep(left)


def _sweep(path: Path) -> None:
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        finally:
            os.close(handle)

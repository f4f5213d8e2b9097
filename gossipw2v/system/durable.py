"""Files that are whole and on disk, or not there: written under a temporary name, synced and renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"


class Disk:
    """All that is done to files that matter, one operation a method: where a test puts a disk that fails."""

    def create(self, path: Path) -> BinaryIO:
        """A new file, open for writing."""
        return path.open("xb")

    def sync(self, file: BinaryIO) -> None:
        """Return when what was written to `file` is on disk."""
        file.flush()
        os.fsync(file.fileno())

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, which replaces whatever had it."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in `folder` are on disk: a rename is only then."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


DISK = Disk()


@contextmanager
def replacing(path: Path, disk: Disk = DISK) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well, and vanishes when it does not.

    OSError names `path` where the system names nothing, as for a full disk.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    with _naming(path):
        try:
            with disk.create(temporary) as file:
                yield file
                disk.sync(file)
            disk.rename(temporary, path)
        except BaseException:
            with suppress(OSError):  # what went wrong first is what must be told
                disk.remove(temporary)
            raise
        disk.sync_folder(path.parent)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def replace_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put `pieces` at `path`: whole and on disk, or not at all. OSError, or whatever `pieces` raises."""
    with replacing(path) as file:
        file.writelines(pieces)


def sweep(folder: Path, name: str) -> None:
    """Remove what killed processes left half written of files that match the pattern `name`."""
    for path in folder.glob(f".{name}.*{TEMPORARY}"):
        path.unlink(missing_ok=True)

"""Files that are whole and on disk, or not there: written under a temporary name, synced and renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well, and vanishes when it does not."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def replace_file(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put `pieces` at `path`: whole and on disk, or not at all. OSError, or whatever `pieces` raises."""
    with replacing(path) as file:
        file.writelines(pieces)


def sweep(folder: Path, name: str) -> None:
    """Remove what killed processes left half written of files that match the pattern `name`."""
    for path in folder.glob(f".{name}.*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A rename is only on disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

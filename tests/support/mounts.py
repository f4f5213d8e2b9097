"""Small disks for tests: a file system in memory of so many bytes, which a test can fill up."""

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

FILLER = "filler"


def mounts_available() -> str | None:
    """Why no small disk can be made here, or None if it can."""
    if not hasattr(os, "geteuid") or shutil.which("mount") is None:
        return "small disks need Linux and the mount command"
    if os.geteuid() != 0:
        return "small disks need root"
    try:
        with tempfile.TemporaryDirectory() as folder, SmallDisk(Path(folder), 1 << 20):
            return None
    except subprocess.CalledProcessError as error:
        return f"small disks cannot be made here: {error.stderr.strip()}"


class SmallDisk:
    """`with SmallDisk(folder, size) as disk:` puts a disk of `size` bytes at `folder`, for as long as the block."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size = folder, size

    def fill(self, leave: int = 0) -> None:
        """Leave room for `leave` bytes; beside somebody who writes, do it again."""
        with (self._folder / FILLER).open("ab") as file, suppress(OSError):
            room = os.statvfs(self._folder)
            if (free := room.f_bavail * room.f_frsize - leave) > 0:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)

    def clear(self) -> None:
        """Give the room back that `fill` has taken."""
        (self._folder / FILLER).unlink()

    def __enter__(self) -> "SmallDisk":
        self._folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size}", "gossipw2v-test", str(self._folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("umount", "--lazy", str(self._folder))


def _run(*command: str) -> "subprocess.CompletedProcess[Any]":
    return subprocess.run(command, check=True, capture_output=True, text=True)

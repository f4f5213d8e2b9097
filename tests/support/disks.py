"""Disks that fail: an error at one operation, or the end of the process or of the power right after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gossipw2v.system.durable import USUAL, Disk


class Crash(BaseException):
    """The process is gone."""


class File:
    """Passes everything on to a real file; each write is an operation of the disk."""

    def __init__(self, file: BinaryIO, disk: Scripted) -> None:
        self._file, self._disk = file, disk

    def write(self, data: bytes) -> int:
        self._disk.step("write", lambda: self._file.write(data[: len(data) // 2]))
        self._file.write(data)
        return self._disk.done(len(data))

    def writelines(self, pieces: Any) -> None:
        for piece in pieces:
            self.write(piece)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@dataclass
class Scripted(Disk):
    """Counts operations; number `fail_at` raises `error`, after half of what it was to write, as all later ones do
    while `lasting`; after number `crash_at` the process is gone."""

    fail_at: int = 0
    error: OSError = field(default_factory=lambda: OSError(28, "No space left on device"))
    lasting: bool = False
    crash_at: int = 0
    count: int = 0
    names: list[str] = field(default_factory=list)

    def step(self, name: str, partly: Callable[[], object] = lambda: None) -> None:
        if self.crash_at and self.count >= self.crash_at:
            raise Crash
        self.count += 1
        self.names.append(name)
        if self.count == self.fail_at or (self.lasting and self.fail_at and self.count > self.fail_at):
            partly()
            raise self.error

    def done(self, result: Any = None) -> Any:
        if self.count == self.crash_at:
            raise Crash
        return result

    def create(self, path: Path, mode: int = USUAL) -> BinaryIO:
        self.step("create")
        file = super().create(path, mode)
        if self.count == self.crash_at:
            file.close()
        return self.done(File(file, self))

    def sync(self, file: BinaryIO) -> None:
        self.step("sync")
        super().sync(file)
        self.done()

    def rename(self, old: Path, new: Path) -> None:
        self.step("rename")
        super().rename(old, new)
        self.done()

    def remove(self, path: Path) -> None:
        self.step("remove")
        super().remove(path)
        self.done()

    def sync_folder(self, folder: Path) -> None:
        self.step("sync_folder")
        super().sync_folder(folder)
        self.done()


@dataclass
class _Inode:
    synced: bytes = b""


@dataclass
class Volatile(Scripted):
    """Knows what is really on disk: the synced bytes of each file, and the names that its folder had when that was
    synced. A name may reach the disk before that too: which of the two happened is the machine's choice."""

    now: dict[Path, _Inode] = field(default_factory=dict)
    durable: dict[Path, _Inode] = field(default_factory=dict)

    def create(self, path: Path, mode: int = USUAL) -> BinaryIO:
        self.now[path] = _Inode()
        return super().create(path, mode)

    def sync(self, file: BinaryIO) -> None:
        file.flush()
        path = Path(file.name)
        if not (self.crash_at and self.count >= self.crash_at):
            self.now[path].synced = path.read_bytes()
        super().sync(file)

    def rename(self, old: Path, new: Path) -> None:
        if not (self.crash_at and self.count >= self.crash_at):
            self.now[new] = self.now.pop(old)
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        if not (self.crash_at and self.count >= self.crash_at):
            self.now.pop(path, None)
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        if not (self.crash_at and self.count >= self.crash_at):
            self.durable = dict(self.now)
        super().sync_folder(folder)

    def lose_power(self, folder: Path, early: bool) -> None:
        """Leave in `folder` what the disk has; `early`: names had reached it before they were synced."""
        for path in folder.iterdir():
            path.unlink()
        for path, inode in (self.now if early else self.durable).items():
            path.write_bytes(inode.synced)

"""Text in: which files, and their words as a stream of clean blocks in bounded memory.

A block is UTF-8 without NUL, cut at ASCII whitespace, so no word, character or line end is ever split between
two blocks. A newline ends a sentence, and so does the end of a file. Words are what `bytes.split()` gives:
only ASCII whitespace separates them, so no word can hold a space and break the exported format.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import lzma
import os
import re
import stat
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, TypeVar, cast

from gossipw2v.machine import usable_cores

T = TypeVar("T")
Progress = Callable[[int, int], None]
Stop = Callable[[], bool]

BLOCK_BYTES = 2 << 20  # some 10 ms of work for a thread: large against its hand-over, small against memory
MAX_WORD_BYTES = 1000  # the longest words of real text are below 200 bytes; longer is data, and fits no frame
SAMPLE_BYTES = 64 << 10
SAMPLES = 16  # 1 MiB of each file: read in milliseconds at every start

BOM = b"\xef\xbb\xbf"
NUL = b"\0"
REPLACEMENT = "\ufffd"
SPACE = re.compile(rb"[ \t\n\r\v\f]")  # exactly what bytes.split() splits at
MAGIC_BYTES = 10
PACKED = {
    re.compile(rb"\x1f\x8b"): "gz",
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): "bz2",  # text, too, may start with "BZh"
    re.compile(rb"\xfd7zXZ\0"): "xz",
}
REFUSED = {
    b"\x28\xb5\x2f\xfd": "is zstd-compressed: unpack it first (`unzstd FILE`), or use gz, bz2 or xz",
    b"PK\x03\x04": "is a zip archive: unpack it first (`unzip FILE`), or use gz, bz2 or xz",
    b"PAR1\x15": "is Parquet: write its text column to a plain text file first",
    b"\xff\xfe": "is UTF-16 or UTF-32: convert it first (`iconv -f UTF-16 -t UTF-8`)",
    b"\xfe\xff": "is UTF-16: convert it first (`iconv -f UTF-16 -t UTF-8`)",
}


class CorpusError(ValueError):
    """The text cannot be used; the message names the file, what is wrong and what to do."""


class Stopped(Exception):  # noqa: N818 - nothing failed: the caller asked for it
    """Work on the text ended early because `should_stop` said so."""


class Block(NamedTuple):
    """Raw bytes that end at whitespace, and how many over-long words were left out while cutting them."""

    data: bytes
    dropped: int
    position: int = 0  # bytes of the file on disk read so far


class Clean(NamedTuple):
    """UTF-8 without NUL, how many bytes were replaced for that, how many over-long words were left out."""

    data: bytes
    replaced: int
    dropped: int


@dataclass(slots=True)
class Tally:
    """What was done to the text: bytes replaced by U+FFFD, words dropped as longer than MAX_WORD_BYTES.

    Words of whole blocks are not looked at here: who splits a block drops its over-long words and adds them.
    """

    replaced: int = 0
    dropped: int = 0


def find_files(paths: Sequence[str]) -> list[Path]:
    """The text files that files, folders (recursive, sorted, hidden ones skipped) and globs stand for.

    Links to files are followed, links to folders inside a folder are not (they may form a loop).

    Empty files in a folder or glob are passed over (Spark's `_SUCCESS`); named, they are refused. A file met
    twice, by whatever name, counts once. Raises CorpusError for a missing, irregular or empty one.
    """
    found: dict[tuple[int, int], Path] = {}
    for name in paths:
        for path in _expand(name):
            status = _regular(path)
            if status.st_size:
                found.setdefault((status.st_dev, status.st_ino), path)
            elif path == Path(name):
                raise CorpusError(f"{path}: is empty: give a file that holds text")
    if not found:
        raise CorpusError(f"no text found in {', '.join(map(repr, paths)) or 'an empty list of paths'}")
    return list(found.values())


def total_bytes(files: Sequence[Path]) -> int:
    """Size on disk of `files` in bytes (compressed, where they are)."""
    return sum(_regular(path).st_size for path in files)


def corpus_digest(files: Sequence[Path]) -> bytes:
    """16 bytes that change when the text does: of each file its size, modification time and 1 MiB of samples.

    Paths are no part of it, the order is. A digest of the whole content would cost a full reading at every
    start; without the time, an edit in place between the samples would go unseen; with it, the worst case is
    a needless encoding.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.text")
    for path in files:
        status = _regular(path)
        digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        with _naming(path), path.open("rb") as file:
            for n in range(SAMPLES):
                file.seek(max(0, status.st_size - SAMPLE_BYTES) * n // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.digest()


def cut_blocks(stream: IO[bytes], size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut `stream` into blocks of about `size` bytes that end at whitespace, the last with a newline.

    A word that is over-long and has no end yet is dropped at once, so memory stays below three blocks.
    """
    head = stream.read(len(BOM))
    carry, inside_dropped = (b"" if head == BOM else head), False
    while chunk := stream.read(size):
        if inside_dropped:
            end = SPACE.search(chunk)
            if end is None:
                yield Block(b"", 0)  # a chance to stop
                continue
            chunk = chunk[end.start() :]
        data, carry = _cut(carry + chunk)
        inside_dropped = len(carry) > MAX_WORD_BYTES
        if inside_dropped:
            carry = b""
        yield Block(data, int(inside_dropped))
    yield Block(carry + b"\n", 0)


def read_blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The blocks of one file, unpacked if its first bytes say gz, bz2 or xz.

    Raises CorpusError naming the file when it cannot be read to its end.
    """
    _regular(path)
    with _naming(path), path.open("rb") as raw, _unpacked(path, raw) as stream:
        for block in cut_blocks(stream, size):
            yield block._replace(position=raw.tell())


def clean(data: bytes) -> Clean:
    """`data` with each invalid UTF-8 sequence and each NUL replaced by U+FFFD, the replaced bytes counted.

    Over-long words are taken out of a damaged block before the repair makes them longer still.
    """
    if NUL not in data and (data.isascii() or _is_utf8(data)):
        return Clean(data, 0, 0)
    lines = [line.split() for line in data.split(b"\n")]
    kept = [[word for word in line if len(word) <= MAX_WORD_BYTES] for line in lines]
    dropped = sum(map(len, lines)) - sum(map(len, kept))
    text = b"\n".join(b" ".join(line) for line in kept)
    valid = text.decode("utf-8", "ignore")
    replaced = len(text) - len(valid.encode()) + valid.count("\0")
    return Clean(text.decode("utf-8", "replace").replace("\0", REPLACEMENT).encode(), replaced, dropped)


@dataclass(frozen=True, slots=True)
class Reader:
    """How to go through text: threads (0: one per usable core), whom to tell, whom to ask, bytes per block.

    `progress(bytes on disk done, bytes in all)` and `should_stop()` are called in the caller's thread, a few
    times a second or more.
    """

    threads: int = 0
    progress: Progress | None = None
    should_stop: Stop | None = None
    block_bytes: int = BLOCK_BYTES

    def run(self, files: Sequence[Path], work: Callable[[bytes], T], tally: Tally) -> Iterator[T]:
        """Yield `work(block)` for each clean block of `files`, in the order of the text, adding to `tally`.

        The blocks are worked on side by side in threads. Raises Stopped, or CorpusError.
        """
        threads = self.threads or usable_cores()
        waiting: deque[Future[tuple[T, Clean]]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="text")
        try:
            for block in self._blocks(files):
                tally.dropped += block.dropped
                waiting.append(pool.submit(_clean_and, work, block.data))
                if len(waiting) > 2 * threads:  # enough to keep all busy, few enough to bound memory
                    yield self._next(waiting, tally)
            while waiting:
                yield self._next(waiting, tally)
        finally:
            pool.shutdown(cancel_futures=True)

    def _next(self, waiting: deque[Future[tuple[T, Clean]]], tally: Tally) -> T:
        if self.should_stop is not None and self.should_stop():
            raise Stopped
        result, cleaned = waiting.popleft().result()
        tally.replaced += cleaned.replaced
        tally.dropped += cleaned.dropped
        return result

    def _blocks(self, files: Sequence[Path]) -> Iterator[Block]:
        done, total = 0, total_bytes(files)
        for path in files:
            position = 0
            for block in read_blocks(path, self.block_bytes):
                position = block.position
                self._report(min(done + position, total), total)  # a file may be growing
                yield block
            done += position

    def _report(self, done: int, total: int) -> None:
        if self.should_stop is not None and self.should_stop():
            raise Stopped
        if self.progress is not None:
            self.progress(done, total)


def _clean_and(work: Callable[[bytes], T], data: bytes) -> tuple[T, Clean]:
    cleaned = clean(data)
    return work(cleaned.data), cleaned._replace(data=b"")


def _expand(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        return _walk(path)
    if path.exists() or not glob.has_magic(name):
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - "**/" absolute
    return [file for match in matches for file in (_walk(match) if match.is_dir() else [match])]


def _walk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_unlistable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def _unlistable(error: OSError) -> None:
    raise CorpusError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def _regular(path: Path) -> os.stat_result:
    with _naming(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CorpusError(f"{path}: is not a regular file (a pipe, device or socket): give a file of text")
    return status


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading `path` into a CorpusError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file or folder") from error
    except EOFError as error:
        raise CorpusError(f"{path}: is cut short: the compressed data ends too early; fetch it again") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from error


def _unpacked(path: Path, raw: IO[bytes]) -> IO[bytes]:
    magic = _magic(path, raw)
    stream = raw
    match next((name for start, name in PACKED.items() if start.match(magic)), None):
        case "gz":
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        case "bz2":
            stream = bz2.BZ2File(raw)
        case "xz":
            stream = lzma.LZMAFile(raw)  # noqa: SIM115 - the caller closes it
    _magic(path, stream)  # what is inside may be UTF-16
    return stream


def _magic(path: Path, stream: IO[bytes]) -> bytes:
    magic = stream.read(MAGIC_BYTES)
    stream.seek(0)
    for start, reason in REFUSED.items():
        if magic.startswith(start):
            raise CorpusError(f"{path}: {reason}")
    return magic


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """Split after the last whitespace."""
    if SPACE.match(data, len(data) - 1):
        return data, b""
    words = data.rsplit(None, 1)
    tail = len(words[-1]) if words else 0
    return data[: len(data) - tail], data[len(data) - tail :]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True

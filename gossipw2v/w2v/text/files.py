"""Which text files there are, what tells one text from another, and their bytes, unpacked."""

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

SAMPLE_BYTES = 64 << 10
SAMPLES = 16  # 1 MiB of each file: read in milliseconds at every start
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


@contextmanager
def open_text(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The text of one file, unpacked if its first bytes say gz, bz2 or xz, and the file as it is on disk.

    Raises CorpusError naming the file, now or while it is read, when it cannot be read to its end.
    """
    _regular(path)
    with _naming(path), path.open("rb") as raw, _unpacked(path, raw) as stream:
        yield stream, raw


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

"""Which text files there are, what tells one text from another, and their bytes: unpacked, and as UTF-8."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from gossipw2v.config.encoding import UTF_8, canonical
from gossipw2v.w2v.text.encodings import Transcoder, resolved
from gossipw2v.w2v.text.formats import HEAD_BYTES, ours, refusal
from gossipw2v.w2v.text.unpack import Unpacker, buffered, packing

SAMPLE_BYTES = 64 << 10
SAMPLES = 16  # 1 MiB of each file: read in milliseconds at every start
STANDARD_OUTPUTS = (1, 2)

EMPTY, OWN = "is empty", "is what this node itself writes, or a secret of it"

Identity = tuple[int, int]  # device and inode: the same for all names of a file


class CorpusError(ValueError):
    """The text cannot be used; the message names the file, what is wrong and what to do."""


class Listing(NamedTuple):
    """The files of a text, and those that lie among them and are none, with what they are."""

    files: list[Path]
    passed_over: dict[Path, str]


def find(paths: Sequence[str], encoding: str = UTF_8, own: Sequence[Path] = ()) -> Listing:
    """The text that files, folders (recursive, sorted, hidden ones skipped) and globs stand for.

    Links are followed, those to folders after all else; a file or folder met twice, by whatever name, counts once.
    What is empty (Spark's `_SUCCESS`), `own`, or written by this program is passed over in a folder or glob and refused
    where it is named, and so is what standard output and error go to. Raises CorpusError for a missing, irregular,
    unreadable file, and for one that is no text in `encoding` by its first bytes.
    """
    found: dict[Identity, Path] = {}
    passed: dict[Path, str] = {}
    not_text = _own(own)
    for name in paths:
        for path in _expand(name):
            status = _regular(path)
            if (why := _unsuitable(path, status, encoding, not_text)) is None:
                found.setdefault(_identity(status), path)
            elif path == Path(name).expanduser():
                raise CorpusError(f"{path}: {why}: give a file that holds text")
            else:
                passed[path] = why
    if not found:
        raise CorpusError(f"no text found in {', '.join(map(repr, paths)) or 'an empty list of paths'}{_told(passed)}")
    return Listing(list(found.values()), passed)


def find_files(paths: Sequence[str]) -> list[Path]:
    """The files of a text in UTF-8, as `find`."""
    return find(paths).files


def _unsuitable(path: Path, status: os.stat_result, encoding: str, not_text: set[Identity]) -> str | None:
    """Why a file is to be passed over; None if it is text. CorpusError if it has to be refused."""
    if not status.st_size:
        return EMPTY
    if _identity(status) in not_text:
        return OWN
    with _naming(path), path.open("rb") as raw:
        _, head = _looked_at(path, raw)
    if (what := ours(head, path.name)) is not None:
        return f"is {what}"
    _resolved(path, encoding, head)
    return None


def _own(paths: Sequence[Path]) -> set[Identity]:
    """Files of this node, by whatever name they may be met, those included that its output goes to."""
    outputs = [status for status in map(_status, STANDARD_OUTPUTS) if status and stat.S_ISREG(status.st_mode)]
    return {_identity(status) for status in (*map(_status, paths), *outputs) if status}


def _status(file: Path | int) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116 - of a handle, too
    except OSError:
        return None


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _told(passed: dict[Path, str]) -> str:
    """What there is instead of text."""
    told = [f"{path} {why}" for path, why in list(passed.items())[:3]]
    more = f" and {len(passed) - len(told)} more" if len(passed) > len(told) else ""
    return f": {'; '.join(told)}{more}" if told else ""


def total_bytes(files: Sequence[Path]) -> int:
    """Size on disk of `files` in bytes (compressed, where they are)."""
    return sum(_regular(path).st_size for path in files)


def corpus_digest(files: Sequence[Path], encoding: str = UTF_8) -> bytes:
    """16 bytes that change when the text does: of each file its size, modification time and 1 MiB of samples.

    Paths are no part of it, the order is, and so is an encoding other than UTF-8. A digest of the whole content would
    cost a full reading at every start; without the time, an edit in place between the samples would go unseen; with it,
    the worst case is a needless encoding.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.text")
    if (name := canonical(encoding)) != UTF_8:
        digest.update(f"{name}\n".encode())
    for path in files:
        status = _regular(path)
        digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        with _naming(path), path.open("rb") as file:
            for n in range(SAMPLES):
                file.seek(max(0, status.st_size - SAMPLE_BYTES) * n // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.digest()


@contextmanager
def open_text(path: Path, encoding: str = UTF_8) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The text of one file as UTF-8, unpacked if its first bytes say gz, bz2 or xz, and the file as it is on disk.

    What is no text in `encoding` comes as bytes that are no UTF-8. Raises CorpusError naming the file, now or while it
    is read, when it cannot be read to its end, or is no text by its first bytes.
    """
    _regular(path)
    with _naming(path), path.open("rb") as raw:
        kind, head = _looked_at(path, raw)
        actual = _resolved(path, encoding, head)
        stream: IO[bytes] = raw if kind is None else buffered(Unpacker(raw, kind).some)
        yield stream if actual == UTF_8 else buffered(Transcoder(stream, actual).some), raw


def _looked_at(path: Path, raw: IO[bytes]) -> tuple[str | None, bytes]:
    """How a file is packed, and the first bytes of what is in it; CorpusError if that is no text."""
    head = raw.read(HEAD_BYTES)
    raw.seek(0)
    kind, why = packing(head), refusal(head)
    if kind is not None:
        head = buffered(Unpacker(raw, kind).some).read(HEAD_BYTES)
        raw.seek(0)
        why = refusal(head, inside=True)
    if why is not None:
        raise CorpusError(f"{path}: {why}")
    return kind, head


def _resolved(path: Path, encoding: str, head: bytes) -> str:
    try:
        return resolved(encoding, head)
    except ValueError as error:
        raise CorpusError(f"{path}: {error}") from error


def _expand(name: str) -> list[Path]:
    path = Path(name).expanduser()
    with _naming(path):
        if path.is_dir():
            return _walk(path)
        if path.exists() or not glob.has_magic(name):
            return [path]
    return [file for match in _matches(path) for file in (_walk(match) if match.is_dir() else [match])]


def _matches(pattern: Path) -> list[Path]:
    """What a glob stands for, sorted as text; below `**` every folder is looked into once, so that loops end."""
    parts = pattern.parts
    if "**" not in parts:
        return [Path(match) for match in sorted(glob.glob(str(pattern)))]  # noqa: PTH207 - may be absolute
    at = parts.index("**")
    tops = _matches(Path(*parts[:at])) if at else [Path()]
    folders = [folder for top in tops if top.is_dir() for folder, _ in _visit(top)]
    if at + 1 == len(parts):
        return folders
    below = [_matches(Path(glob.escape(str(folder)), *parts[at + 1 :])) for folder in folders]
    return sorted({match for matches in below for match in matches}, key=str)


def _walk(folder: Path) -> list[Path]:
    return sorted(Path(parent, name) for parent, names in _visit(folder) for name in names)


def _visit(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below, once, with the names of its files, without hidden ones.

    Links come last, so that what is met twice goes by its own name.
    """
    waiting, seen = deque([folder]), set[Identity]()
    while waiting:
        for parent, folders, files in os.walk(waiting.popleft(), onerror=_unlistable):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            status = _status(Path(parent))
            if status is None or _identity(status) in seen:
                folders.clear()
                continue
            seen.add(_identity(status))
            waiting.extend(path for name in folders if (path := Path(parent, name)).is_symlink())
            yield Path(parent), [name for name in files if not name.startswith(".")]


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
        gone = f"is a link to {path.readlink()}, which is not there" if path.is_symlink() else "no such file or folder"
        raise CorpusError(f"{path}: {gone}") from error
    except EOFError as error:
        raise CorpusError(f"{path}: is cut short: the compressed data ends too early; fetch it again") from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from error

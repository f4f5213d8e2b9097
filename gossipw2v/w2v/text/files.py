"""Which text files there are, what tells one text from another, and their bytes: unpacked, and as UTF-8."""

from __future__ import annotations

import codecs
import glob
import hashlib
import os
import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from gossipw2v.config.encoding import UTF_8
from gossipw2v.w2v.text.encodings import LOST, Transcoder, resolved
from gossipw2v.w2v.text.formats import HEAD_BYTES, ours, refusal
from gossipw2v.w2v.text.sources import remote
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import CSV, JSONL, PARQUET, PLAIN, TEXT, Form
from gossipw2v.w2v.text.sources.jsonl import jsonl_text
from gossipw2v.w2v.text.sources.parquet import MAGIC, ParquetText
from gossipw2v.w2v.text.sources.records import LeftOut, Pieces
from gossipw2v.w2v.text.sources.remote import Remote
from gossipw2v.w2v.text.sources.spool import STDIN, Spool
from gossipw2v.w2v.text.sources.structure import structure
from gossipw2v.w2v.text.sources.tables import csv_text
from gossipw2v.w2v.text.unpack import Unpacker, buffered, packing

SAMPLE_BYTES = 64 << 10
SAMPLES = 16  # 1 MiB of each file: read in milliseconds at every start
MOST_LOOKED_AT = 20  # objects whose beginning is read before all else: each is a question over the network
STANDARD_OUTPUTS = (1, 2)

EMPTY, OWN = "is empty", "is what this node itself writes, or a secret of it"
HIDDEN, BACKUP = "is hidden", "is a backup of an editor, or a file that one has open"
MARK = "is what Hadoop, Spark or Parquet's writers put beside data"
USUAL = (EMPTY, OWN, HIDDEN, BACKUP, MARK)  # reasons that need no warning
BACKUPS = re.compile(r".*~|#.*#|.*\.(?:sw[a-p]|bak|orig)", re.DOTALL)
MARKS = re.compile(r"_(?:common_)?metadata|_(?:committed|started)_\d+")

Source = Path | Remote
Identity = tuple[int, int] | str  # device and inode, which are the same for all names of a file; or a URL


class CorpusError(ValueError):
    """The text cannot be used; the message names the file, what is wrong and what to do."""


class Place(Protocol):
    """What says how many bytes of a file have been read."""

    def tell(self) -> int:
        """The number of bytes."""


class Listing(NamedTuple):
    """The files and objects of a text, and those that lie among them and are none, with what they are."""

    files: list[Source]
    passed_over: dict[Source, str]


def find(paths: Sequence[str], form: Form = PLAIN, own: Sequence[Path] = (), spool: Spool | None = None) -> Listing:
    """The text that files, folders (recursive, sorted), globs and URLs stand for.

    Links are followed, those to folders after all else; a file or folder met twice, by whatever name, counts once.
    What is hidden, an editor's backup, empty (Spark's `_SUCCESS`), `own`, or written by this program is passed over in
    a folder or glob; the last three are refused where they are named, and so is what standard output and error go to.
    Standard input (`-`), pipes and answers that cannot be sought in are kept in `spool`, and refused without. Raises
    CorpusError for a missing, irregular, unreadable file, and for one that is no text in `form` by its first bytes.
    """
    found: dict[Identity, Source] = {}
    passed: dict[Source, str] = {}
    not_text = _own(own)
    for name in paths:
        for source in _expand(name, spool, passed):
            kept = spool is not None and isinstance(source, Path) and spool.holds(source)
            look = isinstance(source, Path) or len(found) < MOST_LOOKED_AT
            if (why := _unsuitable(source, form, set() if kept else not_text, look)) is None:
                found.setdefault(_identity(source), source)
            elif str(source) in (name, str(Path(name).expanduser())):
                raise CorpusError(f"{source}: {why}: give a file that holds text")
            else:
                passed[source] = why
    if not found:
        names = map(remote.shown, paths)
        raise CorpusError(f"no text found in {', '.join(map(repr, names)) or 'an empty list of paths'}{_told(passed)}")
    return Listing(list(found.values()), passed)


def find_files(paths: Sequence[str]) -> list[Path]:
    """The files of a text in UTF-8, as `find`; there are no URLs."""
    return [path for path in find(paths).files if isinstance(path, Path)]


def _unsuitable(source: Source, form: Form, not_text: set[Identity], look: bool) -> str | None:
    """Why a file is to be passed over; None if it is text, or not to be looked into. CorpusError if it is refused."""
    if not _size(source):
        return EMPTY
    if _identity(source) in not_text:
        return OWN
    if not look:
        return None
    with _naming(source), _opened(source) as raw:
        _, head = _looked_at(raw, form)
        if (what := ours(head, source.name)) is not None:
            return f"is {what}"
        if form.kind == TEXT:
            _check_structure(head, form, _resolved(form, head))
    if form.kind != TEXT:
        head_of(source, form)  # a field or column that is not there is told before all else is read
    return None


def _check_structure(head: bytes, form: Form, encoding: str) -> None:
    """SourceError if a text that is given as plain is surely kept in records."""
    if not form.as_is:
        text = codecs.getincrementaldecoder(encoding)(LOST).decode(head)
        if (told := structure(text)) is not None:
            raise SourceError(told)


def _own(paths: Sequence[Path]) -> set[Identity]:
    """Files of this node, by whatever name they may be met, those included that its output goes to."""
    outputs = [status for status in map(_status, STANDARD_OUTPUTS) if status and stat.S_ISREG(status.st_mode)]
    return {(status.st_dev, status.st_ino) for status in (*map(_status, paths), *outputs) if status}


def _status(file: Path | int) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116 - of a handle, too
    except OSError:
        return None


def _identity(source: Source) -> Identity:
    if isinstance(source, Remote):
        return source.url
    status = _regular(source)
    return status.st_dev, status.st_ino


def _size(source: Source) -> int:
    return source.size if isinstance(source, Remote) else _regular(source).st_size


def _opened(source: Source) -> IO[bytes]:
    return remote.opened(source) if isinstance(source, Remote) else source.open("rb")


def _told(passed: dict[Source, str]) -> str:
    """What there is instead of text."""
    told = [f"{path} {why}" for path, why in list(passed.items())[:3]]
    more = f" and {len(passed) - len(told)} more" if len(passed) > len(told) else ""
    return f": {'; '.join(told)}{more}" if told else ""


def total_bytes(files: Sequence[Source]) -> int:
    """Size on disk of `files` in bytes (compressed, where they are)."""
    return sum(map(_size, files))


def corpus_digest(files: Sequence[Source], form: Form = PLAIN) -> bytes:
    """16 bytes that change when the text does: of each file its size, modification time and 1 MiB of samples.

    Of objects behind URLs, size and version. Paths are no part of it, the order is, and so is a form other than plain
    UTF-8. A digest of the whole content would cost a full reading at every start; without the time, an edit in place
    between the samples would go unseen; with it, the worst case is a needless encoding.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.text")
    digest.update(form.identity)
    for source in files:
        _add(digest, source, timed=True)
    return digest.digest()


def contents_digest(files: Sequence[Source]) -> bytes:
    """16 bytes that the same files have on every machine, whatever they are called there and however old they are."""
    digests = sorted(content_digest(source) for source in files)
    return hashlib.blake2b(b"".join(digests), digest_size=16, person=b"gossipw2v.files").digest()


def content_digest(source: Source, form: Form = PLAIN) -> bytes:
    """16 bytes of one file, as `corpus_digest`, but whatever its time, so that copies have the same."""
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.file")
    digest.update(form.identity)
    _add(digest, source, timed=False)
    return digest.digest()


def _add(digest: hashlib.blake2b, source: Source, timed: bool) -> None:
    if isinstance(source, Remote):
        digest.update(f"{source.size} {source.version}\n".encode())
        return
    status = _regular(source)
    digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode() if timed else b"%d\n" % status.st_size)
    _add_samples(digest, source, status)


def _add_samples(digest: hashlib.blake2b, path: Path, status: os.stat_result) -> None:
    with _naming(path), path.open("rb") as file:
        for n in range(SAMPLES):
            file.seek(max(0, status.st_size - SAMPLE_BYTES) * n // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))


@contextmanager
def open_text(source: Source, form: Form = PLAIN, left_out: LeftOut | None = None) -> Iterator[tuple[IO[bytes], Place]]:
    """The text of one file as plain text in UTF-8, unpacked if its first bytes say so, and how far the file is read.

    What is no text in its encoding comes as bytes that are no UTF-8; records without text are counted in `left_out`.
    Raises CorpusError naming the file, now or while it is read, when it cannot be read to its end, or is no text by
    its first bytes.
    """
    _size(source)
    left_out = LeftOut() if left_out is None else left_out
    with _naming(source), _opened(source) as raw:
        kind, head = _looked_at(raw, form)
        if form.kind == PARQUET:
            table = ParquetText(raw, form.field, left_out)
            yield buffered(Pieces(table.pieces()).some), table
            return
        actual = _resolved(form, head)
        stream: IO[bytes] = raw if kind is None else buffered(Unpacker(raw, kind).some)
        stream = stream if actual == UTF_8 else buffered(Transcoder(stream, actual).some)
        yield _plain(stream, form, left_out), raw


def is_divisible(source: Source, form: Form) -> bool:
    """Whether a part of a file, from the end of one line to that of another, is text by itself. CorpusError."""
    with _naming(source), _opened(source) as raw:
        kind, head = _looked_at(raw, form)
        return kind is None and form.kind in (TEXT, JSONL) and _resolved(form, head) == UTF_8


@contextmanager
def open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """A file as it is, which can be sought in. CorpusError naming it, now or while it is read."""
    with _naming(source), _opened(source) as raw:
        yield raw


@contextmanager
def open_stretch(source: Source, form: Form, start: int, stop: int) -> Iterator[IO[bytes]]:
    """Bytes `start` to `stop` of a divisible file as plain text in UTF-8. CorpusError."""
    with open_bytes(source) as raw:
        raw.seek(start)
        left = stop - start

        def some(most: int) -> bytes:
            nonlocal left
            data = raw.read(min(left, most))
            left -= len(data)
            return data

        yield _plain(buffered(some), form, LeftOut())


def head_of(source: Source, form: Form) -> str:
    """The beginning of a file's plain text. CorpusError."""
    with open_text(source, form) as (stream, _):
        return stream.read(HEAD_BYTES).decode(UTF_8, "replace")


def _plain(stream: IO[bytes], form: Form, left_out: LeftOut) -> IO[bytes]:
    """The text in records of UTF-8."""
    if form.kind == TEXT:
        return stream
    read = csv_text if form.kind == CSV else jsonl_text
    return buffered(Pieces(read(stream, form.field, left_out)).some)


def _looked_at(raw: IO[bytes], form: Form) -> tuple[str | None, bytes]:
    """How a file is packed, and the first bytes of what is in it; SourceError if that is no text."""
    head = raw.read(HEAD_BYTES)
    raw.seek(0)
    if form.kind == PARQUET:
        if not head.startswith(MAGIC):
            raise SourceError("is no Parquet file")
        return None, head
    kind, why = packing(head), refusal(head)
    if kind is not None:
        head = buffered(Unpacker(raw, kind).some).read(HEAD_BYTES)
        raw.seek(0)
        why = refusal(head, inside=True)
    if why is not None:
        raise SourceError(why)
    return kind, head


def _resolved(form: Form, head: bytes) -> str:
    try:
        return resolved(form.encoding, head)
    except ValueError as error:
        raise SourceError(str(error)) from error


# --- what names stand for ----------------------------------------------------------------------------------------


def _expand(name: str, spool: Spool | None, passed: dict[Source, str]) -> list[Source]:
    """The files and objects of one name; what is left out of them by its name goes to `passed`."""
    if remote.is_url(name):
        return _objects(name, spool, passed)
    path = Path(name).expanduser()
    with _naming(path):
        if name == STDIN or path.is_fifo():
            return [_spooled(name, path, spool)]
        if path.is_dir():
            return [*_walk(path, passed)]
        if path.exists() or not glob.has_magic(name):
            return [path]
    sure = _left_out(path.name) is not None  # a pattern that asks for such names
    found: list[Source] = []
    for match in _matches(path):
        if match.is_dir():
            found += _walk(match, passed)
        elif sure or _usual(match, passed):
            found.append(match)
    return found


def _spooled(name: str, path: Path, spool: Spool | None) -> Path:
    with _naming("standard input" if name == STDIN else path):
        if spool is None:
            raise SourceError("can be read but once, which is too little here: give a file of text")
        return spool.standard_input() if name == STDIN else spool.pipe(path)


def _objects(url: str, spool: Spool | None, passed: dict[Source, str]) -> list[Source]:
    """The objects that a URL stands for, in files where they cannot be sought in."""
    with _naming(remote.shown(url)):
        found = remote.listed(url, (lambda: False) if spool is None else spool.should_stop)
        chosen = found if len(found) == 1 else [one for one in found if _usual(one, passed)]
        if all(one.ranges for one in chosen):
            return [*chosen]
        if spool is None:
            raise SourceError("can be read but once, since the server knows no ranges: fetch it to a file first")
        return [one if one.ranges else remote.kept(one, spool) for one in chosen]


def _usual(source: Source, passed: dict[Source, str]) -> bool:
    """Whether a file has no name by which it is to be left out; else it goes to `passed`."""
    if (why := _left_out(source.name)) is not None:
        passed[source] = why
    return why is None


def _left_out(name: str) -> str | None:
    if name.startswith("."):
        return HIDDEN
    if BACKUPS.fullmatch(name):
        return BACKUP
    return MARK if MARKS.fullmatch(name) else None


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


def _walk(folder: Path, passed: dict[Source, str]) -> list[Path]:
    found = (Path(parent, name) for parent, names in _visit(folder, passed) for name in names)
    return sorted(path for path in found if _usual(path, passed))


def _visit(folder: Path, passed: dict[Source, str] | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below, once, with the names of its files, but for hidden ones, which go to `passed`.

    Links come last, so that what is met twice goes by its own name.
    """
    waiting, seen = deque([folder]), set[Identity]()
    while waiting:
        for parent, folders, files in os.walk(waiting.popleft(), onerror=_unlistable):
            hidden = {name for name in folders if name.startswith(".")}
            folders[:] = sorted(set(folders) - hidden)
            status = _status(Path(parent))
            if status is None or (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            waiting.extend(path for name in folders if (path := Path(parent, name)).is_symlink())
            if passed is not None:
                passed.update((Path(parent, name), HIDDEN) for name in hidden)
            yield Path(parent), files


def _unlistable(error: OSError) -> None:
    raise CorpusError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def _regular(path: Path) -> os.stat_result:
    with _naming(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CorpusError(f"{path}: is not a regular file (a pipe, device or socket): give a file of text")
    return status


@contextmanager
def _naming(where: Source | str) -> Iterator[None]:
    """Turn whatever goes wrong while reading `where` into a CorpusError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        link = where.readlink() if isinstance(where, Path) and where.is_symlink() else None
        gone = "no such file or folder" if link is None else f"is a link to {link}, which is not there"
        raise CorpusError(f"{where}: {gone}") from error
    except EOFError as error:
        raise CorpusError(f"{where}: is cut short: the compressed data ends too early; fetch it again") from error
    except OSError as error:
        raise CorpusError(f"{where}: cannot be read: {error}") from error
    except SourceError as error:
        raise CorpusError(f"{where}: {error}") from error

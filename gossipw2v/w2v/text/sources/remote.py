"""Text behind URLs: objects of S3 and the like, files of HDFS, what a web server has; the one door to `fsspec`.

An object is read in ranges, each of which is asked for again when the connection breaks, and is the same from the
first to the last of them, and in the next pass: what tells one version from another is looked at before and behind.
Where a server knows no ranges, or no versions, its answer has to be kept in a file (`Remote.ranges` is False).
"""

from __future__ import annotations

import io
import re
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from gossipw2v.w2v.text.sources.errors import SourceError, needed
from gossipw2v.w2v.text.sources.spool import Spool

T = TypeVar("T")

SCHEMES = ("s3", "s3a", "gs", "gcs", "abfs", "az", "hdfs", "https", "http", "ftp", "sftp", "memory")
WEB = ("http", "https")
RANGE_BYTES = 1 << 22
AHEAD = 3  # ranges that are fetched before they are asked for
CHUNK_BYTES = 1 << 20  # of an answer that is read without ranges
LOOK_SECONDS = 0.2  # between two looks whether the node was told to stop
SILENCE = 8.0  # s without a byte after which a connection is taken for broken
PAUSES = (0.3, 1.0, 3.0)  # s before each new try
# What stores call that which changes with an object's content
VERSIONS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "Last-Modified", "mtime", "modification_time")
FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotImplementedError, SourceError)

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://.", re.IGNORECASE)
_PASSWORD = re.compile(r"//[^/@\s]*@")
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s'\")]*=[^\s'\")]*")
_OPTIONS: dict[str, dict[str, Any]] = {
    scheme: {"config_kwargs": {"connect_timeout": SILENCE, "read_timeout": SILENCE, "retries": {"max_attempts": 0}}}
    for scheme in ("s3", "s3a")
}


class _BrokenError(Exception):
    """A connection broke while an answer was read."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One object: where it is, its bytes, what tells its version from others, and whether it can be read in ranges."""

    url: str
    size: int
    version: str
    ranges: bool = True
    should_stop: Callable[[], bool] = lambda: False

    def __str__(self) -> str:
        return shown(self.url)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return shown(self.url).rpartition("/")[2]


def is_url(name: str) -> bool:
    """Whether `name` is no path but a URL."""
    return _URL.match(name) is not None


def shown(name: str) -> str:
    """A URL for people, without what may be secret in it: a password, a signature. Other names as they are."""
    return _PASSWORD.sub("//", name.partition("?")[0]) if is_url(name) else name


def listed(url: str, should_stop: Callable[[], bool] = lambda: False) -> list[Remote]:
    """The objects that `url` stands for: itself, all below it, or what a glob finds, sorted. SourceError."""
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise SourceError(f"cannot be read: the URLs that can are {', '.join(f'{name}://' for name in SCHEMES[:8])}")
    filesystem, path = _tried(partial(_connected, url), should_stop)
    make = partial(_remote, filesystem, should_stop)
    if scheme in WEB:
        return [make(url, _tried(partial(filesystem.info, path), should_stop))]
    found = _tried(partial(_find, filesystem, path), should_stop)
    names = sorted(name for name, info in found.items() if info.get("type") != "directory")
    return [make(filesystem.unstrip_protocol(name), found[name]) for name in names]


def _find(filesystem: Any, path: str) -> dict[str, dict[str, Any]]:
    if any(sign in path for sign in "*?["):
        return dict(filesystem.glob(path, detail=True))
    info = filesystem.info(path)
    return dict(filesystem.find(path, detail=True)) if info.get("type") == "directory" else {path: info}


def _remote(filesystem: Any, should_stop: Callable[[], bool], url: str, info: dict[str, Any]) -> Remote:
    size, version = info.get("size"), _version(info)
    ranges = size is not None and bool(version) and info.get("partial", True)
    if ranges and url.partition(":")[0].lower() in WEB:
        ranges = _has_ranges(filesystem, url, size or 0)
    return Remote(url, size or 0, version, bool(ranges), should_stop)


def _has_ranges(filesystem: Any, url: str, size: int) -> bool:
    """Whether a web server gives a part that is asked for; fsspec says ValueError if it gives all."""
    if size < 2:
        return True
    try:
        with filesystem.open(url, "rb", block_size=RANGE_BYTES, cache_type="none", size=size) as file:
            file.seek(1)
            return len(file.read(1)) == 1
    except (ValueError, NotImplementedError):
        return False


def _version(info: dict[str, Any]) -> str:
    """What changes with an object's content, as far as its store says so."""
    return " ".join(f"{name}={info[name]}" for name in VERSIONS if info.get(name))


def opened(remote: Remote) -> io.BufferedReader:
    """An object to read and seek in. SourceError, also while it is read, if it is another than was listed."""
    _check_version(remote)
    return io.BufferedReader(_Ranges(remote), 1 << 16)


def kept(remote: Remote, spool: Spool) -> Path:
    """An object in a file, fetched from its beginning each time that the connection breaks. SourceError."""
    return _tried(lambda: spool.stream(remote.url, str(remote), partial(_answer, remote)), remote.should_stop)


def _answer(remote: Remote) -> Callable[[], bytes]:
    """A function that gives the next bytes of an object, none at its end."""
    filesystem, path = _connected(remote.url)
    options = {"block_size": 0} if remote.url.partition(":")[0].lower() in WEB else {}

    def read() -> bytes:
        try:
            data: bytes = file.read(CHUNK_BYTES)
        except Exception as error:  # each store has errors of its own
            file.close()
            raise _BrokenError(_reason(error)) from error
        if not data:
            file.close()
        return data

    file = filesystem.open(path, "rb", **options)
    return read


def _check_version(remote: Remote) -> None:
    filesystem, path = _tried(partial(_connected, remote.url), remote.should_stop)
    info = _tried(partial(filesystem.info, path), remote.should_stop)
    if (info.get("size"), _version(info)) != (remote.size, remote.version):
        raise SourceError("has changed since it was found: start again when nobody writes to it")


class _Ranges(io.RawIOBase):
    """An object of which a range is held at a time; where one is read after the other, the next are on their way."""

    def __init__(self, remote: Remote) -> None:
        self._remote, self._at = remote, 0
        self._range, self._start = b"", 0  # bytes, and where in the object they begin
        self._coming: deque[Future[bytes]] = deque()  # the ranges behind it

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._remote.size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._remote.size:
            return 0
        if not self._start <= self._at < self._start + len(self._range):
            self._hold()
        begin = self._at - self._start
        piece = memoryview(self._range)[begin : begin + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _hold(self) -> None:
        """Have the range that begins here."""
        follows = self._at == self._start + len(self._range) > 0
        if not follows:
            self._coming.clear()
        self._range = self._coming.popleft().result() if self._coming else _fetched(self._remote, self._at)
        self._start = self._at
        if follows:
            self._fetch_ahead()
        if self._start + len(self._range) == self._remote.size:
            _check_version(self._remote)

    def _fetch_ahead(self) -> None:
        first = self._start + len(self._range)
        ranges = range(first, self._remote.size, RANGE_BYTES)[len(self._coming) : AHEAD]
        self._coming.extend(_begun(partial(_fetched, self._remote, start)) for start in ranges)


def _fetched(remote: Remote, start: int) -> bytes:
    """A range of an object, asked for again when that fails."""
    want = min(RANGE_BYTES, remote.size - start)

    def fetch() -> bytes:
        filesystem, path = _connected(remote.url)
        data: bytes = filesystem.cat_file(path, start=start, end=start + want)
        if len(data) != want:
            raise OSError(f"{len(data):,} bytes came of {want:,}")
        return data

    return _tried(fetch, remote.should_stop)


@cache
def _connected(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Not asked twice: a connection is kept for each."""
    scheme = url.partition(":")[0].lower()
    with needed(f"text behind {scheme}://"):
        from fsspec.core import url_to_fs  # noqa: PLC0415

        options = _OPTIONS.get(scheme, {})
        if scheme in WEB:
            options = {"client_kwargs": {"timeout": _web_timeout()}}
        filesystem, path = url_to_fs(url, use_listings_cache=False, **options)
    if hasattr(filesystem, "retries"):
        filesystem.retries = 1  # `_tried` tries again
    return filesystem, path


def _web_timeout() -> Any:
    from aiohttp import ClientTimeout  # noqa: PLC0415

    return ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)


def _tried(work: Callable[[], T], should_stop: Callable[[], bool]) -> T:
    """What `work` gives, tried again where that may help. SourceError says what is wrong in the end."""
    for tries, pause in enumerate((*PAUSES, None), 1):
        try:
            return _awaited(work, should_stop)
        except Exception as raised:  # each store has errors of its own
            error = _beneath(raised)
            if pause is None or should_stop() or not _may_pass(error):
                raise _told(error, tries) from raised
            _wait(pause, should_stop)
    raise AssertionError("the last try has no pause")


def _awaited(work: Callable[[], T], should_stop: Callable[[], bool]) -> T:
    """What `work` gives; SourceError at once when the node is told to stop, whatever `work` waits for then."""
    result = _begun(work)
    while not result.done():
        wait((result,), LOOK_SECONDS)
        if should_stop() and not result.done():
            raise SourceError("was not read to its end, since the node was told to stop")
    return result.result()


def _begun(work: Callable[[], T]) -> Future[T]:
    """What `work` gives, when it has: it goes on in a thread."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, name="remote", daemon=True).start()  # one that hangs keeps no process from ending
    return result


def _beneath(error: Exception) -> Exception:
    """What has happened, where fsspec says of all that a web server does that there is no such file."""
    cause = error.__cause__
    seen = isinstance(cause, OSError | TimeoutError) or isinstance(getattr(cause, "status", None), int)
    return cause if isinstance(error, FileNotFoundError) and isinstance(cause, Exception) and seen else error


def _may_pass(error: Exception) -> bool:
    """Whether it may work the next time: broken connections, busy servers, but not what is missing or forbidden."""
    status = getattr(error, "status", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status != 429
    return not (isinstance(error, FINAL) or refused or _is_forbidden(error))


def _is_forbidden(error: Exception) -> bool:
    """Whether keys are missing or wrong; boto has an error of its own for those that it does not find."""
    forbidden = isinstance(error, PermissionError) or getattr(error, "status", None) in (401, 403)
    return forbidden or "Credentials" in type(error).__name__


def _told(error: Exception, tries: int) -> SourceError:
    if isinstance(error, SourceError):
        return error
    if isinstance(error, FileNotFoundError) or getattr(error, "status", None) in (404, 410):
        return SourceError("there is nothing of that name")
    if _is_forbidden(error):
        return SourceError(f"may not be read ({_reason(error)}): look for the keys in the environment, and its policy")
    often = f", {tries} times" if tries > 1 else ""
    return SourceError(f"cannot be read{often}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """What an error says, without the URL's secrets."""
    name = "" if isinstance(error, _BrokenError) else f"{type(error).__name__}: "
    status = getattr(error, "status", None)
    text = _QUERY.sub("", _PASSWORD.sub("//", f"{name}{error}")).removesuffix(": ")
    return f"HTTP status {status}" if isinstance(status, int) else text[:300]


def _wait(seconds: float, should_stop: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not should_stop():
        time.sleep(0.05)

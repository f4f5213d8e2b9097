"""What names stand for: files, folders, globs and URLs, and what lies there and is left out by its name."""

from __future__ import annotations

import glob
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from gossipw2v.w2v.text.files import CorpusError, Source, naming, status_of
from gossipw2v.w2v.text.sources import remote
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.spool import STDIN, Spool

HIDDEN, BACKUP = "is hidden", "is a backup of an editor, or a file that one has open"
MARK = "is what Hadoop, Spark or Parquet's writers put beside data"
BACKUPS = re.compile(r".*~|#.*#|.*\.(?:sw[a-p]|bak|orig)", re.DOTALL)
MARKS = re.compile(r"_(?:common_)?metadata|_(?:committed|started)_\d+")


def expanded(name: str, spool: Spool | None, passed: dict[Source, str]) -> list[Source]:
    """The files and objects of one name; what is left out of them by its name goes to `passed`."""
    if remote.is_url(name):
        return _objects(name, spool, passed)
    path = Path(name).expanduser()
    with naming(path):
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
    with naming("standard input" if name == STDIN else path):
        if spool is None:
            raise SourceError("can be read but once, which is too little here: give a file of text")
        return spool.standard_input() if name == STDIN else spool.pipe(path)


def _objects(url: str, spool: Spool | None, passed: dict[Source, str]) -> list[Source]:
    """The objects that a URL stands for, in files where they cannot be sought in."""
    with naming(remote.shown(url)):
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
    waiting, seen = deque([folder]), set[tuple[int, int]]()
    while waiting:
        for parent, folders, files in os.walk(waiting.popleft(), onerror=_unlistable):
            hidden = {name for name in folders if name.startswith(".")}
            folders[:] = sorted(set(folders) - hidden)
            status = status_of(Path(parent))
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

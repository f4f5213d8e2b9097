"""Which text files there are, and those among them that are none."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gossipw2v.w2v.text.encodings import LOST
from gossipw2v.w2v.text.files import (
    CorpusError,
    Source,
    encoding_of,
    head_of,
    looked_at,
    naming,
    opened,
    regular,
    size_of,
    status_of,
)
from gossipw2v.w2v.text.finding.names import BACKUP, HIDDEN, MARK, expanded
from gossipw2v.w2v.text.formats import ours
from gossipw2v.w2v.text.sources import remote
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import PLAIN, TEXT, Form
from gossipw2v.w2v.text.sources.remote import Remote
from gossipw2v.w2v.text.sources.spool import Spool
from gossipw2v.w2v.text.sources.structure import structure

MOST_LOOKED_AT = 20  # objects whose beginning is read before all else: each is a question over the network
STANDARD_OUTPUTS = (1, 2)

EMPTY, OWN = "is empty", "is what this node itself writes, or a secret of it"
USUAL = (EMPTY, OWN, HIDDEN, BACKUP, MARK)  # reasons that need no warning

Identity = tuple[int, int] | str  # device and inode, which are the same for all names of a file; or a URL


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
        for source in expanded(name, spool, passed):
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
    if not size_of(source):
        return EMPTY
    if _identity(source) in not_text:
        return OWN
    if not look:
        return None
    with naming(source), opened(source) as raw:
        _, head = looked_at(raw, form)
        if (what := ours(head, source.name)) is not None:
            return f"is {what}"
        if form.kind == TEXT:
            _check_structure(head, form, encoding_of(form, head))
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
    outputs = [status for status in map(status_of, STANDARD_OUTPUTS) if status and stat.S_ISREG(status.st_mode)]
    return {(status.st_dev, status.st_ino) for status in (*map(status_of, paths), *outputs) if status}


def _identity(source: Source) -> Identity:
    if isinstance(source, Remote):
        return source.url
    status = regular(source)
    return status.st_dev, status.st_ino


def _told(passed: dict[Source, str]) -> str:
    """What there is instead of text."""
    told = [f"{path} {why}" for path, why in list(passed.items())[:3]]
    more = f" and {len(passed) - len(told)} more" if len(passed) > len(told) else ""
    return f": {'; '.join(told)}{more}" if told else ""

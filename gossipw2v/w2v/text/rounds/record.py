"""What a data directory's model was trained on: rounds of files, the first of them the text that the job began with.

The encoded text of a round stays in the data directory, so what becomes of its files later changes nothing in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gossipw2v.system.durable import replace_file
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.text.files import Source
from gossipw2v.w2v.text.finding.digests import content_digest
from gossipw2v.w2v.text.sources.form import Form

NAME = "text.json"
MOST_BYTES = 256 << 20  # of a record: some million files

log = get_logger("rounds")


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as it was when it was encoded; `mark` tells its content, as `content_digest` does."""

    name: str
    mark: str


@dataclass(frozen=True, slots=True)
class Round:
    """Files that were trained together; `text`: the checksum of what they became, which is in the file `shard`.

    `new`: the file of what was new in it, to be replayed; "" where all was.
    """

    text: str
    shard: str
    files: tuple[KnownFile, ...]
    new: str = ""

    @property
    def replayed(self) -> str:
        """The file of what is to be trained again among text that comes later."""
        return self.new or self.shard


class Comparison(NamedTuple):
    """Files that are there now, beside those of some rounds: new ones, and the names of changed and missing ones."""

    new: list[Source]
    changed: list[str]
    missing: list[str]


def known(files: Sequence[Source], form: Form) -> tuple[KnownFile, ...]:
    """What is to be kept of some files. CorpusError."""
    return tuple(KnownFile(str(file), content_digest(file, form).hex()) for file in files)


def compare(files: Sequence[Source], now: Sequence[KnownFile], rounds: Sequence[Round]) -> Comparison:
    """Sort files, which are as `now` says, by what rounds know of them.

    It goes by content, so that one that was only moved is none of these.
    """
    before = [file for each in rounds for file in each.files]
    marks, names = {file.mark for file in before}, {file.name for file in before}
    there, named = {file.mark for file in now}, {file.name for file in now}
    fresh = [(source, file) for source, file in zip(files, now, strict=True) if file.mark not in marks]
    new = [source for source, file in fresh if file.name not in names]
    changed = [file.name for _, file in fresh if file.name in names]
    missing = [file.name for file in before if file.mark not in there and file.name not in named]
    return Comparison(new, changed, missing)


def read_rounds(folder: Path) -> list[Round]:
    """The rounds of a data directory; none where nothing tells of them, or what does is damaged, which is logged."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        return [_round(each) for each in json.loads(data if len(data) <= MOST_BYTES else b"")]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("nothing is known of the text that was trained", path=str(path), why=str(error))
        return []


def write_rounds(folder: Path, rounds: Sequence[Round]) -> None:
    """Keep what there was, whole and on disk. OSError."""
    replace_file(folder / NAME, [json.dumps([asdict(each) for each in rounds]).encode()])


def _round(raw: dict[str, Any]) -> Round:
    files = tuple(KnownFile(_text(each["name"]), _text(each["mark"])) for each in raw["files"])
    shard, new = _text(raw["shard"]), _text(raw.get("new", ""))
    for name in (shard, new):
        if Path(name).name != name:
            raise ValueError(f"{name[:80]!r} is not the name of a file beside it")
    return Round(_text(raw["text"]), shard, files, new)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text that is none")
    return value

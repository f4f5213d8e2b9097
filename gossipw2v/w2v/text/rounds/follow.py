"""Files that come while a node runs: found again and again, and taken once they no longer change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import Source
from gossipw2v.w2v.text.finding.find import find
from gossipw2v.w2v.text.rounds.record import KnownFile, known
from gossipw2v.w2v.text.rounds.rounds import TextRounds

PAUSE = 2.0  # s between two looks, at least
REST = 20  # times what a look took pass before the next: a twentieth of a core, however many files there are

Stat = tuple[int, int]  # size, and time in ns


@dataclass(slots=True)
class Follower:
    """Looks for new files of one corpus."""

    rounds: TextRounds
    due: float = 0.0  # when to look again, in seconds of the monotonic clock
    _marks: dict[str, tuple[Stat, KnownFile]] = field(default_factory=dict)  # of files as they were at the last look

    def look(self, corpus: Corpus, own: Sequence[Path]) -> list[Source]:
        """New files that were the same at the look before; those that changed or went are told of. CorpusError.

        For a thread: it reads up to a megabyte of each file that it has not seen.
        """
        began = time.monotonic()
        files = find(corpus.paths, corpus.form, own).files
        before, self._marks = self._marks, {}
        for file in files:
            self._marks[str(file)] = _marked(file, before.get(str(file)), corpus)
        new = self.rounds.compared(files, [mark for _, mark in self._marks.values()]).new
        self.due = time.monotonic() + max(PAUSE, REST * (time.monotonic() - began))
        return [file for file in new if before.get(str(file)) == self._marks[str(file)]]


def _marked(file: Source, before: tuple[Stat, KnownFile] | None, corpus: Corpus) -> tuple[Stat, KnownFile]:
    status = file.stat() if isinstance(file, Path) else None
    stat = (status.st_size, status.st_mtime_ns) if status is not None else (0, 0)
    if before is not None and before[0] == stat and status is not None:
        return before
    return stat, known([file], corpus.form)[0]

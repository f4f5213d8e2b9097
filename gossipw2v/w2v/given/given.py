"""What a job begins with besides text, whichever of it there is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gossipw2v.w2v.given.warm_start import NO_ROWS, FirstRows, WarmStart
from gossipw2v.w2v.given.word_list import WordList
from gossipw2v.w2v.text.vocab import Counts, Ints
from gossipw2v.w2v.text.words import Words


@dataclass(frozen=True, slots=True)
class Given:
    """What a job begins with; `words`: the only ones that there may be, None if a text may bring any.

    `start`: where their vectors start from, None if from (seed, word) alone.
    """

    words: WordList | None = None
    start: WarmStart | None = None

    @property
    def job(self) -> dict[str, str]:
        """What of it is part of the job, by digest: as handshakes and checkpoints hold it."""
        found = {"vocab": self.words, "from": self.start}
        return {name: each.digest.hex() for name, each in found.items() if each is not None}

    def leaving(self, counts: Counts) -> Counts:
        """What others may be told of a node's counts."""
        return counts if self.words is None else self.words.leaving(counts)

    def frozen_from(self, counts: Counts) -> Counts:
        """What a vocabulary is frozen from, where the swarm has counted `counts`."""
        return counts if self.words is None else self.words.frozen_from(counts)

    def check(self, words: Words, counts: Ints | None = None) -> None:
        """VocabError for words, or counts of a vocabulary, that another node must not have sent."""
        if self.words is not None:
            self.words.check(words, counts)

    def rows_of(self, words: Words, folder: Path) -> FirstRows:
        """Where a vocabulary's vectors start from; `folder` is for a copy. WarmStartError, ShardError."""
        return NO_ROWS if self.start is None else self.start.rows_of(words, folder)


NOTHING = Given()

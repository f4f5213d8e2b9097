"""What a node was given besides text, read and judged before anything else is done."""

from __future__ import annotations

from dataclasses import dataclass

from gossipw2v.config.node import Config
from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.given.word_list import WordList, read_word_list
from gossipw2v.w2v.text.vocab import Counts, Ints
from gossipw2v.w2v.text.words import Words

log = get_logger("given")


@dataclass(frozen=True, slots=True)
class Given:
    """What a job begins with; `words`: the only ones that there may be, None if a text may bring any."""

    words: WordList | None = None

    @property
    def job(self) -> dict[str, str]:
        """What of it is part of the job, by digest: as handshakes and checkpoints hold it."""
        return {} if self.words is None else {"vocab": self.words.digest.hex()}

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


NOTHING = Given()


def read_given(config: Config) -> Given:
    """Read what the settings name. VocabError names the file, the line and what to do."""
    if config.vocab is None:
        return NOTHING
    words = read_word_list(config.vocab)
    counted = words.counts is not None
    log.info("only words of a list", path=words.name, words=len(words.words), counts=counted, digest=words.digest.hex())
    return Given(words)

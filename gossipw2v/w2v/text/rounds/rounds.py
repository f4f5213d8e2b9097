"""The rounds of one node: which text is trained next, and where it is."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.text.blocks import Tally
from gossipw2v.w2v.text.corpus import SHOWN, Corpus
from gossipw2v.w2v.text.files import Source
from gossipw2v.w2v.text.rounds.record import Comparison, KnownFile, Round, compare, known, read_rounds, write_rounds
from gossipw2v.w2v.text.rounds.replay import replayed
from gossipw2v.w2v.text.scanner import END, GAP, WordIndex
from gossipw2v.w2v.text.shards import Shard, ShardError, naming, reopened, rewritten
from gossipw2v.w2v.text.vocab import Vocab

OLDER = 30  # rounds besides the first whose new text is kept, and trained again
WHOLE = 3  # rounds whose text is kept with what was trained again in it: a checkpoint may be of the one before
NEW = "new"  # where new text is encoded before it is mixed with old

log = get_logger("rounds")


@dataclass(slots=True)
class TextRounds:
    """What was trained, and what is: the last of `past` or, where there is new text, what comes after it."""

    folder: Path  # the data directory
    replay: float = 0.2  # share of old text in a round of new text
    lenient: bool = False  # whether files may change and go before they are trained to the end
    seed: int = 1
    past: list[Round] = field(default_factory=list)
    unknown: int = 0  # words of new text that are not in the vocabulary, in this life
    grows: bool = False  # whether new text waits until the swarm is at rest, so that its words may become the model's
    begins: bool = False  # whether the corpus holds the files of a new round, of which nothing has been trained
    told: str | None = None  # what is wrong with the files that were trained, for people
    _kept: bool = False  # whether the text of the last round is taken as it was kept, whatever its files are now
    _next: Round | None = None  # what `text` has made, until it is `noted`

    def take_up(self, corpus: Corpus, text: str, complete: bool) -> None:
        """Look what a text that was found has beyond the rounds up to that of checksum `text`; CorpusError.

        If that was trained to the end, its new files are what is trained next, and all that `corpus` holds. Files that
        changed or went are told of then; before the end, or where nothing is as it was, it is another text.
        """
        rounds = read_rounds(self.folder)
        past = rounds[: next((n + 1 for n, each in enumerate(rounds) if each.text == text), 0)]
        if not past:
            return
        self.past, found = past, compare(corpus.files, known(corpus.files, corpus.form), past)
        whole = not (found.changed or found.missing)
        same = len(found.new) + len(found.changed) < len(corpus.files)  # some of it is as it was
        if not (whole or self.lenient or (complete and same)):
            self.past = []
            return
        self._kept = len(past) > 1 or bool(found.new) or not whole
        self._tell(found)
        if complete and found.new and not self.grows:
            self.begin(corpus, found.new)
        elif complete and found.new:
            log.info("new text waits until the swarm is at rest", **_shown(found.new))
        elif found.new:
            log.warning("new text waits until what has begun is trained", **_shown(found.new))

    def compared(self, files: Sequence[Source], now: Sequence[KnownFile]) -> Comparison:
        """Compare files, which are as `now` says, with all that were trained, and tell of what became of those."""
        found = compare(files, now, self.past)
        self._tell(found)
        return found

    def begin(self, corpus: Corpus, new: Sequence[Source]) -> None:
        """Train these files next."""
        corpus.go_on_with(new, self.folder / NEW)
        self.begins = True
        log.info("new text", round=len(self.past), replay=self.replay, **_shown(new))

    async def text(self, corpus: Corpus, vocab: Vocab) -> Shard:
        """What is to be trained, as ids of `vocab`. Errors of `Corpus.encode`."""
        if (self._kept or (vocab.version and self.past)) and not self.begins:
            with naming(self.folder):
                return await asyncio.to_thread(reopened, self.folder / self.past[-1].shard, vocab.digests)
        files = await asyncio.to_thread(known, corpus.files, corpus.form)  # before they are read: what changes is seen
        shard, new = await corpus.encode(vocab), ""
        if self.begins:
            await asyncio.to_thread(self._count_unknown, corpus, vocab)
            new, shard = shard.path.name, await asyncio.to_thread(self._mixed, shard, vocab)
        self._next = Round(shard.checksum.hex(), shard.path.name, files, new)
        return shard

    def noted(self) -> None:
        """Keep what `text` has made as the last round, in a thread; from now on it may be trained. ShardError.

        What is kept already is not written again: the disk may be full.
        """
        made, self._next = self._next, None
        if made is None:
            return
        past = [*self.past, made] if self.begins else [made]
        with naming(self.folder):
            if read_rounds(self.folder) != past:
                write_rounds(self.folder, past)
            for each in past[1:-WHOLE]:
                if each.new:  # or this is all that there is of it
                    (self.folder / each.shard).unlink(missing_ok=True)
            for each in past[1 : -OLDER - 1]:
                (self.folder / each.replayed).unlink(missing_ok=True)
        self.past, self.begins, self._kept = past, False, len(past) > 1

    def _tell(self, found: Comparison) -> None:
        parts = {"changed": found.changed, "gone": found.missing}
        told = [f"{', '.join(names[:SHOWN])} ({len(names)}) {why}" for why, names in parts.items() if names]
        what = "files are not as they were trained, and what they hold now is left out"
        self.told = f"{what}: {'; '.join(told)}" if told else None

    def _count_unknown(self, corpus: Corpus, vocab: Vocab) -> None:
        """Words of new text that nothing can be learned of: the vocabulary is frozen. CorpusError."""
        index, words, unknown = WordIndex(vocab.units), 0, 0
        for ids in corpus.reader().run(corpus.files, index.encode_all, Tally()):
            words += int(np.count_nonzero(ids != END))
            unknown += int(np.count_nonzero(ids == GAP))
        self.unknown += unknown
        log.info("words of the new text", words=words, unknown=unknown)

    def _mixed(self, shard: Shard, vocab: Vocab) -> Shard:
        """New text with some of the old in it."""
        older = [each for each in (self._older(one, vocab) for one in self._kept_rounds()) if each is not None]
        digest = hashlib.blake2b(struct.pack("<dQQ", self.replay, self.seed, len(self.past)), digest_size=16)
        for each in (shard, *older):
            digest.update(each.checksum)
        blocks = replayed(shard.tokens, [each.tokens for each in older], self.replay, self.seed + len(self.past))
        mixed = rewritten(self.folder, shard, (digest.digest(), vocab.digest), blocks)
        with naming(self.folder):
            shard.path.replace(self.folder / shard.path.name)
        return mixed

    def _kept_rounds(self) -> list[Round]:
        return [*self.past[:1], *self.past[1:][-OLDER:]]

    def _older(self, one: Round, vocab: Vocab) -> Shard | None:
        try:
            return reopened(self.folder / one.replayed, vocab.digests)
        except ShardError as error:
            log.warning("some old text is not trained again", why=str(error))
            return None


def _shown(files: Sequence[Source]) -> dict[str, object]:
    return {"files": len(files), "names": [str(file) for file in files[:SHOWN]]}

"""A node's own text: found, counted and encoded in threads, with its numbers for people to see."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory
from gossipw2v.w2v.text.blocks import Reader
from gossipw2v.w2v.text.files import CorpusError, corpus_digest, find_files, total_bytes
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.shards import ALL_TRAINED, Shard, encode
from gossipw2v.w2v.text.vocab import Counts, Vocab, count_words
from gossipw2v.w2v.text.words import Words

T = TypeVar("T")

log = get_logger("text")


@dataclass(slots=True)
class Text:
    """The files behind `paths`, divided in what is trained and what is held out.

    `done_bytes` of `bytes` have been read in the current pass.
    """

    paths: Sequence[str]
    folder: Path
    threads: int
    division: Division = ALL_TRAINED
    files: list[Path] = field(default_factory=list)
    bytes: int = 0
    done_bytes: int = 0
    counts: Counts | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def find(self) -> None:
        """Find the files. CorpusError names what is missing or unusable."""
        self.files = find_files(self.paths)
        self.bytes = total_bytes(self.files)

    async def count(self) -> Counts:
        """Count the words. CorpusError for a text that has none."""
        self.counts = await self._in_thread(self._count)
        if len(self.counts.words) < 2:
            where = ", ".join(map(str, self.paths))
            raise CorpusError(f"{where}: {len(self.counts.words)} different words; at least two are needed to train")
        return self.counts

    def totals(self) -> tuple[int, ...]:
        """What was counted in all, as `Counts.totals` gives it."""
        return self.counts.totals() if self.counts is not None else ()

    def counted_before(self, totals: tuple[int, ...]) -> None:
        """These are the totals of a count in an earlier life; the words are not needed any more."""
        if totals:
            self.counts = Counts(Words.of(()), np.empty(0, np.int64), *totals)

    def let_go(self) -> None:
        """Forget the words that were counted; their totals stay, for people."""
        if self.counts is not None:
            self.counts = replace(self.counts, words=Words.of(()), counts=np.empty(0, np.int64))

    async def encode(self, vocab: Vocab) -> Shard:
        """The text as word ids of `vocab`, from the data directory if it was encoded before."""
        shard = await self._in_thread(lambda: self._encode(vocab))
        if shard.broken:
            log.warning("the encoded text was damaged, and has been made anew", path=str(shard.path))
        held_out = int(np.count_nonzero(shard.held_out >= 0))
        log.info("encoded the text", words=shard.words, held_out=held_out, reused=shard.reused)
        if self.division.share and not held_out:
            log.info("too little text to hold any out: there will be no loss on held-out text")
        return shard

    def stop(self) -> None:
        """Make a running pass end within about a second, with `corpus.Stopped`."""
        self._stop.set()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.done_bytes = 0
        try:
            return await asyncio.to_thread(work)
        finally:
            return_memory()

    def _count(self) -> Counts:
        return count_words(self.files, self.threads, progress=self._progress, should_stop=self._stop.is_set)

    def _encode(self, vocab: Vocab) -> Shard:
        digest = corpus_digest(self.files)
        reader = Reader(self.threads, self._progress, self._stop.is_set)
        tokens = self.counts.tokens if self.counts is not None else 0
        return encode(self.files, vocab, self.folder, digest, reader, self.division.of(tokens))

    def _progress(self, done: int, total: int) -> None:
        self.done_bytes, self.bytes = done, total

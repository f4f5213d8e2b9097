"""A node's own text: found, counted and encoded in threads, with its numbers for people to see."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from gossipw2v.config.encoding import UTF_8
from gossipw2v.config.tokenize import WHITESPACE
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import return_memory
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.damage import Damage
from gossipw2v.w2v.text.files import CorpusError, Source, head_of, total_bytes
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.finding.find import USUAL, find
from gossipw2v.w2v.text.heldout import Division
from gossipw2v.w2v.text.shards import ALL_TRAINED, Shard, encode
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import PLAIN, Form
from gossipw2v.w2v.text.sources.remote import shown
from gossipw2v.w2v.text.sources.spool import Spool
from gossipw2v.w2v.text.sources.tokens import check_speed
from gossipw2v.w2v.text.vocab import Counts, Vocab, count_grams, count_words

T = TypeVar("T")
Digest = bytes

SHOWN = 5  # files of one kind that are named

log = get_logger("corpus")


@dataclass(slots=True)
class Corpus:
    """The files behind `paths`, divided in what is trained and what is held out."""

    paths: Sequence[str]  # files, folders, globs and URLs, as people give them
    folder: Path  # where the encoded text is kept, and text that can be read only once
    threads: int
    division: Division = ALL_TRAINED
    form: Form = PLAIN
    files: list[Source] = field(default_factory=list)
    passed_over: dict[Source, str] = field(default_factory=dict)  # files among them that are no text, and what they are
    bytes: int = 0
    done_bytes: int = 0  # of `bytes`, read in the current pass
    counts: Counts | None = None  # None until they are there
    damaged_files: int = 0  # with replaced bytes, as far as they were counted in this life
    _worst: Damage | None = None  # the file with most of them
    _counted: Digest | None = None  # of the text that was counted in this life
    _told: dict[str, str] = field(default_factory=dict)  # what is wrong with it though it is read, by what that is
    _stop: threading.Event = field(default_factory=threading.Event)

    def find(self, own: Sequence[Path] = (), fresh: bool = False) -> None:
        """Find the files; those of `own` are none. CorpusError names what is missing or unusable.

        `fresh`: what an earlier start has kept of standard input and the like is read anew.
        """
        spool = Spool(self.folder, self._stop.is_set, fresh)
        self.files, self.passed_over = find(self.paths, self.form, own, spool)
        if fresh:
            spool.drop_others(self.files)
        self.bytes = total_bytes(self.files)
        names = [str(path) for path in self.files[:SHOWN]]
        log.info("found the text", files=len(self.files), bytes=self.bytes, names=names, encoding=self.form.encoding)
        _tell_passed_over(self.passed_over)
        if self.form.tokenize != WHITESPACE:
            self._try_pattern()

    def _try_pattern(self) -> None:
        try:
            check_speed(self.form, head_of(self.files[0], self.form))
        except SourceError as error:
            raise CorpusError(str(error)) from error

    @property
    def share(self) -> tuple[int, int]:
        """(1, 1): all of the text is trained."""
        return 1, 1

    @property
    def problem(self) -> str | None:
        """What is wrong with the text though it is read, for people; None if nothing is."""
        told = "; ".join(self._told.values())
        return told.encode(UTF_8, "backslashreplace").decode() or None  # names may be of any bytes

    async def count(self, passes: int = 0) -> Counts:
        """Count the words, and what so many passes of joining phrases need. CorpusError for a text that has none."""
        self.counts = await self._in_thread(lambda: self._count(passes))
        if len(self.counts.words) < 2:
            raise CorpusError(
                f"{self._where()}: {len(self.counts.words)} different words; at least two are needed to train"
            )
        return self.counts

    def totals(self) -> tuple[int, ...]:
        """What was counted in all, as `Counts.totals` gives it."""
        return self.counts.totals() if self.counts is not None else ()

    def counted_before(self, totals: tuple[int, ...]) -> None:
        """These are the totals of a count in an earlier life; the words are not needed any more."""
        if totals:
            self.counts = Counts.of_totals(totals)
            if lost := self.counts.replaced:
                told = f"{lost:,} bytes are no {self.form.encoding}, or NUL; words with them are spoiled"
                self._told["damage"] = told

    def let_go(self) -> None:
        """Forget the words that were counted; their totals stay, for people."""
        if self.counts is not None:
            self.counts = Counts.of_totals(self.counts.totals())

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

    def _look_at(self, shard: Shard, digest: Digest) -> None:
        """Tell if the text is not the one that was counted. CorpusError if nothing is left of that."""
        changed = self._counted not in (None, digest)
        self._told.pop("change", None)
        if changed and not shard.words:
            raise CorpusError(f"{self._where()}: has changed since it was counted, and no word of it is left to train")
        if changed:
            self._told["change"] = f"{self._where()}: has changed since it was counted; new words are left out"
        elif not shard.words:
            self._told["change"] = f"{self._where()}: no word is in the vocabulary, so this node trains nothing"

    def _where(self) -> str:
        return ", ".join(map(shown, self.paths))

    def go_on_with(self, files: Sequence[Source], folder: Path) -> None:
        """From now on these files are the text, and `folder` is where it is encoded; nobody has counted them."""
        self.files, self.bytes, self.folder, self._counted = list(files), total_bytes(files), folder, None

    def stop(self) -> None:
        """Make a running pass end within about a second, with `blocks.Stopped`."""
        self._stop.set()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.done_bytes = 0
        try:
            return await asyncio.to_thread(work)
        finally:
            return_memory()

    def _count(self, passes: int) -> Counts:
        self.damaged_files, self._worst = 0, None
        self._counted = corpus_digest(self.files, self.form)
        counts = count_words(self.files, self.reader(self._note))
        self._tell_damage()
        if passes:
            counts = count_grams(counts, self.files, passes, self.reader())
        return counts

    def _tell_damage(self) -> None:
        self._told.pop("damage", None)
        if self._worst is not None:
            more = f"; so are bytes of {self.damaged_files - 1} more files" if self.damaged_files > 1 else ""
            self._told["damage"] = self._worst.warning() + more

    def _encode(self, vocab: Vocab) -> Shard:
        digest = corpus_digest(self.files, self.form)
        tokens = self.counts.tokens if self.counts is not None else 0
        shard = encode(self.files, vocab, self.folder, digest, self.reader(), self.division.of(tokens))
        self._look_at(shard, digest)
        return shard

    def reader(self, on_damage: Callable[[Damage], None] | None = None) -> TextReader:
        """What goes through the files; it ends when this is told to stop."""
        stop = self._stop.is_set
        return TextReader(self.threads, self._progress, stop, form=self.form, on_damage=on_damage)

    def _note(self, file: Damage) -> None:
        if file.left_out.bad:
            self._told["records"] = f"{file.path}: {file.left_out}"
        if not file.replaced:
            return
        self.damaged_files += 1
        if self._worst is None or file.replaced > self._worst.replaced:
            self._worst = file

    def _progress(self, done: int, total: int) -> None:
        self.done_bytes, self.bytes = done, total


def _tell_passed_over(passed_over: dict[Source, str]) -> None:
    for usual in USUAL:
        if paths := [str(path) for path, why in passed_over.items() if why == usual]:
            log.info("left out", why=usual, files=len(paths), names=paths[:SHOWN])
    told = {path: why for path, why in passed_over.items() if why not in USUAL}
    for path, why in list(told.items())[:SHOWN]:
        log.warning("not read as text", path=str(path), why=why, files=len(told))

"""A text that all nodes have: found and cut into pieces, counted whole by the first, encoded piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gossipw2v.system.logs import get_logger
from gossipw2v.w2v.shared.pieces import TextPieces, cut_text
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import Source as File
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.vocab import Counts, Vocab

log = get_logger("shared")


@dataclass(slots=True)
class SharedCorpus:
    """The text of `corpus`, which holds nothing out, trained `epochs` times by all nodes together; used as it is.

    `held_out`: the share of the text that nobody trains.
    """

    corpus: Corpus
    epochs: int
    held_out: float
    pieces: TextPieces = field(init=False)  # since `find`

    # -- as `Corpus` ----------------------------------------------------------------------------------------

    @property
    def form(self) -> Form:
        """As `Corpus`."""
        return self.corpus.form

    @property
    def files(self) -> list[File]:
        """As `Corpus`."""
        return self.corpus.files

    @property
    def passed_over(self) -> dict[File, str]:
        """As `Corpus`."""
        return self.corpus.passed_over

    @property
    def bytes(self) -> int:
        """As `Corpus`."""
        return self.corpus.bytes

    @property
    def done_bytes(self) -> int:
        """As `Corpus`."""
        return self.corpus.done_bytes

    @property
    def counts(self) -> Counts | None:
        """As `Corpus`; None also if another node has counted."""
        return self.corpus.counts

    @property
    def share(self) -> None:
        """None: the nodes that have the files divide them among themselves."""

    @property
    def damaged_files(self) -> int:
        """As `Corpus`."""
        return self.corpus.damaged_files

    @property
    def problem(self) -> str | None:
        """As `Corpus`."""
        return self.corpus.problem

    def find(self, own: Sequence[Path] = (), fresh: bool = False) -> None:
        """As `Corpus`; and cut the text into pieces, for which its files are read here and there."""
        self.corpus.find(own, fresh)
        folders = [path for path in map(Path, self.corpus.paths) if path.expanduser().is_dir()]
        folder = folders[0].expanduser() if len(self.corpus.paths) == len(folders) == 1 else None
        self.pieces = cut_text(self.corpus.files, self.corpus.form, self.epochs, self.held_out, folder)
        told = {"files": len(self.files), "pieces": len(self.pieces.pieces), "digest": self.pieces.digest.hex()}
        log.info("the text is shared", **told)

    async def count(self, phrases: int = 0, /) -> Counts:
        """As `Corpus`, of the whole text."""
        return await self.corpus.count(phrases)

    def totals(self) -> tuple[int, ...]:
        """As `Corpus`."""
        return self.corpus.totals()

    def counted_before(self, totals: tuple[int, ...]) -> None:
        """As `Corpus`."""
        self.corpus.counted_before(totals)

    def let_go(self) -> None:
        """As `Corpus`."""
        self.corpus.let_go()

    async def encode(self, vocab: Vocab) -> SharedText:
        """The pieces, as ids of `vocab`; what is held out is encoded now."""
        text = await asyncio.to_thread(SharedText, self.pieces, self.corpus.form, vocab)
        log.info("ready to train", held_out=int(np.count_nonzero(text.held_out >= 0)))
        return text

    def stop(self) -> None:
        """As `Corpus`; also when another node has counted, since it is not read as one text any more."""
        self.corpus.stop()

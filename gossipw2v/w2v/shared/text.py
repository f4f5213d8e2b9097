"""The pieces of a shared text as word ids, made when they are asked for: any node can train any, and none is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.kernels.hashing import GAP
from gossipw2v.w2v.phrases.joining import join_all
from gossipw2v.w2v.shared.pieces import Piece, Stretch, TextPieces
from gossipw2v.w2v.text.blocks import clean, cut_blocks, longest_word
from gossipw2v.w2v.text.files import open_bytes, open_stretch, open_text
from gossipw2v.w2v.text.scanner import WordIndex
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.sources.parquet import ParquetText
from gossipw2v.w2v.text.sources.records import LeftOut, Pieces
from gossipw2v.w2v.text.sources.tokens import rewriter
from gossipw2v.w2v.text.unpack import buffered
from gossipw2v.w2v.text.vocab import Vocab

BLOCK_BYTES = 1 << 20  # read and encoded at once: 6 ms beside some 200 of training

Ids = NDArray[np.int32]


@dataclass(slots=True)
class SharedText:
    """The text that is cut into `pieces`, as ids of `vocab`. Safe to use in many threads."""

    pieces: TextPieces
    form: Form
    vocab: Vocab
    held_out: Ids = field(init=False)  # int32[n], as in a shard
    _index: WordIndex = field(init=False)

    def __post_init__(self) -> None:
        vocab = self.vocab
        self._index = WordIndex(vocab.units if len(vocab.joins) else vocab.words)
        self.held_out = np.concatenate([np.empty(0, np.int32), *self.blocks(self.pieces.held_out)])

    @property
    def checksum(self) -> bytes:
        """16 bytes; texts that share it are trained alike."""
        return hashlib.blake2b(self.pieces.digest + self.vocab.digest, digest_size=16).digest()

    def piece(self, number: int) -> Iterator[Ids]:
        """The ids of a piece, block after block. CorpusError if a file cannot be read any more."""
        return self.blocks(self.pieces.pieces[number])

    def blocks(self, piece: Piece) -> Iterator[Ids]:
        """The ids of any stretches, -1 after each sentence."""
        blocks = (self._encoded(data) for stretch in piece for data in self._text(stretch))
        if not len(self.vocab.joins):
            yield from blocks
            return
        for ids in join_all(blocks, self.vocab.joins):
            yield ids[(ids < len(self.vocab)) & (ids != GAP)]

    def forget(self) -> None:
        """Nothing is kept."""

    def _encoded(self, data: bytes) -> Ids:
        return self._index.encode_all(data) if len(self.vocab.joins) else self._index.encode(data)

    def _text(self, stretch: Stretch) -> Iterator[bytes]:
        """The words of a stretch as clean text."""
        longest, rewrite = longest_word(self.form), rewriter(self.form)
        with self._opened(stretch) as stream:
            for block in cut_blocks(stream, BLOCK_BYTES, longest):
                data = clean(block.data, longest).data
                yield data if rewrite is None else rewrite(data)

    def _opened(self, stretch: Stretch) -> AbstractContextManager[IO[bytes]]:
        if stretch.groups is not None:
            return _of_groups(stretch, self.form)
        if stretch.whole:
            return _whole(stretch, self.form)
        return open_stretch(stretch.file, self.form, stretch.start, stretch.stop)


@contextmanager
def _of_groups(stretch: Stretch, form: Form) -> Iterator[IO[bytes]]:
    assert stretch.groups is not None
    with open_bytes(stretch.file) as raw:
        table = ParquetText(raw, form.field, LeftOut())
        yield buffered(Pieces(table.pieces(range(*stretch.groups))).some)


@contextmanager
def _whole(stretch: Stretch, form: Form) -> Iterator[IO[bytes]]:
    with open_text(stretch.file, form) as (stream, _):
        yield stream

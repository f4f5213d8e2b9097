"""Encoded text of a version that was given up, with the numbers of the one that took its place.

What has grown from a vocabulary needs none of this: its ids are the same words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.growth.versions import Renumbering
from gossipw2v.w2v.kernels.hashing import END
from gossipw2v.w2v.text.rounds.record import Round, write_rounds
from gossipw2v.w2v.text.rounds.rounds import TextRounds
from gossipw2v.w2v.text.shards import Shard, reopened, rewritten
from gossipw2v.w2v.text.vocab import Vocab

BLOCK = 1 << 20  # ids at a time

Ids = NDArray[np.int32]


def renumber_texts(rounds: TextRounds, before: Vocab, after: Vocab, to: Renumbering) -> Shard | None:
    """Write all text that is kept anew, as far as it is of a version that was given up. ShardError, OSError.

    Returns the text of the last round; None if there is none.
    """
    shard: Shard | None = None
    past: list[Round] = []
    for each in rounds.past:
        made = each
        if each.new and (rounds.folder / each.new).exists():
            new = _renumbered(reopened(rounds.folder / each.new, before.digests | after.digests), before, after, to)
            made = replace(made, new=new.path.name)
        if (rounds.folder / each.shard).exists():
            shard = _renumbered(reopened(rounds.folder / each.shard, before.digests | after.digests), before, after, to)
            made = replace(made, text=shard.checksum.hex(), shard=shard.path.name)
        past.append(made)
    if past != rounds.past:
        write_rounds(rounds.folder, past)
        rounds.past = past
    return shard


def _renumbered(shard: Shard, before: Vocab, after: Vocab, to: Renumbering) -> Shard:
    corpus, vocabulary, _ = (bytes.fromhex(part) for part in shard.path.name.partition(".")[0].split("-"))
    if vocabulary in after.digests:
        return shard
    digest = hashlib.blake2b(corpus + before.digest, digest_size=16).digest()
    held_out = np.concatenate([np.empty(0, np.int32), *_moved(shard.held_out, to)])
    blocks = _moved(shard.tokens, to)
    return rewritten(shard.path.parent, replace(shard, held_out=held_out), (digest, after.digest), blocks)


def _moved(ids: Ids, to: Renumbering) -> Iterator[Ids]:
    """The ids by their new numbers, without words that are no more, nor sentences of which none is left."""
    last = END  # nothing begins with an end
    for at in range(0, len(ids), BLOCK):
        block = ids[at : at + BLOCK]
        found = np.where(block == END, END, to.places[np.maximum(block, 0)])
        found = found[(block == END) | (found >= 0)].astype(np.int32)
        found = found[(found != END) | (np.concatenate(([last], found[:-1])) != END)]
        if len(found):
            last = int(found[-1])
            yield found

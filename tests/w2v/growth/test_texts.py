"""Text that was encoded with words of which some were given up stays of use."""

from pathlib import Path

import numpy as np

from gossipw2v.w2v.growth.texts import renumber_texts
from gossipw2v.w2v.growth.versions import Rule, next_version, renumbering
from gossipw2v.w2v.text.rounds.record import KnownFile, Round, read_rounds
from gossipw2v.w2v.text.rounds.rounds import TextRounds
from gossipw2v.w2v.text.shards import Shard, encode, reopened
from gossipw2v.w2v.text.vocab import Counts, Vocab
from gossipw2v.w2v.text.words import Words

FIRST = Vocab(Words.of([b"the", b"of"]), np.array([9, 7]))
TEXT = b"the new of\nsome\nsome new the\n"


def version(*words: bytes) -> Vocab:
    counts = Counts(Words.of(sorted(words)), np.full(len(words), 3), 3 * len(words))
    return next_version(FIRST, {b"".join(words).ljust(16)[:16]: counts}, Rule(3))


def round_of(folder: Path, vocab: Vocab, name: str) -> Round:
    (folder / name).write_bytes(TEXT)
    shard = encode([folder / name], vocab, folder, name.ljust(16)[:16].encode())
    return Round(shard.checksum.hex(), shard.path.name, (KnownFile(name, "mark"),))


def words_of(shard: Shard, vocab: Vocab) -> list[bytes]:
    return [vocab.words[row] if row >= 0 else b"." for row in shard.tokens.tolist()]


def test_words_that_were_given_up_are_left_out_and_the_rest_is_the_same(tmp_path: Path) -> None:
    one, other = version(b"new", b"some"), version(b"and", b"new")
    rounds = TextRounds(tmp_path, past=[round_of(tmp_path, FIRST, "first"), round_of(tmp_path, one, "second")])
    first = rounds.past[0]
    last = renumber_texts(rounds, one, other, renumbering(one, other))
    assert last is not None
    assert words_of(last, other) == [b"the", b"new", b"of", b".", b"new", b"the", b"."]
    assert rounds.past[0] == first
    assert read_rounds(tmp_path) == rounds.past
    assert rounds.past[1].text == last.checksum.hex()
    assert reopened(tmp_path / rounds.past[1].shard, other.digests).checksum == last.checksum


def test_text_of_a_version_that_another_has_grown_from_is_left_as_it_is(tmp_path: Path) -> None:
    one = version(b"new")
    more = next_version(one, {b"m" * 16: Counts(Words.of([b"some"]), np.array([3]), 3)}, Rule(3))
    rounds = TextRounds(tmp_path, past=[round_of(tmp_path, FIRST, "first"), round_of(tmp_path, one, "second")])
    before = list(rounds.past)
    renumber_texts(rounds, one, more, renumbering(one, more))
    assert rounds.past == before

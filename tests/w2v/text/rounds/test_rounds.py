"""Text that comes later: which files are new, what is trained of the old among them, and what is kept of all."""

from pathlib import Path

import numpy as np
import pytest

from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.rounds.record import NAME, Round, compare, known, read_rounds, write_rounds
from gossipw2v.w2v.text.rounds.replay import STRETCH, replayed
from gossipw2v.w2v.text.rounds.rounds import TextRounds
from gossipw2v.w2v.text.shards import Shard, ShardError, reopened
from gossipw2v.w2v.text.sources.form import PLAIN
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words

VOCAB = Vocab(Words.of([b"a", b"b", b"c"]), np.array([3, 2, 1], np.int64))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "m.txt").write_text("a b\n" * 3000)
    return tmp_path


def corpus(folder: Path) -> Corpus:
    found = Corpus([str(folder / "text")], folder / "data", 1)
    found.find()
    return found


async def trained(folder: Path, complete: bool = True) -> tuple[TextRounds, Shard]:
    """What a node has after it has gone on with all there is; the rounds and the last text."""
    rounds, text = TextRounds(folder / "data", replay=0.5), corpus(folder)
    if before := read_rounds(folder / "data"):
        rounds.take_up(text, before[-1].text, complete)
    shard = await rounds.text(text, VOCAB)
    rounds.noted()
    return rounds, shard


def names(rounds: list[Round]) -> list[list[str]]:
    return [[Path(file.name).name for file in each.files] for each in rounds]


async def test_a_new_file_is_a_round_of_its_own_with_old_text_in_it(folder: Path) -> None:
    _, first = await trained(folder)
    (folder / "text" / "a.txt").write_text("c c\n" * 3000)  # before the old one in any order
    rounds, second = await trained(folder)
    assert names(rounds.past) == [["m.txt"], ["a.txt"]]
    assert np.count_nonzero(second.tokens == 2) == 6000
    assert 0.4 < np.mean(second.tokens[second.tokens >= 0] != 2) < 0.6
    _, again = await trained(folder)
    assert (again.checksum, again.checksum != first.checksum) == (second.checksum, True)
    assert names(read_rounds(folder / "data")) == [["m.txt"], ["a.txt"]]


async def test_what_has_begun_is_trained_before_new_text(folder: Path) -> None:
    _, first = await trained(folder)
    (folder / "text" / "a.txt").write_text("c c\n")
    rounds, same = await trained(folder, complete=False)
    assert same.checksum == first.checksum
    assert names(rounds.past) == [["m.txt"]]


async def test_a_file_that_was_moved_is_neither_new_nor_gone(folder: Path) -> None:
    _, first = await trained(folder)
    (folder / "text" / "m.txt").rename(folder / "text" / "other.txt")
    rounds, same = await trained(folder)
    assert (same.checksum, rounds.told) == (first.checksum, None)


async def test_files_that_change_or_go_are_named_and_left_out(folder: Path) -> None:
    (folder / "text" / "n.txt").write_text("a c\n")
    _, first = await trained(folder)
    (folder / "text" / "n.txt").write_text("a c a\n")
    rounds, same = await trained(folder)
    assert same.checksum == first.checksum
    assert rounds.told is not None
    assert "n.txt (1) changed" in rounds.told
    (folder / "text" / "n.txt").unlink()
    rounds, same = await trained(folder)
    assert same.checksum == first.checksum
    assert "n.txt (1) gone" in (rounds.told or "")


@pytest.mark.parametrize("complete", [False, True])
async def test_a_text_of_which_nothing_is_left_is_another(folder: Path, complete: bool) -> None:
    _, first = await trained(folder)
    (folder / "text" / "m.txt").write_text("a b c\n" * 3000)
    rounds, other = await trained(folder, complete)
    assert other.checksum != first.checksum
    assert (names(rounds.past), rounds.told) == ([["m.txt"]], None)


async def test_before_the_end_a_change_is_another_text(folder: Path) -> None:
    (folder / "text" / "n.txt").write_text("a c\n")
    _, first = await trained(folder)
    (folder / "text" / "n.txt").write_text("a c a\n")
    _, other = await trained(folder, complete=False)
    assert other.checksum != first.checksum


async def test_old_shards_are_dropped_but_for_the_first_and_the_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gossipw2v.w2v.text.rounds.rounds.OLDER", 2)
    await trained(folder)
    for n in range(5):
        (folder / "text" / f"n{n}.txt").write_text("c a\n" * (n + 1))
        rounds, _ = await trained(folder)
    kept = {path.name for path in (folder / "data").glob("*.shard")}
    last = rounds.past[-3:]
    assert kept == {rounds.past[0].shard, *(each.shard for each in last), *(each.new for each in last)}
    assert not list((folder / "data" / "new").glob("*.shard"))


@pytest.mark.parametrize("data", [b"", b"[5]", b'{"a": 1}', b"\xff", b'[{"text": 1, "shard": "s", "files": []}]',
                                  b'[{"text": "t", "shard": "../s", "files": []}]'])  # fmt: skip
def test_a_damaged_record_is_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(data)
    assert read_rounds(tmp_path) == []


def test_a_record_comes_back(folder: Path) -> None:
    files = corpus(folder).files
    rounds = [Round("ab", "x.shard", known(files, PLAIN))]
    write_rounds(folder, rounds)
    assert read_rounds(folder) == rounds
    assert compare(files, rounds[0].files, rounds) == ([], [], [])


def test_a_shard_of_another_name_or_vocabulary_is_refused(tmp_path: Path) -> None:
    for name in ("x.shard", f"{'00' * 16}-{'11' * 16}-{'00' * 16}.shard"):
        with pytest.raises(ShardError, match=r"is not called|of another vocabulary"):
            reopened(tmp_path / name, bytes(16))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_the_share_of_old_text_is_as_asked(share: float) -> None:
    new, old = np.zeros(100_000, np.int32), [np.full(5000, 1, np.int32), np.full(50_000, 2, np.int32)]
    out = np.concatenate(list(replayed(new, old, share, 1)))
    assert np.count_nonzero(out == 0) == 100_000
    assert abs(np.mean(out[out >= 0] > 0) - share) < 0.05
    assert share == 0 or np.count_nonzero(out == 2) > np.count_nonzero(out == 1) > 0
    assert np.array_equal(out, np.concatenate(list(replayed(new, old, share, 1))))


def test_without_old_text_new_text_is_all() -> None:
    new = np.arange(3 * STRETCH, dtype=np.int32)
    assert np.array_equal(np.concatenate(list(replayed(new, [], 0.5, 1))), new)

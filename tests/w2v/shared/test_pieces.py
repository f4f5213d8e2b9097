"""A shared text is cut alike wherever it lies, every word is in one piece or held out, and what differs is named."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.gossip.messages import MAX_TASKS
from gossipw2v.gossip.tasks.listing import first_difference
from gossipw2v.w2v.shared import pieces
from gossipw2v.w2v.shared.pieces import TextPieces, cut_text
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.finding.find import find
from gossipw2v.w2v.text.sources.form import JSONL, PARQUET, PLAIN, Form
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A large file, a small one, a packed one, and an endless line."""
    rng = np.random.default_rng(1)
    words = [f"w{n}" for n in range(300)]

    def lines(number: int) -> str:
        return "".join(" ".join(rng.choice(words, rng.integers(1, 20))) + "\n" for _ in range(number))

    made = tmp_path / "text"
    (made / "sub").mkdir(parents=True)
    (made / "a.txt").write_text(lines(20_000))
    (made / "b.txt").write_text("only one line")
    (made / "sub" / "c.txt").write_text(" ".join(rng.choice(words, 150_000)))
    (made / "d.txt.gz").write_bytes(gzip.compress(lines(500).encode()))
    return made


def cut(folder: Path, form: Form = PLAIN, epochs: int = 2, held_out: float = 0.01) -> TextPieces:
    return cut_text(find([str(folder)], form).files, form, epochs, held_out)


def vocabulary(folder: Path) -> Vocab:
    return freeze(count_words(find([str(folder)]).files), 1)


def test_every_word_is_in_one_piece_or_held_out(folder: Path) -> None:
    vocab, made = vocabulary(folder), cut(folder)
    text = SharedText(made, PLAIN, vocab)
    ids = [text.held_out, *(ids for n in range(len(made.pieces)) for ids in text.piece(n))]
    together = np.concatenate(ids)
    assert np.array_equal(np.bincount(together[together >= 0], minlength=len(vocab)), vocab.counts)
    assert 0 < np.count_nonzero(text.held_out >= 0) < 0.02 * vocab.tokens
    assert sum(made.tokens(vocab.tokens)) == pytest.approx(vocab.tokens, rel=1e-3)


def test_lines_are_whole_and_pieces_of_like_size(folder: Path) -> None:
    made = cut(folder, held_out=0.0)
    assert not made.held_out
    text = (folder / "a.txt").read_bytes()
    for stretch in (stretch for piece in made.pieces for stretch in piece if stretch.file == folder / "a.txt"):
        assert text[stretch.start - 1 : stretch.start] in (b"", b"\n")
    sizes = [sum(stretch.size for stretch in piece) for piece in made.pieces]
    assert all(pieces.LEAST_BYTES <= size < 1.1 * pieces.LEAST_BYTES for size in sizes[:-1])


def test_a_line_without_end_is_cut_at_white_space(folder: Path) -> None:
    made = cut(folder, held_out=0.0)
    text = (folder / "sub" / "c.txt").read_bytes()
    cuts = [stretch.start for piece in made.pieces for stretch in piece if stretch.file.name == "c.txt"]
    assert len(cuts) > 2
    assert all(text[at - 1 : at] == b" " for at in cuts if at)


def test_what_is_packed_is_one_stretch_and_many_small_files_are_one_piece(folder: Path, tmp_path: Path) -> None:
    (packed,) = (s for piece in cut(folder).pieces for s in piece if s.file.name == "d.txt.gz")
    assert packed.whole
    few = tmp_path / "few"
    few.mkdir()
    for n in range(30):
        (few / f"{n}.txt").write_text("a b c\n" * 10)
    assert [len(piece) for piece in cut(few).pieces] == [30]


def test_json_lines_are_cut_between_records(tmp_path: Path) -> None:
    path, form = tmp_path / "a.jsonl", Form(kind=JSONL, field="text")
    path.write_text("".join(f'{{"text": "w{n} of {n % 7}"}}\n' for n in range(40_000)))
    made = cut_text([path], form, 1, 0.0)
    vocab = freeze(count_words([path], None), 1)
    assert len(made.pieces) > 2
    text = path.read_bytes()
    assert all(text[s.start : s.start + 1] == b"{" for piece in made.pieces for s in piece)
    assert len(vocab)


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path, form = tmp_path / "a.parquet", Form(kind=PARQUET, field="text")
    rng = np.random.default_rng(1)
    rows = [" ".join(f"w{word}" for word in rng.integers(0, 3000, 20)) for _ in range(24_000)]
    parquet.write_table(
        arrow.table({"text": rows}), path, row_group_size=1000, compression="none", use_dictionary=False
    )
    made = cut_text([path], form, 1, 0.1)
    assert len(made.pieces) > 5
    groups = [stretch.groups for piece in made.pieces for stretch in piece]
    assert [n for group in groups if group for n in range(*group)] == list(range(24))
    assert sum(stretch.size for piece in made.pieces for stretch in piece) == path.stat().st_size
    vocab = freeze(count_words([path], TextReader(form=form)), 1)
    text = SharedText(made, form, vocab)
    assert not len(text.held_out)
    together = np.concatenate([ids for n in range(len(made.pieces)) for ids in text.piece(n)])
    assert np.array_equal(np.bincount(together[together >= 0]), vocab.counts)


def test_copies_elsewhere_are_the_same_text_and_every_change_is_named(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "mounted" / "here"
    shutil.copytree(folder, other)
    mine = cut(folder)
    assert cut(other).digest == mine.digest
    changed = bytearray((other / "sub" / "c.txt").read_bytes())
    changed[len(changed) // 2] ^= 1
    for change, told in (
        (lambda: (other / "sub" / "c.txt").write_bytes(changed), "sub/c.txt differs in what it holds, not in its size"),
        (lambda: (other / "b.txt").write_text("only one line!"), "b.txt differs: 14 bytes there, 13 bytes here"),
        ((other / "a.txt").unlink, "a.txt is here and not there"),
    ):
        change()
        theirs = cut(other)
        assert theirs.digest != mine.digest
        assert first_difference(mine.listing, theirs.listing) == told


def test_a_file_that_moves_all_cuts_is_the_one_that_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "TASKS", 7)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with (other / "sub" / "c.txt").open("a") as file:
        file.write(" more" * 50_000)
    told = first_difference(cut(folder).listing, cut(other).listing)
    assert told.startswith("sub/c.txt differs: ")


def test_other_settings_are_another_text(folder: Path) -> None:
    mine, theirs = cut(folder), cut(folder, held_out=0.0)
    assert first_difference(mine.listing, theirs.listing).startswith("(settings) differs")


@pytest.mark.parametrize("epochs", [1, 100, 10_000])
def test_a_run_has_a_bounded_number_of_tasks(folder: Path, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LEAST_BYTES", 100)
    assert len(cut(folder, epochs=epochs).pieces) * epochs <= pieces.TASKS + epochs < MAX_TASKS

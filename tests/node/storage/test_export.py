"""word2vec text that others read, of a running node or of the checkpoint of one that has been."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from support.checkpoints import NODE, contents, keep

from gossipw2v.node.storage.checkpoint import CheckpointError, write
from gossipw2v.node.storage.export import export_model, load_model
from gossipw2v.system.durable import replace_file
from gossipw2v.system.output import writing
from gossipw2v.w2v.similarity import Space, most_similar
from gossipw2v.w2v.word2vec_format import ExportError, lines, write_word2vec

WORDS = ["the", "naïve", "日本", "no\u00a0break", "word\u2028line", "a%sb", "-1.5"]


def model(words: int = 40, size: int = 6) -> tuple[list[bytes], np.ndarray]:
    names = [f"w{number}".encode() for number in range(words)]
    return names, np.random.default_rng(1).normal(0, 0.3, (2 * words, size)).astype(np.float32)


def exported(path: Path, words: list[bytes], vectors: np.ndarray) -> None:
    with writing(path) as file:
        write_word2vec(file, words, vectors)


def read_text(data: bytes) -> tuple[list[bytes], np.ndarray]:
    """The obvious reader: each number as a double, then as a float32."""
    header, *rows = data.decode().split("\n")[:-1]
    cells = [row.split(" ") for row in rows]
    assert header == f"{len(rows)} {len(cells[0]) - 1}"
    return [row[0].encode() for row in cells], np.array([row[1:] for row in cells], np.float64).astype(np.float32)


# --- word2vec text --------------------------------------------------------------------------------------

every_float32 = arrays(np.uint32, (3, 4)).map(lambda bits: bits.view(np.float32))


@settings(deadline=None)
@given(every_float32)
def test_every_finite_float32_reloads_bit_for_bit(vectors: np.ndarray) -> None:
    vectors = np.where(np.isfinite(vectors), vectors, np.float32(0))
    _, read = read_text(b"".join(lines([b"a", b"b", b"c"], vectors)))
    assert read.tobytes() == vectors.tobytes()  # also tells -0 from 0


@pytest.mark.parametrize("block", [1, 7, 40, 1000])
def test_the_size_of_the_pieces_does_not_change_the_text(block: int) -> None:
    words, weights = model()
    assert b"".join(lines(words, weights[:40], block)) == b"".join(lines(words, weights[:40]))


def test_the_file_is_what_streaming_sends_most_frequent_word_first(tmp_path: Path) -> None:
    words, weights = model()
    exported(tmp_path / "v.txt", words, weights[:40])
    data = (tmp_path / "v.txt").read_bytes()
    assert data == b"".join(lines(words, weights[:40]))
    assert data.startswith(b"40 6\nw0 ")
    read_words, read = read_text(data)
    assert read_words == words
    assert np.array_equal(read, weights[:40])


def test_gensim_reads_the_same_vectors_and_finds_the_same_neighbours(tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors
    vectors = np.random.default_rng(2).normal(0, 0.3, (len(WORDS) + 200, 20)).astype(np.float32)
    words = [*WORDS, *(f"w{number}" for number in range(200))]
    exported(tmp_path / "v.txt", [word.encode() for word in words], vectors)
    loaded = keyed.load_word2vec_format(str(tmp_path / "v.txt"))
    assert loaded.index_to_key == words
    assert loaded.vectors.tobytes() == vectors.tobytes()
    space = Space.of(words, vectors)
    for word in words:
        ours, theirs = most_similar(space, word, 10), loaded.most_similar(word, topn=10)
        assert [name for name, _ in ours] == [name for name, _ in theirs]
        assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-5)


@pytest.mark.parametrize("word", [b"", b"New York", b"a\tb", b"a\n", b"\rb", b"a\x0bb", b"a\x0cb"])
def test_a_word_the_format_cannot_hold_is_refused_by_name(tmp_path: Path, word: bytes) -> None:
    with pytest.raises(ExportError, match="white space") as error:
        exported(tmp_path / "v.txt", [b"fine", word], np.ones((2, 3), np.float32))
    assert repr(word.decode()) in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused_by_its_word(tmp_path: Path, value: float) -> None:
    words, weights = model(1000)
    weights[700, 5] = value
    with pytest.raises(ExportError, match="'w700'"):
        exported(tmp_path / "v.txt", words, weights[:1000])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("row", [0, 511, 512, 999])
def test_a_value_that_breaks_while_the_text_is_made_ends_it_before_it_is_in_it(row: int) -> None:
    words, weights = model(1000)
    pieces = lines(words, weights[:1000])
    assert next(pieces) == b"1000 6\n"
    weights[row, 2] = np.nan
    made: list[bytes] = []
    with pytest.raises(ExportError, match=f"'w{row}'"):
        made.extend(pieces)
    assert b"".join(made).count(b"\n") == row // 512 * 512
    assert b"nan" not in b"".join(made)


def test_words_and_vectors_must_match(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="1 words"):
        exported(tmp_path / "v.txt", [b"a"], np.ones((2, 3), np.float32))


# --- whole or not at all --------------------------------------------------------------------------------


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def broken() -> Any:
        yield b"new"
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replace_file(path, broken())
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_a_written_file_has_the_permissions_the_user_asked_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "file", [b"x"])
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


WRITER = """
import sys
from pathlib import Path
from typing import Any
import numpy as np
from gossipw2v.system.output import writing
from gossipw2v.w2v.word2vec_format import write_word2vec
with writing(Path(sys.argv[1])) as file:
    write_word2vec(file, [b"w%d" % n for n in range(300_000)], np.ones((300_000, 64), np.float32))
"""


def test_a_node_killed_in_the_middle_of_an_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"old")
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as writer:
        while not any(file.stat().st_size > 1 << 20 for file in tmp_path.glob(".vectors.txt.*.tmp")):
            assert writer.poll() is None, "the export ended before it could be killed"
            time.sleep(0.005)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait(10) == -signal.SIGKILL
    assert path.read_bytes() == b"old"


# --- what a node left -----------------------------------------------------------------------------------


def test_exporting_a_checkpoint_writes_its_first_matrix(tmp_path: Path) -> None:
    for generation in (1, 2):
        keep(tmp_path, generation)
    assert export_model(tmp_path, tmp_path / "v.txt") == (2, 3)
    assert (tmp_path / "v.txt").read_bytes() == b"2 3\nthe 2 3 4\nof 5 6 7\n"


def test_a_model_comes_with_its_words_and_what_it_is(tmp_path: Path) -> None:
    keep(tmp_path, 3)
    words, weights, described = load_model(tmp_path)
    assert list(words) == [b"the", b"of"]
    assert np.array_equal(weights, np.arange(12, dtype=np.float32).reshape(4, 3) + 3)
    assert (described["job"], described["complete"], described["node"]) == ("test", False, NODE.hex())


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{tmp_path}: no model has been saved here"):
        load_model(tmp_path)


def test_words_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-1"
    write(path, 1, replace(contents(1), vocabulary=b"not words"))
    with pytest.raises(CheckpointError, match="checkpoint-1: not a GWV1 blob"):
        load_model(tmp_path)

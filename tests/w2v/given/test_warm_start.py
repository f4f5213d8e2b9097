"""A model starts from given vectors, whatever file they came in, and from nothing else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gossipw2v.node.session import initial_weights
from gossipw2v.w2v.given.warm_start import NO_ROWS, WarmStart, WarmStartError, warm_start
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors import files
from gossipw2v.w2v.vectors.formats import choose
from gossipw2v.w2v.vectors.table import Vectors

SIZE = 5
WORDS = [b"of", b"unmet", b"the", "é".encode()]
ROWS = np.random.default_rng(1).normal(size=(4, SIZE)).astype(np.float32)
VOCAB = Vocab(Words.of([b"the", b"and", b"of"]), np.array([30, 20, 10], np.int64))


def written(path: Path, words: list[bytes] = WORDS, rows: NDArray[np.float32] = ROWS) -> Path:
    with files.opened(target := choose(path)) as opened:
        files.write(opened, target, words, rows)
    return path


def started(path: Path) -> WarmStart:
    return warm_start((files.read_vectors(path),), str(path), SIZE)


def vectors(rows: NDArray[np.float32], words: list[bytes] = WORDS) -> Vectors:
    return Vectors("memory", Words.of(words), rows)


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.bin.gz", "v.npy", "v.safetensors", "v.tsv"])
def test_words_of_a_file_of_any_format_start_from_it_and_others_as_usual(name: str, tmp_path: Path) -> None:
    start = started(written(tmp_path / name))
    assert start.digest == warm_start((vectors(ROWS),), "memory", SIZE).digest
    first, usual = start.rows_of(VOCAB.words, tmp_path), initial_weights(VOCAB, 1, SIZE)
    weights = initial_weights(VOCAB, 1, SIZE, first)
    assert first.at.tolist() == [0, 2]
    assert not first.both
    assert weights[[0, 2]].tobytes() == ROWS[[2, 0]].tobytes()
    assert weights[1].tobytes() == usual[1].tobytes()
    assert not weights[3:].any()
    assert weights.tobytes() == initial_weights(VOCAB, 1, SIZE, first).tobytes()  # as often as links ask


def test_what_fasttext_writes_is_read(tmp_path: Path) -> None:
    lines = (b"%b %b \n" % (word, b" ".join(b"%.5g" % x for x in row)) for word, row in zip(WORDS, ROWS, strict=True))
    (tmp_path / "model.vec").write_bytes(b"4 5\n" + b"".join(lines))
    weights = initial_weights(VOCAB, 1, SIZE, started(tmp_path / "model.vec").rows_of(VOCAB.words, tmp_path))
    assert np.allclose(weights[0], ROWS[2], rtol=1e-4)


def test_context_vectors_are_taken_where_they_are_known(tmp_path: Path) -> None:
    start = warm_start((vectors(ROWS), vectors(2 * ROWS)), "a model", SIZE)
    weights = initial_weights(VOCAB, 1, SIZE, start.rows_of(VOCAB.words, tmp_path))
    assert weights[[0, 2]].tobytes() == ROWS[[2, 0]].tobytes()
    assert weights[[3, 5]].tobytes() == (2 * ROWS[[2, 0]]).tobytes()
    assert not weights[4].any()
    assert start.digest != warm_start((vectors(ROWS),), "its words alone", SIZE).digest


def test_a_start_without_a_known_word_is_as_usual(tmp_path: Path) -> None:
    start = warm_start((vectors(ROWS, [b"w", b"x", b"y", b"z"]),), "a", SIZE)
    first = start.rows_of(VOCAB.words, tmp_path)
    assert first is NO_ROWS
    assert initial_weights(VOCAB, 1, SIZE, first).tobytes() == initial_weights(VOCAB, 1, SIZE).tobytes()


def test_any_other_word_number_or_order_is_another_start() -> None:
    other = ROWS.copy()
    other[3, 4] += np.float32(1e-6)
    many = [(ROWS, WORDS), (other, WORDS), (ROWS, [b"off", *WORDS[1:]]), (ROWS[::-1], WORDS[::-1])]
    assert len({warm_start((vectors(rows, words),), "a", SIZE).digest for rows, words in many}) == len(many)


def test_another_dimension_is_refused_with_both_figures() -> None:
    with pytest.raises(WarmStartError, match=r"have 5 dimensions, and vector_size is 128; give --vector-size 5"):
        warm_start((vectors(ROWS),), "a", 128)


@pytest.mark.parametrize("value", [1e3, np.inf, np.nan])
def test_a_row_of_no_model_that_learns_is_refused_by_its_word(value: float) -> None:
    rows = ROWS.copy()
    rows[3, 0] = value
    with pytest.raises(WarmStartError, match=r"a: the vector of 'é' has length (1e\+03|inf|nan); 100 is the most"):
        warm_start((vectors(rows),), "a", SIZE)


def test_a_file_that_changed_since_it_was_read_is_refused(tmp_path: Path) -> None:
    start = started(written(tmp_path / "v.npy"))
    with (tmp_path / "v.npy").open("r+b") as file:
        file.seek(-4, 2)
        file.write(np.float32(7).tobytes())
    with pytest.raises(WarmStartError, match=r"v\.npy: has changed since it was read"):
        start.rows_of(VOCAB.words, tmp_path)


def test_what_was_taken_stays_when_the_file_changes(tmp_path: Path) -> None:
    first = started(written(tmp_path / "v.npy")).rows_of(VOCAB.words, tmp_path)
    before = initial_weights(VOCAB, 1, SIZE, first)
    with (tmp_path / "v.npy").open("r+b") as file:
        file.seek(-16 * SIZE, 2)
        file.write(bytes(16 * SIZE))
    assert initial_weights(VOCAB, 1, SIZE, first).tobytes() == before.tobytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp")] == []

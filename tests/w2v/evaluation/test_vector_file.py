"""Files of vectors as they are read: both formats of word2vec, and what is neither."""

from pathlib import Path

import numpy as np
import pytest

from gossipw2v.w2v.evaluation.tables import LayoutError
from gossipw2v.w2v.evaluation.vector_file import read_vectors
from gossipw2v.w2v.word2vec_format import write_word2vec

WORDS = ["the", "naïve", "日本", "x,y"]


@pytest.mark.parametrize("binary", [False, True])
def test_both_formats_are_read_as_gensim_writes_them(tmp_path: Path, binary: bool) -> None:
    models = pytest.importorskip("gensim.models", exc_type=ImportError)
    vectors = np.random.default_rng(1).normal(size=(4, 7)).astype(np.float32)
    made = models.KeyedVectors(7)
    made.add_vectors(WORDS, vectors)
    made.save_word2vec_format(str(tmp_path / "v"), binary=binary)
    words, found = read_vectors(tmp_path / "v")
    assert words == WORDS
    assert found.dtype == np.float32
    assert np.allclose(found, vectors, atol=1e-6)


def test_what_this_program_writes_is_read_bit_for_bit(tmp_path: Path) -> None:
    vectors = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    write_word2vec(tmp_path / "v.txt", [word.encode() for word in WORDS], vectors)
    words, found = read_vectors(tmp_path / "v.txt")
    assert words == WORDS
    assert found.tobytes() == vectors.tobytes()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"", "line 1"),
        (b"1\n", "line 1"),
        (b"-1 3\n", "line 1"),
        (b"9999999 3\na 1 2 3\n", "line 1: promises 9999999 words"),
        (b"2 3\na 1 2 3\nb 1\n", "line 3"),
        (b"1 3\na 1 2 x\n", "line 2"),
        (b"2 3\na 1 2 3\nb 1 2 nan\n", "line 3: the vector of 'b'"),
        (b"2 3\na 1 2 3\nb 1 2 1e99\n", "line 3: the vector of 'b'"),
        (b"2 1\na \x00\x00\x80\x3fb \x00", "word 2"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_is_no_vector_file_is_named_with_its_line(tmp_path: Path, text: bytes, place: str) -> None:
    (tmp_path / "v.txt").write_bytes(text)
    with pytest.raises(LayoutError, match=f"v.txt, {place}"):
        read_vectors(tmp_path / "v.txt")

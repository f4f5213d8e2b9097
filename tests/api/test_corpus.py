"""What `train` takes for text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.api.corpus import as_paths

WORDS = st.text(st.characters(codec="utf-8", exclude_characters=" \t\n\v\f\r\0"), min_size=1, max_size=20)


def test_paths_stay(tmp_path: Path) -> None:
    assert as_paths("a.txt", tmp_path) == ("a.txt",)
    assert as_paths(Path("a.txt"), tmp_path) == ("a.txt",)
    assert as_paths(["a.txt", Path("b")], tmp_path) == ("a.txt", "b")
    assert not list(tmp_path.iterdir())


@given(st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=5))
def test_sentences_become_lines(tmp_path_factory: pytest.TempPathFactory, sentences: list[list[str]]) -> None:
    [path] = as_paths(iter(sentences), tmp_path_factory.mktemp("text"))
    lines = Path(path).read_bytes().split(b"\n")
    assert [line.decode().split(" ") if line else [] for line in lines[:-1]] == sentences
    assert lines[-1] == b""


@pytest.mark.parametrize(
    ("corpus", "kind", "told"),
    [
        ([], ValueError, "empty"),
        ([["good"], ["two words"]], ValueError, "sentence 2: the word 'two words'"),
        ([["good", ""]], ValueError, "sentence 1: the word ''"),
        ([["x" * 1001]], ValueError, "sentence 1: a word of 1001 bytes"),
        ([["good"], "a text"], TypeError, "sentence 2 is str, not a list of words"),
        ([7], TypeError, "sentence 1 is int"),
        ([["good", 7]], TypeError, "the word 7 is int"),
        ([["\ud800"]], ValueError, "surrogates not allowed"),
    ],
)
def test_what_cannot_be_a_line_is_named(tmp_path: Path, corpus: list[object], kind: type, told: str) -> None:
    with pytest.raises(kind, match=told):
        as_paths(corpus, tmp_path)  # type: ignore[arg-type]

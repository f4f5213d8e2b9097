"""Words by a pattern and in lower case, and patterns that would stop a node."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.config.tokenize import check_tokenize
from gossipw2v.w2v.text.blocks import MAX_WORD_BYTES, TextReader
from gossipw2v.w2v.text.sources import tokens
from gossipw2v.w2v.text.sources.errors import SourceError
from gossipw2v.w2v.text.sources.form import PLAIN, Form
from gossipw2v.w2v.text.sources.tokens import PIECE, check_speed, pieces, rewriter
from gossipw2v.w2v.text.vocab import count_words

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)


def words(text: str, **form: object) -> list[list[str]]:
    """The words of each line."""
    rewrite = rewriter(Form(**form))  # type: ignore[arg-type]
    assert rewrite is not None
    return [line.split() for line in rewrite(text.encode()).decode().split("\n")]


def test_plain_words_are_left_alone() -> None:
    assert rewriter(PLAIN) is None


@given(texts)
@repeatable()
def test_the_words_are_all_matches_of_a_line(text: str) -> None:
    assert words(text, tokenize=r"\w+") == [re.findall(r"\w+", line) for line in text.split("\n")]


@given(texts)
@repeatable()
def test_lower_case_in_every_script(text: str) -> None:
    rewrite = rewriter(Form(lowercase=True))
    assert rewrite is not None
    assert rewrite(text.encode()).decode() == text.lower()
    assert words(text, tokenize=r"\w+", lowercase=True) == [
        re.findall(r"\w+", line) for line in text.lower().split("\n")
    ]


def test_a_group_says_which_part_is_the_word_and_spaces_in_it_become_underscores() -> None:
    assert words("a New York b\nc", tokenize=r"New York|\w") == [["a", "New_York", "b"], ["c"]]
    assert words("<one> <two>", tokenize=r"<(\w+)>") == [["one", "two"]]
    assert words("a\tb c", tokenize=r"\S\s\S|c") == [["a_b", "c"]]
    assert words("abc", tokenize=r"x*") == [[]]


@given(st.text("ab \t", max_size=60), st.integers(1, 10))
@repeatable()
def test_long_lines_are_cut_at_white_space(line: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PIECE", most)
        found = list(pieces(line))
    assert "".join(found) == line
    assert all(len(piece) <= most for piece in found)
    if all(len(word) < most for word in line.split()):
        assert [word for piece in found for word in piece.split()] == line.split()


@pytest.mark.parametrize("block", [64, 1000, 2 << 20])
def test_text_without_white_space_is_read_by_a_pattern(tmp_path: Path, block: int) -> None:
    """Chinese, of which a line is longer than any word may be."""
    line = "\u4e00\u4e8c\u4e09" * 500
    assert len(line.encode()) > MAX_WORD_BYTES
    path = tmp_path / "text"
    path.write_text(f"{line}\n" * 20, "utf-8")
    counts = count_words([path], TextReader(1, block_bytes=block, form=Form(tokenize=".")))
    assert (counts.tokens, counts.dropped) == (20 * 1500, 0)
    assert dict(zip(counts.words, counts.counts.tolist(), strict=True)) == {c.encode(): 10_000 for c in line[:3]}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "neither .* nor a regular expression"),
        ("", "0 characters"),
        ("x" * 101, "101 characters"),
        (r"(\w)(\d)", "2 groups"),
        (r"(a+)+$", "a repetition is inside another"),
        (r"(?:a|aa)+$", "alternatives are inside"),
        (r"(?:\w+\s?)*$", "a repetition is inside another"),
        (r"(?:(?:a{1,9}){1,9}){1,9}!", "a repetition is inside another"),
        (r"(?=(?:a?){30})x", "a repetition is inside another"),
        (r"(\w+)\1", "refers back"),
    ],
)
def test_patterns_that_may_take_for_ever_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_tokenize(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+",
        r"\w+(?:'\w+)?",
        r"\w++(?:['-]\w++)*+",
        r"[^\W\d_]+|\d+",
        r"(?i)[a-z]+",
        r"\S",
        r"(?:a|b)+",
        r"\b\w{2,}\b",
    ],
)
def test_usual_patterns_are_taken_and_are_fast_enough(pattern: str) -> None:
    check_tokenize(pattern)
    check_speed(Form(tokenize=pattern), "one two don't\n" * 1000)


def test_a_pattern_that_is_slow_on_some_text_is_found_out_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "TRIAL_SECONDS", 1.0)
    pattern = r"a*a*a*a*a*b"
    check_tokenize(pattern)
    with pytest.raises(SourceError, match=r"takes more than 1 s.*possessive"):
        check_speed(Form(tokenize=pattern), "")
    with pytest.raises(SourceError, match="takes more than"):
        check_speed(Form(tokenize=r"[xy]*[xy]*[xy]*[xy]*z"), "xy" * PIECE)

"""Test sets in every layout in which they are published, and what is refused, with its line."""

import gzip
from pathlib import Path

import pytest

from gossipw2v.w2v.evaluation import layouts, tables
from gossipw2v.w2v.evaluation.layouts import (
    Question,
    RatedPair,
    read_analogies,
    read_categories,
    read_either,
    read_labels,
    read_pairs,
    read_sequences,
)
from gossipw2v.w2v.evaluation.tables import LayoutError
from gossipw2v.w2v.text.files import CorpusError

PAIRS = [RatedPair("love", "sex", 6.5), RatedPair("tiger", "cat", 7.0), RatedPair("car", "sky", 0.25)]
SEPARATORS = pytest.mark.parametrize("separator", ["\t", ",", ";", " ", "   "])


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str | bytes, name: str = "set.txt") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


# --- pairs ------------------------------------------------------------------------------------------------


@SEPARATORS
@pytest.mark.parametrize("head", ["", "# a comment\n", "\n#c\nWord 1{s}Word 2{s}Human (mean)\n", "\ufeffa{s}b{s}c\r\n"])
def test_pairs_in_any_layout(file, separator: str, head: str) -> None:
    lines = [separator.join(map(str, pair)) for pair in PAIRS]
    if separator.strip() == "" and "\t" not in separator:
        head = head.replace("Word 1", "Word1").replace("Word 2", "Word2").replace(" (mean)", "")
    assert read_pairs(file(head.format(s=separator) + "\n".join(lines))) == PAIRS


def test_the_rating_is_the_first_number_behind_the_words(file) -> None:
    simlex = "word1\tword2\tPOS\tSimLex999\tSD\n" + "".join(f"{a}\t{b}\tN\t{score}\t9.9\n" for a, b, score in PAIRS)
    assert read_pairs(file(simlex)) == PAIRS


def test_decimal_commas_phrases_and_quotes(file) -> None:
    assert read_pairs(file("Auto;Wagen;7,25\nHut;Hund;1\n")) == [("Auto", "Wagen", 7.25), ("Hut", "Hund", 1.0)]
    assert read_pairs(file("New York\tBig Apple\t9\n")) == [("New York", "Big Apple", 9.0)]
    assert read_pairs(file('"Paris, France",city,3\n')) == [("Paris, France", "city", 3.0)]
    assert read_pairs(file('"Paris, France",city,3\nhat,"" ,1\n"a""b",c,2\n'.replace('hat,"" ,1\n', ""))) == [
        ("Paris, France", "city", 3.0),
        ('a"b', "c", 2.0),
    ]


def test_packed_files_are_unpacked(file) -> None:
    assert read_pairs(file(gzip.compress(b"love sex 6.5\ntiger cat 7\ncar sky .25\n"), "set.gz")) == PAIRS


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a b 1\nc d\n", 2),
        ("a b 1\nc d nan\n", 2),
        ("one two score\na b 1\n\n# c\na b x\n", 5),
        ("a\tb\t1\n\tb\t1\n", 2),
        ("a,b,1\nc,d,1\na;b;1\n", 3),
        ("a title\na,b,1\nc,d,1\n", 1),
    ],
)
def test_a_line_that_is_no_pair_is_named(file, text: str, line: int) -> None:
    with pytest.raises(LayoutError, match=f"set.txt, line {line}: not two words and a score"):
        read_pairs(file(text))


@pytest.mark.parametrize("text", ["", "# nothing\n", "word1 word2 score\n"])
def test_a_file_without_a_pair_is_refused(file, text: str) -> None:
    with pytest.raises(LayoutError, match=r"set.txt: no line holds two words and a score"):
        read_pairs(file(text))


def test_what_is_no_text_is_refused(file, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LayoutError, match="line 2: is no UTF-8"):
        read_pairs(file(b"a b 1\nc\xffd e 1\n"))
    with pytest.raises(CorpusError, match="no such file"):
        read_pairs(Path("nowhere.txt"))
    monkeypatch.setattr(tables, "MOST_LINE", 10)
    with pytest.raises(LayoutError, match="line 2: is too long"):
        read_pairs(file("a b 1\nanother word 1\n"))
    monkeypatch.setattr(tables, "MOST_BYTES", 10)
    with pytest.raises(LayoutError, match="line 2: is too long"):
        read_pairs(file("a b 1\nc d 1\n"))


# --- analogies --------------------------------------------------------------------------------------------


@SEPARATORS
def test_questions_with_sections(file, separator: str) -> None:
    lines = [": capitals", "Athens|Greece|Oslo|Norway", "# c", ":family ", "boy|girl|king|queen"]
    found = read_analogies(file("\n".join(lines).replace("|", separator)))
    assert found == [
        Question("capitals", "Athens", "Greece", "Oslo", ("Norway",)),
        Question("family", "boy", "girl", "king", ("queen",)),
    ]


def test_questions_need_no_section_and_may_have_a_heading(file) -> None:
    asked = [Question(layouts.NO_SECTION, "a", "b", "c", ("d",))]
    assert read_analogies(file("a b c d\n")) == asked
    assert read_analogies(file("word1,word2,word3,word4\na,b,c,d\n")) == asked


@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_folder_of_bats_asks_every_pair_of_every_other(file, separator: str) -> None:
    file(f"able{separator}unable\nfair{separator}unfair/foul\n", "bats/D01 [un+adj].txt")
    file(f"cat{separator}cats\ndog{separator}dogs\nbus{separator}buses\n", "bats/I01.txt")
    found = read_analogies(file("", "bats/.hidden.txt").parent)
    assert len(found) == 2 + 6
    assert found[0] == Question("D01 [un+adj]", "able", "unable", "fair", ("unfair", "foul"))
    assert found[1] == Question("D01 [un+adj]", "fair", "unfair", "able", ("unable",))
    assert {question.section for question in found[2:]} == {"I01"}


@pytest.mark.parametrize(
    ("text", "line"),
    [(": s\na b c d\na b c\n", 3), ("a b c d\na b c d e\n", 2), ("a\tb\nc\td\ne\n", 3), ("a\tb\nc\t/\n", 2)],
)
def test_a_line_that_is_no_analogy_is_named(file, text: str, line: int) -> None:
    with pytest.raises(LayoutError, match=f"set.txt, line {line}: neither a section"):
        read_analogies(file(text))


def test_analogies_are_bounded(file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file("a b\nc d\ne f\n", "bats/a.txt")
    monkeypatch.setattr(layouts, "MOST_QUESTIONS", 5)
    with pytest.raises(LayoutError, match="more than 5 questions"):
        read_analogies(path.parent)
    monkeypatch.setattr(layouts, "MOST_PAIRS", 2)
    with pytest.raises(LayoutError, match="3 pairs of words"):
        read_analogies(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayoutError, match="holds 0 files"):
        read_analogies(tmp_path / "empty")
    with pytest.raises(LayoutError, match="no line holds an analogy"):
        read_analogies(file(": only a section\n"))


def test_either_is_told_apart(file) -> None:
    assert read_either(file("a b 1\n")) == ("pairs", [("a", "b", 1.0)])
    assert read_either(file("word1\tword2\tscore\na\tb\t1\n"))[0] == "pairs"
    assert read_either(file(": s\na b c d\n"))[0] == "analogies"
    assert read_either(file("a b c d\n"))[0] == "analogies"
    bats = file("a\tb\nc\td/e\n", "bats/x.txt")
    assert read_either(bats)[0] == read_either(bats.parent)[0] == "analogies"
    with pytest.raises(LayoutError, match=r"set.txt, line 1: neither"):
        read_either(file("neither\n"))


# --- the others -------------------------------------------------------------------------------------------


@SEPARATORS
@pytest.mark.parametrize("head", ["", "word{s}class\n", "#word{s}class\n"])
def test_categories(file, separator: str, head: str) -> None:
    text = head.format(s=separator) + "".join(f"{w}{separator}{c}\n" for w, c in [("cat", "animal"), ("oak", "tree")])
    assert read_categories(file(text)) == {"cat": "animal", "oak": "tree"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cat animal\noak\n", "line 2: not a word and its class"),
        ("bat animal\nbat tool\n", "line 2: 'bat' is in 'tool' here and in 'animal' above"),
        ("cat animal\ndog animal\n", "fewer than two classes"),
    ],
)
def test_what_are_no_categories(file, text: str, told: str) -> None:
    with pytest.raises(LayoutError, match=told):
        read_categories(file(text))


@SEPARATORS
def test_sequences(file, separator: str) -> None:
    lines = [["u1", "a", "b", "c"], ["u2", "b"], ["u3", "c", "a"]]
    path = file("\n".join(map(separator.join, lines)))
    assert read_sequences(path) == lines
    assert read_sequences(path, drop_first=True) == [["a", "b", "c"], ["c", "a"]]


def test_what_are_no_sequences(file) -> None:
    with pytest.raises(LayoutError, match="no line holds a sequence of two items"):
        read_sequences(file("a\nb\n"))


@pytest.mark.parametrize(
    "text",
    [
        "n1\tred,blue\nn2\tred\n",
        "n1 red blue\nn2 red\n",
        "node,label\nn1,red\nn2,red\nn1,blue\n",
        "n1;red;blue\nn2;red",
    ],
)
def test_labels(file, text: str) -> None:
    assert read_labels(file(text)) == {"n1": ("red", "blue"), "n2": ("red",)}


def test_a_label_may_be_a_phrase_behind_a_tab(file) -> None:
    assert read_labels(file("n1\tMachine Learning\nn2\tGraphs\n")) == {"n1": ("Machine Learning",), "n2": ("Graphs",)}


@pytest.mark.parametrize(("text", "told"), [("n1 a\nn2\n", "line 2: not a node"), ("n1 a\nn2 a\n", "fewer than two")])
def test_what_are_no_labels(file, text: str, told: str) -> None:
    with pytest.raises(LayoutError, match=told):
        read_labels(file(text))

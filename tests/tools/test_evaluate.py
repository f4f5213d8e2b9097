"""tools/evaluate.py as it is called: on files, as a process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.w2v.word2vec_format import write_word2vec

EVALUATE = Path(__file__).parents[2] / "tools" / "evaluate.py"


def evaluate(*arguments: object) -> tuple[int, str, str]:
    command = [sys.executable, str(EVALUATE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def write(path: Path, words: list[bytes], rows: np.ndarray) -> None:
    with path.open("wb") as file:
        write_word2vec(file, words, rows)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Side + item for four items, most frequent first: analogies are exact."""
    basis = np.eye(6, dtype=np.float32)
    rows = [basis[item] + basis[4 + side] / 2 for item in range(4) for side in range(2)]
    words = [f"{side}{item}".encode() for item in range(4) for side in "lr"]
    write(tmp_path / "vectors.txt", words, np.array(rows))
    return tmp_path / "vectors.txt"


def test_analogies_in_total_and_by_section(vectors: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text(": good\nL0 R0 l1 r1\nl0 r0 l2 r2\n: mixed\nl1 r1 l2 r3\nl1 r1 l2 r2\nl1 r1 l2 nowhere\n")
    code, out, _ = evaluate(vectors, "--analogies", questions)
    assert code == 0
    assert "75.00   3 of 4, among 8 words" in out
    assert "100.00   2 of 2, good" in out
    assert "50.00   1 of 2, mixed" in out
    assert "1 of 1, among 4 words" in evaluate(vectors, "--analogies", questions, "--restrict", 4)[1]
    assert "2 of 3, among 8 words" in evaluate(vectors, "--analogies", questions, "--keep-case")[1]


def test_word_similarity_says_how_many_pairs_were_known(vectors: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("# a comment\nl0\tr0\t9\nL1\tl2\t3\nl1\tr2\t1\nl1\tnowhere\t5\n")
    _, out, _ = evaluate(vectors, "--wordsim", pairs, "--simlex", pairs)
    assert "WordSim-353  100.00   Spearman x 100, 3 of 4 pairs" in out
    assert "SimLex-999   100.00" in out


def test_pairs_are_read_however_their_columns_are_separated(vectors: Path, tmp_path: Path) -> None:
    rows = [("l0", "r0", "9"), ("l1", "l2", "3"), ("l1", "r2", "1")]
    for name, separator in (("tabs", "\t"), ("commas", ","), ("spaces", " ")):
        lines = [separator.join((*row, "0.5", "7")) for row in rows]  # what single persons said stands behind
        (tmp_path / f"{name}.txt").write_text("# a comment\nWord1 Word2 mean\n" + "\n".join(lines) + "\n")
    classes = "".join(f"{one}\t{other}\tN\t{score}\n" for one, other, score in rows)
    (tmp_path / "classes.csv").write_text(classes)
    files = [tmp_path / name for name in ("tabs.txt", "commas.txt", "spaces.txt", "classes.csv")]
    code, out, err = evaluate(vectors, "--pairs", *files)
    assert code == 0, err
    for path in files:
        assert f"{path.stem:12} 100.00   Spearman x 100, 3 of 3 pairs" in out


def test_a_line_that_is_no_pair_is_named(vectors: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one two score\nl0 r0 9\nl0 r1 nan\n")
    code, _, err = evaluate(vectors, "--pairs", tmp_path / "p.txt")
    assert code == 2
    assert "p.txt, line 3: not two words and a score" in err


def test_compare_matches_rows_by_word(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    words = [f"w{n}".encode() for n in range(50)]
    write(tmp_path / "a.txt", words, rows)
    write(tmp_path / "b.txt", words[::-1], rows[::-1])
    moved = rows.copy()
    moved[3, 0] += np.linalg.norm(rows[3]) / 100
    write(tmp_path / "c.txt", [*words[:49], b"other"], moved)
    _, out, _ = evaluate("--compare", *(tmp_path / f"{name}.txt" for name in "abc"))
    same, one, two = out.splitlines()
    assert same.startswith("0   ")
    assert "50 words in both, 0 in only one" in same
    assert "49 words in both, 2 in only one" in one
    assert float(one.split()[0]) == float(two.split()[0]) == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    "text", ["", "1\n", "2 3\na 1 2 3\n", "1 3\na 1\n", "1 3\na 1 2\n", "1 3\na 1 2 x\n", "-1 3\n"]
)
def test_what_is_no_vector_file_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.txt").write_text(text)
    code, out, err = evaluate(tmp_path / "v.txt", "--wordsim", tmp_path / "v.txt")
    assert (code, out) == (2, "")
    assert "v.txt, line" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["v.txt"], ["--compare", "v.txt"], ["--compare", "v.txt", "v.txt"]])
def test_a_call_that_asks_for_nothing_is_refused(arguments: list[str]) -> None:
    assert evaluate(*arguments)[0] == 2

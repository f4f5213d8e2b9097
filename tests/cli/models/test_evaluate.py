"""`gossipw2v evaluate` as a person or a script meets it: a process on files, a URL, a data directory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import keep
from support.stub_node import stub_node
from support.word2vec_text import write_word2vec


def evaluate(*arguments: object) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "gossipw2v", "evaluate", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Side + item for eight items, most frequent first: analogies are exact; and test sets of every kind."""
    folder, basis = tmp_path_factory.mktemp("evaluate"), np.eye(10, dtype=np.float32)
    rows = [basis[item] + basis[8 + side] / 2 for item in range(8) for side in range(2)]
    words = [f"{side}{item}" for item in range(8) for side in "lr"]
    write_word2vec(folder / "vectors.txt", [word.encode() for word in words], np.array(rows))
    (folder / "pairs.csv").write_text("one,other,score\nl0,R0,9\nl1,l2,3\nl1,r2,1\nl1,nowhere,5\n")
    (folder / "questions.txt").write_text(": good\nL0 R0 l1 r1\nl0 r0 l2 r2\n: mixed\nl1 r1 l2 r3\nl1 r1 l2 nowhere\n")
    (folder / "classes.tsv").write_text("".join(f"{word}\titem {word[1]}\n" for word in words))
    (folder / "baskets.txt").write_text("u1 l0 l1 r0\nu2 r3 l3\nu3 l4 nowhere\n")
    (folder / "labels.txt").write_text("".join(f"{word}\tside {word[0]}\n" for word in words))
    return folder


SETS = {
    "--pairs": "pairs.csv",
    "--analogies": "questions.txt",
    "--categories": "classes.tsv",
    "--next-item": "baskets.txt",
    "--labels": "labels.txt",
    "--compare": "vectors.txt",
}


def test_every_kind_of_test_set_in_a_table_and_as_json(folder: Path) -> None:
    pytest.importorskip("sklearn")
    given = [argument for flag, name in SETS.items() for argument in (flag, folder / name)]
    code, out, err = evaluate(folder / "vectors.txt", *given, "--drop-first")
    assert (code, err) == (0, "")
    assert "16 words of 10 dimensions" in out
    for line in (
        "pairs           ",
        "3 of 4  75.0 %",
        "unknown: nowhere",
        "good",
        "mean at 10",
        "50% of the labels known",
    ):
        assert line in out
    code, out, _ = evaluate(folder / "vectors.txt", *given, "--drop-first", "--json")
    told = json.loads(out)
    assert (code, told["words"], told["dimensions"]) == (0, 16, 10)
    found = {(each["kind"], each["name"], each["section"], each["band"]): each for each in told["results"]}
    assert found["pairs", "pairs", None, None]["figures"]["spearman"] == pytest.approx(1)
    assert found["analogies", "questions", None, None]["figures"]["3cosadd"] == pytest.approx(2 / 3)
    assert found["analogies", "questions", "mixed", None]["known"] == 1
    assert found["categories", "classes", None, None]["figures"]["purity"] == 1
    assert found["next-item", "baskets", "mean at 10", None]["known"] == 2
    assert found["next-item", "baskets", "last at 10", None]["figures"]["hit"] == 0.5
    half = found["labels", "labels", "50% of the labels known", None]
    assert half["known"] == 16
    assert 0.5 < half["figures"]["micro_f1"] <= 1  # eight nodes teach
    assert found["compare", str(folder / "vectors.txt"), None, None]["figures"] == {"difference": 0}


def test_words_can_be_restricted_and_looked_up_as_they_are(folder: Path) -> None:
    def known(*arguments: object) -> int:
        _, out, _ = evaluate(folder / "vectors.txt", "--analogies", folder / "questions.txt", "--json", *arguments)
        return int(json.loads(out)["results"][0]["known"])

    assert known() == 3
    assert known("--case-sensitive") == 2
    assert known("--restrict", 4) == 1


def test_vectors_of_a_running_node(folder: Path) -> None:
    with stub_node(body=(folder / "vectors.txt").read_bytes()) as node:
        code, out, err = evaluate(node.url, "--pairs", folder / "pairs.csv")
        assert (code, err) == (0, "")
        assert f"{node.url}: 16 words of 10 dimensions" in out
        assert node.asked == ["/export?format=binary"]
    code, _, err = evaluate("http://127.0.0.1:9", "--pairs", folder / "pairs.csv")
    assert code == 69
    assert "no node answers" in err


def test_vectors_that_a_node_has_left(folder: Path, tmp_path: Path) -> None:
    keep(tmp_path, 3)
    (tmp_path / "pairs.txt").write_text("the of 1\nof the 2\n")
    code, out, _ = evaluate(tmp_path, "--pairs", tmp_path / "pairs.txt")
    assert code == 0
    assert "2 words of 3 dimensions" in out
    (tmp_path / "empty").mkdir()
    code, _, err = evaluate(tmp_path / "empty", "--pairs", folder / "pairs.csv")
    assert code == 1
    assert "no model has been saved here" in err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["vectors.txt"], 2, "nothing to score: give --pairs"),
        ([], 2, "usage: gossipw2v evaluate"),
        (["vectors.txt", "--pairs", "questions.txt"], 2, "questions.txt, line 1: not two words and a score"),
        (["vectors.txt", "--analogies", "pairs.csv"], 2, "pairs.csv, line 1: neither a section"),
        (["vectors.txt", "--pairs", "nowhere.csv"], 2, "nowhere.csv: no such file"),
        (["pairs.csv", "--pairs", "pairs.csv"], 1, "pairs.csv"),
        (["nowhere.txt", "--pairs", "pairs.csv"], 74, "nowhere.txt: No such file"),
        (["http://a b", "--pairs", "pairs.csv"], 2, "is not the address of a node"),
        (["vectors.txt", "--pairs", "pairs.csv", "--restrict", "0"], 2, "'0' is not a number from 1"),
    ],
)
def test_what_cannot_be_scored_is_named(folder: Path, arguments: list[str], code: int, told: str) -> None:
    files = {path.name for path in folder.iterdir()} | {"nowhere.txt", "nowhere.csv"}
    found, out, err = evaluate(*(folder / each if each in files else each for each in arguments))
    assert (found, out) == (code, "")
    assert told in err
    assert "Traceback" not in err


def test_compare_matches_rows_by_word(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    words = [f"w{n}".encode() for n in range(50)]
    write_word2vec(tmp_path / "a.txt", words, rows)
    write_word2vec(tmp_path / "b.txt", words[::-1], rows[::-1])
    moved = rows.copy()
    moved[3, 0] += np.linalg.norm(rows[3]) / 100
    write_word2vec(tmp_path / "c.txt", [*words[:49], b"other"], moved)
    write_word2vec(tmp_path / "d.txt", words, rows[:, :4])
    _, out, _ = evaluate(tmp_path / "a.txt", "--compare", tmp_path / "b.txt", tmp_path / "c.txt", "--json")
    same, near = json.loads(out)["results"]
    assert (same["figures"]["difference"], same["known"], same["total"]) == (0, 50, 50)
    assert near["figures"]["difference"] == pytest.approx(0.01, rel=0.05)
    assert (near["known"], near["total"]) == (49, 51)
    code, _, err = evaluate(tmp_path / "a.txt", "--compare", tmp_path / "d.txt")
    assert code == 1
    assert "4 dimensions and cannot be compared" in err

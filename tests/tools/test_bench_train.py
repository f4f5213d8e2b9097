"""tools/bench_train.py as it is called, without the long text that would make its figures mean something."""

import importlib
import itertools
import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from gossipw2v.cli.synthetic import World

TOOL = Path(__file__).parents[2] / "tools" / "bench_train.py"


def bench(*arguments: object) -> subprocess.CompletedProcess:
    line = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)


def done(*arguments: object) -> str:
    """What a call that succeeds writes to standard output."""
    ended = bench(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def table(out: str) -> list[dict[str, str]]:
    """The first table's rows; the second column of a pair, which is headed gensim, is named after the first."""
    head, _, *rows = [line.strip("| ").split(" | ") for line in out.split("\n\n")[1].splitlines()]
    names = [f"gensim {head[n - 1].split(',')[0]}" if name == "gensim" else name for n, name in enumerate(head)]
    return [dict(zip(names, row, strict=True)) for row in rows]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def corpora(monkeypatch):
    """The module that makes what is trained on."""
    monkeypatch.syspath_prepend(TOOL.parent)
    return importlib.import_module("bench_corpora")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    for name in ("gensim", "matplotlib"):
        pytest.importorskip(name, exc_type=ImportError)
    path = tmp_path_factory.mktemp("bench") / "text"
    path.write_text("\n".join(World(seed=1).sentences(3_000, seed=1)))
    (path.parent / "ranks.csv").write_text("one,two,mean\nking,queen,9\nking,rome,1\nparis,rome,8\n")
    return path


def grid(text: Path, *more: object) -> tuple[object, ...]:
    """A call with four settings."""
    small = ("--sizes", 16, "--threads", 1, "--seeds", 1, "--negative", 2, 4, "--sg", 1, 0)
    return (text, *small, "--pairs", text.parent / "ranks.csv", *more)


@pytest.fixture(scope="module")
def results(text) -> Path:
    """The results of four settings, a picture and vectors beside them, and what was written to standard output."""
    folder = text.parent
    files = ("--out", folder / "known.jsonl", "--picture", folder / "first.svg", "--save", folder / "vectors")
    (folder / "table").write_text(done(*grid(text, *files)))
    return folder / "known.jsonl"


@pytest.fixture
def known(results, tmp_path) -> Path:
    """A copy of the results, to be added to."""
    (tmp_path / "known.jsonl").write_bytes(results.read_bytes())
    return tmp_path / "known.jsonl"


def test_both_programs_are_measured_and_scored_in_every_setting(results):
    rows = table((results.parent / "table").read_text())
    assert [(row["kind"], row["negative"]) for row in rows] == [
        ("skip-gram", "2"), ("skip-gram", "4"), ("CBOW", "2"), ("CBOW", "4")
    ]  # fmt: skip
    for row in rows:
        assert int(row["gossipw2v, k words/s"]) > 0 < int(row["gensim gossipw2v"])
        assert re.fullmatch(r"\d+\.\d", row["ratio"])
        assert -100 <= float(row["ranks, gossipw2v"]) <= 100 >= float(row["gensim ranks"]) >= -100
        assert float(row["longest row, gossipw2v"]) > 0 < float(row["gensim longest row"])
        assert row["finite"] == "yes"


def test_a_line_of_results_has_all_settings_and_who_it_was(results):
    found = lines(results)
    assert [line["run"]["who"] for line in found] == ["gossipw2v", "gensim"] * 4
    settings = [line["run"]["setting"] for line in found]
    assert settings[::2] == settings[1::2]
    assert settings[0] == {
        "min_count": 5, "sg": 1, "size": 16, "threads": 1, "sample": 1e-4, "epochs": 1, "alpha": 0.025, "window": 5,
        "negative": 2,
    }  # fmt: skip
    ours, theirs = (line["result"] for line in found[:2])
    assert {name: ours[name] for name in ("words", "vocabulary")} == {
        name: theirs[name] for name in ("words", "vocabulary")
    }
    assert ours["trained"] == 1 == pytest.approx(theirs["trained"], abs=0.01)
    assert ours["longest"] == max(ours["longest_input"], ours["longest_output"])


def test_vectors_can_be_kept(results):
    saved = {path.name.split("-")[0] for path in (results.parent / "vectors").iterdir()}
    assert saved == {"gossipw2v", "gensim"}
    assert len(list((results.parent / "vectors").iterdir())) == 8


def test_what_is_there_is_not_run_again_and_is_drawn_alike(text, results, known):
    before = known.read_bytes()
    again = done(*grid(text, "--out", known, "--picture", known.parent / "again.svg"))
    assert known.read_bytes() == before
    assert again == (results.parent / "table").read_text()
    assert (known.parent / "again.svg").read_bytes() == (results.parent / "first.svg").read_bytes()


def test_the_picture_is_svg_with_a_panel_for_each_kind_and_measure(results):
    root = ElementTree.parse(results.parent / "first.svg").getroot()
    assert root.tag.endswith("svg")
    words = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert words.count("negative") == 6
    assert {"skip-gram", "CBOW", "speed: gossipw2v / gensim", "longest row: gossipw2v / gensim"} <= set(words)


def test_only_what_a_change_concerns_is_run_again(text, known):
    changed = [line for line in lines(known) if line["run"]["setting"] != lines(known)[-1]["run"]["setting"]]
    for line in changed:
        if line["run"]["who"] == "gossipw2v":
            line["run"]["version"] = "of another kernel"
    broken = '{"run": {"who": "gensim", "vers'  # the machine was switched off
    known.write_text("".join(json.dumps(line) + "\n" for line in changed) + broken)
    ended = bench(*grid(text, "--out", known))
    assert "cut off" in ended.stderr
    more = [json.loads(line) for line in known.read_text().splitlines() if line != broken][len(changed) :]
    assert [line["run"]["who"] for line in more] == ["gossipw2v"] * 4 + ["gensim"]
    assert len(table(ended.stdout)) == 4


@pytest.mark.usefixtures("corpora")
@pytest.mark.parametrize("changed", ["cbow", "skipgram", "windows.stretches", "simd"])
def test_a_change_of_any_kernel_is_another_version(monkeypatch, changed):
    """Also of one that is imported as a name from its package."""
    programs = importlib.import_module("bench_programs")
    version, read, changed_path = programs.kernel_version(), Path.read_bytes, f"kernels/{changed.replace('.', '/')}.py"
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * str(path).endswith(changed_path))
    assert programs.kernel_version() != version


def test_another_test_set_of_the_same_name_is_scored(text, known):
    (known.parent / "ranks.csv").write_text("king,queen,1\nking,rome,9\nparis,rome,2\n")
    before = len(lines(known))
    done(text, "--sizes", 16, "--threads", 1, "--seeds", 1, "--negative", 2, "--out", known,
         "--pairs", known.parent / "ranks.csv")  # fmt: skip
    old, new = lines(known)[1], lines(known)[before + 1]
    assert old["run"] == new["run"]
    assert new["result"]["scores"]["ranks"] == pytest.approx(-old["result"]["scores"]["ranks"])
    assert old["result"]["sets"] != new["result"]["sets"]


def test_a_run_that_diverged_is_said_to_be_not_finite(text, known):
    planted = lines(known)
    planted[0]["result"] |= {"finite": False, "longest": None, "scores": {"ranks": None}}
    known.write_text("".join(json.dumps(line) + "\n" for line in planted))
    rows = table(done(*grid(text, "--out", known, "--picture", known.parent / "planted.svg")))
    assert [row["finite"] for row in rows] == ["gossipw2v: 1 of 1 not finite", "yes", "yes", "yes"]
    assert (rows[0]["longest row, gossipw2v"], rows[0]["ranks, gossipw2v"]) == ("-", "-")
    crosses = (known.parent / "planted.svg").read_text().count("\u00d7")
    assert crosses == 2  # no quality and no longest row


def test_a_run_that_diverges_is_found_out(text, tmp_path):
    out = tmp_path / "out.jsonl"
    rows = table(done(*grid(text, "--alone", "--alpha", "1e38", "--rare", "--out", out)))
    assert {row["finite"] for row in rows} == {"gossipw2v: 1 of 1 not finite"}
    assert all(line["result"]["longest"] is None for line in lines(out))
    assert {score for line in lines(out) for score in line["result"]["scores"].values()} == {None}


def test_threads_are_compared_and_seeds_spread(text, tmp_path):
    out = done(text, "--sizes", 16, "--threads", 1, 2, "--rounds", 2, "--rare", "--roofline", tmp_path / "roof.svg")
    for row in table(out):
        assert re.fullmatch(r"\d+ \(\d+-\d+\)", row["gossipw2v, k words/s"])
        assert re.fullmatch(r"\d+\.\d \(\d+\.\d-\d+\.\d\)", row["gensim rare"])
    assert re.search(r"^\| 2 against 1 \| \d+\.\d\d \| \d+\.\d\d \|$", out, re.M)
    assert re.search(r"^\| threads 2 \| \d+ \| \d+% \| \d+ \|$", out, re.M)
    assert ElementTree.parse(tmp_path / "roof.svg").getroot().tag.endswith("svg")


def test_walks_over_a_graph_tell_its_halves_apart(tmp_path, corpora):
    for name in ("gensim", "sklearn"):
        pytest.importorskip(name, exc_type=ImportError)
    edges, labels = tmp_path / "edges", tmp_path / "labels"
    rng = np.random.default_rng(1)
    pairs = {(half * 30 + a, half * 30 + b) for half in (0, 1) for a, b in rng.integers(30, size=(150, 2)) if a != b}
    edges.write_text("# a graph\n" + "".join(f"n{a} n{b}\n" for a, b in sorted(pairs)) + "n0 n31\n")
    labels.write_text("".join(f"n{n} half{n // 30}\n" for n in range(60)))
    kind = ("--lines", "walks", "--labels", labels, "--min-count", 1, "--sample", 0)
    (row,) = table(done(edges, *kind, "--sizes", 16, "--threads", 1, "--rounds", 1, "--epochs", 5))
    assert float(row["micro-F1, gossipw2v"]) > 90 < float(row["gensim micro-F1"])

    known = {tuple(line.split()) for line in edges.read_text().splitlines()[1:]}
    names, found = corpora.read_edges(edges)
    walks = list(corpora.walks(names, found, 3, 7))
    assert len(walks) == 3 * len(names)
    assert {walk[0] for walk in walks[: len(names)]} == set(names)
    steps = {step for walk in walks for step in itertools.pairwise(walk)}
    assert steps <= known | {(b, a) for a, b in known}
    assert {len(walk) for walk in walks} == {7}
    assert walks == list(corpora.walks(names, found, 3, 7))


def test_a_node_may_have_several_labels(corpora):
    pytest.importorskip("sklearn", exc_type=ImportError)
    vectors = np.repeat(np.eye(4, dtype=np.float32), 20, axis=0)
    words = [f"n{n}" for n in range(80)]
    labels = {f"n{n}": [["a"], ["b"], ["a", "b"], ["c"]][n // 20] for n in range(80)}
    assert corpora.micro_f1(labels, words, 5 * vectors) == 100


def test_the_next_item_of_a_basket_is_predicted(tmp_path):
    pytest.importorskip("gensim", exc_type=ImportError)
    rng = np.random.default_rng(1)
    path = tmp_path / "baskets"
    groups = [rng.permutation(25)[:7] + 25 * rng.integers(4) for _ in range(800)]
    path.write_text("".join(f"user{n} {' '.join(f'i{item}' for item in each)}\n" for n, each in enumerate(groups)))
    kind = ("--lines", "baskets", "--drop-first", "--next-item", "--min-count", 1, "--sample", 0)
    out = done(path, *kind, "--sizes", 16, "--threads", 1, "--rounds", 1, "--epochs", 10)
    (row,) = table(out)
    assert "4,800 words in 800 lines" in out  # neither users nor what is to be predicted
    assert float(row["hit@20, gossipw2v"]) > 60 < float(row["gensim hit@20"])  # 20 of 100 by chance


def test_a_hit_is_no_item_that_the_user_has_and_no_draw(corpora):
    words = [f"i{n}" for n in range(30)]
    vectors = np.zeros((30, 2), np.float32)
    vectors[:, 0] = 1
    vectors[:, 1] = np.arange(30) / 10  # the neighbours of the first item are the next ones
    asked = [(["i0", "unknown"], "i20"), (["i0"], "i21"), (["i0"], "never seen"), (["unknown"], "i1")]
    assert corpora.hit_rate(asked, words, vectors) == 25
    assert corpora.hit_rate(asked[:1], words, np.ones_like(vectors)) == 0


def test_sentences_end_where_lines_do(tmp_path, corpora, monkeypatch):
    path = tmp_path / "baskets"
    path.write_bytes("a b c\x0bd\n\na b\u2028c\ra\r\n".encode() + b"x " * 10_001 + b"\n")
    args = Namespace(file=path, lines="baskets", drop_first=False, next_item=False, words=sys.maxsize, rare=False)
    corpus = corpora.read_corpus(args, corpora.TestSets({}, []), tmp_path)
    written = corpus.path.read_text().splitlines()
    assert [len(line.split()) for line in written] == [4, 4, 10_000, 1]
    vocabulary = corpus.vocabulary(2)
    assert vocabulary.words == ["x", "a", "b", "c"]
    assert vocabulary.counts.tolist() == [10_001, 3, 2, 2]
    assert vocabulary.tokens[:9].tolist() == [1, 2, 3, -1, 1, 2, 3, 1, -1]

    programs = importlib.import_module("bench_programs")
    for parts in (1, 2, 3, 7):
        divided = programs.divide(vocabulary.tokens, parts)
        assert len(divided) == parts
        assert np.concatenate(divided).tolist() == vocabulary.tokens.tolist()
        assert all(part[-1] == -1 for part in divided if len(part))


def test_text_is_cut_alike_whatever_its_lines(tmp_path, corpora):
    words = [f"w{n}" for n in range(5)] * 30
    for name, text in (("one", " ".join(words)), ("many", "\n".join(words) + "\n")):
        (tmp_path / name).write_text(text)
        args = Namespace(file=tmp_path / name, lines="text", line=40, words=130, rare=False)
        corpus = corpora.read_corpus(args, corpora.TestSets({}, []), tmp_path)
        assert [len(line.split()) for line in corpus.path.read_text().splitlines()] == [40, 40, 40, 10]
        assert corpus.sizes() == (130, 4)


def test_rare_twins_are_renamed_occurrences(corpora):
    tokens = np.tile(np.array([0, 1, 0, 2, -1], np.int32), 150)  # 300, 150 and 150 times
    words, changed, judge = corpora.add_twins(["often", "some", "other"], tokens)
    assert words == ["often", "some", "other", "often//rare"]
    assert 5 <= np.count_nonzero(changed == 3) <= 20
    assert np.where(changed == 3, 0, changed).tolist() == tokens.tolist()
    near, far = np.array([[1, 0], [0, 1], [1, 1], [1, 0]], np.float32), np.eye(4, dtype=np.float32)
    assert judge.score(words, near) == 100 >= judge.score(words, far)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--negative", "0"], "must be at least 1, not 0"),
        (["--labels", "x"], "give --lines walks"),
        (["--next-item"], "give --lines baskets"),
        (["--alpha", "0"], "--alpha must be above 0"),
        (["--alone", "--picture", "x"], "leave --alone out"),
        (["--alone", "--rare", "--min-count", "6"], "--min-count 5 or less"),
        (["--alone", "--rare"], "there are none: give more text"),
        (["--alone", "--pairs", "no file"], "no file"),
        (["--alone", "--min-count", "1000"], "fewer than two words occur 1000 times"),
        (["--alone", "--lines", "walks"], "text, line 2: an edge has two nodes"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, arguments, said):
    (tmp_path / "text").write_text("some words\nalone\n")
    ended = bench(tmp_path / "text", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr

"""`export` and `merge` as people type them: real processes, the files they leave, and what they say."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.checkpoints import keep
from support.stub_node import stub_node
from support.vector_files import save, some_rows, some_words

from gossipw2v.cli.models.merge import METHODS
from gossipw2v.w2v.alignment import combine
from gossipw2v.w2v.vectors.files import read_vectors
from gossipw2v.w2v.vectors.formats import formats

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in `tmp_path`."""

    def command(*args: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "gossipw2v", *map(str, args)]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return command


def told(result: subprocess.CompletedProcess[str], code: int) -> str:
    """What a command said, having ended with this code."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


# -- export ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v.npy", "v.bin", "v.txt.gz", "v.safetensors"])
def test_the_suffix_says_the_format_and_options_say_what(name: str, run: Run, tmp_path: Path) -> None:
    keep(tmp_path / "d" if not (tmp_path / "d").mkdir() else tmp_path, 1)  # words the, of; rows 1 2 3 ... 10 11 12
    expected = {"in": [[1, 2, 3]], "out": [[7, 8, 9]], "sum": [[8, 10, 12]]}
    for matrix, rows in expected.items():
        said = told(run("export", name, "--data-dir", "d", "--matrix", matrix, "--top", 1), 0)
        assert said == f"{name}: 1 words of 3 dimensions, from d\n"
        read = read_vectors(tmp_path / name)
        assert (list(read.words), read.rows.tolist()) == ([b"the"], rows)
    (tmp_path / "list").write_text("of\nnothing\n")
    told(
        run(
            "export", "x", "--format", "npy", "--data-dir", "d", "--words", "list", "--normalize", "--dtype", "float16"
        ),
        0,
    )
    read = read_vectors(tmp_path / "x")
    assert (list(read.words), read.rows.dtype) == ([b"of"], np.float16)
    assert np.linalg.norm(read.rows.astype(np.float32)) == pytest.approx(1, abs=1e-3)


def test_help_lists_every_format_with_its_suffix_and_every_method(run: Run) -> None:
    shown = " ".join(run("export", "--help").stdout.split())
    for row in formats.values():
        assert f"{row.name} ({', '.join(row.suffixes)}): " in shown
    shown = " ".join(run("merge", "--help").stdout.split())
    assert set(METHODS) == set(combine.METHODS)
    assert all(f"{name}: {does}" in shown for name, does in METHODS.items())


def test_what_does_not_go_together_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    assert "float32 only" in told(run("export", "v.bin", "--dtype", "float16"), 2)
    assert "not packed" in told(run("export", "v.npy.gz"), 2)
    assert "invalid choice" in told(run("export", "v", "--format", "word"), 2)
    assert "not a number" in told(run("export", "v", "--top", "0"), 2)
    assert "makes two files" in told(run("export", "-", "--format", "npy"), 2)
    assert "No such file" in told(run("export", "v", "--words", "none"), 74)
    (tmp_path / "list").write_text("New York\n")
    assert "list, line 1: the word 'New York' holds white space" in told(run("export", "v", "--words", "list"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_node_of_an_older_version_sends_text_and_that_is_enough(run: Run, tmp_path: Path) -> None:
    with stub_node(b"2 2\nthe 0.5 -1\nof 2 3\n") as node:
        told(run("export", "v.npy", "--url", node.url, "--top", 1), 0)
        assert node.asked == ["/export?format=binary&top=1"]
        assert "its word vectors only" in told(run("export", "w.npy", "--url", node.url, "--matrix", "sum"), 1)
    assert read_vectors(tmp_path / "v.npy").rows.tolist() == [[0.5, -1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.npy", "v.npy.words.txt"]


@pytest.mark.parametrize("body", [b"2 2\nthe 0.5 -1\nof 2\n", b"3 2\nthe 0.5 -1\nof 2 3\n", b"2 2\nthe 1 2\nthe 3 4\n"])
def test_what_a_node_sends_is_looked_at(body: bytes, run: Run, tmp_path: Path) -> None:
    with stub_node(body) as node:
        told(run("export", "v.npy", "--url", node.url), 1)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    keep(tmp_path / "d" if not (tmp_path / "d").mkdir() else tmp_path, 1)
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "gossipw2v", "export", "v.parquet", "--data-dir", "d"]
    pytest.importorskip("pyarrow")
    done = subprocess.run(line, cwd=tmp_path, stderr=theirs, timeout=60, check=False)
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "2 of 2 words" in said


# -- merge -------------------------------------------------------------------------------------------------------


def test_merge_makes_one_of_a_folder_and_files_of_any_format(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a.npy", 1), ("b.txt.gz", 2), ("c.safetensors", 3)):
        save(tmp_path / name, some_words(100), some_rows(100, 4, seed=seed))
    said = told(run("merge", "a.npy", "b.txt.gz", "c.safetensors", "-o", "out.bin", "--weights", "2,1,1"), 0)
    assert "a.npy: 100 words; mean cosine with the result 0." in said
    assert said.endswith("out.bin: 100 words of 4 dimensions, from 3 models\n")
    assert read_vectors(tmp_path / "out.bin").rows.shape == (100, 4)


def test_merge_takes_data_directories(run: Run, tmp_path: Path) -> None:
    keep(tmp_path / "d" if not (tmp_path / "d").mkdir() else tmp_path, 1)
    save(tmp_path / "v.npy", some_words(100), some_rows(100, 3))
    assert "d shares 1 words with v.npy; 3, as many as there are dimensions" in told(
        run("merge", "d", "v.npy", "-o", "out"), 1
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "v.npy", "v.npy.words.txt"]


def test_the_result_may_replace_one_of_the_models(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a.npy", 1), ("b.npy", 2)):
        save(tmp_path / name, some_words(100), some_rows(100, 4, seed=seed))
    told(run("merge", "a.npy", "b.npy", "-o", "other.npy", "--method", "pca"), 0)
    told(run("merge", "a.npy", "b.npy", "-o", "a.npy", "--method", "pca"), 0)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "other.npy").read_bytes()


def test_what_cannot_be_merged_leaves_nothing(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "a.npy", some_words(100), some_rows(100, 4))
    save(tmp_path / "b.npy", some_words(100), some_rows(100, 5))
    (tmp_path / "text").write_text("some words\nthat are none\n")
    before = sorted(tmp_path.iterdir())
    assert "a.npy has 4, b.npy has 5" in told(run("merge", "a.npy", "b.npy", "-o", "out"), 1)
    assert "1 models: 2 to" in told(run("merge", "a.npy", "-o", "out"), 1)
    assert "1 weights for 2 models" in told(run("merge", "a.npy", "a.npy", "-o", "out", "--weights", "1"), 1)
    assert "text: its first line is neither" in told(run("merge", "a.npy", "text", "-o", "out"), 1)
    assert "no model has been saved here" in told(run("merge", "a.npy", ".", "-o", "out"), 1)
    assert "No such file" in told(run("merge", "a.npy", "none", "-o", "out"), 74)
    assert "numbers with commas" in told(run("merge", "a.npy", "a.npy", "-o", "out", "--weights", "1,x"), 2)
    assert "not a number from 0 to 0.5" in told(run("merge", "a.npy", "a.npy", "-o", "out", "--whiten", "1"), 2)
    assert "-o/--output" in told(run("merge", "a.npy", "a.npy"), 2)
    assert sorted(tmp_path.iterdir()) == before

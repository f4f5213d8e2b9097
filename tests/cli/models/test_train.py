"""`gossipw2v train`: a file of vectors of a text, the same as Python gets."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.daemons import write_texts

import gossipw2v


def train(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gossipw2v", "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("text"), 1)[0]


def test_a_text_becomes_a_file_of_vectors(text: Path, tmp_path: Path) -> None:
    done = train(tmp_path, text, "-o", "v.bin.gz", "--vector-size", 16, "--threads", 1, "--min-count", 2)
    assert done.returncode == 0, done.stderr
    found = gossipw2v.load(tmp_path / "v.bin.gz")
    same = gossipw2v.train(text, vector_size=16, workers=1, min_count=2)
    assert found.words == same.words
    assert np.array_equal(found.vectors, same.vectors)
    assert f"{len(same):,} words of 16 dimensions" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nothing.txt", "-o", "v.txt"], 2, "nothing.txt: no such file"),
        (["TEXT", "-o", "v.txt", "--window", "0"], 2, "--window: 0 is out of bounds"),
        (["TEXT", "-o", "no/v.txt"], 74, "no: there is no such folder"),
        (["TEXT"], 2, "-o"),
        (["-o", "v.txt"], 2, "give --corpus PATH, or --graph EDGES"),
        (["TEXT", "-o", "v.txt", "--alpha", "1", "--negative", "20"], 1, "too large for this text"),
    ],
)
def test_mistakes_are_told(text: Path, tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    named = [str(text) if each == "TEXT" else each for each in arguments]
    done = train(tmp_path, *named)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert not list(tmp_path.iterdir())

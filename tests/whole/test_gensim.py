"""gensim reads what a real daemon exports, bit for bit, and finds the same neighbours as this package does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.daemons import STOP_SECONDS, Daemon, Daemons, write_texts

from gossipw2v.node.storage.export import load_model
from gossipw2v.w2v.similarity import Space, most_similar

ASKED = ("the", "king", "france", "city", "she")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("service")
    text = write_texts(folder, 1, sentences=8000)[0]
    with text.open("a", encoding="utf-8") as file:
        file.write("über 日本 don't naïve\n" * 50)
    with Daemons(folder) as daemons:
        daemon = daemons.start(text, epochs=10, until_complete=False)
        daemon.until(lambda s: s["state"] == "complete")
        yield daemon


def check(path: Path, words: list[bytes], vectors: np.ndarray) -> None:
    gensim = pytest.importorskip("gensim.models", exc_type=ImportError)
    loaded = gensim.KeyedVectors.load_word2vec_format(str(path), binary=False)
    names = [word.decode() for word in words]
    assert loaded.index_to_key == names
    assert {"über", "日本", "don't"} <= set(names)
    assert loaded.vectors.dtype == np.float32
    assert loaded.vectors.tobytes() == vectors.tobytes()
    space = Space.of(names, vectors)
    for word in ASKED:
        theirs, ours = loaded.most_similar(word, topn=10), most_similar(space, word, topn=10)
        assert [name for name, _ in theirs] == [name for name, _ in ours]
        assert np.allclose([score for _, score in theirs], [score for _, score in ours], atol=1e-5)


def test_gensim_finds_the_same_neighbours_in_an_export(service: Daemon, tmp_path: Path) -> None:
    export = [sys.executable, "-m", "gossipw2v", "export"]
    subprocess.run([*export, "url.txt", "--url", service.url], cwd=tmp_path, check=True, timeout=60)
    words, weights, _ = load_model(service.data)
    check(tmp_path / "url.txt", words, weights[: len(words)])

    service.process.terminate()
    assert service.process.wait(STOP_SECONDS) == 0
    subprocess.run([*export, "folder.txt", "--data-dir", service.data], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "folder.txt").read_bytes() == (tmp_path / "url.txt").read_bytes()

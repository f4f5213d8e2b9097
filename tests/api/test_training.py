"""`train` from Python: the same vectors as the daemon's, gensim's names, callbacks, Ctrl-C, and clear errors."""

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.daemons import AGREEMENT, Daemons, addresses, write_texts

import gossipw2v
from gossipw2v.api.progress import Epoch
from gossipw2v.cli.synthetic import World
from gossipw2v.config.loader import ConfigError
from gossipw2v.w2v.similarity import largest_difference
from gossipw2v.w2v.text.files import CorpusError

SETTINGS: dict[str, Any] = {"vector_size": 16, "min_count": 1, "sample": 0, "workers": 1}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(World(seed=1).sentences(3000, seed=1)) + "\n")
    return path


def test_files_and_sentences_are_one_text(text: Path) -> None:
    from_file = gossipw2v.train(text, **SETTINGS)
    from_sentences = gossipw2v.train((line.split() for line in text.read_text().splitlines()), **SETTINGS)
    assert from_file.words == from_sentences.words
    assert np.array_equal(from_file.vectors, from_sentences.vectors)
    assert from_file.vectors.shape == (len(from_file), 16)


def test_each_epoch_is_told_once(text: Path) -> None:
    told: list[Epoch] = []
    vectors = gossipw2v.train(text, epochs=4, callbacks=[told.append], **SETTINGS)
    assert [epoch.number for epoch in told] == [1, 2, 3, 4]
    assert {epoch.epochs for epoch in told} == {4}
    assert np.shares_memory(told[0].vectors.vectors, vectors.vectors)


def test_a_callback_that_fails_ends_the_training(text: Path) -> None:
    def fail(_: Epoch) -> None:
        raise LookupError("no such callback")

    with pytest.raises(LookupError, match="no such callback"):
        gossipw2v.train(text, callbacks=[fail], epochs=2, **SETTINGS)
    assert "gossipw2v" not in {thread.name for thread in threading.enumerate()}


def test_gensim_takes_the_vectors_without_a_copy(text: Path) -> None:
    vectors = gossipw2v.train(text, **SETTINGS)
    keyed = vectors.to_gensim()
    assert np.shares_memory(keyed.vectors, vectors.vectors)
    word = vectors.words[7]
    ours, theirs = vectors.most_similar(word, 5), keyed.most_similar(word, topn=5)
    assert [other for other, _ in ours] == [other for other, _ in theirs]
    assert np.allclose([cosine for _, cosine in ours], [cosine for _, cosine in theirs], atol=1e-6)
    assert vectors.similarity(word, ours[0][0]) == pytest.approx(ours[0][1], abs=1e-6)


def test_a_data_directory_keeps_the_work(text: Path, tmp_path: Path) -> None:
    first = gossipw2v.train(text, data_dir=tmp_path / "data", **SETTINGS)
    again = gossipw2v.train(text, data_dir=tmp_path / "data", **SETTINGS)  # all of it is done
    assert np.array_equal(first.vectors, again.vectors)
    assert list((tmp_path / "data").glob("checkpoint-*"))


def test_trains_together_with_a_daemon(tmp_path: Path) -> None:
    texts = write_texts(tmp_path, 2)
    here, there = addresses(2)
    job = {"vector_size": 16, "sample": 1e-3, "min_count": 5, "min_peers": 1, "settle_seconds": 1}
    with Daemons(tmp_path) as swarm:
        daemon = swarm.start(texts[0], listen=there, peers=here, **job)
        vectors = gossipw2v.train(texts[1], listen=here, peers=there, **job)  # type: ignore[arg-type]
        assert swarm.ended() == [0]
        words, theirs, _ = daemon.model()
    assert [word.decode() for word in words] == vectors.words
    assert largest_difference(theirs, vectors.vectors) < AGREEMENT


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"vector_size": 0}, "vector_size: 0 is out of bounds"),
        ({"windw": 3}, "windw: no such setting; did you mean 'window'"),
    ],
)
def test_settings_are_called_by_their_names(text: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        gossipw2v.train(text, **settings)


def test_errors_come_to_the_caller(text: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such file"):
        gossipw2v.train(tmp_path / "nothing.txt")
    with pytest.raises(gossipw2v.DivergedError, match="--alpha"):
        gossipw2v.train(text, alpha=1.0, negative=20, **SETTINGS)


def test_ctrl_c_keeps_what_is_there(text: Path) -> None:
    program = f"""
        import gossipw2v, signal, warnings
        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
        warnings.simplefilter("error")
        def tell(epoch):
            print("trained", epoch.number, flush=True)
        try:
            gossipw2v.train({str(text)!r}, epochs=10_000, callbacks=[tell], **{SETTINGS!r})
        except UserWarning as warning:
            print(warning)
        vectors = gossipw2v.train({str(text)!r}, epochs=1, **{SETTINGS!r})
        print(vectors)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("trained")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert "training was interrupted" in rest
    assert rest.rstrip().endswith("words of 16 dimensions>")


def test_a_graph_is_walked(tmp_path: Path) -> None:
    path = tmp_path / "edges.tsv"
    path.write_text("".join(f"n{node}\tn{(node + step) % 50}\n" for node in range(50) for step in (1, 2)))
    vectors = gossipw2v.train(graph=path, vector_size=8, min_count=1, sample=0, workers=1)
    assert sorted(vectors) == sorted(f"n{node}" for node in range(50))


def test_training_starts_from_vectors_that_there_are(text: Path, tmp_path: Path) -> None:
    before = gossipw2v.train(text, **SETTINGS)
    still = {"epochs": 1, "alpha": 1e-6, "min_alpha": 0}
    after = gossipw2v.train(text, init=before, **SETTINGS, **still)
    assert after.words == before.words
    assert largest_difference(after.vectors, before.vectors) < 0.01
    assert largest_difference(gossipw2v.train(text, **SETTINGS, **still).vectors, before.vectors) > 0.5
    with pytest.raises(ValueError, match="16 dimensions, and vector_size is 8; give --vector-size 16"):
        gossipw2v.train(text, init=before, **{**SETTINGS, "vector_size": 8})

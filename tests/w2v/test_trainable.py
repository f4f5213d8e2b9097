"""Whether files are text or edges: the wrong one is refused with what to do, and can be insisted on."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.cli.synthetic import World
from gossipw2v.config.loader import load
from gossipw2v.config.node import Config
from gossipw2v.w2v.graphs.source import GraphSource
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.trainable import trainable_of


def config(tmp_path: Path, **given: object) -> Config:
    return load({"data_dir": str(tmp_path / "data"), **given}, None, {})


def edges(separator: str) -> bytes:
    pairs = np.random.default_rng(1).integers(0, 9999, (60, 2)).tolist()
    return "".join(f"{a}{separator}{b}\n" for a, b in pairs).encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("separator", ["\t", ","])
def test_edges_that_are_given_as_text_are_refused_unless_one_insists(
    packed: bool, separator: str, tmp_path: Path
) -> None:
    path = tmp_path / "edges"
    path.write_bytes(gzip.compress(edges(separator)) if packed else edges(separator))
    for given in (path, tmp_path):
        asked = config(tmp_path, corpus=[str(given)])
        with pytest.raises(CorpusError, match=f"{path}: holds the edges of a graph.*--graph.*--plain"):
            trainable_of(asked).find()
    for asked in (
        config(tmp_path, corpus=[str(path)], plain=True),
        config(tmp_path, graph=[str(path)]),
    ):
        source = trainable_of(asked)
        source.find()
        assert source.files == [path]


def test_text_is_not_refused(tmp_path: Path) -> None:
    sentences = list(World().sentences(3000, 1))
    texts = {
        "sentences": "\n".join(sentences),
        "tabs": "\n".join(line.replace(" ", "\t") for line in sentences),
        "ids": edges(" ").decode(),
        "one line": " ".join(sentences),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}\n", "utf-8")
    asked = config(tmp_path, corpus=[str(tmp_path)])
    source = trainable_of(asked)
    source.find()
    assert len(source.files) == len(texts)


def test_settings_choose_the_source(tmp_path: Path) -> None:
    assert isinstance(trainable_of(config(tmp_path, corpus=["x"])), Corpus)
    asked = config(
        tmp_path, graph=["x"], graph_share="2/3", walk_length=7, walks=3, p=2.0, q=0.5, directed=True, seed=9
    )
    source = trainable_of(asked)
    assert isinstance(source, GraphSource)
    assert tuple(source.plan) == (7, 3, 2.0, 0.5, 9, (2, 3))
    assert source.directed

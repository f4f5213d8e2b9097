"""What a node is given is read from where it says, or refused with what to do."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gossipw2v.config import loader
from gossipw2v.config.node import Config
from gossipw2v.node.storage.inputs import read_given
from gossipw2v.w2v.given.warm_start import WarmStartError


def config(folder: Path, **given: Any) -> Config:
    return Config(corpus=("text",), data_dir=folder / "own", **given)


def test_the_setting_is_called_by_a_word_that_python_keeps_for_itself(tmp_path: Path) -> None:
    toml = tmp_path / "a.toml"
    toml.write_text('from = "here.txt"\n')
    assert loader.load({"corpus": ["t"]}, toml, {}).init == Path("here.txt")
    assert loader.load({"corpus": ["t"], "from": "there"}, toml, {"GOSSIPW2V_FROM": "x"}).init == Path("there")
    assert loader.load({"corpus": ["t"]}, None, {"GOSSIPW2V_FROM": "x"}).init == Path("x")


def test_nothing_given_is_nothing_of_the_job(tmp_path: Path) -> None:
    assert read_given(config(tmp_path)).job == {}


def test_what_cannot_be_started_from_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "gensim.kv").write_bytes(pickle.dumps(np.zeros(3)))
    (tmp_path / "fast.bin").write_bytes(b"\xba\x16\x4f\x2f" + bytes(50))
    (tmp_path / "empty").mkdir()
    (tmp_path / "small.txt").write_bytes(b"1 2\na 1 2\n")
    for name, told in (
        ("nowhere", "No such file.*--from takes a file of vectors, or a data directory"),
        ("own", "is this node's own --data-dir, from which it goes on anyway; leave --from out"),
        ("gensim.kv", "--from: .*pickle.*save_word2vec_format"),
        ("fast.bin", r"--from: .*fastText; its \.vec file"),
        ("empty", "--from: .*no model has been saved here"),
        ("small.txt", "small.txt: its vectors have 2 dimensions, and vector_size is 128; give --vector-size 2"),
    ):
        with pytest.raises(WarmStartError, match=told):
            read_given(config(tmp_path, init=tmp_path / name))

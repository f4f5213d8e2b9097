"""Small checkpoints for tests; each says in every number of which generation it is."""

from pathlib import Path

import numpy as np

from gossipw2v.node.storage.checkpoint import About, Checkpoint, Contents, SavedState, write
from gossipw2v.node.storage.generations import path_of
from gossipw2v.system.durable import DISK, Disk
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.cursor import Position, TokenSpan

VOCAB = Vocab(Words.of([b"the", b"of"]), np.array([7, 5], np.int64))
NODE = bytes(range(16))
JOB = {"job": "test", "vector_size": "3"}
ABOUT = About("0", JOB, VOCAB.digest.hex(), "ab" * 16, 2, 3, (12, 0, 0, 0, 0))


# of a file: the JSON of its description and of its state
GOOD_ABOUT = {
    "program": "0", "job": {"job": "test"}, "vocabulary": "", "text": "", "words": 2, "vector_size": 3, "counted": [],
}  # fmt: skip
GOOD_STATE = {
    "node": "00" * 16, "complete": False, "origins": {"11" * 16: 5}, "lives": {},
    "places": [[[[0, 1, 2]], 1, 7]], "losses": [[1.0, 2.0]], "addresses": [["a:1"]],
}  # fmt: skip


def a_state(generation: int) -> SavedState:
    places = (Position((TokenSpan(1, 2, 5),), 2, (1 << 64) - 1), Position((), 2, 0))
    losses = ((3.0, 4.5), (1.0, 0.25))
    return SavedState(
        NODE, False, {NODE: generation, bytes(16): 9}, {NODE: generation}, places, losses, (("a:1", "b:2"),)
    )


def contents(generation: int) -> Contents:
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) + generation
    return Contents(ABOUT, VOCAB.to_bytes(), weights, np.full(4, generation, np.int64), lambda: a_state(generation))


def keep(folder: Path, generation: int, disk: Disk = DISK) -> Path:
    """Write one; its path."""
    path = path_of(folder, generation)
    write(path, generation, contents(generation), disk)
    return path


def check(found: Checkpoint) -> int:
    """AssertionError unless all of it is of the generation that it says; which."""
    generation, expected = found.generation, contents(found.generation)
    weights, updates = np.zeros((4, 3), np.float32), np.zeros(4, np.int64)
    found.restore(weights, updates)
    assert np.array_equal(weights, expected.weights)
    assert np.array_equal(updates, expected.updates)
    assert (found.about, found.vocabulary) == (ABOUT, VOCAB.to_bytes())
    assert found.state == a_state(generation)
    return generation

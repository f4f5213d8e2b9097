"""Models in word2vec's text format, which everybody else reads: of a running node, or of one that has been.

A reader of a file finds the old one or the new one and never a part; `system/output.py` says what else can be written.
"""

from pathlib import Path
from typing import Any

from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.generations import newest
from gossipw2v.system.output import writing
from gossipw2v.w2v.text.vocab import Vocab, VocabError
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.word2vec_format import Floats, write_word2vec


def export_model(data_dir: Path, path: Path) -> tuple[int, int]:
    """Write the model that a node left in `data_dir` as word2vec text; words and vector size. CheckpointError.

    OSError as from `output.writing`. `path` is opened first: the reader of a pipe is told of the end, whatever comes.
    """
    with writing(path) as file:
        words, weights, _ = load_model(data_dir)
        vectors = weights[: len(words)]
        write_word2vec(file, words, vectors)
    return len(words), vectors.shape[1]


def load_model(data_dir: Path) -> tuple[Words, Floats, dict[str, Any]]:
    """Words, float32[2V, D] weights and description of the newest checkpoint in `data_dir`. CheckpointError."""
    found = newest(data_dir)
    try:
        words = Vocab.from_bytes(found.vocabulary).words
    except VocabError as error:
        raise CheckpointError(f"{found.path}: {error}") from error
    state = found.state
    described = {**found.about.job, "node": state.node.hex(), "complete": state.complete, "origins": state.origins}
    return words, found.weights(), described

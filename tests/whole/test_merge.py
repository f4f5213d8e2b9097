"""Models that real nodes trained apart, each on its own text of one world, know more of it together than each alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.daemons import Daemons, write_texts

from gossipw2v.cli.synthetic import World
from gossipw2v.w2v.evaluation.analogies import score_analogies
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.layouts import Question
from gossipw2v.w2v.vectors.files import read_vectors

MODELS = 8


def analogies(words: list[bytes], vectors: NDArray[np.float32]) -> float:
    """The share of the planted analogies that come out right."""
    questions = [Question(kind, a, b, c, (d,)) for kind, a, b, c, d in World().analogies()]
    embedding = Embedding.of([word.decode() for word in words], vectors)
    return float(score_analogies(embedding, questions, "world")[0].figures["3cosadd"])


@pytest.mark.slow
def test_merging_models_that_were_trained_apart_beats_the_best_of_them(tmp_path: Path) -> None:
    with Daemons(tmp_path) as daemons:
        for number, text in enumerate(write_texts(tmp_path, MODELS, sentences=20_000)):
            daemons.start(text, job=f"part{number}", seed=number + 1, vector_size=50, epochs=5)
            assert daemons.all[-1].end() == 0
        single = [analogies(*node.model()[:2]) for node in daemons.all]
        folders = [node.data for node in daemons.all]
    for method in ("alir", "procrustes", "pca"):
        command = [sys.executable, "-m", "gossipw2v", "merge", *folders, "-o", tmp_path / "out.npy", "--method", method]
        subprocess.run(command, check=True, timeout=60)
        merged = read_vectors(tmp_path / "out.npy")
        assert analogies(list(merged.words), merged.rows) > 1.5 * max(single)

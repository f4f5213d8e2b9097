"""The ceiling: one machine that has all the text, with the product's trainer and with gensim's."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from compare.course import Course, bytes_of
from compare.network import Traffic
from compare.runs import Run
from compare.texts import PIECE, Material
from gossipw2v.config.job import Job


def run_one(run: Run, material: Material) -> dict[str, Any]:
    """One node of the product. It has no exchanges; `rounds` is how often its score is looked at, at most."""
    course = Course(run, material)
    (replica,) = course.replicas
    while replica.left:
        course.now += course.train(0)
        course.look(lambda: replica.model.weights)
    return course.result(replica.model.weights)


def run_gensim(run: Run, material: Material) -> dict[str, Any]:
    """gensim, one worker. Its seconds are this machine's, not virtual: they stand in `words_per_cpu_second` alone."""
    from gensim.models import Word2Vec  # noqa: PLC0415 - an extra

    vocab, total = material.vocab, int(material.vocab.counts.sum())
    model = Word2Vec(
        vector_size=run.vector_size, window=run.window, negative=run.negative, sample=Job.sample, min_count=1, sg=1,
        alpha=run.alpha, min_alpha=min(Job.min_alpha, run.alpha), workers=1, epochs=run.epochs, seed=run.seed,
    )  # fmt: skip
    model.build_vocab_from_freq(dict(zip(material.words, vocab.counts.tolist(), strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        lines = write_lines(material, Path(folder) / "text")
        began = time.process_time()
        model.train(corpus_file=str(Path(folder) / "text"), total_words=total, total_examples=lines, epochs=run.epochs)
        cpu = time.process_time() - began
    order = [model.wv.key_to_index[word] for word in material.words]
    trained = total * run.epochs
    scores = material.scores(np.asarray(model.wv.vectors[order], np.float32))
    return {
        **scores, "apart": 0.0, "seconds": trained / run.speed,
        "stall": 0.0, "trained": trained, "pairs": 0.0,
        "words_per_cpu_second": trained / max(cpu, 1e-9), "curve": [], **bytes_of(Traffic()),
    }  # fmt: skip


def write_lines(material: Material, path: Path) -> int:
    """The text for gensim, at most PIECE words a line; how many lines."""
    lines = 0
    with path.open("w", encoding="utf-8") as file:
        for sentence in np.split(material.tokens, np.flatnonzero(material.tokens < 0) + 1):
            words = sentence[sentence >= 0]
            for start in range(0, len(words), PIECE):
                file.write(" ".join(material.words[word] for word in words[start : start + PIECE]) + "\n")
                lines += 1
    return lines

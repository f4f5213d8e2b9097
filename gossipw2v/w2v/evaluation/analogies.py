"""Which word is to c as b is to a: 3CosAdd (Mikolov et al. 2013) and 3CosMul (Levy and Goldberg 2014).

3CosAdd is equal to gensim's `evaluate_word_analogies`, 3CosMul to the first word of its `most_similar_cosmul`. Only
questions whose words are all known count; `zeroed` has what comes of it if the others count as wrong (there:
`dummy4unknown`). The three words of a question are never its answer.

Cosines of all words that questions ask of with a block of the vocabulary are one matrix product; a question's scores
are sums, or products, of three of its rows. The matrices of a block stay within `BLOCK_VALUES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossipw2v.w2v.evaluation.embedding import BANDS, Embedding, Floats, Ids, band_of
from gossipw2v.w2v.evaluation.layouts import Question
from gossipw2v.w2v.evaluation.report import Result

KIND = "analogies"
COS_ADD, COS_MUL = "3cosadd", "3cosmul"
METHODS = (COS_ADD, COS_MUL)
EPSILON = 1e-6  # in 3CosMul's denominator, as in gensim

PART = 16_384  # questions at a time
ROWS = (256, 2048)  # words of a block, from and to
BLOCK_VALUES = 1 << 23  # cosines of a block, if it can be: 32 MB
TOGETHER = 32  # questions whose scores are made at once: they stay in a core's cache

Best = tuple[Floats, Ids]  # score and row of the best answer of each question


def score_analogies(
    embedding: Embedding,
    questions: Sequence[Question],
    name: str,
    methods: Sequence[str] = METHODS,
    threads: int = 1,
) -> list[Result]:
    """The whole set, its sections in order of appearance, and each band of frequency of a question's rarest word."""
    rows, answers, known = _looked_up(embedding, questions)
    right = {
        method: np.array([row in wanted for row, wanted in zip(found.tolist(), answers, strict=True)], bool)
        for method, found in predict(embedding, rows, methods, threads).items()
    }
    sections = np.array([question.section for question in questions])
    unknown = embedding.unknown(word for q in questions for word in (q.a, q.b, q.c, *q.answers[:1]))
    every = np.ones(len(rows), bool)
    found = [_result(name, right, every, len(questions), unknown=unknown)]
    for section in dict.fromkeys(sections.tolist()):
        inside = sections == section
        found.append(_result(name, right, inside[known], int(inside.sum()), section=section))
    rarest = np.maximum(rows.max(axis=1, initial=0), np.array([wanted[0] for wanted in answers], np.int64))
    bands = band_of(rarest)
    for number, (band, _) in enumerate(BANDS):
        if (inside := bands == number).any():
            found.append(replace(_result(name, right, inside, int(inside.sum()), band=band), zeroed={}))
    return found


def _looked_up(embedding: Embedding, questions: Sequence[Question]) -> tuple[Ids, list[list[int]], NDArray[np.bool_]]:
    """Rows int64[n, 3] and right rows of the questions that can be asked, and which those are."""
    rows, answers, known = [], [], np.zeros(len(questions), bool)
    for at, (_, a, b, c, wanted) in enumerate(questions):
        asked, right = embedding.rows((a, b, c)), [row for word in wanted if (row := embedding.row(word)) is not None]
        if asked is not None and right:
            rows.append(asked)
            answers.append(right)
            known[at] = True
    return np.array(rows, np.int64).reshape(-1, 3), answers, known


def _result(
    name: str, right: dict[str, NDArray[np.bool_]], inside: NDArray[np.bool_], total: int, **about: Any
) -> Result:
    """Of the questions `inside`, all of which are known, of a `total`; `about`: further fields."""
    known = int(inside.sum())
    counts = {method: int(hits[inside].sum()) for method, hits in right.items()}
    figures = {method: count / known if known else float("nan") for method, count in counts.items()}
    zeroed = {method: count / total if total else float("nan") for method, count in counts.items()}
    return Result(KIND, name, figures, known, total, zeroed=zeroed, **about)


# --- the answers ---------------------------------------------------------------------------------------------------


def predict(embedding: Embedding, questions: Ids, methods: Sequence[str] = METHODS, threads: int = 1) -> dict[str, Ids]:
    """By method the row that answers each question, rows a, b, c of int64[n, 3]; the first of equal ones."""
    parts = [_predict(embedding, questions[at : at + PART], methods, threads) for at in range(0, len(questions), PART)]
    nothing = np.empty(0, np.int64)
    return {method: np.concatenate([nothing, *(part[method] for part in parts)]) for method in methods}


def _predict(embedding: Embedding, questions: Ids, methods: Sequence[str], threads: int) -> dict[str, Ids]:
    asked, places = np.unique(questions, return_inverse=True)
    places = places.reshape(questions.shape)
    targets = embedding.unit(asked)
    step = int(np.clip(BLOCK_VALUES // len(asked), *ROWS))

    def in_block(start: int) -> dict[str, Best]:
        cosines = targets @ embedding.unit(slice(start, start + step)).T
        return {method: _best(SCORES[method], cosines, places, questions, start) for method in methods}

    best = {method: (np.full(len(questions), -np.inf, np.float32), questions[:, 0].copy()) for method in methods}
    with nullcontext() if threads == 1 else ThreadPoolExecutor(threads) as pool:  # one is this one, and its CPU time
        for found in (pool.map if pool else map)(in_block, range(0, len(embedding.vectors), step)):
            for method, (scores, rows) in found.items():
                _keep_better(*best[method], scores, rows)
    return {method: rows for method, (_, rows) in best.items()}


def _keep_better(best: Floats, best_rows: Ids, scores: Floats, rows: Ids) -> None:
    better = scores > best  # of equal ones the first stays
    best[better], best_rows[better] = scores[better], rows[better]


Score3 = Callable[[Floats, Floats, Floats], Floats]


def _best(score: Score3, cosines: Floats, places: Ids, questions: Ids, start: int) -> Best:
    """The best score of each question in a block of words that begins at row `start`, and its row."""
    width = cosines.shape[1]
    scores, rows = np.empty(len(places), np.float32), np.empty(len(places), np.int64)
    for at in range(0, len(places), TOGETHER):
        part = slice(at, at + TOGETHER)
        a, b, c = places[part].T
        found = score(cosines[a], cosines[b], cosines[c])
        of, column = np.nonzero((questions[part] >= start) & (questions[part] < start + width))
        found[of, questions[part][of, column] - start] = -np.inf
        rows[part] = found.argmax(axis=1)
        scores[part] = np.take_along_axis(found, rows[part, None], axis=1)[:, 0]
    return scores, rows + start


def _cos_add(a: Floats, b: Floats, c: Floats) -> Floats:
    b -= a
    b += c
    return b


def _cos_mul(a: Floats, b: Floats, c: Floats) -> Floats:
    """Of cosines moved to 0 to 1, so that none is negative."""
    b, c, a = (np.float32(0.5) + np.float32(0.5) * each for each in (b, c, a))
    b *= c
    a += np.float32(EPSILON)
    b /= a
    return b


SCORES: dict[str, Score3] = {COS_ADD: _cos_add, COS_MUL: _cos_mul}

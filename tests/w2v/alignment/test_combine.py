"""Models with planted vectors, each turned, moved, scaled and made noisy: merged they are nearer to these."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable
from support.vector_files import in_memory, save, some_words

from gossipw2v.w2v.alignment.combine import METHODS, Combination, combine
from gossipw2v.w2v.alignment.union import MOST_MODELS, AlignmentError, Union, unite
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.vectors.table import Floats, Vectors

COUNT, SIZE = 600, 16
PLANTED = np.random.default_rng(1).normal(0, 1, (COUNT, SIZE)) * np.linspace(2, 0.5, SIZE)
WORDS = some_words(COUNT)


def turn(seed: int, size: int = SIZE) -> np.ndarray:
    """A random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def planted(seed: int, noise: float = 0.7, rows: np.ndarray | None = None, scale: float = 1.0) -> Vectors:
    """A model of some of the planted words, in an order of its own."""
    random = np.random.default_rng(seed)
    rows = random.permutation(COUNT) if rows is None else rows
    made = PLANTED[rows] + random.normal(0, noise, (len(rows), SIZE))
    moved = scale * (made @ turn(seed) + random.normal(0, 2, SIZE))
    return in_memory(WORDS.take(rows), moved.astype(np.float32), f"model {seed}")


def agreement(vectors: Vectors, rows: np.ndarray | None = None) -> float:
    """The mean cosine between what was planted and the vectors, turned onto it, both about their means."""
    at = {word: row for row, word in enumerate(vectors.words)}
    rows = np.array([row for row in (range(COUNT) if rows is None else rows) if WORDS[row] in at])
    found = np.array([vectors.rows[at[WORDS[row]]] for row in rows], np.float64)
    one, other = (each - each.mean(axis=0) for each in (PLANTED[rows], found))
    left, _, right = np.linalg.svd(other.T @ one)
    other = other @ left @ right
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float((np.einsum("ij,ij->i", one, other) / lengths).mean())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("models", [2, 3, 8])
def test_merged_models_are_nearer_to_what_was_planted_than_each_of_them(method: str, models: int) -> None:
    single = [planted(seed) for seed in range(models)]
    merged, fits = combine(unite(single), Combination(method))
    best = max(map(agreement, single))
    assert agreement(merged) > best + (0.03 if models == 2 else 0.06)
    assert [fit.name for fit in fits] == [model.name for model in single]
    assert all(fit.words == COUNT and fit.alone == 0 and best < fit.cosine <= 1 for fit in fits)


@pytest.mark.parametrize("method", METHODS)
def test_models_that_differ_by_a_turn_a_move_and_a_scale_alone_give_that_model(method: str) -> None:
    single = [planted(seed, 0, scale=scale) for seed, scale in ((1, 1.0), (2, 5.0), (3, 0.1))]
    merged, fits = combine(unite(single), Combination(method))
    assert agreement(merged) == pytest.approx(1, abs=1e-5)
    assert all(fit.cosine == pytest.approx(1, abs=1e-5) for fit in fits)
    lengths = np.linalg.norm(merged.rows, axis=1)
    typical = np.mean([np.linalg.norm(model.rows - model.rows.mean(axis=0), axis=1).mean() for model in single])
    assert lengths.mean() == pytest.approx(typical, rel=0.05)


@pytest.mark.parametrize("method", ["alir", "procrustes"])
def test_the_result_is_in_the_space_of_the_first_model(method: str) -> None:
    first, *others = [planted(seed, 0.05) for seed in range(4)]
    merged, _ = combine(unite([first, *others]), Combination(method))
    at = {word: row for row, word in enumerate(merged.words)}
    mine = np.array([merged.rows[at[word]] for word in first.words])
    centred = first.rows - first.rows.mean(axis=0)
    cosine = np.einsum("ij,ij->i", mine, centred) / np.linalg.norm(mine, axis=1) / np.linalg.norm(centred, axis=1)
    assert cosine.min() > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_vocabularies_may_differ(method: str) -> None:
    rows = np.random.default_rng(5).permutation(COUNT)
    parts = [rows[:400], rows[200:], np.concatenate((rows[:150], rows[180:220], rows[300:]))]
    single = [planted(seed, rows=part) for seed, part in enumerate(parts)]
    merged, fits = combine(unite(single), Combination(method))
    assert sorted(merged.words) == sorted(WORDS)
    assert [fit.words - fit.alone for fit in fits] == [
        sum(any(row in other for other in parts if other is not part) for row in part) for part in parts
    ]
    for part, model in zip(parts, single, strict=True):
        assert agreement(merged, part) > agreement(model, part) + 0.01


def test_a_word_of_one_model_alone_is_that_models_row() -> None:
    first, second = planted(1, 0, rows=np.arange(400)), planted(2, 0, rows=np.arange(100, COUNT))
    merged, _ = combine(unite([first, second]))
    assert agreement(merged, np.arange(100)) == pytest.approx(1, abs=0.01)
    assert agreement(merged, np.arange(400, COUNT)) == pytest.approx(1, abs=0.01)


def test_a_chain_of_overlaps_is_enough_for_alir() -> None:
    """The first and the last share nothing: what is between them says how to turn them."""
    parts = [np.arange(0, 250), np.arange(200, 420), np.arange(380, 600)]
    single = [planted(seed, 0.05, rows=part) for seed, part in enumerate(parts)]
    merged, _ = combine(unite(single))
    assert agreement(merged) > 0.98
    with pytest.raises(AlignmentError, match="model 2 shares 0 words with model 0; 16, as many"):
        combine(unite(single), Combination("procrustes"))
    with pytest.raises(AlignmentError, match="all models together share 0 words; 16, as many"):
        combine(unite(single), Combination("pca"))


def test_a_model_that_weighs_more_is_nearer_to_the_result() -> None:
    single = [planted(seed) for seed in range(3)]
    _, even = combine(unite(single))
    _, uneven = combine(unite(single, [8, 1, 1]))
    assert uneven[0].cosine > even[0].cosine + 0.05
    assert uneven[1].cosine < even[1].cosine - 0.02
    good, *noisy = planted(1, 0.2), planted(2, 2.0), planted(3, 2.0)
    plain, _ = combine(unite([good, *noisy]))
    weighed, _ = combine(unite([good, *noisy], [10, 1, 1]))
    assert agreement(weighed) > agreement(plain) + 0.03


@pytest.mark.parametrize("method", METHODS)
def test_the_same_models_give_the_same_bits(method: str) -> None:
    single = [planted(seed, rows=np.random.default_rng(seed).permutation(COUNT)[:500]) for seed in range(3)]
    one, other = (combine(unite(single), Combination(method))[0] for _ in range(2))
    assert one.words == other.words
    assert one.rows.tobytes() == other.rows.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_whitening_evens_the_variances_and_keeps_their_sum(method: str) -> None:
    single = [planted(seed, 0.2) for seed in range(3)]
    spectra = []
    for power in (0, 0.25, 0.5):
        rows = combine(unite(single), Combination(method, power))[0].rows.astype(np.float64)
        spectra.append(np.linalg.eigvalsh(rows.T @ rows))
    plain, half, white = spectra
    assert white == pytest.approx(plain.mean(), rel=1e-3)
    assert half / half[0] == pytest.approx(np.sqrt(plain / plain[0]), rel=1e-3)
    assert half.sum() == pytest.approx(plain.sum(), rel=1e-3)


def test_whitening_turns_nothing() -> None:
    single = [planted(seed, 0.2) for seed in range(3)]
    plain, some = (combine(unite(single), Combination("alir", power))[0].rows for power in (0, 0.1))
    cosines = np.einsum("ij,ij->i", plain, some) / np.linalg.norm(plain, axis=1) / np.linalg.norm(some, axis=1)
    assert cosines.min() > 0.9


def test_frequent_words_come_first() -> None:
    lists = [[b"the", b"of", b"rare"], [b"the", b"of", b"only"], [b"of", b"the", b"rare"]]
    rows = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    union = unite([in_memory(Words.of(words), rows) for words in lists])
    assert list(union.words) == [b"the", b"of", b"rare", b"only"]


# -- what is computed is what the definition says ------------------------------------------------------------------


def objective(union: Union, maps: list[Floats]) -> float:
    """The sum of squared distances between turned rows and their mean, word by word, as the definition has it."""
    total = 0.0
    for row in range(len(union.words)):
        one = slice(row, row + 1)
        turned = {k: union.centred(k, one)[0] @ maps[k] for k in range(len(maps)) if union.has(k, one)[0]}
        weight = sum(union.weights[k] for k in turned)
        mean = sum(union.weights[k] * turned[k] for k in turned) / weight
        total += sum(union.weights[k] * float(np.sum((turned[k] - mean) ** 2)) for k in turned)
    return total


@repeatable(10)
@given(st.integers(0, 1000))
def test_no_other_turn_of_a_model_brings_it_nearer(seed: int) -> None:
    from gossipw2v.w2v.alignment.maps import alir

    random = np.random.default_rng(seed)
    single = [planted(k, 1.0, random.permutation(COUNT)[:120]) for k in range(3)]
    union = unite(single, random.uniform(0.5, 2, 3).tolist())
    maps = alir(union, lambda _: None)
    best = objective(union, maps)
    for number in range(3):
        skew = random.normal(0, 0.02, (SIZE, SIZE))
        nearby = np.linalg.qr(np.eye(SIZE) + skew - skew.T)[0]
        nearby *= np.sign(np.diag(nearby))
        others = [*maps[:number], (maps[number] @ nearby).astype(np.float32), *maps[number + 1 :]]
        assert objective(union, others) > best * (1 - 1e-6)
    assert all(np.allclose(each @ each.T, np.eye(SIZE), atol=1e-5) for each in maps)


# -- refusals ------------------------------------------------------------------------------------------------------


def test_what_does_not_go_together_is_refused_with_the_figures() -> None:
    one, other = planted(1), planted(2)
    narrow = in_memory(WORDS, other.rows[:, :5], "narrow")
    same = in_memory(WORDS, np.ones_like(other.rows), "same")
    few = planted(3, rows=np.arange(15))
    for models, weights, told in (
        ([one], None, "1 models: 2 to"),
        ([one] * (MOST_MODELS + 1), None, f"2 to {MOST_MODELS} can be merged"),
        ([one, narrow], None, "model 1 has 16, narrow has 5"),
        ([one, same], None, "same: all vectors are the same"),
        ([one, other], [1], "1 weights for 2 models"),
        ([one, other], [1, 0], "a number above 0"),
        ([one, other], [1, np.nan], "a number above 0"),
        ([one, few], None, "model 3 shares 15 words with model 1; 16, as many as there are dimensions"),
    ):
        for method in METHODS if told.startswith("model 3") else ("alir",):
            with pytest.raises(AlignmentError, match=told):
                combine(unite(models, weights), Combination(method))


# -- memory --------------------------------------------------------------------------------------------------------

MEASURE = """
import gc, resource, sys, tracemalloc
from pathlib import Path
import numpy as np
from gossipw2v.w2v.alignment.combine import Combination, combine
from gossipw2v.w2v.alignment.union import unite
from gossipw2v.w2v.vectors.files import opened, read_vectors, write
from gossipw2v.w2v.vectors.formats import choose
from gossipw2v.w2v.vectors.selection import Selection, selected

def resident(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024

np.linalg.svd(np.eye(300, dtype=np.float32) @ np.eye(300, dtype=np.float32))
gc.collect()
before = resident("VmRSS")
target = choose(Path(sys.argv[1]))
if sys.argv[2] == "traced":
    tracemalloc.start()
with opened(target) as files:
    merged, _ = combine(unite([read_vectors(Path(name)) for name in sys.argv[4:]]), Combination(sys.argv[3]))
    write(files, target, *selected(merged, Selection()))
print(tracemalloc.get_traced_memory()[1] if sys.argv[2] == "traced" else resident("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc says how much memory there was")
@pytest.mark.parametrize("how", ["traced", "resident"])
def test_a_merge_takes_less_memory_than_its_result(how: str, tmp_path: Path) -> None:
    names, size = [], 300
    for seed in range(3):
        rows = np.random.default_rng(seed).normal(0, 0.3, (30_000, size)).astype(np.float32)
        numbers = np.random.default_rng(seed).permutation(37_500)[:30_000]
        names.append(save(tmp_path / f"{seed}.npy", some_words(37_500).take(numbers), rows))
    del rows
    gc.collect()
    out = tmp_path / "out.npy"
    command = [sys.executable, "-c", MEASURE, out, how, "alir", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert int(done.stdout) < 1.5 * out.stat().st_size

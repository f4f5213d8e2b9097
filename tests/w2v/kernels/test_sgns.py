"""Kernels against their slow twins, word2vec's formulas, and what their docstrings promise."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive_sgns

from gossipw2v.w2v.kernels import noise, sgns

TESTS = Path(__file__).parents[2]
VOCABULARY = 50


def _counts(size=VOCABULARY):
    return (10_000 / np.arange(1, size + 1)).astype(np.int64)


def _tokens(n, seed=0, size=VOCABULARY, sentence=17):
    tokens = np.random.default_rng(seed).zipf(1.3, n).astype(np.int64) % size
    tokens[sentence::sentence] = -1
    return tokens.astype(np.int32)


def _model(vector_size, size=VOCABULARY, seed=1):
    """Rows of a size that training has: not the tiny ones it starts from."""
    return np.random.default_rng(seed).normal(0, 0.3, (2 * size, vector_size)).astype(np.float32)


def _train(tokens, weights, params, *, sample=0.0, seed=1, calls=1, sg=1):
    size = len(weights) // 2
    updates = np.zeros(2 * size, np.int64)
    keep, table = sgns.keep_table(_counts(size), sample), sgns.noise_table(_counts(size), 0.75)
    state = sgns.rng_state(seed, 0)
    scratch = sgns.make_scratch(weights.shape[1], params.window, params.negative)
    train = (sgns.cbow_train, sgns.sgns_train)[sg]
    results = [
        train(tokens, weights[:size], weights[size:], updates, keep, table, params, state, scratch)
        for _ in range(calls)
    ]
    return updates, results


def _train_naive(tokens, weights, params, *, sample=0.0, seed=1, sg=1):
    size = len(weights) // 2
    wide, updates = weights.astype(np.float64), np.zeros(2 * size, np.int64)
    keep, table = sgns.keep_table(_counts(size), sample), sgns.noise_table(_counts(size), 0.75)
    rng = naive_sgns.SplitMix(sgns.rng_state(seed, 0)[0])
    train, plan = (naive_sgns.cbow_train, naive_sgns.sgns_train)[sg], sgns.make_plan(params, sg)
    trained = train(tokens, wide[:size], wide[size:], updates, keep, table, params, plan, rng)
    return wide, updates, trained


def check_twin(vector_size, sample, sg, n=500):
    tokens, weights = _tokens(n), _model(vector_size)
    params = sgns.Params(window=5, negative=5, alpha=0.025)
    wide, wide_updates, trained = _train_naive(tokens, weights, params, sample=sample, sg=sg)
    updates, [(pairs, _)] = _train(tokens, weights, params, sample=sample, sg=sg)
    np.testing.assert_allclose(weights, wide, atol=2e-4)
    np.testing.assert_array_equal(updates, wide_updates)
    assert pairs == sum(pairs for pairs, _ in trained)


@pytest.mark.parametrize("vector_size", [1, 7, 8, 9, 15, 16, 17, 33, 100, 128, 300])
@pytest.mark.parametrize("sample", [0.0, 0.01])
@pytest.mark.parametrize("sg", [0, 1])
def test_training_agrees_with_its_twin(vector_size, sample, sg):
    check_twin(vector_size, sample, sg)


AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
ON_AVX2 = """
from numba.core.registry import cpu_target
from test_sgns import check_twin, sgns
from gossipw2v.w2v.kernels.simd import machine_lanes
assert machine_lanes(*cpu_target.target_context.codegen().magic_tuple()) == 8
for size in (1, 7, 8, 9, 15, 16, 17, 100, 128, 300):
    check_twin(size, sample=0.0, sg=1, n=200)
[assembly] = sgns._kernel(1).inspect_asm().values()
assert "%ymm" in assembly and "%zmm" not in assembly, "compiled for another machine"
"""


@pytest.mark.skipif(not llvm.get_host_cpu_features().get("avx2"), reason="this machine cannot run AVX2")
def test_code_for_avx2_agrees_with_its_twin(tmp_path):
    environment = {**os.environ, **AVX2, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(TESTS)}
    subprocess.run([sys.executable, "-c", ON_AVX2], env=environment, cwd=Path(__file__).parent, check=True, timeout=300)


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=12),
    vocabulary=st.sampled_from([1, 2, 4, 5, 20, 50]),
    window=st.integers(1, 50),
    reach=st.sampled_from(["shrunk", "whole", "at least 2"]),
    negative=st.integers(1, 20),
    alphas=st.tuples(st.floats(0, 0.05), st.floats(0, 0.05)),
    seed=st.integers(0, 2**64 - 1),
    sg=st.integers(0, 1),
)
@settings(deadline=None, max_examples=100)
def test_twin_agrees_on_any_sentences_at_any_setting(lengths, vocabulary, window, reach, negative, alphas, seed, sg):  # noqa: PLR0917
    words = np.random.default_rng(3).zipf(1.3, sum(lengths)) % vocabulary
    tokens = np.insert(words, np.cumsum(lengths), -1).astype(np.int32)
    least, usual = {"shrunk": (1, 0), "whole": (window, 3), "at least 2": (min(2, window), 0)}[reach]
    weights, params = _model(20, vocabulary), sgns.Params(window, negative, *alphas, least, usual)
    wide, wide_updates, _ = _train_naive(tokens, weights, params, seed=seed, sg=sg)
    updates, _ = _train(tokens, weights, params, seed=seed, sg=sg)
    np.testing.assert_allclose(weights, wide, atol=5e-4)
    np.testing.assert_array_equal(updates, wide_updates)


# negative and alpha by positions of a group; long windows may make it smaller, but for the last
GROUPS = {1: (20, 0.06), 2: (20, 0.05), 3: (13, 0.05), 4: (2, 0.01)}


@given(
    lengths=st.lists(st.sampled_from([0, 1, 2, 3, 5, 30, 130]), min_size=1, max_size=8),
    vocabulary=st.sampled_from([5, 8, 50, 400]),
    vector_size=st.sampled_from([1, 15, 16, 20, 64, 65, 100, 127, 128, 129, 130, 200, 300]),
    window=st.sampled_from([1, 2, 5, noise.NEAR, noise.NEAR + 1, 50, 255]),
    group=st.sampled_from(list(GROUPS)),
    seed=st.integers(0, 2**64 - 1),
)
@settings(deadline=None, max_examples=100)
def test_windows_that_overlap_are_summed_like_any_others(lengths, vocabulary, vector_size, window, group, seed):
    """At any width and reach, with words that stand in a window many times or never again, and over sentence ends."""
    words = np.random.default_rng(seed % 1000).integers(0, vocabulary, sum(lengths))
    tokens = np.insert(words, np.cumsum(lengths), -1).astype(np.int32)
    weights, params = _model(vector_size, vocabulary), sgns.Params(window, *GROUPS[group])
    planned = sgns.make_plan(params, 0).group
    assert planned == group or (planned < group < 4 and window > 5)
    wide, wide_updates, _ = _train_naive(tokens, weights, params, seed=seed, sg=0)
    updates, _ = _train(tokens, weights, params, seed=seed, sg=0)
    np.testing.assert_allclose(weights, wide, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(updates, wide_updates)


@pytest.mark.parametrize("window", [2, noise.NEAR, noise.NEAR + 1, 50])
def test_a_group_may_span_many_sentences_that_have_no_windows(window):
    lonely = [2, -1] * 300
    tokens = np.array([0, 1, -1, *lonely, 3, 4, -1, *lonely, 0, 1, 3, -1], np.int32)
    weights, params = _model(100, 5), sgns.Params(window, 2, 0.025)
    wide, wide_updates, _ = _train_naive(tokens, weights, params, sg=0)
    updates, _ = _train(tokens, weights, params, sg=0)
    np.testing.assert_allclose(weights, wide, atol=1e-5)
    np.testing.assert_array_equal(updates, wide_updates)
    assert updates[2] == 0


@pytest.mark.parametrize("window", [5, 50])
def test_cbow_leaves_rows_of_words_outside_all_windows_as_they_are(window):
    """Bit for bit, also where they stand beside a window or between two."""
    tokens, weights = np.array([0, -1, 1, 2, 3, -1, 0, -1, 4, 5, -1, 0], np.int32), _model(100, 7)
    before = weights.copy()
    _train(tokens, weights, sgns.Params(window, 2, 0.025), calls=20, sg=0)
    changed = (weights[:7] != before[:7]).any(axis=1)
    assert changed.tolist() == [False, True, True, True, True, True, False]


@pytest.mark.parametrize("sg", [0, 1])
def test_loss_is_that_of_the_twin_where_it_is_measured(sg):
    tokens, weights = _tokens(600, sentence=1000), _model(64)
    params = sgns.Params(5, 5, 0.025)
    _, _, trained = _train_naive(tokens, weights, params, sg=sg)
    _, [(pairs, estimate)] = _train(tokens, weights, params, sg=sg)
    measured = np.array(trained[:: noise.MEASURED])
    assert pairs == sum(pairs for pairs, _ in trained)
    assert estimate == pytest.approx(pairs * measured[:, 1].sum() / measured[:, 0].sum(), rel=1e-4)


@pytest.mark.parametrize("window", [1, 2, 5, 10, 20, 50, 255])
@pytest.mark.parametrize("negative", [1, 3, 5, 10, 15, 20, 255])
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.025, 0.05, 1.0])
@pytest.mark.parametrize("sg", [0, 1])
def test_plan_keeps_every_step_within_its_bound(window, negative, alpha, sg):
    plan = sgns.make_plan(sgns.Params(window, negative, alpha), sg)
    true_words = 1 if sg else noise.TILE
    assert (plan.noise + true_words) % noise.TILE == 0, "whole blocks"
    assert alpha * negative / plan.noise <= noise.LARGEST_STEP + 1e-9 or plan.noise + true_words == noise.MOST
    assert plan.group == 1 or plan.group * alpha * negative <= noise.LARGEST_SWEEP
    fewest = 1 if negative >= noise.MANY else 2
    assert fewest <= plan.block <= noise.BLOCK
    assert plan.block == fewest or plan.block * alpha * window * min(negative, noise.ENOUGH) <= noise.STALE + 1e-9


@pytest.mark.parametrize("window", [1, 5, 10, 50])
@pytest.mark.parametrize("negative", [1, 3, 5, 10, 20, 255])
@pytest.mark.parametrize("first", [0.025, 0.05, 1.0])
@pytest.mark.parametrize("sg", [0, 1])
def test_noise_rows_stay_as_many_when_alpha_falls(window, negative, first, sg):
    rows = {sgns.make_plan(sgns.Params(window, negative, part * first, first), sg).noise for part in (1, 0.5, 1e-3, 0)}
    assert rows == {sgns.make_plan(sgns.Params(window, negative, first), sg).noise}


def test_an_alpha_above_the_first_one_has_the_noise_rows_that_it_needs():
    assert sgns.make_plan(sgns.Params(5, 5, 0.05, 0.01), 1) == sgns.make_plan(sgns.Params(5, 5, 0.05), 1)


@pytest.mark.parametrize(
    ("window", "negative", "alpha", "rows"),
    [
        (5, 3, 0.05, 3),
        (5, 10, 0.025, 7),
        (5, 15, 0.025, 11),
        (5, 20, 0.05, 19),
        (9, 5, 0.025, 3),
        (10, 5, 0.025, 7),
        (10, 4, 0.025, 3),
    ],
)
def test_noise_rows_of_skip_gram(window, negative, alpha, rows):
    assert sgns.make_plan(sgns.Params(window, negative, alpha), 1).noise == rows


def test_plan_at_the_defaults_is_the_cheapest_there_is():
    assert sgns.make_plan(sgns.Params(5, 5, 0.025), 1) == sgns.Plan(3, noise.SERVES, noise.BLOCK, noise.TILE)


@pytest.mark.parametrize("vocabulary", [1, 2, 4, 20, 34])
@pytest.mark.parametrize(("negative", "window", "alpha"), [(5, 5, 0.025), (20, 5, 0.05), (20, 10, 0.05)])
@pytest.mark.parametrize("sg", [0, 1])
def test_tiny_vocabularies_have_rows_of_ordinary_length(vocabulary, negative, window, alpha, sg):
    tokens = np.random.default_rng(1).zipf(1.3, 30_000) % vocabulary
    tokens[40::41] = -1
    weights = _model(32, vocabulary)
    _train(tokens.astype(np.int32), weights, sgns.Params(window, negative, alpha), calls=3, sg=sg)
    assert np.linalg.norm(weights, axis=1).max() < (10, 70)[sg == 0]  # gensim's CBOW reaches 64


@pytest.mark.parametrize("sg", [0, 1])
def test_one_thread_and_seed_give_the_same_bits(sg):
    tokens, runs = _tokens(20_000), []
    for seed in (7, 7, 8):
        weights = _model(100)
        _, results = _train(tokens, weights, sgns.Params(5, 5, 0.025), sample=1e-3, seed=seed, sg=sg)
        runs.append((weights.tobytes(), results))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_updates_count_every_pair_of_both_rows():
    tokens = np.array([0, 1, 2, -1, 3], np.int32)
    updates, [(pairs, _)] = _train(tokens, _model(8, size=5), sgns.Params(1, 5, 0.025))
    assert pairs == 4  # 0-1, 1-0, 1-2, 2-1; 3 is alone
    assert updates[:5].tolist() == [1, 2, 1, 0, 0]
    noisy = updates[5:] - [1, 2, 1, 0, 0]
    assert 0 < noisy.sum() <= 4 * 5 + 1  # what hits the true word is left out; 1 for rounding
    assert noisy.min() >= 0


def test_cbow_counts_a_pair_for_each_word_and_an_update_for_each_neighbour():
    tokens = np.array([0, 1, 2, -1, 3], np.int32)
    updates, [(pairs, _)] = _train(tokens, _model(8, size=5), sgns.Params(1, 7, 0.025), sg=0)
    assert pairs == 3  # 3 is alone
    assert updates[:5].tolist() == [1, 2, 1, 0, 0]  # 1 is in the windows of both others
    noisy = updates[5:] - [1, 1, 1, 0, 0]
    assert 0 < noisy.sum() <= 3 * 7 + 2
    assert noisy.min() >= 0


def test_cbow_gives_every_neighbour_the_whole_gradient():
    """gensim's `cbow_mean=1`; a share of it is the gradient proper, and trains more slowly."""
    tokens, weights = np.array([0, 1, 2], np.int32), _model(8)
    weights[VOCABULARY:] = 0.0
    weights[VOCABULARY + 1] = 1.0  # the output row of the word between, the only one with a gradient
    before = weights.copy()
    _train(tokens, weights, sgns.Params(1, 1, 1e-3), sg=0)
    change = weights[:3] - before[:3]
    np.testing.assert_allclose(change[0], change[2], rtol=1e-2, atol=1e-6)
    gain = 1e-3 / (1 + np.exp((before[0] + before[2]).sum() / 2))
    drawn = np.abs(change[0] - gain).max() / gain
    assert drawn < 0.25  # noise that hits word 1 takes away some; a share would be half


@pytest.mark.parametrize("sg", [0, 1])
def test_no_window_crosses_a_sentence_end(sg):
    tokens = np.tile(np.array([0, -1, 1, -1], np.int32), 200)
    weights = _model(16)
    before = weights.copy()
    updates, results = _train(tokens, weights, sgns.Params(5, 5, 0.025), sg=sg)
    assert results == [(0, 0.0)]
    assert not updates.any()
    np.testing.assert_array_equal(weights, before)


@pytest.mark.parametrize("tokens", [[], [-1], [-1, -1, -1], [4]])
def test_nothing_to_train_is_no_error(tokens):
    _, results = _train(np.array(tokens, np.int32), _model(8), sgns.Params(5, 5, 0.025))
    assert results == [(0, 0.0)]


def test_read_only_tokens_are_accepted():
    tokens = _tokens(100)
    tokens.flags.writeable = False
    _, [(pairs, _)] = _train(tokens, _model(8), sgns.Params(5, 5, 0.025))
    assert pairs > 100


def test_loss_falls_and_nothing_diverges():
    tokens, weights = _tokens(20_000), np.zeros((2 * VOCABULARY, 32), np.float32)
    sgns.init_rows(np.arange(VOCABULARY, dtype=np.uint64), 1, weights[:VOCABULARY])
    _, results = _train(tokens, weights, sgns.Params(5, 5, 0.025), calls=5)
    losses = [loss / pairs for pairs, loss in results]
    assert losses[0] < 6 * np.log(2)  # six scores of zero
    assert losses[-1] < losses[0] - 0.01
    assert np.isfinite(weights).all()
    assert np.abs(weights).max() < 10


@pytest.mark.parametrize("sg", [0, 1])
def test_extreme_scores_keep_every_row_finite(sg):
    weights = np.full((2 * VOCABULARY, 16), 50.0, np.float32)
    _train(_tokens(2000), weights, sgns.Params(5, 5, 0.025), sg=sg)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("sg", [0, 1])
def test_words_that_meet_come_together(sg):
    """Ten groups of five words; a sentence stays in one group."""
    rng = np.random.default_rng(5)
    tokens = np.concatenate([[*(rng.integers(0, 5, 20) + 5 * rng.integers(0, 10)), -1] for _ in range(2000)])
    weights = np.zeros((2 * VOCABULARY, 32), np.float32)
    sgns.init_rows(np.arange(VOCABULARY, dtype=np.uint64), 1, weights[:VOCABULARY])
    _train(tokens.astype(np.int32), weights, sgns.Params(5, 5, 0.025), calls=3, sg=sg)
    unit = weights[:VOCABULARY] / np.linalg.norm(weights[:VOCABULARY], axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit.T), axis=1)[:, :5]
    assert (nearest // 5 == np.arange(VOCABULARY)[:, None] // 5).mean() > 0.95


def test_noise_has_the_distribution_of_word2vec():
    counts = _counts(2000)
    table = sgns.noise_table(counts, 0.75)
    threshold, alias = (table >> 32).astype(np.float64) / 2**32, (table & 0xFFFFFFFF).astype(np.int64)
    share = np.bincount(alias, 1 - threshold, len(counts)) + threshold
    wanted = counts**0.75 / (counts**0.75).sum()
    np.testing.assert_allclose(share / len(counts), wanted, rtol=1e-4, atol=1e-9)


def test_noise_draws_follow_the_table():
    table, rng = sgns.noise_table(_counts(), 0.75), naive_sgns.SplitMix(1)
    drawn = np.bincount([naive_sgns.draw(table, rng) for _ in range(50_000)], minlength=VOCABULARY)
    wanted = 50_000 * _counts() ** 0.75 / (_counts() ** 0.75).sum()
    assert ((drawn - wanted) ** 2 / wanted).sum() < 100  # chi-square of 49 degrees; 100 has p < 1e-4


def test_a_word_never_seen_is_never_noise():
    table = sgns.noise_table(np.array([5, 0, 5, 0], np.int64), 0.75)
    rng = naive_sgns.SplitMix(1)
    assert {naive_sgns.draw(table, rng) for _ in range(1000)} == {0, 2}


@pytest.mark.parametrize("counts", [[], [0, 0], [1, -1]])
def test_noise_of_no_vocabulary_is_refused(counts):
    with pytest.raises(ValueError, match="vocabulary"):
        sgns.noise_table(np.array(counts, np.int64), 0.75)


@pytest.mark.parametrize("sample", [1e-3, 1e-5])
def test_subsampling_is_that_of_word2vec(sample):
    counts = _counts(1000)
    threshold = sample * counts.sum()
    wanted = np.minimum(1.0, (np.sqrt(counts / threshold) + 1) * threshold / counts)
    np.testing.assert_allclose(sgns.keep_table(counts, sample) / 0xFFFFFFFF, wanted, rtol=1e-6)
    assert (sgns.keep_table(counts, 0.0) == 0xFFFFFFFF).all()


@pytest.mark.parametrize("sample", [-0.1, 1.0, float("nan")])
def test_a_sample_that_is_no_frequency_is_refused(sample):
    with pytest.raises(ValueError, match="sample"):
        sgns.keep_table(_counts(), sample)


def test_streams_of_threads_and_seeds_differ():
    states = {int(sgns.rng_state(seed, thread)[0]) for seed in range(20) for thread in range(20)}
    assert len(states) == 400


def test_initial_rows_are_the_same_everywhere():
    hashes = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    out, twin = np.empty((4, 7), np.float32), np.empty((4, 7), np.float32)
    sgns.init_rows(hashes, 42, out)
    naive_sgns.init_rows(hashes, 42, twin)
    np.testing.assert_array_equal(out, twin)
    assert out.view(np.uint32)[:2, :2].tolist() == GOLDEN_ROWS


def test_initial_rows_depend_on_seed_word_and_column_only():
    hashes = np.arange(1000, dtype=np.uint64)
    out, other, tail = (np.empty((1000, 50), np.float32) for _ in range(3))
    sgns.init_rows(hashes, 1, out)
    sgns.init_rows(hashes, 2, other)
    sgns.init_rows(hashes[500:], 1, tail[500:])
    np.testing.assert_array_equal(out[500:], tail[500:])
    assert (out != other).mean() > 0.99
    assert np.abs(out).max() < 1 / 50
    assert out.std() == pytest.approx(2 / 50 / np.sqrt(12), rel=0.02)
    assert abs(out.mean()) < 1e-4


def test_initial_rows_need_a_hash_each():
    with pytest.raises(ValueError, match="3 word hashes for 4 rows"):
        sgns.init_rows(np.arange(3, dtype=np.uint64), 1, np.empty((4, 2), np.float32))


@pytest.mark.parametrize("sg", [0, 1])
def test_warm_up_compiles(sg):
    sgns.warm_up(16, sg)
    assert sgns.compiled(sg)


GOLDEN_ROWS = [[1033842978, 3171582074], [3181966772, 3186238034]]  # bits of float32, seed 42


def test_settings_are_bounded_up_to_where_no_set_has_rows_enough():
    assert sgns.is_bounded(0.05, 20)
    assert sgns.is_bounded(0.025, 100)
    assert not sgns.is_bounded(0.5, 20)


@pytest.mark.parametrize("sg", [0, 1])
def test_a_window_that_does_not_shrink_has_all_pairs(sg):
    """Of lines of 4, 1 and 9 words, skip-gram trains each word with each other one, CBOW each word that has others."""
    lengths = [4, 1, 9]
    tokens = np.concatenate([np.append(np.arange(length), -1) for length in lengths]).astype(np.int32)
    updates, [(pairs, _)] = _train(tokens, _model(8, 9), sgns.Params(255, 5, 0.025, 0.0, 255, 8), sg=sg)
    others = sum(length * (length - 1) for length in lengths)
    assert pairs == (others if sg else 13)
    assert updates[:9].sum() == others


def test_a_plan_is_made_for_the_pairs_that_there_are():
    shrunk, full = sgns.Params(9, 5, 0.05), sgns.Params(5, 5, 0.05, least=5)
    assert sgns.make_plan(shrunk, 1) == sgns.make_plan(full, 1)
    assert sgns.make_plan(sgns.Params(255, 5, 0.05, least=255, usual=9), 1) == sgns.make_plan(shrunk, 1)

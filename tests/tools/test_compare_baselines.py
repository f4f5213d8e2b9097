"""The mathematics of each baseline that tools/compare has, on planted rows."""

from random import Random

import numpy as np
import pytest
from compare.baselines.adasum import AdaSum, adasum, combine
from compare.baselines.apart import merge
from compare.baselines.averaging import Averaging
from compare.baselines.columns import Columns, bytes_of_batch, move, step_sizes
from compare.baselines.columns import by_formula as columns_by_formula
from compare.baselines.elastic import ElasticAveraging
from compare.baselines.gossip_average import GossipAverage
from compare.baselines.owned import Owned, bytes_of_pair
from compare.baselines.owned import by_formula as owned_by_formula
from compare.baselines.prefix import PrefixAveraging
from compare.baselines.rows import Rows
from compare.baselines.server_async import AsyncServer
from compare.baselines.server_sync import SyncServer
from compare.baselines.two_bit import TwoBit, rounded
from compare.network import SERVER, Cables, Phase, Transfer
from hypothesis import given
from hypothesis import strategies as st

ROWS, SIZE = 40, 8
seeds = st.integers(0, 2**32 - 1)


def some(seed: int, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, SIZE)).astype(np.float32)


def change(seed: int, ids: list[int]) -> Rows:
    return Rows(np.array(ids, np.int64), some(seed, len(ids)))


def close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=1e-5, atol=1e-5))


# -- a synchronous server -----------------------------------------------------------------------------------


@given(seeds, st.integers(1, 6))
def test_equal_workers_are_as_one_worker(seed, nodes):
    one, many = SyncServer(some(seed)), SyncServer(some(seed))
    same = change(seed + 1, [3, 5, 8])
    (alone,) = one.exchange({0: same}).values()
    for rows in many.exchange(dict.fromkeys(range(nodes), same)).values():
        assert close(rows.values, alone.values)
    assert close(one.model(), many.model())


def test_a_row_is_the_mean_over_those_that_trained_it():
    server = SyncServer(np.zeros((ROWS, SIZE), np.float32))
    one, other = change(1, [2, 3]), change(2, [3, 4])
    server.exchange({0: one, 1: other})
    assert close(server.model()[[2, 4]], [one.values[0], other.values[1]])
    assert close(server.model()[3], (one.values[1] + other.values[0]) / 2)


def test_what_comes_after_the_last_one_that_is_waited_for_is_thrown_away():
    server = SyncServer(np.zeros((ROWS, SIZE), np.float32), backups=1)
    back = server.exchange({2: change(1, [0]), 0: change(2, [0]), 1: change(3, [0, 9])})
    assert close(server.model()[0], (change(1, [0]).values[0] + change(2, [0]).values[0]) / 2)
    assert not server.model()[9].any()
    assert close(back[1].values, server.model()[back[1].ids])
    assert 9 in back[1].ids  # the late one has to give it up
    assert server.needed(3) == 2


# -- an asynchronous server ---------------------------------------------------------------------------------


def test_changes_are_added_and_answered_with_what_the_node_does_not_have():
    server = AsyncServer(np.zeros((ROWS, SIZE), np.float32), bound=3)
    first, second = change(1, [1, 2]), change(2, [2, 3])
    assert server.exchange({0: first})[0].ids.tolist() == [1, 2]
    answer = server.exchange({1: second})[1]
    assert answer.ids.tolist() == [1, 2, 3]
    assert close(answer.values[1], first.values[1] + second.values[0])
    assert server.exchange({0: change(3, [7])})[0].ids.tolist() == [2, 3, 7]


def test_divided_changes_count_an_nth():
    server = AsyncServer(np.zeros((ROWS, SIZE), np.float32), bound=3, divided=4)
    server.exchange({0: change(1, [1])})
    assert close(server.model()[1] * 4, change(1, [1]).values[0])


# -- averaging ----------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 6))
def test_averaging_of_identical_replicas_changes_nothing(seed, nodes):
    baseline, same = Averaging(some(seed)), change(seed + 1, [0, 7, 39])
    expected = some(seed)[same.ids] + same.values
    for rows in baseline.exchange(dict.fromkeys(range(nodes), same)).values():
        assert close(rows.values, expected)


def test_averaging_counts_a_row_that_was_not_trained_as_it_was():
    baseline = Averaging(np.zeros((ROWS, SIZE), np.float32))
    baseline.exchange({0: change(1, [4]), 1: change(2, [5]), 2: change(3, []), 3: change(4, [])})
    assert close(4 * baseline.model()[4], change(1, [4]).values[0])


def test_a_ring_moves_what_is_left_of_a_star_by_one_part():
    ring, star = (Averaging(some(1), star=star) for star in (False, True))
    moved = [sum(t.size for phase in each.traffic(dict.fromkeys(range(4), 1), {}) for t in phase.transfers)
             for each in (ring, star)]  # fmt: skip
    assert moved == [2 * 3 * some(1).nbytes, 2 * 4 * some(1).nbytes]


# -- AdaSum -------------------------------------------------------------------------------------------------


@given(seeds)
def test_adasum_of_orthogonal_changes_is_their_sum_and_of_equal_ones_their_mean(seed):
    a, b = some(seed), some(seed + 1)
    b -= a * np.einsum("nd,nd->n", a, b)[:, None] / np.einsum("nd,nd->n", a, a)[:, None]
    assert np.allclose(adasum(a, b), a + b, atol=1e-4)
    assert close(adasum(a, a), a)
    assert close(adasum(a, np.zeros_like(a)), a)


@given(seeds, st.integers(1, 7))
def test_adasum_of_many(seed, nodes):
    same = change(seed, [1, 4])
    assert close(combine([same] * nodes).values, same.values)
    apart = combine([change(seed + n, [n]) for n in range(nodes)])
    assert apart.ids.tolist() == list(range(nodes))
    assert close(apart.values, np.concatenate([change(seed + n, [n]).values for n in range(nodes)]))


def test_adasum_goes_on_from_what_all_began_with():
    baseline = AdaSum(some(1))
    back = baseline.exchange({0: change(2, [5]), 1: change(2, [5])})
    assert close(back[0].values, some(1)[[5]] + change(2, [5]).values)


# -- a prefix by frequency ----------------------------------------------------------------------------------


def test_the_prefix_follows_the_ruler_and_covers_both_matrices():
    baseline = PrefixAveraging(np.zeros((64, SIZE), np.float32))  # 32 words, two at least
    lengths = []
    for _ in range(8):
        back = baseline.exchange({0: change(1, []), 1: change(2, [])})
        lengths.append(baseline.prefix)
        assert back[0].ids.tolist() == [*range(baseline.prefix), *range(32, 32 + baseline.prefix)]
    assert lengths == [2, 4, 2, 8, 2, 4, 2, 16]


def test_beyond_the_prefix_replicas_keep_their_own_until_the_end():
    baseline = PrefixAveraging(np.zeros((64, SIZE), np.float32))
    one, other = change(1, [0, 31]), change(2, [0])
    back = baseline.exchange({0: one, 1: other})
    assert close(back[1].values[0], (one.values[0] + other.values[0]) / 2)
    assert 31 not in back[1].ids
    assert close(baseline.model()[31], one.values[1] / 2)


# -- gossip by averaging, elastic averaging -----------------------------------------------------------------


@given(seeds)
def test_gossip_conserves_the_weighted_sum(seed):
    baseline = GossipAverage(np.zeros((ROWS, SIZE), np.float32), {0, 1, 2}, Random(seed))
    changes = {node: change(seed + node, [node, 5]) for node in range(3)}
    for node, rows in changes.items():
        assert baseline.exchange({node: rows}) == {}
    before = sum(baseline.replicas.values())
    nothing = change(0, [])
    for _ in range(5):
        sender, receiver = baseline.partners(0)
        assert sender != receiver
        baseline.exchange({sender: nothing, receiver: nothing})
        weights = [baseline.shares.get(node, 1.0) for node in range(3)]
        assert sum(weights) == pytest.approx(3)
        after = sum(weight * baseline.replicas[node] for node, weight in enumerate(weights))
        assert np.allclose(after, before, atol=1e-4)
    assert np.allclose(3 * baseline.model(), before, atol=1e-4)


def test_elastic_averaging_moves_both_ends_alike():
    baseline = ElasticAveraging(np.zeros((ROWS, SIZE), np.float32), pull=0.25)
    rows = change(1, [6])
    back = baseline.exchange({0: rows})
    assert close(back[0].values[6], 0.75 * rows.values[0])
    assert close(baseline.model()[6], 0.25 * rows.values[0])


# -- two bits -----------------------------------------------------------------------------------------------


@given(seeds)
def test_what_is_sent_and_what_is_left_add_up_to_all_that_changed(seed):
    baseline, sent, total = TwoBit(some(seed)), np.zeros((ROWS, SIZE)), np.zeros((ROWS, SIZE))
    for step in range(6):
        rows = change(seed + step, sorted({step, 3, 20}))
        total[rows.ids] += rows.values
        out = baseline.send(0, rows)
        sent[out.ids] += out.values
        assert all(len(np.unique(np.abs(row[row != 0]))) <= 1 for row in out.values)
    assert np.allclose(sent + baseline.residuals[0], total, atol=1e-4)


def test_rounding_leaves_less_than_there_was():
    values = some(1, 200)
    left = np.linalg.norm(values - rounded(values), axis=1)
    assert (left < 0.9 * np.linalg.norm(values, axis=1)).all()
    assert not rounded(np.zeros((2, SIZE), np.float32)).any()


def test_one_node_of_two_bits_ends_where_its_training_ended():
    baseline, whole = TwoBit(some(1)), some(1)
    for step in range(4):
        rows = change(step, [2, 3, 9])
        whole[rows.ids] += rows.values
        baseline.exchange({0: rows})
    assert close(baseline.model(), whole)
    assert sum(t.size for phase in baseline.last_traffic() for t in phase.transfers) == 3 * (4 + 4 * SIZE)


# -- once, at the end ---------------------------------------------------------------------------------------


def turned(seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(SIZE, SIZE)))[0].astype(np.float32)


@pytest.mark.parametrize("method", ["procrustes", "pca", "alir"])
def test_turned_models_with_missing_words_become_the_one_that_they_were(method):
    whole, known = some(1, 100), np.ones((3, 100), bool)
    known[1, :20], known[2, 70:] = False, False
    models = [np.where(mask[:, None], whole @ turned(n), some(50 + n, 100)) for n, mask in enumerate(known)]
    merged, centred = merge(method, models, list(known)), whole - whole.mean(axis=0)
    products, planted = merged @ merged.T, centred @ centred.T  # but for the scale, and the means of what each has
    assert np.corrcoef(products.ravel(), planted.ravel())[0, 1] > 0.99


def test_too_few_common_words_are_refused():
    known = [np.arange(20) < 10, np.arange(20) >= 5]
    with pytest.raises(ValueError, match=r"node 1 .*shares 5 words"):
        merge("procrustes", [some(1, 20), some(2, 20)], known)


# -- what moves values for each pair ------------------------------------------------------------------------


PAIRS = np.array([[0, 1], [2, 3], [4, 4], [7, 2], [9, 8]], np.int32)


@given(st.integers(1, 5), st.integers(1, 6))
def test_columns_do_what_one_machine_does_and_cost_what_the_formula_says(servers, negative):
    columns = Columns(some(1), some(2), servers, negative)
    columns.train(PAIRS, 0.1, seed=3)
    inputs, outputs = some(1), some(2)
    words = np.concatenate([PAIRS[:, 1:], columns._noise(len(PAIRS), 3)], axis=1)
    products = np.einsum("nd,nkd->nk", inputs[PAIRS[:, 0]], outputs[words])
    move(inputs, outputs, PAIRS[:, 0], words, step_sizes(products, 0.1))
    assert close(np.concatenate([one for one, _ in columns.parts], axis=1), inputs)
    assert close(np.concatenate([other for _, other in columns.parts], axis=1), outputs)
    assert columns.counted == bytes_of_batch(len(PAIRS), negative, servers)


def test_owned_targets_draw_their_own_noise_and_cost_what_the_formula_says():
    owned = Owned(some(1), some(2), machines=3, negative=4)
    noise = owned._noise(PAIRS[:, 1], 5)
    assert (noise % 3 == PAIRS[:, 1:] % 3).all()
    assert noise.min() >= 0
    assert noise.max() < ROWS
    owned.train(PAIRS, 0.1, seed=5)
    crossing = int((PAIRS[:, 0] % 3 != PAIRS[:, 1] % 3).sum())
    assert owned.counted == crossing * bytes_of_pair(SIZE) > 0
    assert not close(owned.inputs, some(1))


def test_formulas_of_whole_runs():
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, ROWS, (3000, 2)).astype(np.int32)
    owned = Owned(some(1), some(2), machines=4, negative=1)
    owned.train(pairs, 0.001, seed=1)
    told = owned_by_formula(3000, SIZE, 4, computing=1.0, bandwidth=0.0)
    assert told["bytes"] == pytest.approx(owned.counted, rel=0.05)
    assert told["seconds"] == 1.0
    columns = columns_by_formula(3000, 5, 4, computing=1.0, bandwidth=0.001)
    assert columns["bytes"] == pytest.approx(3000 / 50 * bytes_of_batch(50, 5, 4) * 3 / 4)
    assert columns["seconds"] == pytest.approx(columns["bytes"] / 4 / 125)


# -- cables -------------------------------------------------------------------------------------------------


def test_a_phase_takes_as_long_as_its_busiest_cable():
    phase = Phase([Transfer("rows", SERVER, node, 1000) for node in range(4)])
    assert phase.seconds(1000) == pytest.approx(4.001)  # all leave by the server's
    assert Phase([]).seconds(1000) == 0


def test_messages_wait_for_both_cables():
    cables = Cables(1000)
    assert cables.carry(0, "a", "b", 1000) == 1
    assert cables.carry(0, "a", "c", 1000) == 2  # after the first
    assert cables.carry(0, "d", "c", 1000) == 3  # where c still receives
    assert cables.carry(10, "d", "a", 500) == 10.5
    assert cables.carried["a"] == 2500

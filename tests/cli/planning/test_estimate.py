"""What a training is said to cost: against what the product allocates and does, and for whatever may be asked."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.cli.planning import estimate as costs
from gossipw2v.cli.planning.advice import plan, report, sentences
from gossipw2v.cli.planning.estimate import CHILDREN, estimate
from gossipw2v.cli.planning.frequencies import zipf
from gossipw2v.cli.planning.rates import Rates, row_visits
from gossipw2v.cli.planning.task import Fleet, Task
from gossipw2v.cli.planning.traffic import largest_families, link_kinds, row_bytes, rows_of_an_exchange
from gossipw2v.delta import RowDelta
from gossipw2v.gossip.codec import encode
from gossipw2v.gossip.messages import Push
from gossipw2v.gossip.overlay.candidates import parents
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.node.memory import PROCESS_BYTES
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.training.model import Model

TASK = Task(words=1e9, vocab=100_000, vector_size=128)
FLEET = Fleet(nodes=8, cores=4, megabits=1000.0)


# -- against what is there ----------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [2, 3, 8, 21, 50])
def test_the_tree_is_the_one_that_nodes_make(nodes):
    members = [Member(bytes([number]) * 16, 0, Stage.TRAINING) for number in range(nodes)]
    parent = {each.node: parents(each.node, iter(members), CHILDREN)[0] for each in members[:-1]}
    below = Counter({each.node: 1 for each in members})
    for each in members[:-1]:  # the lowest first
        below[parent[each.node]] += below[each.node]
    families = Counter(parent.values())
    kinds = Counter((below[node], families[above] - 1) for node, above in parent.items())
    assert {(kind.below, kind.siblings): kind.links for kind in link_kinds(nodes, CHILDREN)} == kinds
    assert max(families.values()) == largest_families(nodes, CHILDREN)[0]


def test_memory_is_what_a_model_and_its_links_take():
    task = Task(words=1e6, vocab=30_000, vector_size=64)
    model = Model(lambda: np.zeros((task.rows, task.vector_size), np.float32), 1000)
    for link in (b"one", b"other"):
        model.open_link(link, overlap=False, catch_up=False)
    taken = model.weights.nbytes + model.updates.nbytes
    for view in model.links.values():
        taken += sum(getattr(view, name).nbytes for name in ("reference", "seen", "sent_at", "disjoint", "may_differ"))
    said = costs.memory(task, Fleet(nodes=3)) - PROCESS_BYTES
    assert 0.9 < said / taken < 1.1


@pytest.mark.parametrize("size", [32, 63, 300])
def test_a_row_is_as_large_as_in_a_frame(size):
    rows = 2000
    delta = RowDelta(
        np.arange(0, 7 * rows, 7, np.int32), np.ones(rows, np.uint32), np.ones(rows, np.float32),
        np.ones((rows, (size + 1) // 2), np.int8),
    )  # fmt: skip
    frame = encode(Push(b"l" * 8, 1, False, 0, 0, {}, delta, 100))
    assert 0.9 < row_bytes(replace(TASK, vector_size=size)) * rows / len(frame) < 1.1


def test_rows_that_are_trained_are_as_many_as_kernels_train():
    words, size = 3000, 8
    groups = zipf(words)
    shares = np.repeat(groups.shares, groups.sizes.astype(np.int64))
    tokens = np.random.default_rng(1).choice(words, 3000, p=shares / shares.sum()).astype(np.int32)
    weights, updates = sgns.aligned(2 * words, size), np.zeros(2 * words, np.int64)
    counts = np.maximum(shares * 1e6, 1).astype(np.int64)
    keep, noise = sgns.keep_table(counts, 1e-4), sgns.noise_table(counts, 0.75)
    sgns.sgns_train(
        tokens, weights[:words], weights[words:], updates, keep, noise,
        sgns.Params(5, 5, 0.025, 0.025), sgns.rng_state(1, 0), sgns.make_scratch(size, 5, 5),
    )  # fmt: skip
    sizes, visits = row_visits(Task(words=1e6, vocab=words, vector_size=size))
    said = np.sum(sizes * (1 - np.exp(-visits * len(tokens))))
    assert 0.85 < said / np.count_nonzero(updates) < 1.15


def test_subsampling_leaves_as_much_as_of_real_text():
    assert zipf(21_227).kept_share == pytest.approx(0.543, abs=0.02)  # 2 M words of English Wikipedia


@pytest.mark.parametrize("vocab", [1, 2, 3, 399, 400, 401, 100_000, 2**29])
def test_groups_hold_every_word_once(vocab):
    groups = zipf(vocab)
    assert np.sum(groups.sizes) == vocab
    assert np.min(groups.sizes) >= 1
    assert np.sum(groups.sizes * groups.shares) == pytest.approx(1)
    assert np.sum(groups.sizes * groups.noise_shares) == pytest.approx(1)


# -- whatever is asked --------------------------------------------------------------------------------------

tasks = st.builds(
    Task,
    words=st.floats(1, 1e14),
    epochs=st.integers(1, 100),
    vocab=st.integers(1, 10_000_000),
    vector_size=st.integers(1, 4096),
    window=st.integers(1, 255),
    negative=st.integers(1, 255),
    sg=st.integers(0, 1),
)
fleets = st.builds(
    Fleet,
    nodes=st.integers(1, 60),
    cores=st.integers(1, 128),
    megabits=st.one_of(st.just(0.0), st.floats(0.1, 1e5)),
    latency=st.floats(0, 1),
)


@settings(max_examples=15, deadline=None)
@given(task=tasks, fleet=fleets)
def test_every_figure_is_a_number_whatever_is_asked(task, fleet):
    found = estimate(task, fleet, Rates())
    figures = [getattr(found, name) for name in vars(found)]
    assert all(math.isfinite(figure) and figure >= 0 for figure in figures)
    assert found.trained > 0
    assert (found.total > 0) == (fleet.nodes > 1)
    assert report(plan(task, fleet, Rates()))


@settings(max_examples=8, deadline=None)
@given(nodes=st.integers(2, 64), megabits=st.floats(1, 1e4), vocab=st.integers(1000, 1_000_000))
def test_a_wider_cable_does_not_take_longer(nodes, megabits, vocab):
    task, fleet = replace(TASK, vocab=vocab), replace(FLEET, nodes=nodes, megabits=megabits)
    narrow, wide = (estimate(task, each, Rates()) for each in (fleet, replace(fleet, megabits=2 * megabits)))
    assert wide.drained <= narrow.drained
    assert wide.prepared <= narrow.prepared


def test_rows_of_an_exchange_keep_within_the_budget():
    pushed, answered = rows_of_an_exchange(TASK, 50_000, 350_000, 16_384)
    assert pushed == pytest.approx(16_384, rel=0.01)
    assert pushed < answered < 2 * 16_384
    few, _ = rows_of_an_exchange(TASK, 100, 700, 16_384)
    assert few < 1000


# -- what it comes to ---------------------------------------------------------------------------------------


def test_a_small_text_is_for_one_machine_and_a_large_one_for_many():
    small, large = (plan(replace(TASK, words=words), FLEET, Rates()) for words in (1e6, 1e11))
    assert small.one_is_better
    assert not large.one_is_better
    assert "use one machine" in sentences(small)[0]
    assert "worth 8" in sentences(large)[0]
    assert large.together.trained == pytest.approx(large.alone.trained / 8, rel=0.15)


def test_counts_that_no_node_may_hold_are_told():
    said = " ".join(sentences(plan(Task(words=1e11, vocab=1_000_000), replace(FLEET, nodes=1000), Rates())))
    assert "--min-local-count" in said
    assert "--min-local-count" not in " ".join(sentences(plan(TASK, FLEET, Rates())))

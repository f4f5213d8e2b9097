"""Training whose every token is in the ledger: what a replica holds beyond or below them is found."""

from random import Random

import pytest

from gossipw2v.simulation.ledger import Counter, TokenLedger


@pytest.fixture
def ledger():
    return TokenLedger(origins=3, each=4)


def counter(ledger: TokenLedger, total: int = 10) -> Counter:
    return Counter(ledger, Random(1), total, speed=2.0, model=ledger.model(budget=5))


def test_rows_are_given_once_and_lie_in_both_matrices(ledger):
    given = [ledger.rows().tolist() for _ in range(3)]
    assert sorted(row for rows in given for row in rows) == list(range(12))
    assert all(min(rows) < 6 <= max(rows) for rows in given)
    with pytest.raises(IndexError, match="no rows"):
        ledger.rows()


def test_training_goes_by_its_speed_to_its_end_and_is_in_the_books(ledger):
    worker = counter(ledger)
    worker.train(1.75, (0, 0))
    assert worker.trained == 3
    worker.train(0.25, (0, 0))
    assert worker.trained == 4
    worker.train(100, (0, 0))
    assert worker.trained == 10 == ledger.truth.sum() == worker.model.updates.sum()
    assert ledger.excess(worker.model) == ledger.deficit(worker.model, worker.rows) == 0


def test_what_is_there_twice_or_not_at_all_is_found(ledger):
    worker = counter(ledger)
    worker.train(5, (0, 0))
    row = worker.rows[0]
    worker.model.weights[row, 0] += 3
    assert ledger.excess(worker.model) == 3
    worker.model.weights[row, 0] -= 4
    assert ledger.deficit(worker.model, worker.rows) == 1


def test_a_restart_leaves_nothing_in_model_or_books(ledger):
    worker = counter(ledger)
    worker.train(2, (0, 0))
    worker.model.open_link(b"link", overlap=False, catch_up=False)
    worker.restart()
    assert (worker.trained, ledger.truth.sum(), worker.model.weights.sum(), worker.model.updates.sum()) == (0, 0, 0, 0)
    assert not worker.model.links

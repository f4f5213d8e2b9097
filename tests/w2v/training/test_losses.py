"""Losses of slices: what is shown follows the last ones, each epoch has its mean, and all of it can be gone on from."""

import pytest

from gossipw2v.w2v.training.losses import RECENT, Losses


def measured() -> Losses:
    """Two threads, the second of which is an epoch ahead."""
    losses = Losses(threads=2, epochs=4)
    losses.note(0, 0, 10, 30.0)
    losses.note(1, 0, 30, 60.0)
    losses.note(1, 1, 5, 5.0)
    return losses


def test_nothing_measured_is_no_loss() -> None:
    losses = Losses(threads=2, epochs=4)
    assert losses.recent is None
    assert losses.by_epoch == losses.means == []
    assert losses.pairs == 0


def test_each_epoch_has_its_mean_over_all_threads() -> None:
    losses = measured()
    assert losses.by_epoch == [(40.0, 90.0), (5.0, 5.0)]
    assert losses.means == [90 / 40, 1.0]
    assert losses.pairs == 45


def test_the_loss_that_is_shown_follows_the_last_slices() -> None:
    losses = measured()
    assert losses.recent == pytest.approx(RECENT * (RECENT * 3 + (1 - RECENT) * 2) + (1 - RECENT) * 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_another_number_of_threads_goes_on_from_what_was_measured(threads: int) -> None:
    losses = Losses(threads, epochs=4)
    losses.resume(measured().by_epoch)
    losses.note(threads - 1, 2, 4, 8.0)
    assert losses.by_epoch == [(40.0, 90.0), (5.0, 5.0), (4.0, 8.0)]


def test_an_epoch_in_which_nothing_was_measured_is_left_out_of_the_means() -> None:
    losses = Losses(1, epochs=3)
    losses.note(0, 2, 2, 5.0)
    assert losses.by_epoch == [(0.0, 0.0), (0.0, 0.0), (2.0, 5.0)]
    assert losses.means == [2.5]

"""Swarms whose vocabulary grows while nodes die, part and come; `tools/nemesis.py --growth` tries more of them."""

import pytest

from gossipw2v.simulation.growing import GrowthTrial, failure


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5, 15])
def test_one_vocabulary_comes_of_it_and_each_word_is_counted_once(seed: int) -> None:
    assert failure(seed) is None


def test_words_of_text_that_comes_become_words_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gossipw2v.simulation.growing.KINDS", ("reset",))
    trial = GrowthTrial(2)
    assert trial.run() >= 1
    assert not trial.given_up

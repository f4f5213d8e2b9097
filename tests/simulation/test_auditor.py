"""Proof that the auditor of a trial notices what it is there for: each promise is broken on purpose."""

import numpy as np
import pytest
from support.trials import RESTARTED, noticed, restarted

from gossipw2v.gossip.overlay.link import ParentEnd
from gossipw2v.simulation.auditor import BrokenError
from gossipw2v.simulation.trial import Trial
from gossipw2v.w2v.training.model import Model


def test_a_delta_that_is_merged_twice_is_noticed(monkeypatch):
    pushed = ParentEnd.pushed

    def without_memory(self, push, *more):
        if push.seq == self.seq:
            self.seq -= 1
            self.last_answer = None
        return pushed(self, push, *more)

    monkeypatch.setattr(ParentEnd, "pushed", without_memory)
    assert noticed()


def test_an_answer_that_is_lost_for_good_is_noticed(monkeypatch):
    pushed = ParentEnd.pushed

    def mute(self, push, *more):
        return [] if self.last_answer is not None and push.seq == self.seq else pushed(self, push, *more)

    monkeypatch.setattr(ParentEnd, "pushed", mute)
    assert "after all was healed" in noticed()


def test_a_reference_that_outlives_its_link_is_noticed(monkeypatch):
    open_link = Model.open_link

    def reopen(self, link, *more):
        open_link(self, link, *more)
        self.links[link].reference[:] = self.weights

    monkeypatch.setattr(Model, "open_link", reopen)
    assert noticed()


def test_a_link_that_goes_on_though_its_ends_differ_is_noticed(monkeypatch):
    monkeypatch.setattr(ParentEnd, "can_go_on", lambda *_: True)
    assert noticed(RESTARTED[-20:], restarted)  # few come back to a parent that is done with another exchange


def test_a_trainers_update_that_gets_lost_is_noticed(monkeypatch):
    settle = Model.settle

    def clumsy(self, link, sent, answer, *more):
        settle(self, link, sent, answer, *more)
        self.weights[answer.rows] = np.floor(self.weights[answer.rows] * 0.9)

    monkeypatch.setattr(Model, "settle", clumsy)
    assert noticed()


def test_a_table_that_grows_without_end_is_noticed(monkeypatch):
    trial = Trial(1)
    for n in range(100):
        trial.swarm.nodes["n0"].core.discovered(f"key{n}", ("nobody:1",), 0.0)
    with pytest.raises(BrokenError, match="targets"):
        trial.run()

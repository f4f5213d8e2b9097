"""The member table: who writes a record, who is alive, what is passed on; and the order of the tree."""

from collections import Counter
from random import Random

import pytest

import gossipw2v.gossip.membership.table as members_module
from gossipw2v.gossip.membership import suspicion
from gossipw2v.gossip.membership.suspicion import is_cut_off, suspect, verdicts
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.overlay.candidates import parents
from gossipw2v.gossip.records import DEAD_AFTER, SUSPECT_AFTER, Member, Stage


def node(n: int) -> bytes:
    return n.to_bytes(16)


def member(n: int, beat: int = 1, state: Stage = Stage.TRAINING, **more) -> Member:
    return Member(node(n), beat, state, **more)


@pytest.fixture
def table() -> MemberTable:
    return MemberTable(member(0))


def alive(table: MemberTable, now: float) -> set[int]:
    return {int.from_bytes(m.node) for m in table.alive(now)}


def told(table: MemberTable) -> None:
    """All neighbours know."""
    table.untold.clear()
    table.urgent = False


def test_only_a_higher_beat_replaces_a_record(table):
    table.witness(member(1, beat=5, trained=10), 0)
    for beat in (5, 4):
        table.witness(member(1, beat=beat, trained=99), 1)
        assert table.get(node(1)).trained == 10
    table.witness(member(1, beat=6, trained=11), 1)
    assert table.get(node(1)).trained == 11


def test_nobody_else_writes_the_own_record(table):
    table.witness(member(0, beat=99, trained=7), 0)
    assert table.me == member(0)
    assert table.get(node(0)) is None


def test_beats_and_changes_of_the_own_record_stay_apart(table):
    table.beat()
    table.update_self(trained=3)
    assert table.me == member(0, beat=2, trained=3)


def test_a_member_is_dead_once_its_beat_stands_still_and_alive_when_it_rises(table):
    table.witness(member(1, beat=1), 0)
    table.witness(member(1, beat=1), DEAD_AFTER)
    assert table.is_alive(node(1), DEAD_AFTER)
    assert not table.is_alive(node(1), DEAD_AFTER + 0.1)
    assert alive(table, DEAD_AFTER + 0.1) == set()
    table.witness(member(1, beat=2), DEAD_AFTER + 1)
    assert alive(table, DEAD_AFTER + 1) == {1}


def test_a_stranger_is_not_alive(table):
    assert not table.is_alive(node(1), 0)


def test_who_has_left_never_comes_back_whatever_is_said(table):
    table.witness(member(1), 0)
    table.left(node(1))
    table.witness(member(1, beat=50), 1)
    assert not table.is_alive(node(1), 1)
    assert table.get(node(1)).state == Stage.LEFT


def test_a_goodbye_spreads_by_its_higher_beat(table):
    other = MemberTable(member(2))
    for each in (table, other):
        each.witness(member(1), 0)
    table.left(node(1))
    for news in table.news(0.5):
        other.witness(news, 0.5)
    assert not other.is_alive(node(1), 0.5)


def test_a_goodbye_from_a_stranger_takes_no_room(table):
    table.left(node(1))
    table.witness(member(1, state=Stage.LEFT), 0)
    assert len(list(table.everyone())) == 1


def test_only_newcomers_restart_the_quiet_time(table):
    table.witness(member(1), 3)
    table.witness(member(1, beat=2), 5)
    assert table.newest_at == 3
    table.witness(member(2), 6)
    assert table.newest_at == 6


def test_old_news_is_not_passed_on(table):
    table.witness(member(1), 0)
    table.witness(member(2), 5)
    assert [m.node for m in table.news(DEAD_AFTER + 1)] == [node(0), node(2)]
    assert [m.node for m in table.everyone()] == [node(0), node(1), node(2)]


def test_progress_counts_what_the_dead_did_but_not_what_they_left(table):
    table.update_self(trained=10, total=100)
    table.witness(member(1, trained=20, total=100), 0)
    table.witness(member(2, trained=30, total=100), 10)
    assert table.progress(10) == (60, 100 + 20 + 100)


def test_progress_never_exceeds_its_end(table):
    table.update_self(trained=10, total=5)
    table.witness(member(1, trained=20, total=0), 0)
    assert table.progress(0) == (30, 30)


def test_invented_members_cannot_fill_the_memory_nor_keep_others_out(table, monkeypatch):
    monkeypatch.setattr(members_module, "MAX_MEMBERS", 8)
    table.witness(member(100, trained=5), 0)
    for n in range(1, 50):
        table.witness(member(n), 0)
    assert len(table.entries) == 7
    assert alive(table, 0) == {100, *range(1, 7)}
    late = DEAD_AFTER + 1
    table.witness(member(100, beat=2, trained=6), late)
    for n in range(60, 64):
        table.witness(member(n), late)
    assert len(table.entries) == 7
    assert alive(table, late) == {100, 60, 61, 62, 63}


def test_a_flood_into_a_full_table_is_looked_through_once_until_somebody_can_be_dead(table, monkeypatch):
    monkeypatch.setattr(members_module, "MAX_MEMBERS", 8)
    looks = []
    fresh = MemberTable.is_fresh
    monkeypatch.setattr(
        MemberTable,
        "is_fresh",
        lambda table, entry, now, heard=False: looks.append(now) or fresh(table, entry, now, heard),
    )
    for n in range(1, 500):
        table.witness(member(n), 1)
    assert len(looks) == 7
    table.left(node(3))  # makes room at once
    table.witness(member(600), 2)
    assert table.get(node(600)) is not None
    assert table.get(node(3)) is None
    for n in range(601, 700):
        table.witness(member(n), 2)
    assert len(looks) == 3 * 7


def test_the_dead_who_trained_are_the_last_to_be_forgotten(table, monkeypatch):
    monkeypatch.setattr(members_module, "MAX_MEMBERS", 3)
    table.witness(member(1, trained=5), 0)
    table.witness(member(2), 1)
    table.witness(member(3), 20)
    assert [m.node for m in table.everyone()] == [node(0), node(1), node(3)]


def test_a_full_table_is_news_that_fits_a_frame(table, monkeypatch):
    monkeypatch.setattr(members_module, "MAX_MEMBERS", 8)
    for n in range(1, 50):
        table.witness(member(n), 0)
    assert len(table.news(0)) <= 8


def test_the_first_parents_of_all_make_a_heap():
    crowd = [member(n) for n in range(1, 33)]
    chains = {n: parents(node(n), iter(crowd), 4) for n in range(1, 33)}
    for n, chain in chains.items():
        assert chain == parents(node(n), iter(Random(n).sample(crowd, len(crowd))), 4)
    assert chains[32] == []
    assert [chains[n][0] for n in range(31, 22, -1)] == [node(32)] * 4 + [node(31)] * 4 + [node(30)]
    assert max(Counter(chain[0] for chain in chains.values() if chain).values()) == 4


@pytest.mark.parametrize("n", [2, 3, 6, 40, 1000])
def test_the_other_parents_are_few_and_ever_further_below_the_first(n):
    crowd = [member(k) for k in range(1, n + 1)]
    chain = [int.from_bytes(each) for each in parents(node(1), iter(crowd), 4)]
    first = n - (n - 2) // 4
    assert chain == [first + 1 - 2**k for k in range(len(chain))]
    assert chain[-1] > 1 >= first + 1 - 2 ** len(chain)


# -- suspicion ----------------------------------------------------------------------------------------------


def suspects(table: MemberTable, now: float) -> set[int]:
    return {int.from_bytes(each) for _, each in suspicion.suspects(table, now)}


def test_the_silent_are_suspect_before_they_are_dead(table):
    table.witness(member(1), 0)
    table.witness(member(2), 2)
    assert suspects(table, SUSPECT_AFTER) == set()
    assert suspects(table, SUSPECT_AFTER + 0.1) == {1}
    assert alive(table, SUSPECT_AFTER + 0.1) == {1, 2}
    assert suspects(table, DEAD_AFTER + 0.1) == {2}
    ((left, _),) = suspicion.suspects(table, DEAD_AFTER + 0.1)
    assert left == pytest.approx(1.9)
    table.witness(member(2, beat=2), DEAD_AFTER + 1)
    assert suspects(table, DEAD_AFTER + 1) == set()


def test_those_who_left_are_no_suspects(table):
    table.witness(member(1), 0)
    table.left(node(1))
    assert suspects(table, SUSPECT_AFTER + 1) == set()


def test_a_node_that_was_late_itself_is_patient_with_others(table):
    table.witness(member(1), 0)
    table.slack = 4.0
    assert suspects(table, SUSPECT_AFTER + 3.9) == set()
    assert suspects(table, SUSPECT_AFTER + 4.1) == {1}
    assert table.is_alive(node(1), DEAD_AFTER + 4.0)
    assert not table.is_alive(node(1), DEAD_AFTER + 4.1)


def test_what_this_node_slept_is_not_the_silence_of_others(table):
    table.witness(member(1), 0)
    table.witness(member(2), 59.5)
    table.slept(59.0, 60.0)
    assert suspects(table, 60) == set()
    assert alive(table, 59 + DEAD_AFTER) == {1, 2}
    assert alive(table, 59.1 + DEAD_AFTER) == {2}  # and it does not live longer for it, either
    assert alive(table, 60.1 + DEAD_AFTER) == set()


def test_the_verdict_of_another_is_believed_by_those_who_suspect_too(table):
    table.witness(member(1, beat=5), 0)
    suspect(table, node(1), 5)
    assert table.is_alive(node(1), SUSPECT_AFTER)
    assert not table.is_alive(node(1), SUSPECT_AFTER + 0.1)
    table.witness(member(1, beat=6), 4)
    assert table.is_alive(node(1), 4 + DEAD_AFTER)  # that was about an older beat


def test_a_verdict_about_somebody_who_was_heard_since_is_contradicted(table):
    table.witness(member(1, beat=5), 0)
    told(table)
    suspect(table, node(1), 4)
    assert table.is_alive(node(1), DEAD_AFTER)
    assert table.urgent
    assert table.unsent_to(7) == [member(1, beat=5)]


def test_a_verdict_with_an_invented_beat_says_no_more_than_another(table):
    table.witness(member(1, beat=5), 0)
    suspect(table, node(1), 2**62)
    table.witness(member(1, beat=6), 1)
    assert table.is_alive(node(1), 1 + DEAD_AFTER)


def test_a_verdict_about_a_stranger_or_oneself_is_nothing(table):
    suspect(table, node(9), 3)
    suspect(table, node(0), 99)
    assert len(list(table.everyone())) == 1
    assert not table.urgent


def test_every_death_is_said_once(table):
    table.witness(member(1, beat=5), 0)
    table.witness(member(2), 0)
    table.left(node(2))
    assert verdicts(table, DEAD_AFTER) == []
    assert verdicts(table, DEAD_AFTER + 0.1) == [(node(1), 5)]
    assert verdicts(table, DEAD_AFTER + 1) == []
    table.witness(member(1, beat=6), 20)
    assert verdicts(table, 20 + DEAD_AFTER + 0.1) == [(node(1), 6)]


def test_it_is_noticed_who_comes_back_from_the_dead(table):
    assert not table.witness(member(1), 0)
    assert not table.witness(member(1, beat=2), DEAD_AFTER)
    assert not table.witness(member(1, beat=2), 3 * DEAD_AFTER)
    assert table.witness(member(1, beat=3), 3 * DEAD_AFTER)


# -- what is told on ----------------------------------------------------------------------------------------


def test_what_rose_is_told_once_to_all_but_who_told_it(table):
    table.witness(member(1), 0, source=7)
    table.witness(member(2), 0, source=8)
    assert [m.node for m in table.unsent_to(7)] == [node(2)]
    assert [m.node for m in table.unsent_to(8)] == [node(1)]
    assert {m.node for m in table.unsent_to(9)} == {node(1), node(2)}
    told(table)
    assert table.unsent_to(9) == []
    table.witness(member(1, beat=2), 1, source=8)
    assert table.unsent_to(8) == []
    assert [m.beat for m in table.unsent_to(7)] == [2]


def test_a_goodbye_is_urgent_and_told_to_all(table):
    table.witness(member(1), 0, source=7)
    told(table)
    assert not table.urgent
    table.left(node(1))
    assert table.urgent
    assert [m.state for m in table.unsent_to(7)] == [Stage.LEFT]
    told(table)
    table.left(node(1))  # said again
    assert not table.urgent
    other = MemberTable(member(2))
    other.witness(member(1), 0)
    told(other)
    other.witness(member(1, beat=2, state=Stage.LEFT), 1, source=3)
    assert other.urgent


def test_whom_only_a_stranger_told_of_is_forgotten(table):
    table.witness(member(1), 0, source=7)
    table.witness(member(2), 0, source=8)
    table.witness(member(2, beat=2), 1, source=7)
    table.witness(member(3), 0, source=8)
    table.disown(7)
    assert alive(table, 1) == {3}


# -- alone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "here", "cut_off"), [(1, 0, True), (1, 1, False), (2, 1, True), (3, 3, False), (4, 3, True)]
)
def test_a_node_that_loses_half_of_the_swarm_at_once_suspects_itself(table, lost, here, cut_off):
    for n in range(1, lost + 1):
        table.witness(member(n), 0)
    for n in range(10, 10 + here):
        table.witness(member(n), 9)
    assert not is_cut_off(table, DEAD_AFTER, 60)
    assert is_cut_off(table, DEAD_AFTER + 1, 60) is cut_off
    assert not is_cut_off(table, 61, 60) or here  # whoever is silent for longer is believed dead


def test_who_leaves_in_order_after_a_death_does_not_make_it_look_like_a_cut(table):
    for n in (1, 2):
        table.witness(member(n, 1, Stage.DRAINING), 0.0)
    table.witness(member(2, 2, Stage.DRAINING), DEAD_AFTER)
    later = DEAD_AFTER + 0.5
    assert not is_cut_off(table, later, 60.0)  # one of three has died
    table.witness(member(2, 3, Stage.COMPLETE), later)
    table.left(member(2, 3).node)
    assert not is_cut_off(table, later + 0.1, 60.0)

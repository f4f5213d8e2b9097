"""The door of tasks, by itself: what is claimed, given, taken, lost and told, and what is refused."""

import pytest
from support.samples import NODE, OTHER

from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.dissemination import RELAY
from gossipw2v.gossip.doors.tasks import DEAL, RETELL, SETTLED, SharedTasks
from gossipw2v.gossip.membership.connections import Connection, Connections
from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.messages import Hello, Holding, ProtocolError, TaskNews
from gossipw2v.gossip.records import DEAD_AFTER, Member, Stage

DIGEST, FOREIGN = b"D" * 16, b"F" * 16
THIRD = b"t" * 16


def door(*others: bytes, passes: int = 1) -> SharedTasks:
    """Of a node that trains ten pieces with `others`, with each of which it has a connection."""
    members = MemberTable(Member(NODE, 0, Stage.TRAINING))
    connections = Connections(Hello(3, 3, NODE, {}, []), None)  # type: ignore[arg-type]  # nothing is drawn
    for conn, other in enumerate(others):
        members.witness(Member(other, 1, Stage.TRAINING), 0.0)
        connections.by_node[other] = Connection(conn, True, 0.0, 0.0, node=other)
    made = SharedTasks(GossipConfig(job={"corpus": "1"}, lost_patience=0.0), members, connections)
    made.begin(DIGEST, (100,) * 10, passes)
    return made


def held(made: SharedTasks, owner: bytes) -> set[int]:
    return {task for task, holding in made.table.held.items() if holding.owner == owner}


def taken(made: SharedTasks, now: float) -> list[int]:
    out = []
    while (task := made.next(now)) is not None:
        out.append(task)
    return out


def test_claims_count_when_others_have_had_time_to_claim_the_same():
    made = door()
    made.deal(0.0)
    assert made.next(SETTLED - 0.1) is None
    assert taken(made, SETTLED) == list(range(10))


def test_tasks_are_counted_by_where_they_are():
    made = door()
    made.deal(0.0)
    first = made.next(SETTLED)
    made.next(SETTLED)
    made.finished(first)
    assert made.counted() == {"all": 10, "done": 1, "own": 9, "in_hand": 1, "left": 9}


def test_a_higher_claim_wins_and_a_task_in_hand_is_lost():
    made = door(OTHER)
    made.deal(0.0)
    mine = held(made, NODE)
    assert 0 < len(mine) < 10
    first = made.next(SETTLED)
    assert first == min(mine)
    made.heard(0, TaskNews(DIGEST, [(first, Holding(False, 1, OTHER))]))
    assert (made.lost(), made.lost()) == ({first}, set())
    assert first not in taken(made, SETTLED)


def test_what_was_done_is_done_though_others_claim_it():
    made = door(OTHER)
    made.deal(0.0)
    task = made.next(SETTLED)
    made.heard(0, TaskNews(DIGEST, [(task, Holding(False, 5, OTHER))]))
    made.finished(task)
    assert made.table.get(task) == Holding(True, 5, NODE)
    assert (made.lost(), made.done()) == (set(), [task])


def test_the_rest_of_the_dead_is_claimed_at_the_second_look():
    made = door(OTHER)
    made.heard(0, TaskNews(DIGEST, [(task, Holding(task < 3, 1, OTHER)) for task in range(10)]))
    late = DEAD_AFTER + 1.0
    made.deal(DEAD_AFTER - 1.0)
    made.deal(late)
    assert held(made, NODE) == set()
    made.deal(late + DEAL)
    assert held(made, NODE) == set(range(3, 10))
    assert taken(made, late + DEAL + SETTLED) == list(range(3, 10))


def test_a_node_that_has_nothing_is_given_what_is_not_in_hand():
    made = door(OTHER)
    made.heard(0, TaskNews(DIGEST, [(task, Holding(False, 1, NODE)) for task in range(10)]))
    assert [made.next(0.0) for _ in range(2)] == [0, 1]
    made.deal(0.0)
    assert held(made, OTHER) == {5, 6, 7, 8, 9}
    assert made.left() == 500


def test_all_is_complete_when_every_task_is_done_by_anybody():
    made = door(OTHER, passes=2)
    made.heard(0, TaskNews(DIGEST, [(task, Holding(True, 1, OTHER)) for task in range(19)]))
    assert not made.complete
    made.heard(0, TaskNews(DIGEST, [(19, Holding(True)), (20, Holding(True))]))
    assert made.complete
    assert made.done() == list(range(20))


def test_what_a_checkpoint_holds_is_done():
    made = door()
    made.resumed(DIGEST, [1, 3, 500])
    made.deal(0.0)
    assert taken(made, SETTLED) == [0, 2, 4, 5, 6, 7, 8, 9]


def test_another_vocabulary_s_tasks_are_no_news_and_end_with_it():
    made = door(OTHER)
    made.heard(0, TaskNews(FOREIGN, [(1, Holding(True, 1, OTHER))]))
    assert made.done() == []
    made.heard(0, TaskNews(DIGEST, [(1, Holding(True, 1, OTHER))]))
    made.begin(FOREIGN, (100,) * 10, 1)
    assert made.done() == []


def test_who_does_not_know_its_text_yet_remembers_what_it_hears():
    made = door(OTHER)
    fresh = SharedTasks(made.config, made.members, made.connections)
    assert fresh.tell(0.0) == []
    fresh.heard(0, TaskNews(DIGEST, [(1, Holding(False, 1, OTHER)), (99, Holding(True, 1, OTHER))]))
    fresh.begin(DIGEST, (100,) * 10, 1)
    assert held(fresh, OTHER) == {1}


def test_neighbours_are_told_now_and_then_and_all_of_it_again_after_a_while():
    made = door(OTHER, THIRD)
    made.heard(0, TaskNews(DIGEST, [(1, Holding(True, 1, OTHER))]))
    told = [(1, Holding(True, 1, OTHER))]
    assert [(each.conn, each.message.tasks) for each in made.tell(0.0)] == [(0, told), (1, told)]
    made.heard(1, TaskNews(DIGEST, [(2, Holding(True, 1, THIRD))]))
    assert made.tell(RELAY / 2) == []
    assert [(each.conn, each.message.tasks) for each in made.tell(RELAY)] == [(0, [(2, Holding(True, 1, THIRD))])]
    assert [len(each.message.tasks) for each in made.tell(RETELL)] == [2, 2]


def test_where_no_text_is_shared_tasks_are_a_breach():
    made = door(OTHER)
    alone = SharedTasks(GossipConfig(job={}), made.members, made.connections)
    with pytest.raises(ProtocolError, match="no text is shared"):
        alone.heard(0, TaskNews(DIGEST, []))

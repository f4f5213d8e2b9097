"""One link: batches in order, each with its effect exactly once, and an end that both ends reach."""

import pytest
from support.samples import LINK, NODE, OTHER, delta

from gossipw2v.delta import Batch, empty
from gossipw2v.gossip.instructions import Collect, Merge, Settle
from gossipw2v.gossip.messages import Answer, ProtocolError
from gossipw2v.gossip.overlay.link import ChildEnd, ParentEnd, Phase
from gossipw2v.gossip.overlay.provenance import Provenance
from gossipw2v.gossip.pacing import END_PAUSE, FLUSH_PAUSE, IDLE_PAUSE, Pacing

NOTHING = empty(2)


def rows(*ids):
    return delta(ids, [1] * len(ids), [0.5] * len(ids), [[1, 2]] * len(ids)) if ids else NOTHING


class Pair:
    """Both ends of one link, with what each knows of the origins."""

    def __init__(self) -> None:
        self.up, self.down = ChildEnd(link=LINK, pacing=Pacing(0.0)), ParentEnd(link=LINK)
        self.child, self.parent = Provenance(), Provenance()
        self.now = 0.0

    def push(self, *ids, pending=0, unsent=0, clean=False, flush=True):
        assert self.up.begin(self.now, flush, self.child)
        return self.up.collected(Batch(rows(*ids), pending, unsent), self.child, clean)

    def answer(self, push, *ids, pending=0, unsent=0, final=False, flush=True):
        work = self.down.pushed(push, self.parent, flush)
        assert isinstance(work, list)
        assert work
        return self.down.merged(Batch(rows(*ids), pending, unsent), self.parent, final)

    def settle(self, answer, interval=0.2):
        assert self.up.answered(answer, self.child)
        self.up.settled(self.now, interval)
        pause, self.now = self.up.pacing.next_at - self.now, self.up.pacing.next_at
        return pause

    def exchange(self, sent=(), answered=(), **more):
        return self.settle(self.answer(self.push(*sent), *answered, **more))


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_one_exchange_goes_all_the_way_round(pair):
    assert pair.up.begin(0, True, pair.child) == [Collect(LINK, True)]
    push = pair.up.collected(Batch(rows(1), 3, 2), pair.child, False)
    assert (push.seq, push.pending, push.unsent, push.delta.rows.tolist()) == (1, 3, 2, [1])
    (merge,) = pair.down.pushed(push, pair.parent, True)
    assert merge == Merge(LINK, push.delta, True, False)
    answer = pair.down.merged(Batch(rows(1, 2), 7, 0), pair.parent, False)
    assert (answer.seq, answer.pending, answer.delta.rows.tolist()) == (1, 7, [1, 2])
    assert pair.up.answered(answer, pair.child) == [Settle(LINK, push.delta, answer.delta)]
    pair.up.settled(5.0, 0.2)
    assert (pair.up.seq, pair.down.seq, pair.up.phase) == (1, 1, Phase.IDLE)
    assert (pair.up.flow.sent_rows, pair.up.flow.received_rows) == (1, 2)
    assert (pair.down.flow.sent_rows, pair.down.flow.received_rows) == (2, 1)


def test_only_one_batch_is_under_way(pair):
    assert pair.up.begin(0, False, pair.child)
    assert not pair.up.begin(9, False, pair.child)
    push = pair.up.collected(Batch(rows(1), 0, 0), pair.child, False)
    assert not pair.up.begin(9, False, pair.child)
    assert pair.up.answered(pair.answer(push, 1), pair.child)
    assert not pair.up.begin(9, False, pair.child)


def test_the_next_batch_waits_for_its_time(pair):
    pause = pair.exchange([1], [1], pending=5)
    assert pause == 0.2
    assert not pair.up.begin(pair.now - 0.01, False, pair.child)
    assert pair.up.begin(pair.now, False, pair.child)


def test_a_repeated_push_gets_the_same_answer_and_no_second_merge(pair):
    push = pair.push(1)
    answer = pair.answer(push, 1)
    assert pair.down.pushed(push, pair.parent, False) is answer
    pair.settle(answer)
    assert pair.push(2).seq == 2


def test_a_push_repeated_while_it_is_merged_is_ignored(pair):
    push = pair.push(1)
    assert pair.down.pushed(push, pair.parent, False)
    assert pair.down.pushed(push, pair.parent, False) == []


@pytest.mark.parametrize("batch", [0, 2, 2**62])
def test_a_push_out_of_order_is_a_breach(pair, batch):
    push = pair.push(1)
    wrong = type(push)(LINK, batch, False, 0, 0, {}, push.delta)
    with pytest.raises(ProtocolError) as caught:
        pair.down.pushed(wrong, pair.parent, False)
    assert caught.value.reason == "sequence"
    assert pair.down.applying is None


def test_an_older_push_than_the_last_is_a_breach(pair):
    first = pair.push(1)
    pair.settle(pair.answer(first, 1))
    pair.exchange([2], [2])
    with pytest.raises(ProtocolError):
        pair.down.pushed(first, pair.parent, False)


def test_a_push_while_another_is_merged_is_a_breach(pair):
    push = pair.push(1)
    pair.down.pushed(push, pair.parent, False)
    with pytest.raises(ProtocolError):
        pair.down.pushed(type(push)(LINK, 2, False, 0, 0, {}, push.delta), pair.parent, False)


def test_a_repeated_answer_is_ignored(pair):
    answer = pair.answer(pair.push(1), 1)
    assert pair.up.answered(answer, pair.child)
    assert pair.up.answered(answer, pair.child) == []
    pair.up.settled(0, 0.2)
    assert pair.up.answered(answer, pair.child) == []
    assert pair.up.seq == 1


def test_an_answer_to_nothing_is_a_breach(pair):
    with pytest.raises(ProtocolError) as caught:
        pair.up.answered(Answer(LINK, 1, False, 0, 0, {}, rows(1)), pair.child)
    assert caught.value.reason == "sequence"
    pair.push(1)
    with pytest.raises(ProtocolError):
        pair.up.answered(Answer(LINK, 2, False, 0, 0, {}, rows(1)), pair.child)


def test_an_answer_that_lacks_a_row_is_a_breach(pair):
    push = pair.push(1, 3)
    with pytest.raises(ProtocolError, match="lacks 1") as caught:
        pair.up.answered(Answer(LINK, push.seq, False, 0, 0, {}, rows(1, 2)), pair.child)
    assert caught.value.reason == "rows"
    assert pair.up.phase is Phase.IN_FLIGHT


def test_news_of_origins_go_once_and_never_back(pair):
    pair.child.learn({NODE: 10})
    pair.parent.learn({OTHER: 5})
    push = pair.push(1)
    assert push.origins == {NODE: 10}
    answer = pair.answer(push, 1)
    assert answer.origins == {OTHER: 5}
    pair.settle(answer)
    assert pair.child.vector == pair.parent.vector == {NODE: 10, OTHER: 5}
    push = pair.push(1)
    assert push.origins == {}
    assert pair.answer(push, 1).origins == {}
    assert pair.up.acked == pair.down.acked == {NODE: 10, OTHER: 5}


def test_the_larger_of_two_counts_of_an_origin_stays():
    provenance = Provenance({NODE: 10})
    provenance.learn({NODE: 7, OTHER: 1})
    assert provenance.vector == {NODE: 10, OTHER: 1}
    assert provenance.news({NODE: 9, OTHER: 1}) == {NODE: 10}


@pytest.mark.parametrize(
    ("theirs", "mine", "overlap"),
    [({NODE: 10}, {OTHER: 10}, False), ({NODE: 10}, {NODE: 3}, True), ({}, {NODE: 3}, False), ({NODE: 1}, {}, False)],
)
def test_training_of_one_origin_from_both_ends_is_an_overlap(pair, theirs, mine, overlap):
    pair.child.learn(theirs)
    pair.parent.learn(mine)
    (merge,) = pair.down.pushed(pair.push(1), pair.parent, False)
    assert merge.overlap is overlap


# -- what comes by two ways ---------------------------------------------------------------------------------

THIRD, ELSEWHERE, BEYOND = b"3" * 16, b"elsewher", b"beyond.."


def test_an_origin_is_known_once_its_rows_are_ordered_not_when_they_have_changed_hands(pair):
    """The link may be dropped in between, with the rows in the model."""
    pair.child.learn({NODE: 10})
    pair.parent.learn({OTHER: 5})
    pair.down.pushed(pair.push(1), pair.parent, False)
    assert pair.parent.vector == {OTHER: 5, NODE: 10}
    pair.up.answered(pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False), pair.child)
    assert pair.child.vector == {NODE: 10, OTHER: 5}


def test_an_origin_is_named_only_when_its_rows_were_there_to_be_gathered(pair):
    pair.child.learn({NODE: 10})
    pair.up.begin(0, False, pair.child)
    pair.child.learn({NODE: 12, THIRD: 3}, ELSEWHERE)
    push = pair.up.collected(Batch(rows(1), 0, 0), pair.child, False)
    assert push.origins == {NODE: 10}
    pair.down.pushed(push, pair.parent, False)
    pair.parent.learn({OTHER: 5}, ELSEWHERE)
    assert pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False).origins == {}


def test_what_a_node_trains_while_its_rows_are_gathered_is_named_with_them(pair):
    """The trainer does not wait: the rows may hold it, and it may be the first of its origin."""
    pair.child.own, pair.parent.own = NODE, OTHER
    pair.up.begin(0, False, pair.child)
    pair.child.learn({NODE: 2})
    push = pair.up.collected(Batch(rows(1), 0, 0), pair.child, False)
    assert push.origins == {NODE: 2}
    pair.down.pushed(push, pair.parent, False)
    pair.parent.learn({OTHER: 5})
    answer = pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False)
    assert answer.origins == {OTHER: 5}
    assert pair.down.acked == {NODE: 2, OTHER: 5}


def test_what_came_by_another_way_while_an_answer_was_awaited_is_an_overlap_and_named_again(pair):
    pair.parent.learn({THIRD: 7})
    push = pair.push(1)
    pair.child.learn({THIRD: 7}, ELSEWHERE)
    answer = pair.answer(push, 1)
    (settle,) = pair.up.answered(answer, pair.child)
    assert settle.overlap
    pair.up.settled(1.0, 0.2)
    pair.now = 9.0
    push = pair.push(1)
    assert push.origins == {THIRD: 7}
    (merge,) = pair.down.pushed(push, pair.parent, False)
    assert merge.overlap
    answer = pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False)
    assert answer.origins == {THIRD: 7}  # so that the child's rows wait for their next exchange too
    (settle,) = pair.up.answered(answer, pair.child)
    assert settle.overlap
    pair.up.settled(10.0, 0.2)
    pair.now = 99.0
    push = pair.push(1)
    assert push.origins == {}
    assert not pair.down.pushed(push, pair.parent, False)[0].overlap


def test_an_origin_that_comes_by_another_link_than_before_puts_both_in_doubt(pair):
    pair.child.learn({THIRD: 7})
    pair.exchange([1], [1])
    assert pair.parent.learn({THIRD: 9}, ELSEWHERE) == [THIRD]
    (merge,) = pair.down.pushed(pair.push(1), pair.parent, False)
    assert merge.overlap
    answer = pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False)
    assert answer.origins == {THIRD: 9}
    pair.child.via[THIRD] = ELSEWHERE
    (settle,) = pair.up.answered(answer, pair.child)
    assert settle.overlap
    assert pair.child.doubts == {ELSEWHERE: {THIRD: None}}
    pair.up.settled(10.0, 0.2)
    pair.now = 99.0
    push = pair.push(1)
    assert push.origins == {THIRD: 9}
    assert not pair.parent.doubts


def test_an_origin_that_comes_by_a_second_link_puts_the_first_in_doubt_though_it_is_no_more(pair):
    """Rows of it may wait at the other end of the first, and have come by the second by then."""
    pair.parent.learn({THIRD: 9}, ELSEWHERE)
    pair.child.learn({THIRD: 9})
    (merge,) = pair.down.pushed(pair.push(1), pair.parent, False)
    assert merge.overlap
    assert pair.parent.doubts == {ELSEWHERE: {THIRD: None}}
    assert pair.parent.take_doubts(ELSEWHERE) == {THIRD: 9}


def test_a_doubt_that_is_named_back_raises_no_other(pair):
    """Else two links would ask each other for ever."""
    pair.parent.learn({THIRD: 9})
    pair.exchange([1], [1])
    pair.child.via[THIRD] = ELSEWHERE
    pair.child.doubts[LINK] = {THIRD: None}
    push = pair.push(1)
    assert push.origins == {THIRD: 9}
    answer = pair.answer(push, 1)
    assert answer.origins == {THIRD: 9}
    pair.settle(answer)
    assert not pair.child.doubts
    assert not pair.parent.doubts


def test_a_doubt_that_a_child_names_goes_on_to_the_link_by_which_the_parent_has_it(pair):
    """Its rows may still wait at the other end of that one, and come by the child first."""
    pair.parent.learn({THIRD: 9}, ELSEWHERE)
    pair.exchange([1], [1])
    pair.child.learn({THIRD: 9}, BEYOND)
    assert pair.child.doubts == {LINK: {THIRD: None}}
    pair.settle(pair.answer(pair.push(1), 1))
    assert pair.parent.doubts == {ELSEWHERE: {THIRD: None}}
    assert not pair.child.doubts


def test_a_doubt_that_a_parent_names_goes_on_to_the_link_by_which_the_child_has_it(pair):
    pair.child.learn({THIRD: 9}, BEYOND)
    pair.exchange([1], [1])
    pair.parent.learn({THIRD: 9}, ELSEWHERE)
    pair.settle(pair.answer(pair.push(1), 1))
    assert pair.child.doubts == {BEYOND: {THIRD: None}}
    assert not pair.parent.doubts


def test_what_is_here_from_disk_may_come_once_more_whoever_brings_it():
    provenance = Provenance(own=OTHER)
    provenance.learn({NODE: 3, OTHER: 4})
    assert provenance.learn({NODE: 5, OTHER: 4, THIRD: 6}, LINK) == [NODE]
    assert provenance.doubts == {}
    assert provenance.learn({NODE: 7, OTHER: 4, THIRD: 8}, LINK) == []


def test_an_origin_is_in_doubt_once_however_often_it_is_named():
    """The other end of the link may be gone for long, and whoever names it need not be honest."""
    provenance = Provenance()
    provenance.learn({THIRD: 9}, ELSEWHERE)
    for _ in range(50):
        assert provenance.learn({THIRD: 9}, LINK) == [THIRD]
    assert len(provenance.doubts[ELSEWHERE]) == 1


def test_the_own_training_is_in_no_doubt(pair):
    pair.child.learn({NODE: 9})
    pair.exchange([1], [1])
    pair.parent.learn({NODE: 9}, ELSEWHERE)
    pair.settle(pair.answer(pair.push(1), 1))
    assert not pair.child.doubts


def test_what_comes_while_a_link_is_in_doubt_is_an_overlap(pair):
    """The push was gathered before there was any doubt, so that the answer says nothing of it."""
    pair.parent.learn({THIRD: 9})
    pair.exchange([1], [1])
    answer = pair.answer(pair.push(1), 1, 2)
    assert not answer.origins
    pair.child.via[THIRD] = LINK
    pair.child.learn({THIRD: 9}, ELSEWHERE)
    (settle,) = pair.up.answered(answer, pair.child)
    assert settle.overlap
    pair.up.settled(pair.now, 0.2)
    pair.now = 99.0
    assert pair.push(1).origins == {THIRD: 9}


def test_a_doubt_that_only_the_answer_names_is_an_overlap_for_the_child_too(pair):
    """It is no news to the child, and not what it pushed: the parent has met it elsewhere since, and sends it again."""
    pair.child.learn({NODE: 10})
    pair.exchange([1], [1])
    pair.parent.learn({NODE: 10}, ELSEWHERE)
    push = pair.push(1)
    assert not push.origins
    answer = pair.answer(push, 1)
    assert answer.origins == {NODE: 10}
    (settle,) = pair.up.answered(answer, pair.child)
    assert settle.overlap


def test_training_that_goes_on_where_it_was_is_no_overlap(pair):
    for n in range(1, 5):
        pair.child.learn({NODE: 10 * n})
        pair.parent.learn({OTHER: 5 * n})
        push = pair.push(1)
        (merge,) = pair.down.pushed(push, pair.parent, False)
        assert not merge.overlap
        (settle,) = pair.up.answered(pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False), pair.child)
        assert not settle.overlap
        pair.up.settled(pair.now, 0.0)
        pair.now = pair.up.pacing.next_at


def test_a_link_that_is_gone_is_in_no_doubt():
    provenance = Provenance()
    provenance.learn({NODE: 1}, LINK)
    assert provenance.learn({NODE: 2}, ELSEWHERE) == [NODE]
    assert provenance.learn({NODE: 3}, LINK) == [NODE]
    for link in (LINK, ELSEWHERE):
        provenance.forget(link)
    assert provenance.learn({NODE: 4}, ELSEWHERE) == [NODE]  # what that one brought may come once more
    assert provenance.doubts == {}
    assert provenance.learn({NODE: 5}, ELSEWHERE) == []
    provenance.clear()
    assert (provenance.vector, provenance.via, provenance.doubts) == ({}, {}, {})


def test_a_push_with_rows_is_not_clean_whatever_is_promised(pair):
    assert not pair.push(1, clean=True).clean


def test_a_push_without_rows_is_clean_as_promised(pair):
    push = pair.push(clean=True)
    assert push.clean
    pair.answer(push)
    assert pair.down.there.done


@pytest.mark.parametrize(("sent", "answered"), [([1], [1]), ([], [1])])
def test_the_end_waits_until_neither_end_has_rows(pair, sent, answered):
    assert not pair.answer(pair.push(*sent, clean=True), *answered, final=True).final


def test_the_end_comes_with_an_empty_answer_to_an_empty_push(pair):
    answer = pair.answer(pair.push(clean=True), final=True)
    assert answer.final
    assert pair.settle(answer) == IDLE_PAUSE
    assert pair.up.there.done


def test_a_push_for_which_no_residuals_were_looked_for_is_not_clean(pair):
    assert not pair.push(clean=True, flush=False).clean  # the own training ended while the rows were gathered


def test_an_answer_for_which_no_residuals_were_looked_for_is_not_the_end(pair):
    assert not pair.answer(pair.push(clean=True), final=True, flush=False).final
    pair.up.answered(pair.down.last_answer, pair.child)
    pair.up.settled(pair.now, 0.2)
    pair.now = pair.up.pacing.next_at
    assert pair.answer(pair.push(clean=True), final=True).final


def test_an_end_that_is_taken_back_is_no_end(pair):
    pair.settle(pair.answer(pair.push(clean=True), final=True))
    pair.exchange([], [1])
    assert not pair.up.there.done


@pytest.mark.parametrize(
    ("push", "answer", "pause"),
    [
        ({"ids": [1], "pending": 9}, {"ids": [1]}, FLUSH_PAUSE),
        ({"ids": [1]}, {"ids": [1], "pending": 9}, 0.2),
        ({"ids": [1], "flush": False, "pending": 9}, {"ids": [1]}, 0.2),
        ({"ids": [1]}, {"ids": [1]}, 0.2),
        ({"ids": []}, {"ids": []}, IDLE_PAUSE),
        ({"ids": [], "clean": True}, {"ids": []}, END_PAUSE),
        ({"ids": [1], "pending": 9, "unsent": 1}, {"ids": [1]}, 0.0),
        ({"ids": [1], "pending": 9}, {"ids": [1], "unsent": 1}, 0.0),
    ],
    ids=[
        "child flushes",
        "parent pending",
        "training",
        "nothing left",
        "idle",
        "ending",
        "parent catches up",
        "child catches up",
    ],
)
def test_the_pause_fits_what_is_left_to_say(pair, push, answer, pause):
    ids, told = push.pop("ids"), answer.pop("ids")
    assert pair.settle(pair.answer(pair.push(*ids, **push), *told, **answer)) == pytest.approx(pause)


ROW = 12 + 2  # bytes of one of `rows`


@pytest.mark.parametrize(
    ("sent", "answered", "seconds"),
    [([1], [1], 1), ([1], [1, 2, 3], 3), ([1, 2], [1, 2], 2), ([1], [1], 0.001)],
    ids=["alike", "more comes", "more goes", "less than the interval"],
)
@pytest.mark.parametrize("unsent", [0, 9])
def test_an_exchange_lasts_as_long_as_its_larger_half_may_take_of_the_link(pair, sent, answered, seconds, unsent):
    size = ROW * max(len(sent), len(answered))
    pair.up.pacing.max_bandwidth = size * 8e-6 / seconds
    push = pair.push(*sent, pending=5, unsent=unsent, flush=False)
    began, pair.now = pair.now, pair.now + 0.05
    pause = pair.settle(pair.answer(push, *answered))
    shortest = 0.05 if unsent else 0.2
    assert pause == pytest.approx(max(shortest, seconds) - 0.05)
    assert pair.now - began == pytest.approx(max(shortest, seconds))


@pytest.mark.parametrize("bits", [4, 8])
def test_the_values_of_a_row_count_as_they_are_sent(pair, bits):
    width = {4: 64, 8: 128}[bits]
    wide = delta([1], [1], [0.5], [[1] * width])
    pair.up.pacing.max_bandwidth = (12 + width) * 8e-6
    assert pair.up.begin(0.0, False, pair.child)
    push = pair.up.collected(Batch(wide, 5, 0), pair.child, False)
    pair.down.pushed(push, pair.parent, False)
    assert pair.settle(pair.down.merged(Batch(wide, 0, 0), pair.parent, False)) == pytest.approx(1.0)


def test_who_catches_up_waits_no_longer_once_an_exchange_has_taken_its_time(pair):
    pair.up.pacing.max_bandwidth = ROW * 8e-6
    push = pair.push(1, pending=5, unsent=1)
    pair.now = 7.0
    assert pair.settle(pair.answer(push, 1)) == 0.0


def test_nobody_is_limited_unless_it_is_wanted(pair):
    assert pair.up.pacing.max_bandwidth == 0.0
    assert pair.exchange([1], [1], unsent=1) == 0.0


def test_what_is_unsent_at_the_other_end_is_known_at_both(pair):
    assert (pair.up.there.unsent, pair.down.there.unsent) == (None, None)
    pair.settle(pair.answer(pair.push(1, unsent=4), 1, unsent=6))
    assert (pair.up.there.unsent, pair.down.there.unsent) == (6, 4)


def test_invented_origins_cannot_fill_the_memory(pair, monkeypatch):
    monkeypatch.setattr("gossipw2v.gossip.overlay.provenance.MAX_ORIGINS", 8)
    provenance = Provenance({NODE: 1})
    for n in range(50):
        provenance.learn({n.to_bytes(16): 5})
    provenance.learn({NODE: 2})
    assert len(provenance.vector) == 8
    assert provenance.vector[NODE] == 2


def test_each_end_says_for_how_many_rows_it_has_time(pair):
    (collect,) = pair.up.begin(0, False, pair.child, most=5000)
    assert collect.room == 5000
    push = pair.up.collected(Batch(rows(1), 0, 0), pair.child, False)
    (merge,) = pair.down.pushed(push, pair.parent, False, most=3000)
    assert (push.room, merge.room) == (5000, 3000)
    pair.settle(pair.down.merged(Batch(rows(1), 0, 0), pair.parent, False))
    (collect,) = pair.up.begin(pair.now, False, pair.child, most=5000)
    assert collect.room <= 3000  # what the parent has time for
    assert pair.up.collected(Batch(rows(1), 0, 0), pair.child, False).room <= 5000


def test_a_slow_link_carries_fewer_rows_at_a_time(pair):
    rooms = [4000]
    for _ in range(60):
        ids = tuple(range(min(4000, rooms[-1])))
        push = pair.push(*ids, flush=False)
        pair.now += 1e-4 * len(push.delta)
        pair.settle(pair.answer(push, *ids, flush=False))
        rooms.append(min(pair.up.pacing.room, pair.up.there.room))
    assert 1500 < sum(rooms[-30:]) / 30 < 2300  # 2,000 take as long as the interval

"""Who is at the other end: what is refused and why, one connection for each pair, and patience in dialling."""

from random import Random

import pytest
from support.samples import NODE, OTHER

from gossipw2v.gossip.codec import decode, encode
from gossipw2v.gossip.instructions import Close, Dial, Refused, Send
from gossipw2v.gossip.membership.connections import (
    FIRST_PAUSE,
    HELLO_DEADLINE,
    LONGEST_PAUSE,
    MAX_TARGETS,
    QUARREL_PAUSE,
    SILENCE,
    Connections,
)
from gossipw2v.gossip.messages import PROTOCOL, FileListing, Hello, ProtocolError, Refuse

JOB = {"job": "default", "alpha": "0.025", "window": "5"}
HERE = ("10.0.0.1:7411",)


def hello(node: bytes, oldest=PROTOCOL, newest=PROTOCOL, **job) -> Hello:
    return Hello(oldest, newest, node, JOB | job, [])


def connections(node: bytes = NODE) -> Connections:
    return Connections(hello(node), Random(1))


@pytest.fixture
def here() -> Connections:
    return connections()


def greet(here: Connections, conn: int, other: Hello, target: str | None = None, now=0.0):
    here.opened(conn, target, now)
    return here.greeted(conn, other, now)


def test_both_ends_speak_first(here):
    assert here.opened(1, None, 0) == [Send(1, here.hello)]
    assert here.conns().get(OTHER) is None


def test_a_greeting_makes_the_node_known(here):
    assert greet(here, 1, hello(OTHER)) == []
    assert here.conns().get(OTHER) == 1
    assert here.closed(1) == OTHER
    assert here.conns().get(OTHER) is None


@pytest.mark.parametrize(
    ("other", "reason", "said"),
    [
        (hello(NODE), "self", "itself"),
        (hello(OTHER, alpha="0.05"), "job", "alpha is '0.05' there and '0.025' here"),
        (hello(OTHER, job="tests"), "job", "job is 'tests' there and 'default' here"),
        (hello(OTHER, extra="1"), "job", "extra is '1' there and None here"),
        (Hello(PROTOCOL, PROTOCOL, OTHER, {}, []), "job", "alpha is None there and '0.025' here"),
        (hello(OTHER, PROTOCOL + 1, PROTOCOL + 3), "protocol", f"protocol {PROTOCOL + 1}..{PROTOCOL + 3} there"),
        (hello(OTHER, 0, PROTOCOL - 1), "protocol", f"{PROTOCOL} here"),
    ],
    ids=["self", "alpha", "job", "more", "none", "newer", "older"],
)
def test_a_stranger_is_refused_with_what_differs(here, other, reason, said):
    here.learn("them", HERE, 0)
    refused, send, close = greet(here, 1, other, "them")
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert said in refused.text
    assert send == Send(1, Refuse(reason, refused.text))
    assert decode(encode(send.message)[8:]) == send.message
    assert isinstance(close, Close)
    assert here.conns().get(other.node) is None
    assert here.targets["them"].next_at == QUARREL_PAUSE


@pytest.mark.parametrize(("oldest", "newest"), [(0, PROTOCOL), (PROTOCOL, 99), (0, 99)])
def test_a_range_that_holds_our_protocol_is_welcome(here, oldest, newest):
    assert greet(here, 1, hello(OTHER, oldest, newest)) == []
    assert here.conns().get(OTHER) == 1


def test_a_hostile_job_makes_a_refusal_that_fits_a_frame(here):
    other = Hello(PROTOCOL, PROTOCOL, OTHER, {("k" * 60 + str(n)): "'\\\\" * 40 for n in range(32)}, [])
    _, send, _ = greet(here, 1, other)
    assert decode(encode(send.message)[8:]) == send.message


def sharing(listing: bytes, digest: str, node: bytes = NODE) -> Connections:
    return Connections(hello(node, corpus=digest), Random(1), listing)


def test_nodes_whose_files_differ_say_which_they_have_and_refuse_each_other_by_name():
    mine, theirs = b"a\t1 bytes\t00\nb\t1 bytes\t00\n", b"a\t1 bytes\t00\nb\t2 bytes\t00\n"
    one, other = sharing(mine, "1"), sharing(theirs, "2", OTHER)
    one.opened(1, None, 0.0)
    assert one.greeted(1, other.hello, 0.0) == [Send(1, FileListing(mine))]
    assert one.conns() == {}
    refused, said, closed = one.listed(1, FileListing(theirs), 0.0)
    told = "--shared-corpus: b differs: 2 bytes there, 1 bytes here"
    assert (refused, said, closed) == (Refused("corpus", told), Send(1, Refuse("corpus", told)), Close(1, told))


def test_other_differences_are_told_before_the_files(here):
    one = sharing(b"a\t1 bytes\t00\n", "1")
    one.opened(1, None, 0.0)
    (refused, *_) = one.greeted(1, hello(OTHER, corpus="2", alpha="1"), 0.0)
    assert refused.reason == "job"
    (refused, *_) = greet(here, 1, hello(OTHER, corpus="2"))
    assert refused.text == "another job: corpus is '2' there and None here"


def test_files_are_told_by_strangers_alone_and_where_a_text_is_shared(here):
    here.opened(2, None, 0.0)
    with pytest.raises(ProtocolError, match="out of place"):
        here.listed(2, FileListing(b""), 0.0)
    one = sharing(b"a\t1 bytes\t00\n", "1")
    greet(one, 1, hello(OTHER, corpus="1"))
    with pytest.raises(ProtocolError, match="out of place"):
        one.listed(1, FileListing(b""), 0.0)


def test_a_second_hello_is_a_breach(here):
    greet(here, 1, hello(OTHER))
    refused, *_ = here.greeted(1, hello(OTHER), 0)
    assert refused.reason == "protocol"


# -- two nodes dial each other ------------------------------------------------------------------------------


class Crossing:
    """Two nodes with connections between them; every step that may come next is offered, any order may be taken."""

    def __init__(self, dialled_by: list[int]) -> None:
        self.ends = [connections(NODE), connections(OTHER)]
        self.wires = range(len(dialled_by))
        self.steps = [("open", wire, by) for wire, by in enumerate(dialled_by)]
        self.dead: set[tuple[int, int]] = set()

    def take(self, index: int) -> None:
        step, wire, end = self.steps.pop(index)
        if step == "open":
            for each in (0, 1):
                self.ends[each].opened(wire, f"target{wire}" if each == end else None, 0.0)
                self.steps.append(("hello", wire, each))
        elif step == "hello" and wire in self.ends[end].by_conn:
            for order in self.ends[end].greeted(wire, self.ends[1 - end].hello, 0.0):
                assert isinstance(order, Close)
                self.close(order.conn, end)
        elif step == "closed":
            self.ends[end].closed(wire)

    def close(self, wire: int, end: int) -> None:
        """One end closes; the other notices once it has read what came before."""
        self.ends[end].closed(wire)
        self.steps.append(("closed", wire, 1 - end))

    def may(self, index: int) -> bool:
        """A connection's end is noticed after the hello that was sent on it."""
        step, wire, end = self.steps[index]
        return step != "closed" or ("hello", wire, end) not in self.steps


def every_order(dialled_by: list[int]):
    """The ends of all runs; each run is replayed from the start, choice by choice."""
    waiting = [[]]
    while waiting:
        choices = waiting.pop()
        run = Crossing(dialled_by)
        for choice in choices:
            run.take(choice)
        if not run.steps:
            yield run
        waiting += [[*choices, n] for n in range(len(run.steps)) if run.may(n)]


def test_of_two_crossed_connections_both_ends_keep_the_same_in_every_order():
    runs = list(every_order([0, 1]))
    assert len(runs) > 100
    for run in runs:
        one, other = run.ends
        assert one.conns().get(OTHER) == other.conns().get(NODE) == 0  # the one that the smaller id dialled
        assert list(one.by_conn) == list(other.by_conn) == [0]


def test_a_lone_connection_survives_every_order():
    for run in every_order([1]):
        assert run.ends[0].conns().get(OTHER) == run.ends[1].conns().get(NODE) == 0


def test_of_two_connections_dialled_by_one_end_never_two_stay_and_both_ends_agree():
    """Two addresses of one node were dialled at once; if their greetings cross, both close and are dialled again."""
    kept = [(run.ends[0].conns().get(OTHER), run.ends[1].conns().get(NODE), run.ends) for run in every_order([0, 0])]
    for one, other, ends in kept:
        assert one == other
        assert [list(end.by_conn) for end in ends] == [[one] if one is not None else []] * 2
    assert {one for one, _, _ in kept} == {0, 1, None}


def test_the_end_of_the_loser_does_not_lose_the_node(here):
    greet(here, 1, hello(OTHER), "them")
    assert greet(here, 2, hello(OTHER)) == [Close(2, "the other of two crossed connections stays")]
    assert here.closed(2) is None
    assert here.conns().get(OTHER) == 1


def test_a_newer_connection_from_the_same_end_replaces_one_that_may_be_half_open(here):
    greet(here, 1, hello(OTHER))
    (close,) = greet(here, 2, hello(OTHER))
    assert close.conn == 1
    assert here.closed(1) is None
    assert here.conns().get(OTHER) == 2


# -- dialling -----------------------------------------------------------------------------------------------


def dials(here: Connections, key: str, now: float) -> bool:
    return here.dial(key, now) == [Dial(key, HERE)]


def test_the_first_dial_comes_after_a_short_random_pause(here):
    for n in range(50):
        here.learn(str(n), HERE, 10.0)
    starts = [target.next_at for target in here.targets.values()]
    assert 10.0 <= min(starts) < max(starts) <= 10.2
    assert not dials(here, "0", starts[0] - 0.001)
    assert dials(here, "0", starts[0])


def test_an_address_is_dialled_by_one_call_at_a_time(here):
    here.learn("them", HERE, 0)
    assert dials(here, "them", 1)
    assert not dials(here, "them", 1000)
    here.dial_failed("them")
    assert dials(here, "them", 1000)


def test_pauses_double_up_to_a_limit_and_are_spread(here):
    here.learn("them", HERE, 0)
    now, pauses = 1.0, []
    for _ in range(30):
        assert dials(here, "them", now)
        here.dial_failed("them")
        pauses.append(here.targets["them"].next_at - now)
        now += pauses[-1]
    for n, pause in enumerate(pauses):
        middle = min(LONGEST_PAUSE, FIRST_PAUSE * 2**n)
        assert 0.75 * middle <= pause <= 1.25 * middle
    assert len(set(pauses[10:])) == 20


def test_a_greeting_ends_the_growing_of_pauses(here):
    here.learn("them", HERE, 0)
    for now in (1, 100, 200):
        assert dials(here, "them", now)
        here.dial_failed("them")
    greet(here, 1, hello(OTHER), "them", now=300)
    assert dials(here, "them", 1000)
    assert here.targets["them"].next_at <= 1000 + 1.25 * FIRST_PAUSE


def test_an_address_that_refused_us_is_left_alone_for_a_while(here):
    here.learn("them", HERE, 0)
    greet(here, 1, hello(OTHER), "them", now=5)
    here.quarrelled(1, 5)
    assert not dials(here, "them", 5 + QUARREL_PAUSE - 0.1)
    assert dials(here, "them", 5 + QUARREL_PAUSE)


def test_addresses_at_which_a_stranger_answers_are_left_alone_for_long(here):
    here.learn("them", HERE, 0)
    assert dials(here, "them", 1)
    here.dial_refused("them", 2)
    assert not dials(here, "them", 2 + QUARREL_PAUSE - 0.1)
    assert dials(here, "them", 2 + QUARREL_PAUSE)


def test_an_unknown_key_or_connection_is_no_harm(here):
    assert here.dial("nobody", 0) == []
    here.dial_failed("nobody")
    here.dial_refused("nobody", 0)
    here.quarrelled(7, 0)
    assert here.closed(7) is None


def test_targets_are_bounded_and_known_ones_still_change(here):
    for n in range(MAX_TARGETS + 10):
        here.learn(str(n), HERE, 0)
    assert len(here.targets) == MAX_TARGETS
    here.learn("3", ("10.0.0.2:1",), 0)
    assert here.targets["3"].addresses == ("10.0.0.2:1",)


# -- time ---------------------------------------------------------------------------------------------------


def closed(here: Connections, now: float) -> list[int]:
    return [order.conn for order in here.overdue(now) if isinstance(order, Close)]


def test_a_connection_without_a_hello_is_closed_in_time(here):
    here.opened(1, None, 0)
    here.by_conn[1].heard_at = HELLO_DEADLINE  # dripping bytes do not buy time
    assert closed(here, HELLO_DEADLINE) == []
    assert closed(here, HELLO_DEADLINE + 0.1) == [1]


def test_a_silent_connection_is_closed_and_a_talking_one_stays(here):
    greet(here, 1, hello(OTHER))
    greet(here, 2, hello(b"x" * 16))
    here.by_conn[2].heard_at = 5.0
    assert closed(here, SILENCE + 0.1) == [1]


# -- addresses ----------------------------------------------------------------------------------------------

THEIRS = ("10.0.0.9:7411", "172.17.0.1:7411")


def dial(here: Connections, key: str, now: float) -> tuple[str, ...] | None:
    orders = here.dial(key, now)
    return orders[0].addresses if orders else None


@pytest.mark.parametrize("answers", [NODE, b"\x33" * 16], ids=["this node", "a stranger"])
def test_an_address_behind_which_somebody_else_is_is_not_tried_for_that_node_again(here, answers):
    """Every machine with docker has 172.17.0.1, and says so."""
    key = OTHER.hex()
    here.learn(key, THEIRS, 0)
    assert dial(here, key, 1) == THEIRS
    here.opened(1, key, 1, address="172.17.0.1:7411")
    (close,) = here.greeted(1, hello(answers), 1)
    assert isinstance(close, Close)
    here.closed(1)
    assert here.conns().get(answers) is None
    assert dial(here, key, 1.1) == ("10.0.0.9:7411",)  # at once
    here.dial_failed(key)
    here.learn(key, (*THEIRS, "10.0.0.10:7411"), 2)  # it has moved: all is open again
    assert dial(here, key, 100) == (*THEIRS, "10.0.0.10:7411")


def test_a_node_of_which_all_addresses_lead_elsewhere_is_not_dialled(here):
    key = OTHER.hex()
    here.learn(key, THEIRS[1:], 0)
    dial(here, key, 1)
    here.opened(1, key, 1, address="172.17.0.1:7411")
    here.greeted(1, hello(NODE), 1)
    assert dial(here, key, 1000) is None


def test_the_address_that_led_to_a_node_is_tried_first_the_next_time(here):
    key = OTHER.hex()
    here.learn(key, THEIRS, 0)
    dial(here, key, 1)
    here.opened(1, key, 1, address="172.17.0.1:7411")
    assert here.greeted(1, hello(OTHER), 1) == []
    here.closed(1)
    assert dial(here, key, 100) == THEIRS[::-1]


def test_an_own_address_is_left_out(here):
    here.moved(THEIRS[1:])
    assert here.hello.addresses == list(THEIRS[1:])
    here.learn(OTHER.hex(), THEIRS, 0)
    assert dial(here, OTHER.hex(), 1) == THEIRS[:1]


def test_signs_of_life_end_a_pause_but_no_quarrel(here):
    for key in ("calm", "shunned"):
        here.learn(key, HERE, 0)
        for n in range(8):
            assert dial(here, key, 1 + n * 100.0)
            here.dial_failed(key)
    here.opened(1, "shunned", 702, address=HERE[0])
    here.greeted(1, hello(OTHER, job="another"), 702)
    for key in ("calm", "shunned"):
        assert dial(here, key, 703) is None
        here.hasten(key, 703)
    assert dial(here, "calm", 703 + FIRST_PAUSE)
    assert dial(here, "shunned", 702 + QUARREL_PAUSE - 1) is None


def test_a_full_table_has_room_for_a_newcomer_in_place_of_the_most_useless(here):
    here.learn("10.0.0.1:7411", HERE, 0)
    keys = [n.to_bytes(16).hex() for n in range(MAX_TARGETS - 1)]
    for key in keys:
        here.learn(key, HERE, 0)
    for key in ("10.0.0.1:7411", keys[5]):
        dial(here, key, 1)
    here.learn(OTHER.hex(), HERE, 2)
    assert len(here.targets) == MAX_TARGETS
    assert OTHER.hex() in here.targets
    assert keys[5] not in here.targets
    assert "10.0.0.1:7411" in here.targets  # what a person named is never given up


def test_what_this_node_slept_is_no_silence_on_its_connections(here):
    greet(here, 1, hello(OTHER))
    here.slept(60, 61)
    assert here.overdue(61) == []
    assert len(here.overdue(61 + SILENCE)) == 1

"""The network that is not there: order, time, loss and cuts of its connections."""

from itertools import pairwise
from random import Random

import pytest

from gossipw2v.simulation.clock import Clock
from gossipw2v.simulation.network import RESEND, Line, Wires


class Post:
    """Two nodes with one connection; `got` is what arrived: (time, at which end, name)."""

    def __init__(self, line: Line, seed: int = 0) -> None:
        self.clock = Clock()
        self.wires = Wires(self.clock, Random(seed), lambda _one, _other: line)
        self.here, self.there = self.wires.connect("a", "b")
        self.got = []

    def send(self, size: int, name: str, conn: int | None = None) -> None:
        here = self.here if conn is None else conn
        self.wires.send(here, size, lambda _node, end: self.got.append((round(self.clock.now, 6), end, name)))

    def run(self) -> list:
        self.clock.run(100)
        return self.got


def test_events_run_in_order_and_those_of_one_moment_as_they_were_set():
    clock, seen = Clock(), []
    for delay, name in ((2, "c"), (1, "a"), (1, "b")):
        clock.at(delay, lambda name=name: seen.append((clock.now, name)))
    assert not clock.run(1.5)
    assert (clock.now, seen) == (1.5, [(1, "a"), (1, "b")])
    assert clock.run(9, lambda: len(seen) == 3)
    assert clock.now == 2


def test_a_message_takes_the_delay_and_what_its_bytes_need():
    post = Post(Line(delay=0.5, bandwidth=100.0))
    post.send(50, "one")
    post.send(10, "two")
    post.send(10, "back", post.there)
    assert post.run() == [(0.6, post.here, "back"), (1.0, post.there, "one"), (1.1, post.there, "two")]


@pytest.mark.parametrize("seed", range(5))
def test_jitter_and_loss_keep_the_order(seed):
    post = Post(Line(delay=0.1, jitter=0.3, loss=0.3), seed)
    for n in range(50):
        post.clock.at(0.02 * n, lambda n=n: post.send(1, str(n)))
    got = post.run()
    assert [name for _, _, name in got] == [str(n) for n in range(50)]
    waits = [at - 0.02 * int(name) for at, _, name in got]
    assert min(waits) >= 0.1
    assert max(waits) > 0.4  # some were late by more than jitter alone
    assert max(waits) < 0.4 + 2 * RESEND


def test_messages_that_go_astray_come_twice_or_early_but_neither_before_the_first_nor_after_the_end():
    post = Post(Line(delay=0.1, jitter=0.3, astray=0.3), 1)
    for n in range(50):
        post.clock.at(0.02 * n, lambda n=n: post.send(1, str(n)))
    post.clock.at(3.0, lambda: post.wires.close(post.here, lambda _node, end: post.got.append((0, end, "end"))))
    names = [name for _, _, name in post.run()]
    assert (names[0], names[-1]) == ("0", "end")
    assert names.count("0") == 1
    come = [int(name) for name in names[:-1]]
    assert any(earlier > later for earlier, later in pairwise(dict.fromkeys(come)))
    assert 5 < len(come) - len(set(come)) < 25


def test_a_cut_loses_what_is_under_way_and_names_both_ends():
    post = Post(Line(delay=1.0))
    post.send(1, "lost")
    post.clock.run(0.5)
    assert post.wires.cut(post.there) == [("b", post.there), ("a", post.here)]
    assert post.wires.cut(post.here) == []
    post.send(1, "nowhere")
    assert post.run() == []
    assert len(post.wires) == 0


def test_a_partition_severs_what_crosses_it_until_it_heals():
    post = Post(Line())
    post.wires.connect("a", "c")
    assert post.wires.severed({"a", "c"}, {"b"}) == [post.here, post.there]
    assert not post.wires.reach("a", "b")
    assert post.wires.reach("a", "c")
    assert not post.wires.reach("a", "stranger")
    assert post.wires.severed() == []
    assert post.wires.reach("a", "b")


def test_a_late_message_and_its_follower_arrive_in_order_at_the_same_moment():
    for seed in range(300):
        post = Post(Line(delay=0.1, jitter=0.3, loss=0.5), seed)
        for n in range(8):
            post.clock.at(0.013 * n, lambda n=n, post=post: post.send(1, n))
        names = [name for _, _, name in post.run()]
        assert names == sorted(names)


# -- what cannot pass, and ends that are alone --------------------------------------------------------------


def test_a_blocked_way_holds_what_is_sent_and_the_other_way_is_free():
    post = Post(Line(delay=0.1))
    post.wires.block(("a", "b"))
    assert not post.wires.reach("a", "b")
    assert not post.wires.reach("b", "a")
    for n in range(3):
        post.clock.at(n, lambda n=n: post.send(1, f"held {n}"))
    post.send(1, "back", post.there)
    post.clock.run(5)
    assert post.got == [(0.1, post.here, "back")]
    assert post.wires.stuck() == 3
    post.wires.free(("a", "b"))
    post.send(1, "later")
    names = [name for _, _, name in post.run()]
    assert names == ["back", "held 0", "held 1", "held 2", "later"]
    assert 5 < post.got[1][0] <= 5 + RESEND
    assert post.wires.stuck() == 0


def test_a_way_that_is_blocked_again_before_all_was_resent_holds_it_again():
    post = Post(Line())
    post.wires.block(("a", "b"))
    post.send(1, "held")
    post.clock.run(1)
    post.wires.free(("a", "b"))
    post.wires.block(("a", "b"))
    post.clock.run(5)
    assert post.got == []
    post.wires.free(("a", "b"))
    assert [name for _, _, name in post.run()] == ["held"]


def test_a_closed_connection_delivers_what_was_sent_and_then_says_so():
    post = Post(Line(delay=1.0))
    post.send(1, "before")
    post.wires.close(post.here, lambda node, end: post.got.append((post.clock.now, end, f"{node} knows")))
    assert post.here not in post.wires
    assert post.wires.halves() == [post.there]
    post.send(1, "into nothing", post.there)
    assert [name for _, _, name in post.run()] == ["before", "b knows"]
    assert len(post.wires) == 0


def test_an_end_that_is_dropped_leaves_the_other_half_open():
    post = Post(Line(delay=1.0))
    post.send(1, "before")
    post.wires.drop(post.here)
    post.send(1, "into nothing", post.there)
    assert [name for _, _, name in post.run()] == ["before"]
    assert post.wires.halves() == [post.there]
    assert post.wires.cut(post.there) == [("b", post.there)]

"""tools/compare with real processes: in network namespaces where they can be made, and the parts that need none."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from compare.real import hosts
from compare.real.frames import Connection, Message, listen
from compare.real.hub import Hub
from compare.real.watching import Sightings, longest_gap
from compare.real.worker import mean_of
from compare.registry import REAL, perform
from compare.report import write_page
from compare.runs import Line, Run
from compare.texts import make_world
from support.netns import netns_available

PATIENCE = 30.0  # s
ALONE = "127.0.0.1"


@pytest.fixture
def listener():
    with listen((ALONE, 0)) as sock:
        yield sock


@pytest.fixture
def dial(listener):
    """Makes connections to the listener, which end with the test."""
    made = []

    def dialled() -> Connection:
        made.append(Connection.dial(listener.getsockname(), PATIENCE))
        return made[-1]

    yield dialled
    for each in made:
        each.close()


def rows(node: int, value: float, **more: object) -> Message:
    return Message(node, np.arange(3), np.full((3, 4), value, np.float32), **more)


def asked(connection: Connection, message: Message) -> Message:
    connection.send(message)
    return connection.receive()


# -- frames and the hub -------------------------------------------------------------------------------------


def test_rows_come_as_they_were_sent(listener, dial):
    one, other = dial(), Connection(listener.accept()[0])
    sent = rows(7, 2.5, life=3, last=True, share=0.25)
    one.send(sent)
    came = other.receive()
    assert came.ids.tolist() == [0, 1, 2]
    assert came.values.tolist() == sent.values.tolist()
    assert (came.node, *came[3:]) == (7, 3, True, 0.25)
    one.close()
    with pytest.raises(ConnectionError, match="gone"):
        other.receive()
    other.close()


def test_a_hub_answers_all_once_all_have_sent(listener, dial):
    with ThreadPoolExecutor() as pool:
        ends = pool.submit(Hub(listener, {0, 1, 2}, mean_of, lambda: rows(-1, 9.0)).serve)
        nodes = [dial() for _ in range(3)]
        for number in (1.0, 2.0):
            sent = [rows(node, number * node, last=number > 1) for node in range(3)]
            answers = list(pool.map(asked, nodes, sent, timeout=PATIENCE))
            assert [answer.values.tolist() for answer in answers] == 3 * [[4 * [number]] * 3]
        ends.result(PATIENCE)


def test_a_hub_does_not_wait_for_the_dead(listener, dial):
    with ThreadPoolExecutor() as pool:
        ends = pool.submit(Hub(listener, {0, 1}, mean_of, lambda: rows(-1, 9.0)).serve)
        lives, dies = dial(), dial()
        list(pool.map(asked, (lives, dies), (rows(0, 1.0), rows(1, 3.0)), timeout=PATIENCE))
        dies.close()
        assert asked(lives, rows(0, 5.0, last=True)).values.max() == 5.0
        ends.result(PATIENCE)


def test_a_server_that_was_started_again_tells_the_whole_model_first(listener, dial):
    with ThreadPoolExecutor() as pool:
        ends = pool.submit(Hub(listener, {0}, mean_of, lambda: rows(-1, 9.0), life=1).serve)
        node = dial()
        told = asked(node, rows(0, 1.0))
        assert (told.values.max(), told.life) == (9.0, 1)
        assert asked(node, rows(0, 1.0, life=1, last=True)).values.max() == 1.0
        ends.result(PATIENCE)


# -- what is seen -------------------------------------------------------------------------------------------


def test_a_stall_is_the_longest_time_in_which_no_survivor_got_on():
    seen = Sightings()
    for node, now, trained in ((0, 1.0, 10), (1, 1.5, 10), (0, 2.0, 20), (1, 2.5, 10), (1, 7.0, 30), (1, 8.0, 40)):
        seen.saw(node, now, trained)
    assert (seen.trained, seen.began, seen.stall(9.0)) == (60, 1.0, 0.0)
    seen.killed, seen.dead = 1.9, 0
    assert seen.stall(9.0) == pytest.approx(5.1)  # what the dead node did in between does not count
    assert longest_gap(3.0, [1.0, 2.0], 10.0) == 7.0


def test_what_a_process_uses_is_seen_while_it_lives():
    seen = Sightings()
    seen.look_at(os.getpid())
    assert seen.cpu_seconds > 0
    assert seen.largest > 10e6
    before = dict(seen.used)
    seen.look_at(2**22 + 1)  # no process has such a number
    assert seen.used == before


# -- rows of the report -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return make_world(1500, tmp_path_factory.mktemp("world"))


def run_of(material, name: str, **changes: object) -> Run:
    usual = {"nodes": 2, "alpha": 0.05, "rounds": 12, "vector_size": 16, "epochs": 60, "real": True}
    return Run(baseline=name, corpus=material.digest, **{**usual, **changes})


def test_where_there_are_no_namespaces_the_row_says_why(material, monkeypatch, tmp_path):
    monkeypatch.setattr(hosts, "why_not", lambda: "network namespaces need root")
    run = run_of(material, "server-sync")
    result = perform(run, material)
    assert result == {"failed": "network namespaces need root"}
    write_page(tmp_path / "page", [Line(run, result)], run, "the command")
    assert "<td>real</td>" in (page := (tmp_path / "page").read_text())
    assert "failed: network namespaces need root" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "event"),
    [("gossip", "none"), ("server-sync", "death"), ("averaging-ring", "death"), ("gossip-average", "none")],
)
def test_processes_train_all_text_whatever_dies(name, event, material):
    if (why := netns_available()) is not None:
        pytest.skip(why)
    assert name in REAL
    result = perform(run_of(material, name, event=event, bandwidth=100.0), material)
    assert "failed" not in result, result
    words = int(np.count_nonzero(material.tokens >= 0)) * 60
    loses_text = event == "death" and name == "averaging-ring"
    assert (result["trained"] < 0.9 * words) == loses_text
    assert (result["stall"] > 0) == (event == "death")
    assert result["bytes"] > 0
    assert np.isfinite(result["points"])

"""Attacks by numbers that pass as a neighbour's: what they can move is bounded, and who tries is named and cut off."""

import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support.daemons import Daemon, Daemons, read_vectors, write_texts
from support.stranger import SIZE, Stranger, elsewhere

from gossipw2v.delta import RowDelta
from gossipw2v.gossip.messages import (
    PROTOCOL,
    Answer,
    Hello,
    LinkOpen,
    LinkOpened,
    Push,
    Refuse,
    StateNews,
)
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.status import client

MOVE, BUDGET = 2.0, 20.0  # lengths
HOSTILE = [0, 1, 2]  # rows that attackers push
BANNED = "127.251.0.0/16"  # where `elsewhere` never is
ABOVE = b"\xff" * 16


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose training is over, so that only others move its rows."""
    folder = tmp_path_factory.mktemp("victim")
    limits = {"max_row_move": MOVE, "row_budget": BUDGET, "ban": BANNED}
    with Daemons(folder) as daemons:
        daemon = daemons.start(write_texts(folder, 1)[0], epochs=1, until_complete=False, **limits)
        daemon.until(lambda s: s["state"] == "complete")
        yield daemon


def vectors(victim: Daemon, folder: Path) -> np.ndarray:
    client.export(victim.url, folder / "vectors.txt")
    return read_vectors(folder / "vectors.txt")[1]


def moving(length: float, rows: list[int] = HOSTILE) -> RowDelta:
    """Rows that all move by `length`, the same way."""
    values = np.full((len(rows), SIZE), 127, np.int8)
    scales = np.full(len(rows), length / np.sqrt(SIZE) / 127, np.float32)
    return RowDelta(np.array(rows, np.int32), np.ones(len(rows), np.uint32), scales, values)


def pushes(victim: Daemon, source: str, length: float, most: int) -> int:
    """Push until that is done or the victim hangs up; how many pushes were answered."""
    answered = 0
    with suppress(OSError, AssertionError), Stranger(victim.address, source) as stranger:
        link = stranger.become_child()
        for batch in range(1, most + 1):
            stranger.send(Push(link, batch, False, 0, 0, {}, moving(length)))
            stranger.expect(Answer)
            answered += 1
    return answered


def cut_off(victim: Daemon, source: str) -> bool:
    origins = {each["origin"]: each for each in victim.status()["standing"]["origins"]}
    return source in origins and origins[source]["cut_off_seconds"] > 0


def test_a_flood_of_the_largest_moves_is_bounded_named_and_cut_off(victim: Daemon, tmp_path: Path) -> None:
    before, refusals, source = vectors(victim, tmp_path), victim.status()["refusals"], elsewhere()
    answered = sum(pushes(victim, source, 60.0, 100) for _ in range(20))
    assert 3 <= answered < 60
    moved = np.linalg.norm(vectors(victim, tmp_path) - before, axis=1)
    assert moved[HOSTILE].min() > 2 * MOVE
    assert moved[HOSTILE].max() <= BUDGET
    assert not np.delete(moved, HOSTILE).any()
    assert cut_off(victim, source)
    assert victim.status()["refusals"]["barred"] > refusals["barred"]
    assert f"host={source}" in victim.log()
    assert counter(victim, "gossipw2v_clipped_rows_total") >= len(HOSTILE) * answered


def counter(victim: Daemon, name: str) -> float:
    with urllib.request.urlopen(f"{victim.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_small_moves_in_great_number_are_bounded_too(victim: Daemon, tmp_path: Path) -> None:
    before, source = vectors(victim, tmp_path), elsewhere()
    answered = pushes(victim, source, 0.05, 1000)
    moved = np.linalg.norm(vectors(victim, tmp_path) - before, axis=1)
    assert BUDGET / 2 <= 0.05 * answered + 0.1 < BUDGET
    assert moved.max() <= BUDGET
    origin = next(o for o in victim.status()["standing"]["origins"] if o["origin"] == source)
    assert origin["score"] > 0


def test_who_pushes_what_is_allowed_is_merged_as_it_is(victim: Daemon, tmp_path: Path) -> None:
    pushes(victim, elsewhere(), 60.0, 100)
    before = vectors(victim, tmp_path)
    with Stranger(victim.address) as honest:
        link = honest.become_child()
        honest.send(Push(link, 1, False, 0, 0, {}, moving(0.5, [4])))
        honest.expect(Answer)
        (shown,) = (each for each in victim.status()["links"] if each["host"] == honest.socket.getsockname()[0])
    assert (shown["clipped_rows"], shown["largest_row_move"]) == (0, pytest.approx(0.5, rel=1e-3))
    assert shown["row_budget_used"] == pytest.approx(0.5 / (BUDGET / 2), rel=1e-3)
    moved = np.linalg.norm(vectors(victim, tmp_path) - before, axis=1)
    assert 0.25 < moved[4] < 0.75


def test_a_parent_that_moves_rows_too_far_is_refused_and_left(victim: Daemon, tmp_path: Path) -> None:
    before = vectors(victim, tmp_path)
    with Stranger(victim.address) as above:
        me = Member(ABOVE, 1, Stage.COMPLETE, ("127.0.0.1:1",))
        above.send(Hello(PROTOCOL, PROTOCOL, ABOVE, above.hello.job, []), StateNews([me], []))
        ask = above.expect(LinkOpen)
        above.send(LinkOpened(ask.link, False, {}))
        push = above.expect(Push)
        rows = sorted({*push.delta.rows.tolist(), *HOSTILE})
        above.send(Answer(ask.link, push.seq, False, 0, 0, {}, moving(60.0, rows)))
        reason = None
        while (message := above.read()) is not None:
            reason = message.reason if isinstance(message, Refuse) else reason
        assert reason in ("influence", None)
    assert victim.until(lambda s: s["refusals"]["influence"] > 0 and not s["links"])
    assert vectors(victim, tmp_path).tobytes() == before.tobytes()


def test_nobody_talks_to_a_banned_address(victim: Daemon) -> None:
    refused = victim.status()["refusals"]["barred"]
    with pytest.raises((AssertionError, OSError)):
        Stranger(victim.address, "127.251.3.4")
    assert victim.until(lambda s: s["refusals"]["barred"] == refused + 1)
    assert victim.status()["standing"]["banned"] == [BANNED]
    with Stranger(victim.address) as other:
        assert other.introduce().members

"""The demo: how it cuts text, what it shows, and a whole small swarm of real daemons."""

import gzip
import io
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.terminal import on_paper

from gossipw2v.cli import demo
from gossipw2v.cli.demo import DemoError, DemoPlan, LocalNode, run, run_demo, split_text
from gossipw2v.cli.screen import Screen
from gossipw2v.cli.showcase import QUIET_SECONDS, LinkTraffic, Progress, account, examine, held_out
from gossipw2v.cli.synthetic import World
from gossipw2v.w2v.text.files import CorpusError

# --- text -----------------------------------------------------------------------------------------------


def split(folder: Path, count: int, corpus: object) -> list[bytes]:
    parts = [folder / f"part{number}" for number in range(count)]
    split_text(str(corpus), parts)
    return [part.read_bytes() for part in parts]


short_lines = st.lists(st.lists(st.sampled_from(["a", "über", "x" * 20]), max_size=8), min_size=40, max_size=200)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(short_lines, st.integers(1, 4))
def test_no_line_is_lost_or_cut(tmp_path: Path, lines: list[list[str]], count: int) -> None:
    text = "".join(" ".join(["line", *words]) + "\n" for words in lines).encode()
    (tmp_path / "text").write_bytes(text)
    try:
        parts = split(tmp_path, count, tmp_path / "text")
    except CorpusError:
        assert len(text) < 256 * 4 * count
        return
    assert [line for part in parts for line in part.split(b"\n") if line] == text.split(b"\n")[:-1]


def test_parts_are_of_about_the_same_size(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in World().sentences(5000, seed=1)))
    sizes = [len(part) for part in split(tmp_path, 3, tmp_path / "text")]
    assert max(sizes) < 1.1 * min(sizes)


def test_an_endless_line_is_cut_between_words(tmp_path: Path) -> None:
    words = " ".join(World().sentences(5000, seed=1))
    (tmp_path / "text").write_text(words)
    parts = split(tmp_path, 3, tmp_path / "text")
    assert [word for part in parts for word in part.decode().split()] == words.split()
    assert max(map(len, parts)) < 1.2 * min(map(len, parts))


def test_a_folder_is_split_as_one_text_packed_files_included(tmp_path: Path) -> None:
    lines = list(World().sentences(6000, seed=1))
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("\n".join(lines[:3000]))
    (folder / "b.gz").write_bytes(gzip.compress("\n".join(lines[3000:]).encode()))
    parts = split(tmp_path, 2, folder)
    assert b"".join(parts).decode().split("\n")[:-1] == lines
    assert all(len(part) > 10_000 for part in parts)


def test_too_little_text_for_so_many_nodes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("three words only")
    with pytest.raises(CorpusError, match="too little text for 3 nodes"):
        split(tmp_path, 3, tmp_path / "text")


def test_a_missing_text_ends_the_demo_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(2, str(tmp_path / "missing")) == 1
    assert "missing" in capsys.readouterr().err


# --- what is shown --------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def status(trained: int, **changes: Any) -> dict[str, Any]:
    progress = {
        "trained_tokens": trained,
        "total_tokens": 1000,
        "words_per_second": 5e5,
        "loss": 2.5,
        "eta_seconds": 83.0,
    }
    links = [{"peer": "ab", "sent_bytes": 3_100_000, "exchanges": 4}]
    return {"state": "training", "progress": progress, "links": links, "problems": [], **changes}


def test_progress_shows_a_line_for_each_node() -> None:
    screen = io.StringIO()
    Progress(Screen(screen)).show({"node 1": status(500), "node 2": {}}, 1.0)
    one, two = screen.getvalue().splitlines()
    for part in ("node 1", "training", "50.0 %", "500,000 words/s", "loss   2.5", "3.1 MB", "~1 min 23 s"):
        assert part in one
    assert two.startswith("node 2 starting")
    assert max(len(one), len(two)) < 80  # the narrowest terminal there is


def test_progress_draws_over_itself_on_a_terminal_and_keeps_problems_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with Screen(terminal) as screen:
        progress = Progress(screen)
        progress.show({"node 1": status(1), "node 2": {}}, 1.0)
        progress.show({"node 1": status(2, problems=["no disk"]), "node 2": {}}, 1.1)
        progress.show({"node 1": status(3, problems=["no disk"]), "node 2": {}}, 1.2)
    shown = on_paper(terminal.getvalue())
    assert shown[0] == "node 1: no disk"
    assert [line[:15] for line in shown[1:]] == ["node 1 training", "node 2 starting"]
    assert "0.3 %" in shown[1]


def test_progress_is_quiet_where_it_cannot_redraw() -> None:
    screen = io.StringIO()
    progress = Progress(Screen(screen))
    for tick in range(28):
        progress.show({"node 1": status(tick)}, tick / 4)
    assert len(screen.getvalue().splitlines()) == 1 + int(7 / QUIET_SECONDS)


def test_speed_is_measured_over_the_time_in_which_words_were_trained() -> None:
    progress = Progress(Screen(io.StringIO()))
    assert progress.words_per_second is None
    for now, trained in ((0, 0), (10, 100), (11, 400), (12, 700), (13, 700), (20, 700)):
        progress.show({"a": status(trained), "b": status(trained)}, now)
    assert progress.tokens == 1400
    assert progress.words_per_second == pytest.approx(600)


def test_the_account_adds_both_ends_of_a_link() -> None:
    links = [
        LinkTraffic("aa", "bb", 1_000_000, 7),
        LinkTraffic("bb", "aa", 500_000, 7),
        LinkTraffic("cc", "bb", 2_000_000, 3),
        LinkTraffic("aa", "cc", 0, 0),
    ]
    text = account(links, Progress(Screen(io.StringIO())), 61)
    assert "3.5 MB moved" in text
    assert "aa and bb  1.5 MB in 7 exchanges" in text
    assert "bb and cc  2 MB in 3 exchanges" in text
    assert "aa and cc" not in text  # they met, but never exchanged
    assert "1 min 1 s in all" in text


def test_the_loss_on_held_out_text_is_told_as_far_as_it_was_measured() -> None:
    points = [{"swarm_trained_tokens": 1000 * n, "loss": 4.0 - n / 2} for n in range(4)]
    statuses: dict[str, dict[str, Any]] = {
        "node 1": {"held_out": {"history": points}},
        "node 2": {"held_out": {"history": points[:1]}},
        "node 3": {"held_out": {"history": []}},
        "node 4": {},
    }
    assert held_out(statuses).splitlines()[2:] == [
        "  node 1       4 after 0 words, 2.5 after 3,000 words",
        "  node 2       4 after 0 words",
    ]
    assert held_out({"node 4": {}}) == ""


def exact_model(world: World) -> tuple[list[bytes], np.ndarray]:
    """Vectors in which every planted analogy is exact: what the pair is, plus which side it is."""
    rng = np.random.default_rng(1)
    rows: dict[str, np.ndarray] = {}
    for kind, a, b, *_ in world.analogies():
        if a not in rows:
            side = np.random.default_rng(len(kind)).normal(size=50) / 2
            rows[a] = rng.normal(size=50)
            rows[b] = rows[a] + side
    return [word.encode() for word in rows], np.array(list(rows.values()), np.float32)


def test_the_outcome_of_nodes_that_agree() -> None:
    world = World()
    words, vectors = exact_model(world)
    outcome = examine([(words, vectors), (words, vectors * np.float32(1.00001))], world)
    assert outcome.agrees
    assert outcome.scores is not None
    assert all(score.right == score.asked > 0 for score in outcome.scores.values())
    for part in ("all 2 nodes hold the same vectors", "country-capital", "100.0 %", "queen", "king 0.9"):
        assert part in outcome.text


def test_the_outcome_of_nodes_that_do_not_agree() -> None:
    world = World()
    words, vectors = exact_model(world)
    for other in ((words, vectors + np.float32(0.01)), (words[::-1], vectors), (words, vectors * np.float32("nan"))):
        outcome = examine([(words, vectors), (words, vectors), other], world)
        assert not outcome.agrees
        assert "DO NOT hold the same vectors" in outcome.text


def test_of_a_users_text_only_what_can_be_known_is_told() -> None:
    names = [f"word{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}".encode() for n in range(2000)]
    vectors = np.random.default_rng(1).normal(size=(2000, 8)).astype(np.float32)
    outcome = examine([(names, vectors)], None)
    assert outcome.agrees
    assert outcome.scores is None
    assert "analogies" not in outcome.text
    assert names[100].decode() in outcome.text


# --- daemons --------------------------------------------------------------------------------------------


def test_a_node_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(100)))
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait(10)
        with pytest.raises(DemoError, match="node 7 ended with exit code 3") as error:
            LocalNode("node 7", tmp_path, process).poll()
    assert str(error.value).splitlines()[1:] == [f"line {number}" for number in range(85, 100)]


def test_a_swarm_of_two_learns_the_small_world_and_agrees(tmp_path: Path) -> None:
    plan = DemoPlan(2, sentences=40_000, settings={**demo.SMALL_WORLD, "vector_size": 32})
    screen = io.StringIO()
    outcome = run(plan, tmp_path, screen)
    assert outcome.difference <= 1e-3
    assert outcome.scores is not None
    right, asked = (sum(column) for column in zip(*outcome.scores.values(), strict=True))
    assert right / asked > 0.3  # half of them as a rule, fewer on busy cores; a swarm that learned nothing has none
    assert "exchanges" in screen.getvalue()
    assert re.search(r"held out of training\n  node \d .* [23]\.\d+ after [\d.]+ M words\n", screen.getvalue())
    one, two = ((tmp_path / f"node{number}" / "vectors.txt").read_bytes() for number in (1, 2))
    header, _, _ = one.partition(b"\n")
    assert header.endswith(b" 32")
    assert one.count(b"\n") == two.count(b"\n") == int(header.split()[0]) + 1


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="lists processes through /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_no_daemon_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "gossipw2v", "demo", "--nodes", "2"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    heard = partial(signal.signal, number, signal.SIG_DFL)  # a shell has what it starts in the background ignore Ctrl-C
    options = {"stdout": subprocess.PIPE, "env": environ, "start_new_session": True}
    with subprocess.Popen(command, **options, preexec_fn=heard) as process:  # noqa: PLW1509 (no threads here)
        deadline = time.monotonic() + 180
        while not list(tmp_path.glob("gossipw2v-demo-*/node2/data/node.json")):
            assert process.poll() is None, "the demo ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        daemons = children_of(process.pid)
        assert len(daemons) == 2
        process.send_signal(number)
        assert process.wait(90) != 0
        assert process.stdout is not None
    assert [pid for pid in daemons if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.glob("gossipw2v-demo-*")) == []

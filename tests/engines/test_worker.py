"""Nodes as engines run them, without an engine: text, process, what ends them, and a crew that sees to them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.daemons import compile_once
from support.engines import NODES, SETTINGS, agree, kill, learned, nodes_below, rows

from gossipw2v.engines import crew
from gossipw2v.engines.plan import EngineError, SwarmPlan, plan
from gossipw2v.engines.worker import WorkerNode, write_text

LONG = {**SETTINGS, "epochs": 40}


class Here:
    """A pool in this process. `free`: whether it says that it has room; `watch` is called before nodes are asked."""

    def __init__(self, todo: SwarmPlan, folder: Path, texts: list[list[str]]) -> None:
        self.todo, self.folder, self.texts = todo, folder, texts
        self.free = False
        self.placed: list[int] = []
        self.watch: Callable[[], None] = lambda: None
        folder.mkdir()

    def place(self, numbers: list[int]) -> dict[int, Any]:
        self.placed += numbers
        self.free = False
        with ThreadPoolExecutor(len(numbers)) as threads:
            return dict(zip(numbers, threads.map(self._begun, numbers), strict=True))

    def _begun(self, number: int) -> Any:
        node = WorkerNode.at(self.todo, number, str(self.folder))
        try:
            node.write(self.texts[number - 1])
            return node, f"127.0.0.1:{node.start()}"
        except EngineError as error:
            node.close()
            return error

    def ask(self, nodes: Mapping[int, Any], method: str, *args: object) -> dict[int, Any]:
        self.watch()
        found: dict[int, Any] = {}
        for number, node in nodes.items():
            try:
                found[number] = getattr(node, method)(*args)
            except EngineError as error:
                found[number] = error
        return found

    def room(self) -> bool:
        return self.free

    def dismiss(self, number: int, node: WorkerNode) -> None:
        node.close()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Here]:
    compile_once()
    yield Here(plan(NODES, tmp_path, 60, LONG), tmp_path / "scratch", [rows()[n::NODES] for n in range(NODES)])
    assert not nodes_below(tmp_path)
    assert not list((tmp_path / "scratch").iterdir())


def test_nodes_learn_one_model(pool: Here, tmp_path: Path) -> None:
    pool.todo = plan(NODES, tmp_path, 60, SETTINGS)
    vectors = crew.run(pool, pool.todo)
    assert learned(vectors.words, vectors.vectors) > 0.3
    assert agree(tmp_path)


@pytest.mark.parametrize("room", [False, True])
def test_a_lost_node_is_told_and_replaced_where_there_is_room(pool: Here, tmp_path: Path, room: bool) -> None:
    killed: list[int] = []

    def kill_once() -> None:
        if not killed and list(tmp_path.glob("node-2/checkpoint-*[0-9]")):
            killed.extend(nodes_below(tmp_path / "node-2"))
            pool.free = room
            kill(killed[0])

    pool.watch = kill_once
    with pytest.warns(UserWarning, match="node 2 of 3 is lost: node 2 of 3 ended with exit code 137; its last words"):
        vectors = crew.run(pool, pool.todo)
    assert pool.placed == [1, 2, 3, *[2] * room]
    assert learned(vectors.words, vectors.vectors) > 0.3
    assert room or agree(tmp_path, (1, 3))  # one that has come late may still be taking over when the others leave


def test_nothing_is_begun_where_a_node_has_no_text(pool: Here) -> None:
    pool.texts[1] = ["", " "]
    with pytest.raises(EngineError, match="node 2 of 3 has no text; take fewer nodes"):
        crew.run(pool, pool.todo)


def test_a_node_that_waits_in_vain_says_so(tmp_path: Path) -> None:
    compile_once()
    node = WorkerNode.at(plan(2, None, 0.5, SETTINGS), 1, str(tmp_path))
    try:
        node.write(rows()[:1000])
        node.start()
        with pytest.raises(EngineError, match=r"node 1 of 2 has waited 0.5 s \(patience\) for the others"):
            node.wait()
    finally:
        node.close()
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        node = WorkerNode.at(plan(1, None, 60, {**SETTINGS, "listen": listen}), 1, str(tmp_path))
        node.write(rows()[:1000])
        with pytest.raises(EngineError, match=r"(?s)node 1 of 1 ended with exit code 74.*another program"):
            node.start()
        node.close()


# --- plans ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "settings", "told"),
    [
        (0, {}, "nodes: 0 is out of bounds"),
        (2, {"vector_size": 0}, "vector_size"),
        (2, {"vector_sise": 64}, "did you mean 'vector_size'"),
        (2, {"peers": "auto", "corpus": "x"}, "corpus, peers: the engine sets this itself"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_anything_starts(
    nodes: int, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        plan(nodes, None, 60, settings)


def test_two_swarms_have_two_secrets() -> None:
    assert plan(2, None, 60, {}).secret != plan(2, None, 60, {}).secret


# --- text -----------------------------------------------------------------------------------------------


def test_rows_are_texts_or_lists_of_words(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    write_text(["a b", None, ["c", "new york"], ("d",), np.array(["e", "f"], object)], str(tmp_path), 3)
    assert (tmp_path / "text" / "part-00003.txt").read_text() == "a b\nc new_york\nd\ne f\n"
    with pytest.raises(TypeError, match="a row is int, 7"):
        write_text(["a", 7], str(tmp_path))


# --- processes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_a_command_ends_with_the_interest_in_it(tmp_path: Path, how: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", "import signal; print(1, flush=True); signal.pause()"]
    seconds = "0.5" if how == "silent" else "600"
    leash = [sys.executable, "-m", "gossipw2v.engines.leash", seconds, str(scratch), *command]
    with subprocess.Popen(leash, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        assert held.stdin is not None
        assert held.stdout.readline() == b"1\n"
        if how == "closed":
            held.stdin.close()
        assert held.wait(30) == 128 + 15
    assert not scratch.exists()


def test_a_commands_own_end_is_handed_on_and_its_folder_stays(tmp_path: Path) -> None:
    leash = [sys.executable, "-m", "gossipw2v.engines.leash", "600", str(tmp_path)]
    for code in (0, 3):
        with subprocess.Popen(
            [*leash, sys.executable, "-c", f"raise SystemExit({code})"], stdin=subprocess.PIPE
        ) as held:
            assert held.wait(30) == code
    assert tmp_path.exists()

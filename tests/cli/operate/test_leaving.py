"""`gossipw2v leave` and a real daemon; what is no node of this folder is never signalled."""

import subprocess
import sys

import pytest
from support.daemons import Daemons, write_texts

from gossipw2v.system import lock


def leave(*flags):
    command = [sys.executable, "-m", "gossipw2v", "leave", *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_node_leaves_in_order(tmp_path):
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        node = swarm.start(text, epochs=10_000)
        node.until(lambda s: s["state"] == "training")
        done = leave("--data-dir", node.data)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"the node with pid {node.process.pid} has left\n"
        assert node.end() == 0
        assert node.model()[0]


def test_a_node_is_found_by_its_configuration_and_not_waited_for(tmp_path):
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        node = swarm.start(text, epochs=10_000)
        node.says("listening")
        (tmp_path / "one.toml").write_text(f'data_dir = "{node.data}"\n')
        assert leave("--config", tmp_path / "one.toml", "--no-wait").returncode == 0
        assert node.end() == 0


def test_where_no_node_is_nothing_happens(tmp_path):
    done = leave("--data-dir", tmp_path)
    assert done.returncode == 69
    assert "no node has" in done.stderr


@pytest.fixture
def bystander():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_another_process_of_the_number_in_the_file_is_left_alone(tmp_path, bystander):
    """As in a container, where the node's number is that of somebody else outside."""
    with lock.holding(tmp_path):
        (tmp_path / lock.LOCK_FILE).write_text(f"{bystander.pid}\n")
        assert lock.in_use(tmp_path)
        assert lock.holder(tmp_path) is None
        assert leave("--data-dir", tmp_path).returncode == 69
    assert bystander.poll() is None

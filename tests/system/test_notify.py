"""The service manager's socket is a real one here."""

import socket
import time

import pytest

from gossipw2v.system.notify import notify


@pytest.fixture
def manager():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        yield sock


def test_a_path_gets_the_lines(manager, tmp_path):
    path = str(tmp_path / "notify")
    manager.bind(path)
    assert notify("READY=1", "STATUS=ä\nREADY=0", environ={"NOTIFY_SOCKET": path})
    assert manager.recv(1000) == "READY=1\nSTATUS=ä READY=0".encode()


def test_an_abstract_name_gets_the_lines(manager):
    name = f"gossipw2v-test-{time.monotonic_ns()}"
    manager.bind("\0" + name)
    assert notify("STOPPING=1", environ={"NOTIFY_SOCKET": "@" + name})
    assert manager.recv(1000) == b"STOPPING=1"


@pytest.mark.parametrize("path", [None, "", "/nowhere/notify", "/" + "x" * 200, "/a\0b"])
def test_where_nobody_listens_nothing_happens(path):
    assert not notify("READY=1", environ={} if path is None else {"NOTIFY_SOCKET": path})


def test_a_manager_that_does_not_read_does_not_stop_us(manager, tmp_path):
    path = str(tmp_path / "notify")
    manager.bind(path)
    sent = [notify("STATUS=" + "x" * 10_000, environ={"NOTIFY_SOCKET": path}) for _ in range(1000)]
    assert sent[0]
    assert not sent[-1]

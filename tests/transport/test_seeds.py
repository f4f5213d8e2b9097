"""Where nodes are looked for: names and files, read again and again, and never trusted to make sense."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gossipw2v.config.address import PORT, Address, is_source, parse_node
from gossipw2v.transport import seeds
from gossipw2v.transport.seeds import MOST_ADDRESSES, MOST_BYTES, follow, parse_lines, resolve

HERE = Address("10.0.0.1", PORT)


class Told:
    """What a source has said so far, and what was wrong with it."""

    def __init__(self) -> None:
        self.found: list[list[Address]] = []
        self.problem: str | None = "nothing was said yet"
        self.news = asyncio.Event()

    def finds(self, addresses: list[Address]) -> None:
        self.found.append(addresses)
        self.news.set()

    def problems(self, text: str | None) -> None:
        self.problem = text
        self.news.set()

    async def until(self, condition: Callable[["Told"], object]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self.news.clear()
                await self.news.wait()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(seeds, "FILE_SECONDS", 0.02)
    monkeypatch.setattr(seeds, "DNS_SECONDS", 0.02)


@pytest.fixture
async def following():
    """`await following(text)` follows a source until the test ends."""
    tasks = []

    def start(text: str) -> Told:
        told = Told()
        tasks.append(asyncio.create_task(follow(text, PORT, told.finds, told.problems)))
        return told

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("dns:nodes.example", True),
        ("dns:nodes.example:7500", True),
        ("file:/etc/peers", True),
        ("file:peers", True),
        ("slurm:", True),
        ("slurm:7411", False),
        ("dns:7411", False),
        ("file:7411", False),
        ("10.0.0.1:7411", False),
        ("[::1]:7411", False),
        ("auto", False),
    ],
)
def test_a_source_is_told_from_an_address(text, source):
    assert is_source(text) is source


@pytest.mark.parametrize(
    "text", ["dns:", "dns:a b", "dns:x:0", "dns:x:99999", "file:", "file: ", "file:a\0b", "slurm:x"]
)
def test_a_wrong_source_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        is_source(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("a", ("a", PORT)), ("a:1", ("a", 1)), ("[::1]", ("::1", PORT)), ("[::1]:1", ("::1", 1))],
)
def test_a_node_may_be_named_without_its_port(text, address):
    assert parse_node(text) == address


def test_a_file_is_read_line_by_line_and_the_first_mistake_named():
    data = b"10.0.0.1  # one\n\n# nothing\n[::1]:7\nno address at all\nhost:0\n10.0.0.1:7411\n\xff\xfe\n"
    addresses, wrong = parse_lines(data)
    assert addresses == [HERE, Address("::1", 7)]
    assert wrong.startswith("line 5: ")
    assert parse_lines(b"") == ([], None)


def test_a_long_file_is_cut():
    data = "".join(f"10.0.{n // 250}.{n % 250}\n" for n in range(2 * MOST_ADDRESSES)).encode()
    assert len(parse_lines(data)[0]) == MOST_ADDRESSES


async def test_a_file_is_read_again_when_it_changes_and_only_then(tmp_path, following):
    path = tmp_path / "peers"
    path.write_text("10.0.0.1\n")
    told = following(f"file:{path}")
    await told.until(lambda t: t.found and t.problem is None)
    await asyncio.sleep(0.1)
    assert told.found == [[HERE]]
    (tmp_path / "new").write_text("10.0.0.2:1\nnonsense:x\n")
    (tmp_path / "new").replace(path)
    await told.until(lambda t: len(t.found) == 2)
    assert told.found[1] == [Address("10.0.0.2", 1)]
    assert "line 2" in told.problem


async def test_a_missing_file_is_a_problem_until_it_is_there(tmp_path, following):
    path = tmp_path / "peers"
    told = following(f"file:{path}")
    await told.until(lambda t: t.problem and "No such file" in t.problem)
    path.write_text("10.0.0.1\n")
    await told.until(lambda t: t.problem is None)
    assert told.found == [[HERE]]
    path.unlink()
    await told.until(lambda t: t.problem is not None)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
async def test_what_is_no_file_does_not_hold_anything_up(tmp_path, following, kind):
    path = tmp_path / "peers"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    told = following(f"file:{path}")
    await told.until(lambda t: t.problem and "not a regular file" in t.problem)
    assert not told.found


async def test_of_a_huge_file_only_the_beginning_is_read(tmp_path):
    path = tmp_path / "peers"
    path.write_bytes(b"#" * (3 * MOST_BYTES))
    assert len(seeds.read_list(path)) == MOST_BYTES


async def test_a_name_gives_each_of_its_addresses_once():
    found = await resolve(Address("localhost", 7))
    assert found
    assert {address.host for address in found} <= {"127.0.0.1", "::1"}
    assert len(set(found)) == len(found)
    assert {address.port for address in found} == {7}


async def test_a_name_is_asked_for_again_and_again(monkeypatch, following):
    answers = [["10.0.0.1", "10.0.0.2"], ["10.0.0.3"]]

    async def getaddrinfo(host, port, **more):
        assert (host, port) == ("nodes.example", PORT)
        hosts = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    told = following("dns:nodes.example")
    await told.until(lambda t: len(t.found) >= 2)
    assert told.found[:2] == [[HERE, Address("10.0.0.2", PORT)], [Address("10.0.0.3", PORT)]]
    assert told.problem is None


async def test_a_job_gives_its_hosts_at_the_port_of_this_node(monkeypatch, following):
    monkeypatch.setenv("SLURM_JOB_NODELIST", "10.0.0.[1-2]")
    monkeypatch.delenv("SLURM_TASKS_PER_NODE", raising=False)
    told = following("slurm:")
    await told.until(lambda t: t.problem is None)
    assert told.found == [[HERE, Address("10.0.0.2", PORT)]]


async def test_where_there_is_no_job_is_a_problem(monkeypatch, following):
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    told = following("slurm:")
    await told.until(lambda t: t.problem and "start the node by sbatch or srun" in t.problem)
    assert not told.found


async def test_a_name_that_nobody_knows_is_a_problem(following):
    told = following("dns:nodes.invalid:7")
    await told.until(lambda t: t.problem and "nodes.invalid" in t.problem)
    assert not told.found

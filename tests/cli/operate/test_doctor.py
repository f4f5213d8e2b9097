"""The doctor, on what is really wrong: real daemons, sockets, disks and networks."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.daemons import Daemons, addresses, write_texts
from support.mounts import SmallDisk, mounts_available
from support.netns import Netns, netns_available

from gossipw2v.cli.operate.clocks import clock_skew
from gossipw2v.cli.operate.findings import NOTE, OK, WRONG, Finding, wrong
from gossipw2v.config.job import Job, job_fields
from gossipw2v.gossip.codec import encode
from gossipw2v.gossip.messages import PROTOCOL, Hello, Leave
from gossipw2v.status import client

JOB = ("--vector-size", "32", "--sample", "1e-3")  # of the daemons of tests
QUIET = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")


def command(folder, *flags, quiet=True):
    given = ("--data-dir", str(folder), *(QUIET if quiet else ()), *flags)
    return [sys.executable, "-m", "gossipw2v", "doctor", "--json", *given]


def read(output, code):
    told = json.loads(output)
    assert told["schema"] == "gossipw2v-doctor-1"
    found = {each["check"]: Finding(**each) for each in told["findings"]}
    assert told["well"] is (code == 0) is not any(each.verdict == WRONG for each in found.values())
    assert all(each.advice for each in found.values() if each.verdict == WRONG)
    return found


def examine(folder, *flags, quiet=True):
    """What it finds, by what was looked at."""
    done = subprocess.run(command(folder, *flags, quiet=quiet), capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return read(done.stdout, done.returncode)


@pytest.fixture
def secret(tmp_path):
    def make(name: str, mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(secrets.token_urlsafe(40))
        path.chmod(mode)
        return path

    return make


@pytest.fixture
def swarm(tmp_path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as swarm:
        yield swarm


@pytest.fixture
def text(tmp_path):
    return write_texts(tmp_path, 1)[0]


@pytest.fixture
def net() -> Iterator[Netns]:
    reason = netns_available()
    if reason is not None:
        pytest.skip(reason)
    with Netns(2) as net:
        yield net


def started(swarm, text, **options):
    """A daemon that listens by now."""
    node = swarm.start(text, until_complete=False, **options)
    node.says("listening")
    return node


def examine_on(net, host, folder, *flags):
    given = command(folder, "--http", "127.0.0.1:7412", *flags, quiet=False)
    process = net.popen(host, given, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)
    return read(output, process.returncode)


# -- this machine ---------------------------------------------------------------------------------------------


def test_on_a_machine_where_all_is_well_nothing_is_wrong(tmp_path):
    found = examine(tmp_path / "data", "--peers", "none")
    assert found["memory"].verdict == found["disk"].verdict == found["data_dir"].verdict == OK
    assert not (tmp_path / "data").exists()  # nothing is left behind


def test_a_port_that_is_taken_is_named_with_its_program(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        finding = examine(tmp_path, "--peers", "none", "--http", place)[f"http {place}"]
    assert finding.verdict == WRONG
    assert f"(pid {os.getpid()})" in finding.text


def test_an_address_that_is_not_of_this_machine_cannot_be_listened_at(tmp_path):
    finding = examine(tmp_path, "--peers", "none", "--listen", "192.0.2.77:7411")["listen 192.0.2.77:7411"]
    assert finding.verdict == WRONG


def test_a_full_disk_is_named(tmp_path):
    reason = mounts_available()
    if reason is not None:
        pytest.skip(reason)
    with SmallDisk(tmp_path / "disk", 1 << 20) as disk:
        disk.fill()
        full = examine(tmp_path / "disk", "--peers", "none")["data_dir"]
        disk.clear()
        small = examine(tmp_path / "disk", "--peers", "none")
        enough = examine(tmp_path / "disk", "--peers", "none", "--words", "1000", "--vector-size", "8")
    assert full.verdict == WRONG
    assert "No space left" in full.text
    assert (small["data_dir"].verdict, small["disk"].verdict) == (OK, WRONG)
    assert enough["disk"].verdict == OK


def test_a_model_that_does_not_fit_into_memory_is_named(tmp_path):
    finding = examine(tmp_path, "--peers", "none", "--words", "500000000")["memory"]
    assert finding.verdict == WRONG
    assert "500,000,000 words" in finding.text


def test_a_secret_that_others_can_read_is_named(tmp_path, secret):
    finding = examine(tmp_path, "--secret-file", str(secret("open", 0o644)))["configuration"]
    assert finding.verdict == WRONG
    assert "chmod 600" in finding.text
    assert examine(tmp_path, "--peers", "none", "--secret-file", str(secret("kept")))["secret_file"].verdict == OK


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    reason = mounts_available()
    if reason is not None:
        pytest.skip(reason)
    with SmallDisk(tmp_path / "cache", 1 << 16) as disk:
        disk.fill()
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
        assert examine(tmp_path, "--peers", "none")["kernels"].verdict == WRONG


def test_on_a_terminal_lines_break_between_words_and_advice_begins_one():
    finding = wrong("peer 10.0.0.5:7411", "no answer " * 9, "let TCP through to that port")
    lines = finding.paragraph(80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("wrong  peer 10.0.0.5:7411: no answer")
    assert lines[-1] == "       -> let TCP through to that port"
    assert all(line.startswith("       ") for line in lines[1:])
    assert wrong("\x1b[2J", "\n", "").paragraph(80) == "wrong  ?[2J: ?"


def test_a_line_cannot_move_the_cursor_of_a_terminal():
    assert wrong("peer", "it says \x1b[2J\nhello", "no").line() == "wrong  peer: it says ?[2J?hello; no"


# -- peers ----------------------------------------------------------------------------------------------------


def test_a_node_of_the_same_job_is_well_and_is_not_disturbed(tmp_path, swarm, text):
    node = started(swarm, text)
    found = examine(tmp_path, "--peers", node.address, *JOB)
    assert found[f"peer {node.address}"].verdict == OK
    here = examine(node.data, "--peers", node.address, *JOB)
    assert here["node"].verdict == NOTE
    assert str(node.process.pid) in here["node"].text
    assert "runs here" in here[f"peer {node.address}"].text
    assert len(node.status()["members"]) == 1
    assert not any(node.status()["refusals"].values())


def test_the_ports_of_the_node_that_runs_here_are_not_taken(tmp_path, swarm, text):
    (listen,) = addresses(1)
    node = started(swarm, text, listen=listen)
    assert examine(node.data, "--peers", "none", "--listen", listen)[f"listen {listen}"].verdict == OK
    assert examine(tmp_path / "another", "--peers", "none", "--listen", listen)[f"listen {listen}"].verdict == WRONG


def test_other_settings_of_the_job_are_named(tmp_path, swarm, text):
    node = started(swarm, text)
    finding = examine(tmp_path, "--peers", node.address, *JOB, "--window", "7")[f"peer {node.address}"]
    assert finding.verdict == WRONG
    assert "window is '5' there and '7' here" in finding.text


def test_a_list_of_words_is_part_of_what_both_must_have_alike(tmp_path, swarm, text):
    words = tmp_path / "words.txt"
    words.write_text("king\nqueen\nparis\n")
    node = started(swarm, text, vocab=words)
    given = ("--peers", node.address, *JOB)
    with_it, without = examine(tmp_path, *given, "--vocab", str(words)), examine(tmp_path, *given)
    assert with_it["vocab"].verdict == with_it[f"peer {node.address}"].verdict == OK
    assert "vocab is" in without[f"peer {node.address}"].text


def test_a_wrong_a_missing_and_a_needless_secret_are_told_apart(tmp_path, swarm, text, secret):
    right, other = secret("right"), secret("other")
    closed = started(swarm, text, secret_file=right)
    bare = started(swarm, text)
    both = f"{closed.address},{bare.address}"

    def told(*flags: str) -> tuple[Finding, Finding]:
        found = examine(tmp_path, "--peers", both, *JOB, *flags)
        return found[f"peer {closed.address}"], found[f"peer {bare.address}"]

    (well, needless), (mistaken, _), (missing, _) = (
        told("--secret-file", str(right)),
        told("--secret-file", str(other)),
        told(),
    )
    assert well.verdict == OK
    assert [each.verdict for each in (needless, mistaken, missing)] == [WRONG] * 3
    assert "given no secret" in needless.text
    assert "another secret" in mistaken.text
    assert "swarm has a secret" in missing.text


@contextmanager
def speaker(*said: bytes) -> Iterator[str]:
    """A program that says something to each who connects, then waits for the end, or hangs up if it says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for part in said:
                    connection.sendall(part)
                while said and connection.recv(100):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            encode(Hello(PROTOCOL + 1, PROTOCOL + 2, bytes(16), {}, [])),
            f"protocol {PROTOCOL + 1}..{PROTOCOL + 2} there",
        ),
        (encode(Leave()), "begins with Leave"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not a gossipw2v frame"),
        (b"", "hung up without a word"),
        (b"GW2V", "says nothing for"),
        (b"GW2V\xff\xff\xff\xff", "at most 4096 allowed"),
    ],
)
def test_what_is_no_node_of_this_version_is_told(tmp_path, said, told):
    with speaker(*([said] if said else [])) as place:
        finding = examine(tmp_path, "--peers", place)[f"peer {place}"]
    assert finding.verdict == WRONG
    assert told in finding.text


def test_sources_of_peers_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    job = {name: str(value) for name, value in job_fields(Job()).items()}
    with speaker(encode(Hello(PROTOCOL, PROTOCOL, secrets.token_bytes(16), job, []))) as place:
        (tmp_path / "peers").write_text(f"{place}  # a node\n")
        sources = f"file:{tmp_path / 'peers'},file:{tmp_path / 'none'},slurm:"
        found = examine(tmp_path, "--peers", sources)
    assert found[f"peer {place}"].verdict == OK
    assert found[f"peers file:{tmp_path / 'none'}"].verdict == WRONG
    assert "SLURM_JOB_NODELIST" in found["peers slurm:"].text


# -- networks -------------------------------------------------------------------------------------------------


def test_a_firewall_that_drops_is_told_from_a_port_where_nobody_listens(net, tmp_path):
    place = f"{net.address(1)}:7411"
    refused = examine_on(net, 0, tmp_path, "--peers", place)[f"peer {place}"]
    net.deaf(1, 0, True)
    dropped = examine_on(net, 0, tmp_path, "--peers", place)[f"peer {place}"]
    assert (refused.verdict, dropped.verdict) == (WRONG, WRONG)
    assert "no program listens" in refused.text
    assert "no answer in" in dropped.text
    assert "firewall drops" in dropped.advice


def test_a_node_is_found_by_multicast_unless_the_switch_carries_none(net, swarm, text, tmp_path):
    given = {"peers": "auto", "listen": "0.0.0.0:7411", "http": "127.0.0.1:7412"}
    node = swarm.start(text, popen=partial(net.fork, 1), until_complete=False, **given)
    node.ask = partial(net.call, 1, client.status)
    node.says("announced")
    well = examine_on(net, 0, tmp_path, *JOB)
    check = f"multicast {net.address(0)}"
    assert well[check].verdict == OK
    assert "nodes heard of this job: 1," in well[check].text
    assert well[f"peer {net.address(1)}:7411"].verdict == OK
    assert len(node.status()["members"]) == 1
    for host in range(2):  # a question that gets through may be answered to the asker alone
        net.flood(host, False)
    alone = examine_on(net, 0, tmp_path, *JOB)
    assert alone["multicast"].verdict == NOTE
    assert "no other node" in alone["multicast"].text


def test_a_firewall_that_blocks_multicast_is_named(net, tmp_path):
    if shutil.which("nft") is None:
        pytest.skip("there is no nft here")
    net.run(0, ["nft", "add table inet f; add chain inet f in { type filter hook input priority 0; }"])
    net.run(0, ["nft", "add rule inet f in udp dport 5353 drop"])
    blocked = examine_on(net, 0, tmp_path)[f"multicast {net.address(0)}"]
    assert blocked.verdict == WRONG
    assert "5353" in blocked.advice


# -- clocks ---------------------------------------------------------------------------------------------------


class Late(BaseHTTPRequestHandler):
    """A machine whose clock stands in the year 2001."""

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", "Sat, 01 Dec 2001 12:00:00 GMT")
        self.end_headers()


def test_a_clock_that_is_wrong_is_measured_and_told(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert (clock_skew("127.0.0.1", server.server_port) or 0) < -20 * 365 * 86400
        place = f"127.0.0.1:{server.server_port}"
        told = examine(tmp_path, "--peers", place, "--http", place)["clock 127.0.0.1"]
        assert re.fullmatch(r"\d+ d \d+ h behind this machine's", told.text)
        assert "NTP" in told.advice
        server.shutdown()
    assert clock_skew("127.0.0.1", server.server_port) is None

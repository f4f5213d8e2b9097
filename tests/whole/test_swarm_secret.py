"""Real daemons with a secret: who has it trains along, who has not is turned away, and nobody else learns anything."""

import random
import secrets
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.daemons import Daemon, Daemons, difference, resident, write_texts
from support.stranger import Stranger, low_id

from gossipw2v.gossip.codec import encode
from gossipw2v.gossip.messages import PROTOCOL, BlobPart, BlobPull, Hello, Leave, StateNews
from gossipw2v.status import client
from gossipw2v.transport.authority import issue
from gossipw2v.transport.credentials import Credentials

ENDLESS, LONG = 10_000, 100  # epochs
MEMORY = 64 << 20  # bytes that a flood of handshakes may cost
AGREEMENT = 1e-3
JOB = "a-job-that-nobody-need-know"


def write_secret(folder: Path, name: str = "secret", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(secrets.token_urlsafe(32) + "\n")
    path.chmod(mode)
    return path


def read(path: Path) -> bytes:
    return path.read_bytes().rstrip()


def count(status: dict[str, Any], *reasons: str) -> int:
    return sum(status["refusals"][reason] for reason in reasons)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


@pytest.fixture
def texts(tmp_path: Path) -> list[Path]:
    return write_texts(tmp_path, 2)


class Recorder:
    """Stands between nodes at `address` and `target`, passes everything on, and keeps it in `seen`."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.seen = bytearray()
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._spawn(self._accept)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._sockets.append(near)
                far = socket.create_connection(self._target, 10)
                self._sockets.append(far)
                self._spawn(self._copy, near, far)
                self._spawn(self._copy, far, near)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.seen += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


# --- who holds the secret ----------------------------------------------------------------------------------


def test_two_with_one_secret_train_together_and_a_recorder_sees_nothing(
    swarm: Daemons, texts: list[Path], tmp_path: Path
) -> None:
    secret = write_secret(tmp_path)
    given = {"secret_file": secret, "job": JOB, "min_peers": 1, "epochs": LONG}
    one = swarm.start(texts[0], peers="127.0.0.1:1", **given)
    recorder = Recorder(one.address)
    try:
        two = swarm.start(texts[1], peers=recorder.address, **given)
        during = [node.until(lambda s: sum(link["received_rows"] for link in s["links"])) for node in (one, two)]
        assert swarm.ended() == [0, 0]
    finally:
        recorder.close()
    assert difference([one, two]) <= AGREEMENT
    assert all(status["tls"] for status in during)
    assert [count(status, "secret", "identity") for status in during] == [0, 0]
    assert len(recorder.seen) > 10_000
    for word in (JOB.encode(), b"GW2V", b"gossipw2v", read(secret), *(s["node"].encode() for s in during)):
        assert word not in recorder.seen
    assert not [s for s in during if bytes.fromhex(s["node"]) in recorder.seen]


def test_two_that_are_between_an_old_and_a_new_secret_train_together(
    swarm: Daemons, texts: list[Path], tmp_path: Path
) -> None:
    old, new = write_secret(tmp_path, "old"), write_secret(tmp_path, "new")
    given = {"min_peers": 1, "epochs": LONG}
    one = swarm.start(texts[0], peers="127.0.0.1:1", secret_file=old, other_secret_file=new, **given)
    swarm.start(texts[1], peers=one.address, secret_file=new, other_secret_file=old, **given)
    assert swarm.ended() == [0, 0]
    assert difference(swarm.all) <= AGREEMENT


def test_a_recorder_would_see_what_is_said_in_clear(swarm: Daemons, texts: list[Path]) -> None:
    """Lest the test above look at the wrong bytes."""
    one = swarm.start(texts[0], peers="127.0.0.1:1", job=JOB, epochs=ENDLESS)
    recorder = Recorder(one.address)
    try:
        two = swarm.start(texts[1], peers=recorder.address, job=JOB, epochs=ENDLESS)
        assert not two.until(lambda s: len(s["members"]) == 2)["tls"]
    finally:
        recorder.close()
    assert JOB.encode() in recorder.seen
    assert bytes.fromhex(two.status()["node"]) in recorder.seen


def test_nothing_that_people_can_look_at_holds_the_secret(swarm: Daemons, texts: list[Path], tmp_path: Path) -> None:
    secret, token = write_secret(tmp_path), write_secret(tmp_path, "token")
    options = {"secret_file": secret, "http_token_file": token, "log_level": "debug"}
    node = swarm.start(texts[0], subprocess.Popen, **options, epochs=ENDLESS, until_complete=False)
    node.ask = lambda url: client.status(url, read(token))
    status = node.progress(0.001)
    places = [node.log().encode(), repr(status).encode()]
    places += [path.read_bytes() for path in node.data.rglob("*") if path.is_file()]
    places += [Path(f"/proc/{node.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert any(b"secret" in place for place in places)  # its path, in the arguments
    for place in places:
        assert read(secret) not in place
        assert read(token) not in place


def test_http_on_all_addresses_answers_to_the_token_alone(swarm: Daemons, texts: list[Path], tmp_path: Path) -> None:
    token = write_secret(tmp_path, "token")
    node = swarm.start(texts[0], http="0.0.0.0:0", http_token_file=token, epochs=ENDLESS, until_complete=False)
    url = node.url.replace("0.0.0.0", "127.0.0.1")
    node.ask = lambda _: client.status(url, read(token))
    node.until(lambda s: s["state"] == "training")
    for wrong in (None, b"x" * 40):
        with pytest.raises(client.AnswerError, match="--http-token-file"):
            client.status(url, wrong)
        with pytest.raises(client.AnswerError, match="--http-token-file"):
            client.export(url, tmp_path / "vectors.txt", token=wrong)
    words, _ = client.export(url, tmp_path / "vectors.txt", token=read(token))
    assert words > 10


# --- who does not ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "heard", "said"),
    [
        ("secret", "another", "another secret", "another secret"),
        ("secret", None, "given no secret", "--secret-file"),
        (None, "secret", "--secret-file", "given no secret"),
    ],
    ids=["another", "none", "only theirs"],
)
def test_who_holds_another_or_no_secret_trains_alone_and_both_say_why(  # noqa: PLR0917
    swarm: Daemons, texts: list[Path], tmp_path: Path, ours: str | None, theirs: str | None, heard: str, said: str
) -> None:
    files = {name: write_secret(tmp_path, name) for name in ("secret", "another")}
    mine, yours = ({"secret_file": files[name]} if name else {} for name in (ours, theirs))
    one = swarm.start(texts[0], peers="127.0.0.1:1", epochs=ENDLESS, **mine)
    address = one.address
    two = swarm.start(texts[1], peers=address, epochs=ENDLESS, **yours)
    turned_away = one.until(lambda s: count(s, "secret"))
    told = two.until(lambda s: count(s, "secret", "peer"))
    for node, words in ((one, heard), (two, said)):
        alone = node.until(lambda s: s["state"] == "training" and s["uptime_seconds"] > 4)
        assert len(alone["members"]) == 1
        assert words in node.log()
        assert alone["problems"] == []
    # Dialled again and again, it would be some four times by now.
    assert count(one.status(), *turned_away["refusals"]) == count(two.status(), *told["refusals"]) == 1


@pytest.mark.parametrize("mode", [0o640, 0o644, None])
def test_a_secret_that_is_no_secret_ends_with_2(swarm: Daemons, texts: list[Path], tmp_path: Path, mode: Any) -> None:
    path = write_secret(tmp_path, mode=mode) if mode else tmp_path / "none"
    node = swarm.start(texts[0], secret_file=path)
    assert node.end() == 2
    assert ("chmod 600" in node.log()) is (mode is not None)
    assert "urandom" in node.log() or mode
    assert not node.data.exists()


# --- hostile bytes -----------------------------------------------------------------------------------------

SECRET = secrets.token_urlsafe(32).encode()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with `SECRET` that trains without end."""
    folder = tmp_path_factory.mktemp("victim")
    path = folder / "secret"
    path.touch(0o600)
    path.write_bytes(SECRET)
    with Daemons(folder) as daemons:
        daemon = daemons.start(write_texts(folder, 1)[0], secret_file=path, epochs=ENDLESS)
        daemon.until(lambda s: s["progress"]["trained_tokens"] > 0)
        yield daemon


@pytest.fixture(autouse=True)
def unmoved(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every attack the victim, if there is one, trains on."""
    if "victim" not in request.fixturenames:
        yield
        return
    daemon = request.getfixturevalue("victim")
    before = daemon.status()["progress"]["trained_tokens"]
    yield
    assert daemon.until(lambda s: s["progress"]["trained_tokens"] > before)


def plain(victim: Daemon) -> socket.socket:
    host, _, port = victim.address.rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def as_node(node: bytes, secret: bytes = SECRET) -> Credentials:
    return issue(secret, node)


def test_a_proper_node_is_let_in(victim: Daemon) -> None:
    """Lest those below be refused for another reason than the one they are about."""
    node = low_id()
    with Stranger(victim.address, tls=as_node(node).client) as stranger:
        stranger.introduce(node)
        stranger.send(BlobPull("vocabulary", bytes(16), 0))
        assert stranger.expect(BlobPart).data == b""
        stranger.send(Leave())


def test_a_hello_of_another_node_than_the_certificate_is_refused(victim: Daemon) -> None:
    before = count(victim.status(), "identity")
    with Stranger(victim.address, tls=as_node(low_id()).client) as stranger:
        stranger.send(replace(stranger.hello, node=low_id(), addresses=[]))
        assert stranger.told() in ("identity", None)
    victim.until(lambda s: count(s, "identity") == before + 1)


def test_a_second_hello_cannot_change_who_it_is(victim: Daemon) -> None:
    node = low_id()
    before = victim.status()
    with Stranger(victim.address, tls=as_node(node).client) as stranger:
        stranger.introduce(node)
        stranger.send(replace(stranger.hello, node=low_id(), addresses=[]))
        assert stranger.told() in ("identity", None)
    victim.until(lambda s: count(s, "identity") == count(before, "identity") + 1)


@pytest.mark.parametrize("certified", [False, True], ids=["no certificate", "another secret"])
def test_nothing_is_said_to_who_has_no_proof_though_it_trusts_anyone(victim: Daemon, certified: bool) -> None:
    before = count(victim.status(), "secret")
    context = as_node(low_id(), SECRET[::-1]).client if certified else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    heard = b""
    with plain(victim) as sock, suppress(OSError), context.wrap_socket(sock) as tls:
        heard = tls.recv(1)
    assert heard == b""
    victim.until(lambda s: count(s, "secret") == before + 1)


NOISE = random.Random(7)
GARBAGE = {
    "random bytes": ("magic", b"\0" + NOISE.randbytes(5000)),
    "a browser": ("magic", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    "a Hello in clear": ("secret", encode(Hello(PROTOCOL, PROTOCOL, bytes(16), {"job": "default"}, []))),
    "a Leave in clear": ("secret", encode(Leave())),
    "the magic alone": ("secret", b"GW2V"),
    "noise like TLS": ("secret", b"\x16\x03\x01" + NOISE.randbytes(5000)),
    "a record too long": ("secret", b"\x16\x03\x01\xff\xff" + bytes(70_000)),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_bytes_that_are_no_tls_are_refused_and_told_nothing_of_the_swarm(victim: Daemon, name: str) -> None:
    reason, garbage = GARBAGE[name]
    before = victim.status()
    heard = b""
    with plain(victim) as sock, suppress(ConnectionError):
        sock.sendall(garbage)
        while more := sock.recv(1 << 16):
            heard += more
    after = victim.until(lambda s: count(s, reason) == count(before, reason) + 1)
    assert {each for each in after["refusals"] if after["refusals"][each] != before["refusals"][each]} == {reason}
    assert len(heard) < 200
    assert bytes.fromhex(after["node"]) not in heard
    assert b"default" not in heard


def test_handshakes_that_never_end_are_bounded_and_end(victim: Daemon) -> None:
    before, memory = victim.status(), resident(victim)
    host, _, port = victim.address.rpartition(":")
    with ExitStack() as stack:
        for number in range(200):
            idle = stack.enter_context(
                socket.create_connection((host, int(port)), 20, (f"127.0.0.{1 + number % 8}", 0))
            )
            with suppress(ConnectionError):
                idle.sendall(b"\x16\x03\x01\x02\x00\x01\x00" if number % 2 else b"")
        victim.until(lambda s: count(s, "busy") >= count(before, "busy") + 200 - 2 * 64)
        victim.until(lambda s: count(s, "timeout") >= count(before, "timeout") + 32)
        assert resident(victim) - memory < MEMORY
    node = low_id()
    while True:
        with suppress(OSError, AssertionError), Stranger(victim.address, tls=as_node(node).client) as stranger:
            assert isinstance(stranger.introduce(node), StateNews)
            stranger.send(Leave())
            return

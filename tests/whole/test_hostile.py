"""Hostile bytes on the port of a daemon that trains: refused under the right reason, and training is not touched."""

import random
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.daemons import PATIENCE, Daemon, Daemons, read_vectors, resident, write_texts
from support.stranger import SIZE, Stranger, delta, low_id

from gossipw2v.gossip.blobs.names import VOCABULARY
from gossipw2v.gossip.census import digest_of
from gossipw2v.gossip.codec import HEADER, MAGIC, encode
from gossipw2v.gossip.messages import (
    MAX_FRAME,
    MAX_HELLO,
    PROTOCOL,
    Answer,
    BlobPart,
    BlobPull,
    Hello,
    Leave,
    LinkOpen,
    Offer,
    ProtocolError,
    Push,
    StateNews,
)
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.node.storage.export import load_model
from gossipw2v.status import client

ENDLESS = 10_000  # epochs
MEMORY = 64 << 20  # bytes that a barrage may cost, once the first links have been made


def frame(body: bytes) -> bytes:
    return HEADER.pack(MAGIC, len(body)) + body


def uneven() -> bytes:
    """A push that announces more rows than it has."""
    good = encode(Push(bytes(8), 1, False, 0, 0, {}, delta([1, 2])))
    body = good[HEADER.size :].replace(bytes([0x96, 2, SIZE]), bytes([0x96, 3, SIZE]))
    assert body != good[HEADER.size :]
    return frame(body)


def offer_nonsense(stranger: Stranger, data: bytes, sent: bytes, offset: int = 0) -> None:
    """Offer a vocabulary that outranks the victim's, and serve something else."""
    stranger.introduce()
    offer = Offer(VOCABULARY, digest_of(data), len(data), 1 << 50)
    stranger.send(StateNews([], [offer]))
    pull = stranger.expect(BlobPull)
    assert pull.digest == offer.digest
    stranger.send(BlobPart(VOCABULARY, offer.digest, offset, sent))


NOISE = random.Random(5)
Attack = Callable[[Stranger], object]

# Attacks that end with the connection, by what they are: the reason under which they count, and the attack.
REFUSED: dict[str, tuple[str, Attack]] = {
    "random bytes": ("magic", lambda s: s.raw(NOISE.randbytes(5000))),
    "a browser": ("magic", lambda s: s.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")),
    "zeros": ("magic", lambda s: s.raw(bytes(64))),
    "TLS": ("secret", lambda s: s.raw(b"\x16\x03\x01\x00\xdc\x01\x00\x00\xd8\x03\x03" + NOISE.randbytes(214))),
    "another magic": ("magic", lambda s: s.raw(b"GW3V" + encode(s.hello)[4:])),
    "random bytes after Hello": ("magic", lambda s: (s.introduce(), s.raw(NOISE.randbytes(5000)))),
    "the largest length": ("size", lambda s: s.raw(struct.pack(">4sI", MAGIC, 0xFFFFFFFF))),
    "no length": ("size", lambda s: s.raw(HEADER.pack(MAGIC, 0))),
    "a Hello too long": ("size", lambda s: s.raw(HEADER.pack(MAGIC, MAX_HELLO + 1))),
    "a frame too long": ("size", lambda s: (s.introduce(), s.raw(HEADER.pack(MAGIC, MAX_FRAME + 1)))),
    "random body": ("malformed", lambda s: s.raw(frame(b"\xc1" + NOISE.randbytes(100)))),
    "a body of lists": ("malformed", lambda s: s.raw(frame(b"\x91" * 4000))),
    "a list of 4 billion": ("malformed", lambda s: s.raw(frame(b"\xdd\xff\xff\xff\xff" + bytes(50)))),
    "an unknown message": ("malformed", lambda s: s.raw(frame(b"\x92\x63\x00"))),
    "a body cut short": ("malformed", lambda s: s.raw(frame(encode(s.hello)[HEADER.size : -9]))),
    "more rows than there are": ("malformed", lambda s: (s.become_child(), s.raw(uneven()))),
    "a question before Hello": ("handshake", lambda s: s.send(LinkOpen(bytes(8), True, 0, bytes(16), {}))),
    "Leave before Hello": ("handshake", lambda s: s.send(Leave())),
    "a push before Hello": ("handshake", lambda s: s.send(Push(bytes(8), 1, True, 0, 0, {}, delta([])))),
    "another job": ("job", lambda s: s.send(replace(s.hello, node=low_id(), job={**s.hello.job, "window": "9"}))),
    "no job": ("job", lambda s: s.send(replace(s.hello, node=low_id(), job={}))),
    "another protocol": ("protocol", lambda s: s.send(Hello(PROTOCOL + 1, PROTOCOL + 7, low_id(), s.hello.job, []))),
    "two Hellos": ("protocol", lambda s: (s.introduce(), s.send(replace(s.hello, node=low_id())))),
    "its own id": ("self", lambda s: s.send(s.hello)),
    "a push without a link": ("tree", lambda s: (s.introduce(), s.send(Push(bytes(8), 1, True, 0, 0, {}, delta([]))))),
    "a batch out of turn": ("sequence", lambda s: s.push(delta([1]), batch=5)),
    "batch 0": ("sequence", lambda s: s.push(delta([1]), batch=0)),
    "rows out of range": ("rows", lambda s: s.push(delta([0, 1 << 30]))),
    "negative rows": ("rows", lambda s: s.push(delta([-1, 3]))),
    "a row twice": ("rows", lambda s: s.push(delta([3, 3]))),
    "rows in disorder": ("rows", lambda s: s.push(delta([4, 3]))),
    "scales that are no numbers": ("values", lambda s: s.push(delta([1, 2], scale=np.nan))),
    "infinite scales": ("values", lambda s: s.push(delta([1, 2], scale=np.inf))),
    "enormous scales": ("values", lambda s: s.push(delta([1, 2], scale=1e30))),
    "negative scales": ("values", lambda s: s.push(delta([1, 2], scale=-1.0))),
    "another vector size": ("values", lambda s: s.push(delta([1, 2], size=SIZE + 1))),
    "a part of another blob": ("blob", lambda s: offer_nonsense(s, b"x" * 100, b"y" * 100)),
    "a part from elsewhere": ("blob", lambda s: offer_nonsense(s, b"x" * 100, b"x" * 50, offset=50)),
    "more than was offered": ("blob", lambda s: offer_nonsense(s, b"x" * 100, b"x" * 200)),
}  # fmt: skip


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that trains without end, and has had a child once, so that what that costs is allocated."""
    folder = tmp_path_factory.mktemp("victim")
    with Daemons(folder) as daemons:
        daemon = daemons.start(write_texts(folder, 1, sentences=40_000)[0], epochs=ENDLESS)
        daemon.until(lambda s: s["progress"]["trained_tokens"] > 0)
        with Stranger(daemon.address) as stranger:
            stranger.become_child()
            stranger.send(Leave())
        yield daemon


@pytest.fixture(autouse=True)
def unmoved(victim: Daemon, tmp_path: Path) -> Iterator[None]:
    """After every attack the victim trains on, all its numbers are finite, and its memory has not grown much."""
    before, memory = victim.status(), resident(victim)
    yield
    assert victim.until(lambda s: s["progress"]["trained_tokens"] > before["progress"]["trained_tokens"])
    client.export(victim.url, tmp_path / "vectors.txt")
    words, vectors = read_vectors(tmp_path / "vectors.txt")
    assert len(words) == before["vocabulary"]["words"]
    assert np.isfinite(vectors).all()
    assert resident(victim) - memory < MEMORY


def await_refusal(victim: Daemon, reason: str, before: int, more: int = 1) -> None:
    victim.until(lambda s: s["refusals"][reason] >= before + more)


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_protocol_is_refused_told_and_counted(victim: Daemon, name: str) -> None:
    reason, attack = REFUSED[name]
    before = victim.status()["refusals"]
    with Stranger(victim.address) as stranger:
        attack(stranger)
        assert stranger.told() in (reason, None)  # None: what was unread here makes the system drop the last words
    await_refusal(victim, reason, before[reason])
    after = victim.status()["refusals"]
    assert {each for each in after if after[each] != before[each]} == {reason}


def test_a_proper_child_is_answered(victim: Daemon) -> None:
    """Lest the attacks above fail for another reason than the one they are about."""
    with Stranger(victim.address) as stranger:
        stranger.push(delta([1, 5], scale=1e-6))
        answer = stranger.expect(Answer)
        assert answer.seq == 1
        assert {1, 5} <= set(answer.delta.rows.tolist())
        stranger.send(Leave())
        assert stranger.told() is None


def test_the_largest_steps_that_pass_leave_finite_numbers(victim: Daemon) -> None:
    rows = 2 * victim.status()["vocabulary"]["words"]
    with Stranger(victim.address) as stranger:
        link = stranger.become_child()
        for batch in range(1, 6):
            stranger.send(Push(link, batch, False, 0, 0, {}, delta([*range(rows)], scale=0.5, count=0xFFFFFFFF)))
            assert stranger.expect(Answer).seq == batch
        stranger.send(Leave())


def test_nonsense_under_the_name_of_a_vocabulary_is_not_asked_for_again(victim: Daemon) -> None:
    before = victim.status()
    with Stranger(victim.address) as stranger:
        nonsense = secrets.token_bytes(100)
        offer_nonsense(stranger, nonsense, nonsense)
        await_refusal(victim, "blob", before["refusals"]["blob"])
        stranger.send(StateNews([], [Offer(VOCABULARY, digest_of(nonsense), 100, 1 << 50)]))
        stranger.send(BlobPull(VOCABULARY, bytes(16), 0))
        while not isinstance(message := stranger.read(), BlobPart):
            assert not isinstance(message, BlobPull)
            assert message is not None
        stranger.send(Leave())
    assert victim.status()["vocabulary"] == before["vocabulary"]


def test_a_hello_that_comes_byte_by_byte_is_welcome(victim: Daemon) -> None:
    with Stranger(victim.address) as stranger:
        stranger.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in encode(replace(stranger.hello, node=low_id(), addresses=[])):
            stranger.raw(bytes([byte]))
        assert stranger.expect(StateNews).members
        stranger.send(Leave())


def test_a_frame_cut_off_by_the_end_is_dropped(victim: Daemon) -> None:
    for size in (1, HEADER.size, HEADER.size + 10):
        with Stranger(victim.address) as stranger:
            stranger.raw(encode(stranger.hello)[:size])
    with Stranger(victim.address) as stranger:
        stranger.raw(encode(Push(stranger.become_child(), 1, False, 0, 0, {}, delta([1, 2, 3])))[:60])


def test_a_stranger_who_says_half_a_hello_is_not_waited_for(victim: Daemon) -> None:
    before = victim.status()["refusals"]["timeout"]
    with Stranger(victim.address) as silent, Stranger(victim.address) as slow:
        slow.raw(encode(slow.hello)[:20])
        assert {silent.told(), slow.told()} <= {"timeout", None}
    await_refusal(victim, "timeout", before, more=2)


def test_a_peer_that_asks_and_never_reads_is_given_up(victim: Daemon) -> None:
    before = victim.status()["refusals"]["timeout"]
    with Stranger(victim.address) as stranger:
        stranger.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        news = stranger.introduce()
        offer = next(offer for offer in news.offers if offer.name == VOCABULARY)
        pulls = encode(BlobPull(offer.name, offer.digest, 0)) * (1 + (96 << 20) // offer.size)
        stranger.socket.settimeout(PATIENCE)
        stranger.raw(pulls)
        await_refusal(victim, "timeout", before)


def test_invented_members_neither_fill_the_memory_nor_stop_the_work(victim: Daemon) -> None:
    with Stranger(victim.address) as stranger:
        stranger.introduce()
        for _ in range(20):
            invented = [
                Member(secrets.token_bytes(16), 1 << 60, Stage.COMPLETE, ("127.0.0.1:1",), total=1 << 40)
                for _ in range(1000)
            ]
            stranger.send(StateNews(invented, []))
        assert stranger.expect(StateNews).members
        victim.until(lambda s: 1000 < len(s["members"]) <= 5000)
        stranger.send(Leave())


def test_idle_connections_are_bounded_and_end(victim: Daemon) -> None:
    before = victim.status()["refusals"]
    with ExitStack() as stack:
        host, _, port = victim.address.rpartition(":")
        for number in range(300):
            idle = socket.create_connection((host, int(port)), 10, (f"127.0.0.{1 + number % 2}", 0))
            stack.callback(idle.close)
        await_refusal(victim, "busy", before["busy"], more=2 * 32)  # a slow machine gives up some while others come
        await_refusal(victim, "timeout", before["timeout"], more=2 * 16)
    deadline = time.monotonic() + PATIENCE
    while True:  # there is room again
        with suppress(AssertionError, ConnectionError), Stranger(victim.address) as stranger:
            stranger.introduce()
            stranger.send(Leave())
            return
        assert time.monotonic() < deadline


def test_a_node_under_attack_learns_bit_for_bit_what_one_in_peace_does(tmp_path: Path) -> None:
    text = write_texts(tmp_path, 1, sentences=8000)[0]
    with Daemons(tmp_path) as daemons:
        # strangers that are gone are soon given up: what they had said of themselves is not to be waited for
        attacked, quiet = (daemons.start(text, epochs=100, seed=3, lost_patience=1) for _ in range(2))
        attacked.until(lambda s: s["progress"]["trained_tokens"] > 0)
        address, strangers = attacked.address, 0
        for _, attack in REFUSED.values():
            with suppress(OSError, ProtocolError, AssertionError), Stranger(address) as stranger:
                attack(stranger)
                stranger.told()
                strangers += 1
        assert strangers > 10
        assert daemons.ended() == [0, 0]
        one, other = load_model(attacked.data), load_model(quiet.data)
        assert one[0] == other[0]
        assert one[1].tobytes() == other[1].tobytes()
        assert one[2]["complete"] is True

"""Connections over real sockets on both event loops: who gets through, who does not, and what each end is told."""

import asyncio
import os
import resource
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
import uvloop

from gossipw2v.config.address import Address
from gossipw2v.gossip.codec import HEADER, decode, encode, frame_length
from gossipw2v.gossip.messages import PROTOCOL, Hello, Refuse
from gossipw2v.transport import streams
from gossipw2v.transport.authority import issue
from gossipw2v.transport.credentials import Credentials, holder
from gossipw2v.transport.streams import StrangerError, Streams, UnreachableError, accept, bound, dial, welcome

SECRET, OTHER = b"c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmx5", b"YW5vdGhlci1zZWNyZXQtb2YtYW5vdGhl"
ONE, TWO = bytes(range(16)), bytes(range(16, 32))
OURS, THEIRS, FOREIGN = issue(SECRET, ONE), issue(SECRET, TWO), issue(OTHER, TWO)
HELLO = encode(Hello(PROTOCOL, PROTOCOL, TWO, {"job": "the-name-of-the-job"}, []))


def on_each_loop(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Run a test on asyncio's loop and on uvloop, whose TLS is its own."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
    def test(run: Any) -> None:
        run(bounded(scenario))

    return test


async def bounded(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.timeout(20):
        await scenario()


def listening() -> socket.socket:
    listener = bound(Address("127.0.0.1", 0))
    listener.listen()
    return listener


class Door:
    """A listening node with `credentials`; `with Door(...) as door`."""

    def __init__(self, credentials: Credentials | None) -> None:
        self.credentials = credentials
        self.listener = listening()
        self.port = int(self.listener.getsockname()[1])

    async def meet(self, other: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
        """What comes of the next connection here and of the other end's coroutine: results or exceptions."""
        return tuple(await asyncio.gather(self._next(), other, return_exceptions=True))  # type: ignore[return-value]

    def dial(self, credentials: Credentials | None) -> Coroutine[Any, Any, Streams]:
        return reach([("127.0.0.1", self.port)], credentials)

    async def _next(self) -> Streams:
        sock, host = await accept(self.listener)
        assert host == "127.0.0.1"
        return await welcome(sock, self.credentials)

    def __enter__(self) -> "Door":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


async def reach(addresses: list[tuple[str, int]], credentials: Credentials | None) -> Streams:
    """Dial, whichever of the addresses answers."""
    return (await dial(addresses, credentials))[0]


async def end(*pairs: Streams) -> None:
    for _, writer in pairs:
        writer.close()
    for _, writer in pairs:
        with suppress(OSError):
            await writer.wait_closed()


async def carries(one: Streams, other: Streams) -> bool:
    """Whether both directions carry more than any buffer holds."""
    data = bytes(range(256)) * 20_000
    for (_, writer), (reader, _) in ((one, other), (other, one)):
        writer.write(data)
        got, _ = await asyncio.gather(reader.readexactly(len(data)), writer.drain())
        if got != data:
            return False
    return True


async def say(door: Door, *parts: bytes) -> bytes:
    """All that a plain connection is told before the end, after it has said something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.05)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@on_each_loop
async def test_without_credentials_all_is_plain() -> None:
    with Door(None) as door:
        here, there = await door.meet(door.dial(None))
        assert here[1].get_extra_info("peercert") is None
        assert await carries(here, there)
        await end(here, there)


@on_each_loop
async def test_with_one_secret_all_is_tls_and_each_sees_who_the_other_is() -> None:
    with Door(OURS) as door:
        here, there = await door.meet(door.dial(THEIRS))
        assert holder(here[1].get_extra_info("peercert")) == TWO
        assert holder(there[1].get_extra_info("peercert")) == ONE
        assert {each[1].get_extra_info("cipher")[1] for each in (here, there)} == {"TLSv1.3"}
        assert await carries(here, there)
        await end(here, there)


@on_each_loop
async def test_another_secret_is_told_at_both_ends() -> None:
    with Door(OURS) as door:
        here, there = await door.meet(door.dial(FOREIGN))
        for error in (here, there):
            assert isinstance(error, StrangerError)
            assert error.reason == "secret"
            assert "another secret" in str(error)


@on_each_loop
async def test_one_without_a_secret_is_told_so_in_its_own_words() -> None:
    with Door(OURS) as door:
        here, told = await door.meet(say(door, HELLO))
        assert isinstance(here, StrangerError)
        assert (here.reason, "no secret" in str(here)) == ("secret", True)
        refusal = decode(told[HEADER.size :])
        assert len(told) == HEADER.size + frame_length(told[: HEADER.size])
        assert isinstance(refusal, Refuse)
        assert (refusal.reason, "--secret-file" in refusal.text) == ("secret", True)


@on_each_loop
async def test_a_plain_text_node_is_told_from_where_it_is_dialled() -> None:
    with Door(None) as door:

        async def plain() -> bytes:
            sock, _ = await accept(door.listener)
            reader, writer = await welcome(sock, None)
            writer.write(HELLO)
            first = await reader.read(2)
            await end((reader, writer))
            return first

        first, there = await asyncio.gather(plain(), door.dial(OURS), return_exceptions=True)
        assert first == b"\x16\x03"
        assert isinstance(there, StrangerError)
        assert (there.reason, "no secret" in str(there)) == ("secret", True)


@on_each_loop
async def test_no_certificate_is_no_proof() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def bare(door: Door) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=context)
        try:
            return await reader.read()
        except OSError:
            return b""
        finally:
            writer.transport.abort()

    with Door(OURS) as door:
        here, told = await door.meet(bare(door))
        assert isinstance(here, StrangerError)
        assert (here.reason, str(here), told) == ("secret", "it shows no certificate", b"")


@on_each_loop
async def test_what_is_neither_is_dropped_without_an_answer() -> None:
    for parts, reason in (((b"GET / HTTP/1.1\r\n\r\n",), "magic"), ((b"\0" * 99,), "magic"), ((b"\xff",), "magic")):
        with Door(OURS) as door:
            here, told = await door.meet(say(door, *parts))
            assert isinstance(here, StrangerError)
            assert (here.reason, told) == (reason, b"")


@on_each_loop
async def test_nonsense_that_begins_like_tls_is_refused() -> None:
    for nonsense in (b"\x16" + bytes(200), b"\x16\x03\x01\x00\x05" + b"\xff" * 200, b"\x16\x03\x01\xff\xff" * 20_000):
        with Door(OURS) as door:
            here, _ = await door.meet(say(door, nonsense))
            assert isinstance(here, StrangerError)
            assert here.reason == "secret"


@on_each_loop
async def test_one_who_goes_without_a_word_is_no_stranger() -> None:
    async def nothing(door: Door) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.close()

    with Door(OURS) as door:
        here, _ = await door.meet(nothing(door))
        assert isinstance(here, ConnectionResetError)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("begun", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_does_not_end_is_ended(run: Any, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HANDSHAKE_TIMEOUT", 0.3)

    async def scenario() -> None:
        with Door(OURS) as door:
            here, told = await door.meet(say(door, begun))
            assert isinstance(here, StrangerError)
            assert (here.reason, told) == ("timeout", b"")

    run(bounded(scenario))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_server_that_does_not_answer_is_given_up(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DIAL_TIMEOUT", 0.3)

    async def scenario() -> None:
        with Door(OURS) as door:  # nobody accepts: the system does, and says nothing
            with pytest.raises(UnreachableError) as caught:
                await door.dial(THEIRS)
            assert not caught.value.refused

    run(bounded(scenario))


@on_each_loop
async def test_a_stranger_at_one_address_does_not_hide_the_node_at_the_next() -> None:
    with Door(FOREIGN) as other, Door(OURS) as door:
        stranger = asyncio.create_task(other._next())
        addresses = [("127.0.0.1", 1), ("127.0.0.1", other.port), ("127.0.0.1", door.port)]
        here, there = await door.meet(reach(addresses, THEIRS))
        assert holder(there[1].get_extra_info("peercert")) == ONE
        await end(here, there)
        with pytest.raises(StrangerError):
            await stranger


@on_each_loop
async def test_nobody_there_is_nobody() -> None:
    for credentials in (None, OURS):
        for addresses in ([("127.0.0.1", 1)], []):
            with pytest.raises(UnreachableError) as caught:
                await dial(addresses, credentials)
            assert caught.value.refused is bool(addresses)


@on_each_loop
async def test_addresses_that_are_silent_do_not_hold_up_the_one_that_answers() -> None:
    """A full backlog drops what comes, as a network does that leads nowhere."""
    with socket.socket() as silent, Door(None) as door:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fill = [socket.socket() for _ in range(3)]
        for each in fill:
            each.setblocking(False)
            each.connect_ex(silent.getsockname())
        addresses = [(silent.getsockname()[0], silent.getsockname()[1]), ("127.0.0.1", 1), ("127.0.0.1", door.port)]
        here, there = await door.meet(dial(addresses, None))
        assert there[1] == addresses[2]
        await end(here, there[0])
        for each in fill:
            each.close()


@on_each_loop
async def test_only_the_end_that_has_proved_itself_is_told_anything() -> None:
    """A recorder between two nodes sees neither what they say nor the names of what they speak about."""
    seen = bytearray()

    async def relay(door: Door, listener: socket.socket) -> None:
        sock, _ = await accept(listener)
        near = await welcome(sock, None)
        far = await asyncio.open_connection("127.0.0.1", door.port)

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                seen.extend(data)
                writer.write(data)
            writer.close()

        await asyncio.gather(copy(near[0], far[1]), copy(far[0], near[1]), return_exceptions=True)
        await end(near, far)

    with Door(OURS) as door, listening() as listener:
        recorder = asyncio.create_task(relay(door, listener))
        here, there = await door.meet(reach([("localhost", listener.getsockname()[1])], THEIRS))
        there[1].write(HELLO)
        assert await here[0].readexactly(len(HELLO)) == HELLO
        await end(here, there)
        await recorder
    assert len(seen) > 1000
    for secret in (HELLO[:8], b"the-name-of-the-job", TWO, TWO.hex().encode(), b"gossipw2v", SECRET, b"localhost"):
        assert secret not in seen


@on_each_loop
async def test_a_lack_of_descriptors_is_waited_out() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Door(None) as door, socket.create_connection(("127.0.0.1", door.port)):
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            waiting = asyncio.ensure_future(accept(door.listener))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        sock, _ = await waiting
        sock.close()

"""From sockets to streams: dialling and being dialled, in plain text or under TLS; every wait is bounded.

A node with credentials speaks TLS and nothing else. One without speaks plain text and nothing else. Where the two meet,
each tells what the other did, so that a person sees at either end that a secret is missing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from asyncio import FIRST_COMPLETED
from contextlib import suppress

from gossipw2v.config.address import Address, is_local
from gossipw2v.gossip.codec import MAGIC, TLS, encode
from gossipw2v.gossip.messages import MAX_HELLO, Refuse
from gossipw2v.transport.credentials import Credentials

RESOLVE_TIMEOUT = 5.0  # s for the name of an own address
DIAL_TIMEOUT = 3.0  # s for one address
STAGGER = 0.25  # s until the next address is tried beside one that is silent
HANDSHAKE_TIMEOUT = 5.0  # s for TLS with whoever has dialled this node
GOODBYE_TIMEOUT = 1.0  # s for the other end to agree that TLS is over
LINGER = 0.5  # s for whoever speaks plain text to read why it is turned away
ACCEPT_PAUSE = 0.1  # s to the next attempt when no file descriptor is left
BACKLOG = 128
READ_BUFFER = 1 << 18
TOLD_PLAIN = encode(Refuse("secret", "this swarm has a secret, and you were given none; see --secret-file"))

WHY = {
    "WRONG_VERSION_NUMBER": "it speaks plain text: it was given no secret",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "UNSUPPORTED_PROTOCOL": "it offers no TLS 1.3",
}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class StrangerError(Exception):
    """The other end does not prove that it holds the swarm's secret. `reason` is a short fixed word."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class UnreachableError(OSError):
    """Nobody answered. `refused`: every machine did, saying that no program listens. `nameless`: no name is known."""

    def __init__(self, failures: list[BaseException]) -> None:
        super().__init__("; ".join(dict.fromkeys(map(_said, failures)))[:400] or "no address that may be dialled")
        self.nameless = bool(failures) and all(isinstance(error, socket.gaierror) for error in failures)
        self.refused = bool(failures) and all(isinstance(error, ConnectionRefusedError) for error in failures)


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"no answer in {DIAL_TIMEOUT:.0f} s"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def located(address: Address) -> Address:
    """`address` with an IP address for a name: of those behind it, one that others reach, and IPv4, if there is any.

    OSError if there is none.
    """
    if _is_numeric(address.host):
        return address
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            answers = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise OSError(f"no answer from the name service in {RESOLVE_TIMEOUT:.0f} s") from None
    except UnicodeError as error:
        raise OSError(f"not a name that can be looked up: {error}") from None
    hosts = [str(place[0]) for *_, place in answers]
    return Address(min(hosts, key=lambda host: (is_local(host), ":" in host)), address.port)


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def bound(address: Address) -> socket.socket:
    """A socket that is bound to `address`, an IP address and a port, and does not listen yet; OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    place = socket.getaddrinfo(*address, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is left of an earlier life's connections
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(place)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


async def accept(listener: socket.socket) -> tuple[socket.socket, str]:
    """The next connection and the host it comes from.

    Not by the loop's `sock_accept`: cancelled at the moment in which one comes, that loses it, still open.
    """
    while True:
        await _readable(listener)
        try:
            sock, address = listener.accept()
        except BlockingIOError:  # it has gone again
            continue
        except OSError:  # no file descriptor is left; the connection waits
            await asyncio.sleep(ACCEPT_PAUSE)
            continue
        sock.setblocking(False)
        return sock, address[0]


async def _readable(sock: socket.socket) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock)


async def welcome(sock: socket.socket, credentials: Credentials | None) -> Streams:
    """Streams over a connection that came in. StrangerError or OSError where nothing comes of it; `sock` is closed."""
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            if credentials is None:
                return await _streams(sock, None)
            await _expect_tls(sock)
            return await _handshake(sock, credentials.server)
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise StrangerError("timeout", "no TLS handshake in time") from None
        raise


async def dial(addresses: list[tuple[str, int]], credentials: Credentials | None) -> tuple[Streams, tuple[str, int]]:
    """Connect to the first of `addresses` that answers; which one it was.

    One is tried after the other, STAGGER s apart: a machine has addresses that lead nowhere from here, and they are
    silent. UnreachableError if none answers, StrangerError if strangers alone do.
    """
    waiting, failures = list(addresses), list[BaseException]()
    dials: dict[asyncio.Task[Streams], tuple[str, int]] = {}
    try:
        while waiting or dials:
            if waiting:
                address = waiting.pop(0)
                dials[asyncio.create_task(_connect(*address, credentials), name=f"connect-{address[0]}")] = address
            done, _ = await asyncio.wait(dials, timeout=STAGGER if waiting else None, return_when=FIRST_COMPLETED)
            for task in done:
                address = dials.pop(task)
                if (error := task.exception()) is None:
                    return task.result(), address
                failures.append(_unexpected(error, address))
    finally:
        await _give_up(list(dials))
    raise next((error for error in failures if isinstance(error, StrangerError)), UnreachableError(failures))


def _unexpected(error: BaseException, address: tuple[str, int]) -> BaseException:
    """Some addresses lead to another node, as those of bridges on two machines do: only TLS knows a stranger."""
    if isinstance(error, ssl.SSLError):
        return StrangerError("secret", f"{address[0]} port {address[1]}: {_explain(error)}")
    if not isinstance(error, (OSError, ValueError)):
        raise error
    return error


async def _give_up(dials: list[asyncio.Task[Streams]]) -> None:
    """End attempts that are needed no more; one may have succeeded a moment ago."""
    for task in dials:
        task.cancel()
    for result in await asyncio.gather(*dials, return_exceptions=True):
        if not isinstance(result, BaseException):
            result[1].close()


async def _connect(host: str, port: int, credentials: Credentials | None) -> Streams:
    async with asyncio.timeout(DIAL_TIMEOUT):
        if credentials is None:
            return await asyncio.open_connection(host, port, limit=READ_BUFFER)
        return await asyncio.open_connection(
            host,
            port,
            limit=READ_BUFFER,
            ssl=credentials.client,
            server_hostname="",  # else the name that was dialled would stand in the first packet, in clear
            ssl_shutdown_timeout=GOODBYE_TIMEOUT,
        )


async def _handshake(sock: socket.socket, context: ssl.SSLContext) -> Streams:
    try:
        return await _streams(sock, context)
    except ssl.SSLError as error:
        raise StrangerError("secret", _explain(error)) from None
    except TimeoutError:
        raise
    except OSError:  # a node that does not like our certificate just goes: asyncio sends no alert
        raise StrangerError("secret", "it hung up on this node's certificate: it holds another secret") from None


async def _streams(sock: socket.socket, context: ssl.SSLContext | None) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(READ_BUFFER, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, sock, ssl=context, ssl_shutdown_timeout=GOODBYE_TIMEOUT if context else None
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _expect_tls(sock: socket.socket) -> None:
    """Look at the first bytes before TLS does: it could not answer one who speaks plain text."""
    first = await _peek(sock)
    if not first:
        raise ConnectionResetError("it went without a word")
    if first[:1] == TLS[:1]:
        return
    if not MAGIC.startswith(first):
        raise StrangerError("magic", "it speaks neither TLS nor gossip")
    await _tell_plain(sock)
    raise StrangerError("secret", "it speaks plain text: it was given no secret")


async def _peek(sock: socket.socket) -> bytes:
    """Up to four bytes, left unread; empty at the end."""
    await _readable(sock)
    return sock.recv(len(MAGIC), socket.MSG_PEEK)


async def _tell_plain(sock: socket.socket) -> None:
    """Say why, and read on until the other end goes: closed with bytes unread, the answer might be lost."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, TOLD_PLAIN)
    sock.shutdown(socket.SHUT_WR)
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while await loop.sock_recv(sock, MAX_HELLO):
                pass


def _explain(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "it holds another secret"
    return WHY.get(error.reason, f"TLS does not come about: {error.reason}")

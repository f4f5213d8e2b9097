"""Where to look for nodes other than by multicast: a name in DNS, a file that somebody keeps, the job of a scheduler.

They only give addresses to try, and are read again and again: a headless service gets new addresses as its nodes come
and go, a file new lines. What is found stays a hint; an address that is no longer named is not forgotten.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

from gossipw2v.config.address import Address, parse_node
from gossipw2v.transport import slurm

DNS_SECONDS = 30.0  # between two questions
DNS_TIMEOUT = 10.0  # s for an answer; the resolver's own is longer
FILE_SECONDS = 2.0  # between two looks whether a file has changed
MOST_ADDRESSES = 256  # of one source
MOST_BYTES = 64 << 10  # of a file

Found = Callable[[list[Address]], None]
Problem = Callable[[str | None], None]


async def follow(text: str, port: int, on_found: Found, on_problem: Problem) -> None:
    """Tell `on_found` what a source says, whenever that may have changed; returns never. This node listens at `port`.

    `on_problem` is told what is wrong with the source, or None when all is well.
    """
    kind, _, rest = text.partition(":")
    if kind == "dns":
        await _follow_name(parse_node(rest), on_found, on_problem)
    elif kind == "slurm":
        await _follow_job(port, on_found, on_problem)
    else:
        await _follow_file(Path(rest), on_found, on_problem)


async def _follow_job(port: int, on_found: Found, on_problem: Problem) -> None:
    try:
        on_found(slurm.places(os.environ, port, MOST_ADDRESSES))
        on_problem(None)
    except ValueError as error:
        on_problem(f"slurm: {error}")
    await asyncio.Event().wait()  # a job's hosts are the same to its end


async def _follow_name(service: Address, on_found: Found, on_problem: Problem) -> None:
    while True:
        try:
            async with asyncio.timeout(DNS_TIMEOUT):
                found = await resolve(service)
            on_problem(None)
            on_found(found)
        except (OSError, UnicodeError) as error:  # TimeoutError is one
            on_problem(f"dns:{service}: {error or 'no answer in time'}")
        await asyncio.sleep(DNS_SECONDS)


async def resolve(service: Address) -> list[Address]:
    """The addresses behind a name, at most 256, each once. OSError if it has none."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    hosts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers)
    return [Address(host, service.port) for host in hosts][:MOST_ADDRESSES]


async def _follow_file(path: Path, on_found: Found, on_problem: Problem) -> None:
    before: bytes | None = None
    while True:
        try:
            data = await asyncio.to_thread(read_list, path)
            if data != before:
                addresses, wrong = parse_lines(data)
                on_problem(f"file:{path}: {wrong}" if wrong else None)
                on_found(addresses)
            before = data
        except OSError as error:
            before = None
            on_problem(f"file:{path}: {error.strerror or error}")
        await asyncio.sleep(FILE_SECONDS)


def read_list(path: Path) -> bytes:
    """The first 64 KiB of a regular file: a pipe would block, and a device has no end. OSError."""
    if not path.is_file():
        path.stat()  # says that it is missing
        raise OSError(f"{path} is not a regular file")
    with path.open("rb") as file:
        return file.read(MOST_BYTES)


def parse_lines(data: bytes) -> tuple[list[Address], str | None]:
    """The addresses in a file, HOST[:PORT] a line, # begins a comment; and the first thing wrong with it.

    Lines that make no sense are passed over.
    """
    addresses: list[Address] = []
    wrong = None
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        try:
            if text:
                addresses.append(parse_node(text))
        except ValueError as error:
            wrong = wrong or f"line {number}: {error}"
    return list(dict.fromkeys(addresses))[:MOST_ADDRESSES], wrong

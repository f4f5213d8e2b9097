"""Whether other nodes can be reached, and would have this one: TCP, TLS, and the Hello that each says first.

Nothing is said that would make this program a member of the swarm: a node says Hello to whoever connects, and what it
would object to follows from that by the rule that nodes go by.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from gossipw2v.cli.operate.findings import Finding, fine, note, wrong
from gossipw2v.cli.operate.multicast import Places
from gossipw2v.config.address import Address, is_source, parse_node
from gossipw2v.config.job import job_fields
from gossipw2v.config.node import Config
from gossipw2v.gossip.codec import HEADER, MAGIC, decode, frame_length
from gossipw2v.gossip.membership.connections import objection
from gossipw2v.gossip.messages import MAX_HELLO, Hello, Message, ProtocolError, Refuse
from gossipw2v.transport import slurm
from gossipw2v.transport.authority import from_files
from gossipw2v.transport.credentials import Credentials
from gossipw2v.transport.seeds import DNS_TIMEOUT, MOST_ADDRESSES, parse_lines, read_list, resolve
from gossipw2v.transport.streams import StrangerError, UnreachableError, dial

MOST_PEERS = 64  # visited, 16 at a time
AT_ONCE = 16
HELLO_SECONDS = 6.0  # a node of a swarm with a secret waits 5 s for TLS
SECRET = "give all nodes the same --secret-file"
ADVICE = {
    "job": "give all nodes of a swarm the same settings",
    "protocol": "run one version of gossipw2v on all nodes",
    "secret": SECRET,
    "magic": "another program listens there: give the port of a node's --listen",
}


async def named(config: Config) -> tuple[list[Finding], Places]:
    """The places that `--peers` names, other than those that multicast finds; what is wrong with its sources."""
    found, places = list[Finding](), Places()
    for peer in config.peers:
        if peer in ("auto", "none"):
            continue
        try:
            addresses = await _of_source(peer, config) if is_source(peer) else [Address.parse(peer)]
        except (OSError, UnicodeError, ValueError) as error:
            found.append(wrong(f"peers {peer}", str(error) or "no answer in time", "mend it, or name nodes themselves"))
        else:
            places += [(address,) for address in addresses]
    return found, places


async def _of_source(peer: str, config: Config) -> list[Address]:
    kind, _, rest = peer.partition(":")
    if kind == "slurm":
        return slurm.places(os.environ, Address.parse(config.listen).port, MOST_ADDRESSES)
    if kind == "dns":
        async with asyncio.timeout(DNS_TIMEOUT):
            return await resolve(parse_node(rest))
    addresses, problem = parse_lines(read_list(Path(rest)))
    if problem is not None:
        raise ValueError(problem)
    return addresses


async def visit_all(
    config: Config, job: dict[str, str], places: Iterable[tuple[Address, ...]], here: object
) -> list[Finding]:
    """Visit nodes, each at the first of its addresses that answers; `here`: the id of the node that runs here.

    `job` is what this node would say of its own, as `job_of` makes it.
    """
    unique = list(dict.fromkeys(places))
    turn, credentials = asyncio.Semaphore(AT_ONCE), await asyncio.to_thread(_credentials, config)

    async def visit(place: tuple[Address, ...]) -> Finding:
        async with turn:
            return await look_at_peer(place, credentials, job, here)

    left = [note("peers", f"{len(unique) - MOST_PEERS} more were not visited")] if len(unique) > MOST_PEERS else []
    return [*await asyncio.gather(*map(visit, unique[:MOST_PEERS])), *left]


def _credentials(config: Config) -> Credentials | None:
    return None if config.secret_file is None else from_files(config.secret_file, config.other_secret_file, bytes(16))


async def look_at_peer(
    place: tuple[Address, ...], credentials: Credentials | None, job: dict[str, str], here: object
) -> Finding:
    """Connect to a node, and say whether the two would have to do with each other."""
    check = f"peer {place[0]}"
    try:
        first = await asyncio.wait_for(_first_message(place, credentials), HELLO_SECONDS)
    except UnreachableError as error:
        return _unreached(check, error)
    except StrangerError as error:
        told = str(error).removeprefix(f"{place[0].host} port {place[0].port}: ")  # which `check` says
        return wrong(check, told, ADVICE.get(error.reason, SECRET))
    except ProtocolError as error:
        return wrong(check, str(error), ADVICE.get(error.reason, ADVICE["magic"]))
    except TimeoutError:
        return wrong(check, f"it connects, and says nothing for {HELLO_SECONDS:.0f} s", ADVICE["magic"])
    except (OSError, EOFError):
        text = "it hung up without a word: this machine is banned or cut off there, or it has too many connections"
        return wrong(check, text, "see `standing` and `refusals` in its status")
    return _judged(check, first, job, here)


def job_of(config: Config, files: dict[str, str]) -> dict[str, str]:
    """The job as the node would tell it; `files`: what of it is the content of files."""
    fields = job_fields(config.job, config.walks if config.graph else None)
    return {name: str(value) for name, value in fields.items()} | files


async def _first_message(place: tuple[Address, ...], credentials: Credentials | None) -> Message:
    """What the other end says first. A node that expects TLS answers plain text only once it has seen some."""
    (reader, writer), _ = await dial([(address.host, address.port) for address in place], credentials)
    try:
        writer.write(MAGIC)
        length = frame_length(await reader.readexactly(HEADER.size), MAX_HELLO)
        return decode(await reader.readexactly(length))
    finally:
        writer.close()


def _unreached(check: str, error: UnreachableError) -> Finding:
    if error.nameless:
        return wrong(check, f"nobody knows that name: {error}", "look for a mistake in it, or give an IP address")
    if error.refused:
        advice = "start a node there, or look at its --listen; a firewall that rejects says the same"
        return wrong(check, "the machine is there, but no program listens at that port", advice)
    advice = "is the machine on? else a firewall drops packets, there or between: let TCP through to that port"
    return wrong(check, str(error), advice)


def _judged(check: str, first: Message, job: dict[str, str], here: object) -> Finding:
    if isinstance(first, Refuse):
        return wrong(check, f"it turns this machine away: {first.text}", ADVICE.get(first.reason, "see its log"))
    if not isinstance(first, Hello):
        return wrong(check, f"it begins with {type(first).__name__}", ADVICE["protocol"])
    if first.node.hex() == here:
        return fine(check, "it is the node that runs here")
    if (against := objection(job, first)) is not None:
        return wrong(check, against[1], ADVICE[against[0]])
    return fine(check, f"node {first.node.hex()[:12]} of the same job, protocol and secret")

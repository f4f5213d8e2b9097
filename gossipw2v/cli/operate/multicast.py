"""Whether multicast DNS works on each interface, and which nodes of the job it tells of."""

from __future__ import annotations

import asyncio
import ipaddress

from gossipw2v.cli.operate.findings import OK, Finding, fine, note, wrong
from gossipw2v.config.address import Address
from gossipw2v.config.node import Config
from gossipw2v.transport.addresses import local_addresses
from gossipw2v.transport.discovery import Heard, listen_around
from gossipw2v.transport.streams import located

SECONDS = 3.0  # of listening; an announcement takes one, an answer to a question less
NAMED = "name a node that lives: --peers HOST:PORT"
BLOCKED = f"allow multicast to 224.0.0.251 and ff02::fb, UDP port 5353, on that interface, or {NAMED}"

Places = list[tuple[Address, ...]]


async def look_around(config: Config) -> tuple[list[Finding], Places]:
    """Announce and listen on each interface that discovery would use; the places of nodes that were heard."""
    if "auto" not in config.peers:
        return [note("multicast", "not needed: --peers names where others are")], []
    try:
        place = await located(Address.parse(config.listen))
    except OSError:  # said of the port
        return [], []
    hosts = local_addresses(place.host)
    heard = await asyncio.gather(*(_hear(host, config.job.job) for host in hosts))
    found = [_finding(host, each) for host, each in zip(hosts, heard, strict=True)]
    nodes = {node: where for each in heard if isinstance(each, Heard) for node, where in each.nodes.items()}
    if not nodes and any(each.verdict == OK for each in found):
        text = "no other node of this job was heard on any interface"
        found.append(note("multicast", text, f"fine for the first node of a network; else {NAMED}"))
    return found, [tuple(Address(*each) for each in where) for where in nodes.values()]


async def _hear(host: str, job: str) -> Heard | OSError:
    try:
        return await listen_around(host, job, SECONDS)
    except OSError as error:
        return error


def _finding(host: str, heard: Heard | OSError) -> Finding:
    check = f"multicast {host}"
    if isinstance(heard, OSError):
        return wrong(check, f"nothing can be announced: {heard}", BLOCKED)
    if not heard.own:
        return wrong(check, f"the own announcement was not heard within {SECONDS:.0f} s", BLOCKED)
    others = f"nodes heard of this job: {len(heard.nodes)}, of others: {heard.strangers}"
    inside = ", on this machine alone" if ipaddress.ip_address(host).is_loopback else ""
    return fine(check, f"works{inside}; {others}")

"""Where a node is: told to people in the log, to programs of this machine in `node.json`, to others as it moves."""

from __future__ import annotations

import asyncio
import json
import os

from gossipw2v.config.address import Address, is_local
from gossipw2v.node.node import Node
from gossipw2v.node.storage.inputs import NODE_FILE
from gossipw2v.system.durable import replace_file
from gossipw2v.system.logs import get_logger
from gossipw2v.transport.addresses import local_addresses

RESCAN_SECONDS = 2.0  # between two looks at the machine's own addresses; others wait 8 s for a node that has moved

log = get_logger("daemon")


def say_where(node: Node) -> None:
    """Tell people, and warn them of a door that is open to all."""
    where, tls = node.condition.where, node.network.credentials is not None
    log.info("listening", node=node.core.node.hex(), **where, tls=tls)
    if not tls and not is_local(Address.parse(where["listen"]).host):
        log.warning("anyone who can reach this address can join the swarm", address=where["listen"])


async def leave_note(node: Node) -> None:
    """Tell programs on this machine where the node is; it works on without, and tries again."""
    data = {"pid": os.getpid(), "node": node.core.node.hex(), **node.condition.where}
    try:
        await asyncio.to_thread(replace_file, node.config.data_dir / NODE_FILE, [json.dumps(data).encode()])
    except OSError as error:
        node.condition.problem(NODE_FILE, str(error))
    else:
        node.condition.problem(NODE_FILE, None)


def reachable(listening: Address) -> tuple[str, ...]:
    """The addresses at which others may reach a node that listens there."""
    return tuple(str(Address(host, listening.port)) for host in local_addresses(listening.host))


async def watch_addresses(node: Node, listening: Address) -> None:
    """Tell others when this machine's addresses change; connections from an address that is gone lead nowhere."""
    before = reachable(listening)
    while True:
        await asyncio.sleep(RESCAN_SECONDS)
        if NODE_FILE in node.condition.problems:
            await leave_note(node)
        now = await asyncio.to_thread(reachable, listening)
        if now != before:
            log.info("addresses changed", before=before, now=now)
            node.core.own.announce(now, node.network.now())
            node.network.moved(_hosts(before) - _hosts(now))
            before = now


def _hosts(addresses: tuple[str, ...]) -> set[str]:
    return {Address.parse(text).host for text in addresses}

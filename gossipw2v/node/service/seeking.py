"""Looking for other nodes: those that are named, that multicast or a list tells of, and those of an earlier life."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from gossipw2v.config.address import Address, is_source
from gossipw2v.node.node import Node
from gossipw2v.transport.discovery import Discovery
from gossipw2v.transport.seeds import follow


def seek(node: Node, listening: Address) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Look for other nodes, as the configuration says; what is to run for as long as the node lives, by its name."""
    for peer in node.config.peers:
        if peer == "auto":
            yield "discovery", _discover(node, listening)
        elif is_source(peer):
            yield peer, _follow(node, peer, listening.port)
        elif peer != "none":
            node.core.discovered(peer, (peer,), node.network.now())
    if node.config.peers != ("none",):
        _remember(node)


def _remember(node: Node) -> None:
    """Look where others were when the checkpoint was written; those that are gone cost a dial now and then."""
    found, own = node.checkpointer.resumed, node.core.view.me.addresses
    for addresses in found.state.addresses if found else ():
        if others := tuple(address for address in addresses if address not in own):
            node.core.discovered(others[0], others, node.network.now())


async def _follow(node: Node, source: str, port: int) -> None:
    """Try what a name in DNS, a file or a job says."""

    def found(addresses: list[Address]) -> None:
        for text in map(str, addresses):
            node.core.discovered(text, (text,), node.network.now())

    await follow(source, port, found, partial(node.condition.problem, source))


async def _discover(node: Node, listening: Address) -> None:
    """Announce the node by multicast DNS, and try what others announce."""

    def found(source: str, addresses: list[tuple[str, int]]) -> None:
        texts = tuple(str(Address(*address)) for address in addresses)
        node.core.discovered(source, texts, node.network.now())

    async with Discovery(node.config.job.job, node.core.node.hex(), listening, found) as discovery:
        while True:
            node.condition.problem("discovery", discovery.problem)
            await asyncio.sleep(1.0)

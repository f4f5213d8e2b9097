"""The process around a node: starts its parts in order, waits for the end, and stops them in order.

Whatever computes runs in threads; the event loop only moves messages. Every task has a name, and one that fails ends
the node with an error that says which.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gossipw2v.config.address import Address, is_local, is_source
from gossipw2v.config.node import Config
from gossipw2v.config.secret import SecretError, read_secret
from gossipw2v.node.checkpoint import CheckpointError
from gossipw2v.node.lifecycle import come_to_rest, keep, resume, work
from gossipw2v.node.node import Node
from gossipw2v.status.access import Access
from gossipw2v.status.server import Server, StatusSources
from gossipw2v.status.server import serve as serve_http
from gossipw2v.system.durable import replace_file
from gossipw2v.system.logs import get_logger
from gossipw2v.system.machine import share_heap
from gossipw2v.system.notify import notify
from gossipw2v.transport.credentials import Credentials
from gossipw2v.transport.discovery import Discovery, local_addresses
from gossipw2v.transport.seeds import follow
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.text import scanner
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.shards import ShardError
from gossipw2v.w2v.text.vocab import VocabError
from gossipw2v.w2v.training import model
from gossipw2v.w2v.training.guard import DivergedError

NODE_FILE = "node.json"
RESCAN_SECONDS = 2.0  # between two looks at the machine's own addresses; others wait 8 s for a node that has moved
SEEN_SECONDS = 3.0  # in which a node that has failed still answers over HTTP; `status --watch` asks every second
STOP_PATIENCE = 3.0  # s for background tasks to end when the node stops
UNUSABLE = (CorpusError, VocabError, SecretError, CheckpointError)  # people can mend these: no traceback

log = get_logger("daemon")


async def serve(config: Config) -> int:
    """Run a node until it is done or told to stop; returns the exit code."""
    share_heap()
    daemon = Daemon(Node(config, os.urandom(32), asyncio.get_running_loop().time()))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, daemon.node.stopping.set)
    try:
        await daemon.run()
    except DivergedError:  # the node has told of it
        return 1
    except (*UNUSABLE, ShardError, OSError) as error:
        log.critical("cannot go on", problem=str(error))
        return 2 if isinstance(error, UNUSABLE) else 74
    except Exception as error:
        log.critical("a part failed", exc_info=error)
        return 1
    return 0


@dataclass(slots=True)
class Daemon:
    """A node's sockets and tasks."""

    node: Node
    http: Server | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def run(self) -> None:
        """Live: start, work until done or stopped, stop. Raises what made a part fail; OSError if work was lost."""
        self.node.text.find()
        await asyncio.to_thread(self.node.keeper.look, self.node.config.fresh)
        self.node.begin()
        await self._compile()
        await resume(self.node)
        try:
            await self._open()
            notify("READY=1", "STATUS=counting words")
            await self._until_stopped()
        finally:
            notify("STOPPING=1")
            await self._close()
        if (why := self.node.keeper.unkept) is not None:
            raise OSError(f"the model was not kept: {why}")

    async def _compile(self) -> None:
        """Compile before anything waits for this node: a compiler in a thread stalls the event loop."""
        job = self.node.config.job
        if not sgns.compiled(job.sg):
            log.info("compiling the kernels, once for this machine; some seconds")
            notify("STATUS=compiling", "EXTEND_TIMEOUT_USEC=120000000")
        try:
            await asyncio.to_thread(sgns.warm_up, job.vector_size, job.sg)
            await asyncio.to_thread(model.warm_up, job.vector_size)
            await asyncio.to_thread(scanner.warm_up)
        except OSError as error:  # it names no file, and people would look at the data directory
            folder = os.environ.get("NUMBA_CACHE_DIR")
            raise OSError(f"{folder}: compiled kernels cannot be kept there: {error}") from error

    # -- start ----------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Listen, then say where: to the log, to `node.json`, to the local network."""
        node, config = self.node, self.node.config
        node.network.credentials = await asyncio.to_thread(_credentials, config, node.core.node)
        listen = Address.parse(config.listen)
        listening = Address(listen.host, await node.network.listen(listen))
        node.core.own.announce(reachable(listening), node.network.now())
        sources = StatusSources(node.snapshot, node.export)
        token = None if config.http_token_file is None else read_secret(config.http_token_file)
        access = Access(token, config.http_names)
        self.http = await serve_http(Address.parse(config.http), sources, node.metrics, access=access)
        node.where = {"listen": str(listening), "http": str(self.http.address)}
        self._say_where()
        await self._leave_note()
        self._start(node.network.tick(), "tick")
        self._start(node.pulse.watch(), "pulse")
        self._start(keep(node), "checkpoints")
        self._start(self._watch_addresses(listening), "addresses")
        self._seek(listening)

    def _say_where(self) -> None:
        node = self.node
        tls = node.network.credentials is not None
        log.info("listening", node=node.core.node.hex(), **node.where, tls=tls)
        if not tls and not is_local(Address.parse(node.where["listen"]).host):
            log.warning("anyone who can reach this address can join the swarm", address=node.where["listen"])

    async def _leave_note(self) -> None:
        """Tell programs on this machine where the node is; it works on without, and tries again."""
        node = self.node
        data = {"pid": os.getpid(), "node": node.core.node.hex(), **node.where}
        try:
            await asyncio.to_thread(replace_file, node.config.data_dir / NODE_FILE, [json.dumps(data).encode()])
        except OSError as error:
            node.problem(NODE_FILE, str(error))
        else:
            node.problem(NODE_FILE, None)

    def _seek(self, listening: Address) -> None:
        """Look for other nodes, as the configuration says."""
        for peer in self.node.config.peers:
            if peer == "auto":
                self._start(self._discover(listening), "discovery")
            elif is_source(peer):
                self._start(self._follow(peer), peer)
            elif peer != "none":
                self.node.core.discovered(peer, (peer,), self.node.network.now())
        if self.node.config.peers != ("none",):
            self._remember()

    def _remember(self) -> None:
        """Look where others were when the checkpoint was written; those that are gone cost a dial now and then."""
        found, own = self.node.keeper.resumed, self.node.core.view.me.addresses
        for addresses in found.state.addresses if found else ():
            if others := tuple(address for address in addresses if address not in own):
                self.node.core.discovered(others[0], others, self.node.network.now())

    async def _follow(self, source: str) -> None:
        """Try what a name in DNS or a file says."""
        node = self.node

        def found(addresses: list[Address]) -> None:
            for text in map(str, addresses):
                node.core.discovered(text, (text,), node.network.now())

        await follow(source, found, partial(node.problem, source))

    async def _watch_addresses(self, listening: Address) -> None:
        """Tell others when this machine's addresses change; connections from an address that is gone lead nowhere."""
        node, before = self.node, reachable(listening)
        while True:
            await asyncio.sleep(RESCAN_SECONDS)
            if NODE_FILE in node.problems:
                await self._leave_note()
            now = await asyncio.to_thread(reachable, listening)
            if now != before:
                log.info("addresses changed", before=before, now=now)
                node.core.own.announce(now, node.network.now())
                node.network.moved(
                    {Address.parse(text).host for text in before} - {Address.parse(text).host for text in now}
                )
                before = now

    async def _discover(self, listening: Address) -> None:
        node = self.node

        def found(source: str, addresses: list[tuple[str, int]]) -> None:
            texts = tuple(str(Address(*address)) for address in addresses)
            node.core.discovered(source, texts, node.network.now())

        async with Discovery(node.config.job.job, node.core.node.hex(), listening, found) as discovery:
            while True:
                node.problem("discovery", discovery.problem)
                await asyncio.sleep(1.0)

    # -- end ------------------------------------------------------------------------------------------------

    async def _until_stopped(self) -> None:
        """Returns when the work is done or the node was told to stop; raises what made a part fail."""
        self._start(work(self.node), "work")
        self._start(self.node.stopping.wait(), "stop")
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _close(self) -> None:
        """Stop in order, each step bounded: training, the last exchanges, goodbyes, the model, sockets.

        A node that has failed gives nothing to others any more, keeps no model, and can be seen for a moment.
        """
        node = self.node
        node.text.stop()
        if node.learner is not None:
            node.learner.trainer.stop()
            if node.failure is None:
                await come_to_rest(node)
        node.network.perform(node.core.own.leave())
        if node.learner is not None:
            await node.learner.merger.idle()
            await node.save()
            await node.save_links()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=STOP_PATIENCE)
        await node.network.close()
        if node.failure is not None:
            await self._be_seen()
        if self.http is not None:
            await self.http.close()
        node.close_learner()
        log.info("stopped")

    async def _be_seen(self) -> None:
        """Let probes and people that look now and then find out over HTTP, unless the node is told to stop."""
        notify("STATUS=failed")
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEN_SECONDS):
                await self.node.stopping.wait()

    def _start(self, part: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a part for as long as the node lives; its end ends the node."""
        self.tasks.append(asyncio.create_task(part, name=name))


def reachable(listening: Address) -> tuple[str, ...]:
    """The addresses at which others may reach a node that listens there."""
    return tuple(str(Address(host, listening.port)) for host in local_addresses(listening.host))


def _credentials(config: Config, node: bytes) -> Credentials | None:
    """What the node shows at its connections; None in a swarm without a secret."""
    if config.secret_file is None:
        return None
    from gossipw2v.transport.authority import issue  # noqa: PLC0415 (cryptography is heavy, and few need it)

    others = () if config.other_secret_file is None else (read_secret(config.other_secret_file),)
    return issue(read_secret(config.secret_file), node, others)

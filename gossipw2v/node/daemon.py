"""The process around a node: starts its parts in order, waits for the end, and stops them in order.

Whatever computes runs in threads; the event loop only moves messages. Every task has a name, and one that fails ends
the node with an error that says which.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gossipw2v.config.address import Address
from gossipw2v.config.node import Config
from gossipw2v.config.secret import SecretError
from gossipw2v.gossip.records import Portion
from gossipw2v.node.compiler import compile_apart, is_compiled, warm_up
from gossipw2v.node.lifecycle import keep, resume, work
from gossipw2v.node.memory import LESS_MEMORY
from gossipw2v.node.node import Node
from gossipw2v.node.service.admission import access_of, credentials_of
from gossipw2v.node.service.presence import leave_note, reachable, say_where, watch_addresses
from gossipw2v.node.service.reload import reload_when_told
from gossipw2v.node.service.seeking import seek
from gossipw2v.node.session import Session
from gossipw2v.node.stages.progress import come_to_rest
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.inputs import own_files
from gossipw2v.node.watch import watch
from gossipw2v.status.server import Server, StatusSources
from gossipw2v.status.server import serve as serve_http
from gossipw2v.system.logs import get_logger
from gossipw2v.system.notify import notify
from gossipw2v.system.signals import RELOADING, stopping
from gossipw2v.transport.streams import bound, located
from gossipw2v.w2v.evaluation.tables import LayoutError
from gossipw2v.w2v.given.warm_start import WarmStartError
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding.digests import contents_digest
from gossipw2v.w2v.text.shards import ShardError
from gossipw2v.w2v.text.vocab import VocabError
from gossipw2v.w2v.trainable import Trainable
from gossipw2v.w2v.training.guard import DivergedError

SEEN_SECONDS = 3.0  # in which a node that has failed still answers over HTTP; `status --watch` asks every second
STOP_PATIENCE = 3.0  # s for background tasks to end when the node stops
NO_THREAD = "can't start new thread"  # Python's own words, of a RuntimeError
# people can mend these: no traceback
UNUSABLE = (CorpusError, LayoutError, VocabError, WarmStartError, SecretError, CheckpointError)

log = get_logger("daemon")


async def serve(config: Config, load: Callable[[], Config]) -> int:
    """Run a node until it is done or told to stop; returns the exit code.

    `load` reads the configuration again, when a signal asks for that; ConfigError.
    """
    loop = asyncio.get_running_loop()
    daemon = Daemon(Node(config, os.urandom(32), loop.time()), load)
    for number in stopping():
        loop.add_signal_handler(number, daemon.node.stopping.set)
    loop.add_signal_handler(RELOADING, daemon.reloading.set)
    try:
        await daemon.run()
    except DivergedError:  # the node has told of it
        return 1
    except (*UNUSABLE, ShardError, OSError, MemoryError) as error:
        log.critical("cannot go on", problem=explain(error))
        return 2 if isinstance(error, UNUSABLE) else 74
    except Exception as error:
        if NO_THREAD in str(error):
            log.critical("cannot go on", problem=explain(error))
            return 74
        log.critical("a part failed", exc_info=error)
        return 1
    return 0


def explain(error: Exception) -> str:
    """What people can do about an error; its own words where those say it all."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error or 'an allocation failed'}; {LESS_MEMORY}"
    if NO_THREAD in str(error):
        return f"{error}: the system allows no more; lower threads, or raise the limit (ulimit -u, ulimit -v, pids.max)"
    return str(error)


@dataclass(slots=True)
class Daemon:
    """A node's sockets and tasks.

    `listening`: where it hears other nodes, an IP address and the real port; `socket`: what is bound there. `prepared`:
    whether there is anything that others know of, or that could be lost. `ended`: set when a task has. `reloading`: set
    when the configuration is to be read again, by `load`. `session`: the last model and its trainer, after the end.
    """

    node: Node
    load: Callable[[], Config]
    http: Server | None = None
    listening: Address | None = None
    socket: socket.socket | None = None
    prepared: bool = False
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    session: Session | None = None
    reloading: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Live: start, work until done or stopped, stop. Raises what made a part fail; OSError if work was lost."""
        try:
            self._start(self.node.stopping.wait(), "stop")
            self._start(self._live(), "work")
            await self._until_stopped()
        finally:
            notify("STOPPING=1")
            await self._close()
        if (why := self.node.checkpointer.unkept) is not None:
            raise OSError(f"the model was not kept: {why}")

    async def _live(self) -> None:
        await self._open()
        await self._prepare()
        await self._meet()
        await work(self.node)

    # -- start ----------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Take both ports, and answer over HTTP from now on: whatever comes next may take a while."""
        node, config = self.node, self.node.config
        with _naming("listen", config.listen):
            place = await located(Address.parse(config.listen))
            self.socket = bound(place)
        self.listening = Address(place.host, self.socket.getsockname()[1])
        sources = StatusSources(node.snapshot, node.export, node.live_model)
        with _naming("http", config.http):
            self.http = await serve_http(Address.parse(config.http), sources, node.metrics, access=access_of(config))
        node.condition.where = {"listen": str(self.listening), "http": str(self.http.address)}
        self._start(node.condition.pulse.watch(), "pulse")

    async def _prepare(self) -> None:
        """Look at test sets, text and what an earlier life has left, and have the kernels ready."""
        node, config = self.node, self.node.config
        compiled = config.job.vector_size, config.job.sg, bool(config.graph)
        await asyncio.to_thread(node.probe.read, config.probe)
        await asyncio.to_thread(node.read_given)
        await asyncio.to_thread(node.corpus.find, own_files(config), config.fresh)
        await asyncio.to_thread(node.checkpointer.look, node.config.fresh)
        if isinstance(node.corpus, Corpus):
            await asyncio.to_thread(node.checkpointer.look_for_text, node.corpus)
        node.begin(await asyncio.to_thread(_portion, node.corpus))
        if not await asyncio.to_thread(is_compiled, *compiled):
            node.condition.stage = "compiling"
            log.info(
                "compiling the kernels, once for this machine; half a minute or so", http=node.condition.where["http"]
            )
            notify("STATUS=compiling", "EXTEND_TIMEOUT_USEC=120000000")
            await leave_note(node)
            await compile_apart(*compiled)
        await asyncio.to_thread(warm_up, *compiled)
        node.network.credentials = await asyncio.to_thread(credentials_of, node.config, node.core.node)
        await resume(node)

    async def _meet(self) -> None:
        """Listen, then say where: to the log, to `node.json`, to the local network."""
        node = self.node
        assert self.http is not None
        assert self.listening is not None
        assert self.socket is not None
        with _naming("listen", node.config.listen):
            node.network.listen(self.socket)
        node.core.own.announce(reachable(self.listening), node.network.now())
        self.prepared, node.condition.stage = True, None
        say_where(node)
        await leave_note(node)
        self._start(node.network.tick(), "tick")
        self._start(keep(node), "checkpoints")
        self._start(watch_addresses(node, self.listening), "addresses")
        self._start(watch(node), "watch")
        self._start(reload_when_told(node, self.http, self.reloading, self.load), "reload")
        for name, part in seek(node, self.listening):
            self._start(part, name)
        notify("READY=1", "STATUS=counting words")

    # -- end ------------------------------------------------------------------------------------------------

    async def _until_stopped(self) -> None:
        """Returns when the work is done or the node was told to stop; raises what made a part fail."""
        await self.ended.wait()
        for task in self.tasks:
            if task.done():
                task.result()

    async def _close(self) -> None:
        """Stop in order, each step bounded: training, the last exchanges, goodbyes, the model, sockets.

        A node that has failed gives nothing to others any more, keeps no model, and can be seen for a moment.
        """
        node = self.node
        node.corpus.stop()
        if self.prepared:
            await self._part()
        await self._end_tasks()
        if self.prepared:
            await node.network.close()
        elif self.socket is not None:
            self.socket.close()
        if node.condition.failure is not None:
            await self._be_seen()
        if self.http is not None:
            await self.http.close()
        self.session = node.close_session()
        log.info("stopped")

    async def _part(self) -> None:
        """Hand over and keep what was trained, and take leave of others."""
        node = self.node
        if node.session is not None:
            node.session.trainer.stop()
            if node.condition.failure is None:
                await come_to_rest(node)
        node.network.perform(node.core.own.leave())
        if node.session is not None:
            await node.session.row_worker.idle()
            await node.save()
            await node.save_links()

    async def _end_tasks(self) -> None:
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=STOP_PATIENCE)

    async def _be_seen(self) -> None:
        """Let probes and people that look now and then find out over HTTP, unless the node is told to stop."""
        notify("STATUS=failed")
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEN_SECONDS):
                await self.node.stopping.wait()

    def _start(self, part: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a part for as long as the node lives; its end ends the node."""
        task = asyncio.create_task(part, name=name)
        task.add_done_callback(lambda _: self.ended.set())
        self.tasks.append(task)


@contextmanager
def _naming(option: str, value: str) -> Iterator[None]:
    """Say of an OSError which option it comes from: two ports are taken, and people see one error."""
    try:
        yield
    except OSError as error:
        why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror or error
        use = " (address already in use); 0 as the port takes a free one" if error.errno == errno.EADDRINUSE else ""
        raise OSError(f"--{option} {value}: {why}{use}") from error


def _portion(corpus: Trainable) -> Portion | None:
    """What others are told that this node trains of which files; None where nodes divide them. CorpusError."""
    return Portion(contents_digest(corpus.files), *corpus.share) if corpus.share else None

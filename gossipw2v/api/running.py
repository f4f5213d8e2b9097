"""A node in a thread of this process, with an event loop of its own: callers may have one already, as notebooks do."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field

from gossipw2v.config.node import Config
from gossipw2v.node.daemon import Daemon
from gossipw2v.node.node import Node
from gossipw2v.node.session import Session

LAST_SECONDS = 60.0  # for a node that was told to stop: its own steps are bounded by less


@dataclass(slots=True)
class NodeThread:
    """Runs one node until it is done, told to stop, or fails; `error` is what it failed of."""

    config: Config
    error: BaseException | None = None
    _daemon: Daemon | None = None  # None until the thread has made it
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread = field(init=False)
    _made: threading.Event = field(default_factory=threading.Event)  # `_daemon` and `_loop` are there, or never will be

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="gossipw2v", daemon=True)

    def start(self) -> None:
        """Start the node; returns once it can be told to stop."""
        self._thread.start()
        self._made.wait()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; returns whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Tell the node to stop, and wait for it: it hands over what it trained and keeps it. TimeoutError."""
        if self._daemon is not None and self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._daemon.node.stopping.set)
        if not self.wait(LAST_SECONDS):
            raise TimeoutError(f"the node did not stop within {LAST_SECONDS:g} s")

    @property
    def session(self) -> Session | None:
        """The model and its trainer, also after the end; None as long as there is no vocabulary."""
        return None if self._daemon is None else self._daemon.session or self._daemon.node.session

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # the thread of the caller raises it
            self.error = error
        finally:
            self._made.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._daemon = Daemon(Node(self.config, os.urandom(32), self._loop.time()), lambda: self.config)
        self._made.set()
        await self._daemon.run()

"""Finding nodes of the same job on the local network by multicast DNS; the only module that knows zeroconf.

Discovery gives addresses to try, nothing more. Anyone on the network can announce anything, records outlive a
killed node by minutes, and many networks carry no multicast: what is found is a bounded, validated hint, and what
fails here is reported and tried again while the node works on.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
import random
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import NamedTuple

from zeroconf import InterfaceChoice, IPVersion, ServiceInfo, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from gossipw2v.gossip.messages import PROTOCOL
from gossipw2v.system.logs import get_logger
from gossipw2v.transport.addresses import (
    local_addresses,
    require_any_interface,
    require_interface,
    usable_addresses,
)

SERVICE = "_gossipw2v._tcp.local."
TEXT_VERSION = b"1"
NODE_ID = re.compile(r"[0-9a-f]{8,63}")  # also the instance's name, a DNS label of at most 63 bytes
CANDIDATES = 256  # nodes remembered, those heard of last: a flood of announcements must not fill the memory
RESOLVERS = 8  # names asked about at once, where an announcement came without its details
RESOLVE_MS = 3000
# zeroconf asks a few times and then only refreshes what it knows: a node that starts before its network would
# never be told of anybody. So the question is put anew, more often while nobody has been found.
ASK_SECONDS, ASK_ALONE_SECONDS = 60.0, 15.0
RESCAN_SECONDS = 10.0  # between looks at our own addresses: DHCP, a VPN, a cable
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s between attempts after a failure, doubling
CLOSE_SECONDS = 1.5
PROBE_PORT = 9  # that of "discard": what `listen_around` announces is not to be dialled

Found = Callable[[str, list[tuple[str, int]]], None]

log = get_logger("discovery")


def in_one_line(record: logging.LogRecord) -> bool:
    """Have zeroconf tell its errors without a traceback: an interface that is down is no fault of a program."""
    if record.exc_info:
        text, error = record.getMessage(), str(record.exc_info[1])
        record.msg = text if error in text else f"{text}: {error}"
        record.args, record.exc_info, record.exc_text = (), None, None
    return True


logging.getLogger("zeroconf").addFilter(in_one_line)


class Discovery:
    """Announces this node and looks for others of its job, from `__aenter__` to `__aexit__`.

    `on_found(node, addresses)` is called in the event loop with the id that was announced (hex) and addresses to
    dial, each time an announcement is heard, so more than once for a node. `problem` says why nothing can be found
    at the moment, or is None. `ignored` counts announcements by why they were passed over. `candidates` holds what
    was found, the latest last.
    """

    def __init__(self, job: str, node: str, address: tuple[str, int], on_found: Found) -> None:
        """`address` is where we listen: an IP address and the real port. ValueError: that cannot be announced."""
        if not NODE_ID.fullmatch(node):
            raise ValueError(f"a node id is 8 to 63 hex digits in lower case, not {node[:80]!r}")
        if not 0 < address[1] < 65536:
            raise ValueError(f"port {address[1]} cannot be announced")
        self.problem: str | None = None
        self.ignored: Counter[str] = Counter()
        self.candidates: OrderedDict[str, list[tuple[str, int]]] = OrderedDict()
        self._label = job_label(job)
        self._node = node
        self._host = ipaddress.ip_address(address[0])
        self._port = address[1]
        self._on_found = on_found
        self._unresolved: asyncio.Queue[str] = asyncio.Queue(CANDIDATES)
        self._pause = FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Discovery":
        self._task = asyncio.create_task(self._run(), name="discovery")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Say goodbye on the network and stop, within 2 s."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        """Keep a session up: whatever ends one is a problem to report, never the end of the node."""
        while True:
            try:
                await self._session()
            except Exception as error:
                self._failed(error)
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _failed(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        text = f"cannot announce or find nodes by multicast DNS: {error or type(error).__name__}"
        if text != self.problem:  # once, not at every attempt
            log.warning("discovery failed", error=str(error), kind=type(error).__name__)
        self.problem = text

    async def _session(self) -> None:
        async with self._zeroconf() as zeroconf, asyncio.TaskGroup() as tasks:
            for number in range(RESOLVERS):
                tasks.create_task(self._resolve(zeroconf.zeroconf), name=f"discovery-resolve-{number}")
            tasks.create_task(self._ask(zeroconf.zeroconf), name="discovery-ask")
            await self._announce(zeroconf)

    @contextlib.asynccontextmanager
    async def _zeroconf(self) -> AsyncIterator[AsyncZeroconf]:
        """Sockets on the interface we listen on, or on all where we listen on all."""
        if self._host.is_unspecified:
            versions = IPVersion.V4Only if self._host.version == 4 else IPVersion.All
            require_any_interface(self._host)
            zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=versions)
        else:
            require_interface(self._host)
            zeroconf = AsyncZeroconf(interfaces=[str(self._host)])
        try:
            # Shielded: cancelled while it starts, zeroconf would leave its sockets open.
            await asyncio.shield(zeroconf.zeroconf.async_wait_for_start())
            yield zeroconf
        finally:
            await _close(zeroconf)

    async def _announce(self, zeroconf: AsyncZeroconf) -> None:
        """Announce this node, and again when its addresses change; returns never."""
        addresses = local_addresses(str(self._host))
        name = f"{self._node}.{SERVICE}"
        registered = await zeroconf.async_register_service(info := self._info(name, addresses), allow_name_change=True)
        await registered
        self.problem = None
        self._pause = FIRST_PAUSE
        log.info("announced", addresses=addresses, port=self._port)
        while True:
            await asyncio.sleep(RESCAN_SECONDS)
            before, addresses = addresses, local_addresses(str(self._host))
            if addresses != before:
                log.info("addresses changed", before=before, now=addresses)
                await zeroconf.async_update_interfaces()
                await (await zeroconf.async_update_service(self._info(info.name, addresses)))

    def _info(self, name: str, addresses: list[str]) -> ServiceInfo:
        text = {"txtvers": TEXT_VERSION, "id": self._node, "cl": self._label, "pv": str(PROTOCOL)}
        server = f"gossipw2v-{self._node[:32]}.local."  # not the machine's name: its records are not ours to send
        return ServiceInfo(SERVICE, name, port=self._port, properties=text, server=server, parsed_addresses=addresses)

    async def _ask(self, zeroconf: Zeroconf) -> None:
        while True:
            async with AsyncServiceBrowser(zeroconf, SERVICE, handlers=[self._heard]):
                seconds = ASK_SECONDS if self.candidates else ASK_ALONE_SECONDS
                await asyncio.sleep(seconds * random.uniform(0.75, 1.25))

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        """An announcement came or went; the parameters' names are zeroconf's."""
        instance = name.partition(".")[0]
        if state_change is ServiceStateChange.Removed:
            self.candidates.pop(instance, None)
        elif instance != self._node:
            try:
                info = AsyncServiceInfo(service_type, name)
                if info.load_from_cache(zeroconf):  # usual: one packet brings all of it
                    self._consider(info)
                else:
                    self._unresolved.put_nowait(name)
            except asyncio.QueueFull:
                self.ignored["flood"] += 1
            except Exception as error:
                self._unreadable(error)

    async def _resolve(self, zeroconf: Zeroconf) -> None:
        """Ask for the details of announcements that came without."""
        while True:
            name = await self._unresolved.get()
            try:
                info = AsyncServiceInfo(SERVICE, name)
                if await info.async_request(zeroconf, RESOLVE_MS):
                    self._consider(info)
                else:
                    self.ignored["unresolved"] += 1
            except Exception as error:
                self._unreadable(error)

    def _unreadable(self, error: Exception) -> None:
        self.ignored["unreadable"] += 1
        log.debug("announcement passed over", error=str(error)[:200])

    def _consider(self, info: ServiceInfo) -> None:
        node, label = read_text(info.properties)
        addresses = usable_addresses(info.parsed_scoped_addresses(), self._host.is_loopback)
        reason = (
            "text" if not node
            else "self" if node == self._node
            else "job" if label != self._label
            else "addresses" if not addresses or not 0 < (info.port or 0) < 65536
            else None
        )  # fmt: skip
        if reason:
            self.ignored[reason] += 1
            return
        found = [(address, info.port or 0) for address in addresses]
        self.candidates[node] = found
        self.candidates.move_to_end(node)
        while len(self.candidates) > CANDIDATES:
            self.candidates.popitem(last=False)
        self._on_found(node, found)


class Heard(NamedTuple):
    """`own`: whether the own announcement came back; `nodes`: of the job, id to addresses; `strangers`: others."""

    own: bool
    nodes: dict[str, list[tuple[str, int]]]
    strangers: int


async def listen_around(host: str, job: str, seconds: float) -> Heard:
    """Announce something on the interface of `host`, an IP address, and listen for so long; OSError if that cannot be.

    What is announced is of a job that nobody has, so that no node dials it. It is heard by other sockets than those
    that sent it, as a node on this machine would hear it.
    """
    probe, listened = secrets.token_hex(16), ipaddress.ip_address(host)
    require_interface(listened)
    ours = Discovery(f"doctor {probe}", probe, (host, PROBE_PORT), lambda *_: None)
    ear = Discovery(job, secrets.token_hex(16), (host, PROBE_PORT), lambda *_: None)
    heard: set[str] = set()

    def hear(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        heard.add(name.partition(".")[0])
        ear._heard(zeroconf, service_type, name, state_change)

    async with ours._zeroconf() as mouth, ear._zeroconf() as zeroconf:
        resolving = asyncio.create_task(ear._resolve(zeroconf.zeroconf), name="doctor-resolve")
        announcing = asyncio.create_task(ours._announce(mouth), name="doctor-announce")
        try:
            async with AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[hear]):
                await asyncio.wait([announcing], timeout=seconds)  # which ends only where it fails
        finally:
            resolving.cancel()
            announcing.cancel()
            results = await asyncio.gather(announcing, resolving, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise OSError(str(results[0]) or type(results[0]).__name__) from results[0]
    return Heard(probe in heard, dict(ear.candidates), len(heard - {probe} - ear.candidates.keys()))


def job_label(job: str) -> str:
    """What announcements say of a job: enough to leave others alone, its name to nobody."""
    return hashlib.blake2b(job.encode(), digest_size=8, person=b"gossipw2v job").hexdigest()


def read_text(properties: Mapping[bytes, bytes | None]) -> tuple[str, str]:
    """(node id, job label) of a TXT record from a stranger; the id is empty where the record is not one of ours."""
    node = (properties.get(b"id") or b"").decode("ascii", "replace")
    label = (properties.get(b"cl") or b"").decode("ascii", "replace")
    ours = properties.get(b"txtvers") == TEXT_VERSION and NODE_ID.fullmatch(node) is not None
    return (node if ours else "", label)


async def _close(zeroconf: AsyncZeroconf) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await zeroconf.async_close()
    except BaseException as error:
        zeroconf.zeroconf.close()  # the sockets at least
        if not isinstance(error, Exception):
            raise
        log.debug("closed without goodbye", error=str(error) or type(error).__name__)

"""A small network for tests: N network namespaces, each with one cable to a bridge in a namespace of its own.

Nothing of the machine's own network is touched. Multicast works as on a switch; a cable can be pulled.
"""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from support.forks import Forked, enter

P = ParamSpec("P")
R = TypeVar("R")

_numbers = itertools.count()
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # tc is in sbin, which root's path may lack


def netns_available(version: int = 4) -> str | None:
    """Why namespaces with such addresses cannot be made here, or None if they can."""
    if os.name != "posix" or not hasattr(os, "geteuid") or shutil.which("ip") is None:
        return "network namespaces need Linux and the ip command"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Netns(1, version):
            return None
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"


class Netns:
    """`with Netns(3) as net:` gives hosts 0, 1 and 2 at `net.address(i)`; all ends with the block, processes too.

    With `version` 6 the hosts have no IPv4 but that of loopback.
    """

    def __init__(self, hosts: int, version: int = 4) -> None:
        self._hosts, self._version = hosts, version
        self._name = f"gw{os.getpid()}-{next(_numbers)}"
        self._subnet = f"10.77.{os.getpid() % 250}." if version == 4 else f"fd77:{os.getpid() % 65521:x}::"
        self._made: list[str] = []
        self._processes: list[subprocess.Popen[Any]] = []
        self._threads: dict[int, ThreadPoolExecutor] = {}  # one on each host that something was called on

    def address(self, host: int) -> str:
        """The address of a host on the bridge; beyond the last host, one that is free."""
        return f"{self._subnet}{host + 1}"

    def name(self, host: int) -> str:
        """What the system calls a host's namespace."""
        return self._namespace(host)

    def popen(self, host: int, argv: Sequence[str], **kw: Any) -> subprocess.Popen[Any]:
        """Start a program on a host; it is killed at the end of the block if it still runs."""
        process = subprocess.Popen(["ip", "netns", "exec", self._namespace(host), *argv], **kw)
        self._processes.append(process)
        return process

    def fork(self, host: int, argv: list[str], **kw: Any) -> Forked:
        """Start a daemon on a host that has loaded everything already; it looks at files as this process does."""
        return Forked(argv, namespace=self._namespace(host), **kw)

    def run(self, host: int, argv: Sequence[str]) -> str:
        """Run a command on a host to its end and return what it wrote; CalledProcessError if it failed."""
        return _in(self._namespace(host), *argv)

    def call(self, host: int, function: Callable[P, R], *args: P.args, **kw: P.kwargs) -> R:
        """What a function returns whose sockets are those of a host: asking a daemon takes no process of its own."""
        if host not in self._threads:
            self._threads[host] = ThreadPoolExecutor(1, initializer=enter, initargs=(self._namespace(host),))
        return self._threads[host].submit(function, *args, **kw).result()

    def link(self, host: int, up: bool) -> None:
        """Plug in or pull a host's cable, at the switch's end: the host keeps its address."""
        _ip("-n", self._bridge, "link", "set", f"port{host}", "up" if up else "down")

    def multicast(self, host: int, on: bool) -> None:
        """Allow or forbid a host to speak to many at once."""
        _ip("-n", self._namespace(host), "link", "set", "eth0", "multicast", "on" if on else "off")
        _ip("-n", self._namespace(host), "route", "add" if on else "delete", "224.0.0.0/4", "dev", "eth0")

    def flood(self, host: int, on: bool) -> None:
        """Whether the switch sends a host what is meant for many."""
        slave = ("type", "bridge_slave", "mcast_flood", "on" if on else "off")
        _ip("-n", self._bridge, "link", "set", f"port{host}", *slave)

    def bridge(self, host: int, name: str, address: str) -> None:
        """Give a host a bridge of its own, as docker does."""
        inside = self._namespace(host)
        _ip("-n", inside, "link", "add", name, "type", "bridge")
        _ip("-n", inside, "address", "add", address, "dev", name)
        _ip("-n", inside, "link", "set", name, "up")

    def deaf(self, host: int, other: int, on: bool) -> None:
        """Whatever a host sends to another vanishes, while the other's packets arrive."""
        route = ("blackhole", f"{self.address(other)}/32")
        _ip("-n", self._namespace(host), "route", "add" if on else "delete", *route)

    def narrow(self, host: int, megabits: int) -> None:
        """Let a host send so much a second, from a queue of some milliseconds: what finds it full is lost."""
        shape = ("rate", f"{megabits}mbit", "burst", "8kb", "limit", "24kb")
        _in(self._namespace(host), "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", *shape)

    def cable(self, host: int, megabits: float) -> None:
        """Let so much a second pass over a host's cable, each way; what does not fit waits, and TCP slows down."""
        shape = ("root", "tbf", "rate", f"{megabits}mbit", "burst", "64kb", "latency", "100ms")
        for place, device in ((self._namespace(host), "eth0"), (self._bridge, f"port{host}")):
            _in(place, "tc", "qdisc", "replace", "dev", device, *shape)

    def sent(self, host: int) -> int:
        """Bytes that a host has sent over its cable."""
        return int(self.run(host, ["cat", "/sys/class/net/eth0/statistics/tx_bytes"]))

    def lost(self, host: int) -> int:
        """Packets that `narrow` has lost so far."""
        found = json.loads(self.run(host, ["tc", "-s", "-j", "qdisc", "show", "dev", "eth0"]))
        return int(found[0]["drops"])

    def move(self, host: int, address: str) -> None:
        """Take a host's address away and give it another one of the same network."""
        inside = self._namespace(host)
        _ip("-n", inside, "address", "flush", "dev", "eth0", "scope", "global")
        _ip("-n", inside, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", inside, "route", "replace", "224.0.0.0/4", "dev", "eth0")

    def __enter__(self) -> "Netns":
        try:
            self._add(self._bridge)
            _ip("-n", self._bridge, "link", "add", "bridge0", "type", "bridge", "mcast_snooping", "0")
            _ip("-n", self._bridge, "link", "set", "bridge0", "up")
            for host in range(self._hosts):
                self._connect(host)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def _bridge(self) -> str:
        return f"{self._name}-bridge"

    def _namespace(self, host: int) -> str:
        return f"{self._name}-{host}"

    def _connect(self, host: int) -> None:
        inside, cable = self._namespace(host), f"port{host}"
        self._add(inside)
        _ip("-n", self._bridge, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", inside)
        _ip("-n", self._bridge, "link", "set", cable, "master", "bridge0", "up")
        _ip("-n", inside, "link", "set", "lo", "up")
        _ip("-n", inside, "link", "set", "eth0", "up")
        if self._version == 4:
            _ip("-n", inside, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip("-n", inside, "route", "add", "224.0.0.0/4", "dev", "eth0")
        else:
            _ip("-n", inside, "address", "add", f"{self.address(host)}/64", "dev", "eth0", "nodad")

    def _add(self, namespace: str) -> None:
        _ip("netns", "add", namespace)
        self._made.append(namespace)

    def _remove(self) -> None:
        for thread in self._threads.values():
            thread.shutdown()
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate()  # reaps it and closes its pipes
        while self._made:
            subprocess.run(["ip", "netns", "delete", self._made.pop()], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _in(namespace: str, *command: str) -> str:
    inside = ["ip", "netns", "exec", namespace, *command]
    environ = {**os.environ, "PATH": _PATH}
    return subprocess.run(inside, check=True, capture_output=True, text=True, env=environ).stdout

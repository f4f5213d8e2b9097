"""Where a socket listens or connects, as people write it."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PORT = 7411
HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")


class Address(NamedTuple):
    """Where a socket listens or connects: a name, an IPv4 or an IPv6 address without brackets, and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT` or `[IPV6]:PORT`; port 0 stands for a free one. ValueError says what is wrong."""
        host, _, port = text.rpartition(":")
        if not host:
            raise ValueError(f"{text[:80]!r} is not HOST:PORT, as in 10.0.0.7:{PORT} or [::1]:{PORT}")
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
            raise ValueError(f"{text[:80]!r} does not end in a port, 0 to 65535")
        return cls(_host(host), int(port))

    def format(self) -> str:
        """`HOST:PORT`, with brackets around an IPv6 address; `parse` reads it back."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.format()


def is_local(host: str) -> bool:
    """Whether a host, a name or an IP address, can only be this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_within(host: str, networks: tuple[Network, ...]) -> bool:
    """Whether a host is in any of `networks`; a name that is no address is in none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return any(inner in network for network in networks)


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        return str(ipaddress.IPv6Address(text[1:-1]))
    if ":" in text:
        raise ValueError(f"{text[:80]!r}: an IPv6 address needs brackets, as in [::1]:{PORT}")
    if re.fullmatch(r"[0-9.]+", text):
        return str(ipaddress.IPv4Address(text))
    if not HOST_NAME.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a host name or an address")
    return text


def parse_node(text: str) -> Address:
    """Where another node is: HOST or HOST:PORT, where the port is not 0. ValueError says what is wrong."""
    bare = ":" not in text or text.endswith("]")
    address = Address.parse(f"{text}:{PORT}" if bare else text)
    if not address.port:
        raise ValueError(f"{text[:80]!r}: a node's port cannot be 0")
    return address


def is_source(text: str) -> bool:
    """Whether `text` names many nodes: `dns:NAME[:PORT]`, `file:PATH` or `slurm:`. ValueError if it is a wrong one."""
    kind, _, rest = text.partition(":")
    if kind not in ("dns", "file", "slurm") or rest.isdigit():  # a host may be called so
        return False
    if kind == "slurm":
        if rest:
            raise ValueError(
                f"{text[:80]!r}: nothing stands behind slurm:, the job's environment says where its nodes are"
            )
        return True
    if kind == "dns":
        parse_node(rest)
    elif not rest.strip() or "\0" in rest:
        raise ValueError(f"{text[:80]!r} lacks a path, as in file:/etc/gossipw2v/peers")
    return True


def parse_ban(text: str) -> bytes | Network:
    """A node id of 32 hex digits, an IP address or a network such as 10.0.0.0/24. ValueError for anything else."""
    if len(text) == 32:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is neither an IP address, a network nor a node id of 32 hex digits") from None

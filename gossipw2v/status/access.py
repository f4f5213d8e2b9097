"""Access to the HTTP side: by the name that a browser thinks this is, and by a token."""

import base64
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gossipw2v.config.address import is_local

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Access:
    """`token`: what every request must carry, or None. `names`: host names besides this machine's own for itself."""

    token: bytes | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()

    def names_us(self, hosts: Sequence[str], bound: str) -> bool:
        """Whether the Host headers are one and it names this node, which listens on the IP address `bound`.

        A page of another site can make a name of its own lead here (DNS rebinding), but no IP address.
        """
        if len(hosts) != 1:
            return False
        name = _name(hosts[0])
        address = _address(name)
        local = is_local(str(address or name))
        return local or name in map(_name, self.names) or (address is not None and _is_at(address, bound))

    def admits(self, authorizations: Sequence[str]) -> bool:
        """Whether the Authorization headers are one and it carries the token: as bearer, or as anyone's password."""
        if self.token is None:
            return True
        if len(authorizations) != 1:
            return False
        scheme, _, given = authorizations[0].strip().partition(" ")
        secret = {"bearer": _bearer, "basic": _password}.get(scheme.lower(), _nothing)(given.strip())
        return hmac.compare_digest(secret, self.token)


def _name(host: str) -> str:
    """The name or IP address of a Host header, in lower case, without a port and the dot that ends a full name."""
    return (host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]).lower().removesuffix(".")


def _address(name: str) -> IPAddress | None:
    """The IP address; without a scope, and as IPv4 where it stands for one."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _is_at(address: IPAddress, bound: str) -> bool:
    socket = _address(bound)
    return socket is not None and not socket.is_loopback and (address == socket or socket.is_unspecified)


def _bearer(given: str) -> bytes:
    return given.encode("utf-8", "surrogateescape")


def _password(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _nothing(_: str) -> bytes:
    return b""

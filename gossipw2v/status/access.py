"""Who may read the HTTP side: by the name that a browser thinks this is, and by a token."""

import base64
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from gossipw2v.config.address import is_local


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
        name = (hosts[0].rpartition("]")[0].lstrip("[") or hosts[0].partition(":")[0]).lower()
        return is_local(name) or name in map(str.lower, self.names) or _is_at(name, bound)

    def admits(self, authorizations: Sequence[str]) -> bool:
        """Whether the Authorization headers are one and it carries the token: as bearer, or as anyone's password."""
        if self.token is None:
            return True
        if len(authorizations) != 1:
            return False
        scheme, _, given = authorizations[0].strip().partition(" ")
        secret = {"bearer": _bearer, "basic": _password}.get(scheme.lower(), _nothing)(given.strip())
        return hmac.compare_digest(secret, self.token)


def _is_at(name: str, bound: str) -> bool:
    try:
        address, socket = ipaddress.ip_address(name), ipaddress.ip_address(bound)
    except ValueError:
        return False
    return not socket.is_loopback and (address == socket or socket.is_unspecified)


def _bearer(given: str) -> bytes:
    return given.encode("utf-8", "surrogateescape")


def _password(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _nothing(_: str) -> bytes:
    return b""

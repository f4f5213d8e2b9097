"""The addresses of this machine, and which of those that others announce can be dialled."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import ifaddr

ADDRESSES = 8  # of one node: more would be dialled in vain for minutes
# Addresses of these are offered last: other machines can rarely reach them.
INNER_INTERFACES = ("docker", "br-", "veth", "virbr", "lxc", "lxd", "cni", "flannel", "podman", "vmnet", "vbox")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def usable_addresses(announced: Sequence[str], loopback: bool) -> list[str]:
    """At most 8 addresses that can be dialled. Loopback ones only lead to this machine: kept if we listen there.

    IPv6 link-local ones are left out: their scope is lost on the way (uvloop drops it), and IPv4 or a global
    address nearly always stands beside them.
    """
    usable = []
    for text in announced[: 4 * ADDRESSES]:
        address = ipaddress.ip_address(text)
        useless = address.is_unspecified or address.is_multicast or address.is_reserved
        distant = address.version == 6 and (address.is_link_local or address.ipv4_mapped is not None)
        if not (useless or distant or (address.is_loopback and not loopback)):
            usable.append(str(address))
    return usable[:ADDRESSES]


def local_addresses(listen: str) -> list[str]:
    """The addresses to announce when listening on `listen` (an IP address): at most 8, the most reachable first.

    Loopback only if we listen there or have nothing else. ValueError if `listen` is not an IP address.
    """
    host = ipaddress.ip_address(listen)
    if not host.is_unspecified:
        return [str(host)]
    found: list[tuple[bool, str]] = []
    for adapter in ifaddr.get_adapters():
        inner = adapter.name.startswith(INNER_INTERFACES)
        same = [text for text in _addresses(adapter) if ipaddress.ip_address(text).version == host.version]
        found += [(inner, text) for text in usable_addresses(same, loopback=False)]
    found.sort(key=lambda item: item[0])
    return [text for _, text in found[:ADDRESSES]] or ["127.0.0.1" if host.version == 4 else "::1"]


def require_any_interface(host: IPAddress) -> None:
    """OSError where there is none to listen on; zeroconf would say it in its own terms."""
    if not any(ipaddress.ip_address(text).version == host.version for text in _all_addresses()):
        raise OSError(f"no network interface is up that has an IPv{host.version} address")


def require_interface(host: IPAddress) -> None:
    """OSError with the reason where zeroconf would fail without saying why, or not say that nothing arrives."""
    if host.version == 6 and host.is_loopback:
        raise OSError("no multicast on ::1; listen on 127.0.0.1, or name the peers")
    if not host.is_loopback and str(host) not in _all_addresses():
        raise OSError(f"no network interface has the address {host}")


def _all_addresses() -> set[str]:
    return {text for adapter in ifaddr.get_adapters() for text in _addresses(adapter)}


def _addresses(adapter: ifaddr.Adapter) -> list[str]:
    return [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips]

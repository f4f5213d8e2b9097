"""Whether a node can listen where it is told to, and otherwise which program does."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from gossipw2v.cli.operate.findings import Finding, fine, wrong
from gossipw2v.config.address import Address
from gossipw2v.transport.streams import bound, located

LISTENS = "0A"  # the state of a socket in /proc/net/tcp
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


async def look_at_port(option: str, text: str, node: object) -> Finding:
    """Try to listen at the value of an option; `node`: the pid of the node that runs here, which may do so already."""
    check = f"{option} {text}"
    try:
        place = await located(Address.parse(text))
        with bound(place) as sock:
            sock.listen(1)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return wrong(check, error.strerror or str(error), f"give --{option} an address of this machine")
        return _taken(option, check, listeners(place.port), node)
    return fine(check, "free")


def _taken(option: str, check: str, holders: dict[int, str], node: object) -> Finding:
    if isinstance(node, int) and node in holders:
        return fine(check, f"the node that runs here listens, pid {node}")
    names = ", ".join(f"{name} (pid {pid})" for pid, name in holders.items())
    by = names or "a program that this user may not see"
    return wrong(check, f"taken by {by}", f"end that one, or give --{option} another port")


def listeners(port: int) -> dict[int, str]:
    """The programs that listen at a port, name by pid: those this user may look at; empty where there is no /proc."""
    inodes = {inode for table in TABLES for inode in _sockets(Path(table), port)}
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*/fd"):
        if inodes and _holds(place, inodes):
            found[int(place.parent.name)] = _name(place.parent)
    return found


def _sockets(table: Path, port: int) -> set[str]:
    """The inodes of sockets that listen at a port."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {row[9] for row in rows if row[3] == LISTENS and int(row[1].rpartition(":")[2], 16) == port}


def _holds(place: Path, inodes: set[str]) -> bool:
    try:
        links = [str(each.readlink()) for each in place.iterdir()]
    except OSError:  # another user's, or gone
        return False
    return any((match := re.fullmatch(r"socket:\[(\d+)\]", link)) and match[1] in inodes for link in links)


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a program"

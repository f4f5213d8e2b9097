"""Tells systemd how the service is (sd_notify), where it asked to be told; elsewhere nothing happens."""

import os
import socket
from collections.abc import Mapping


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send `READY=1`, `STATUS=...`, `STOPPING=1` to the service manager; True if it was sent. Never raises.

    The protocol is a datagram of `NAME=value` lines to the socket named in $NOTIFY_SOCKET; see sd_notify(3).
    """
    path = environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path  # @ stands for the abstract name space
    message = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "replace")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # a manager that does not read must not stop us
            sock.sendto(message, address)
    except (
        OSError,
        ValueError,
        AttributeError,
    ):  # no such socket, a path too long, no AF_UNIX on this system
        return False
    return True

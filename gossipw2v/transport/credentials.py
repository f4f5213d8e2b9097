"""What a node shows at a connection, and how it reads what the other end shows."""

import re
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

NODE_NAME = re.compile("[0-9a-f]{32}")


class Credentials(NamedTuple):
    """TLS for one node: `server` for connections that come in, `client` for those it dials. Both ask for proof."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def holder(certificate: Mapping[str, Any]) -> bytes:
    """The id of the node that a verified certificate names, as `ssl` describes it; empty if it names none."""
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return bytes.fromhex(names[0]) if len(names) == 1 and NODE_NAME.fullmatch(names[0]) else b""

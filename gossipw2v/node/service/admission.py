"""Who is let in: by what secret other nodes, and by what name and token those who ask over HTTP."""

from __future__ import annotations

from gossipw2v.config.node import Config
from gossipw2v.config.secret import read_secret
from gossipw2v.status.access import Access
from gossipw2v.transport.credentials import Credentials


def access_of(config: Config) -> Access:
    """By what name and token the HTTP side may be used. SecretError."""
    token = None if config.http_token_file is None else read_secret(config.http_token_file)
    return Access(token, config.http_names)


def credentials_of(config: Config, node: bytes) -> Credentials | None:
    """What a node, by its id, shows at its connections; None in a swarm without a secret. SecretError."""
    if config.secret_file is None:
        return None
    from gossipw2v.transport.authority import from_files  # noqa: PLC0415 (cryptography is heavy, and few need it)

    return from_files(config.secret_file, config.other_secret_file, node)

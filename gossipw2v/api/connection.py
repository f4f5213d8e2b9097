"""`connect`: a running node, asked over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gossipw2v.api.loading import as_word_vectors, fetched
from gossipw2v.api.vectors import WordVectors
from gossipw2v.config.secret import read_secret
from gossipw2v.status import client

ENDED = ("complete", "failed")
ASK_SECONDS = 0.5


@dataclass(frozen=True)
class NodeConnection:
    """A node at `url`; every call asks it anew. NoNodeError if nothing answers, AnswerError if it will not."""

    url: str
    token: bytes | None = None

    def status(self) -> dict[str, Any]:
        """What `GET /status` says: state, progress, members, links, load."""
        return client.status(self.url, self.token)

    def wait(self, seconds: float = float("inf")) -> str:
        """Wait until the swarm is done or the node has failed, and say which; TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while (state := str(self.status()["state"])) not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.url} was {state} after {seconds:g} s")
            time.sleep(ASK_SECONDS)
        return state

    def vectors(self) -> WordVectors:
        """The vectors as they are now."""
        return as_word_vectors(fetched(self.url, self.token))


def connect(url: str = "http://127.0.0.1:7412", token_file: str | Path | None = None) -> NodeConnection:
    """The node at `url`, once it has answered; `token_file` holds what it asks for, if it does.

    ValueError for what is no URL; SecretError; NoNodeError; AnswerError.
    """
    token = None if token_file is None else read_secret(Path(token_file))
    connection = NodeConnection(client.base_url(url), token)
    connection.status()
    return connection

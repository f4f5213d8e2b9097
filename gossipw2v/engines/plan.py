"""What a swarm on an engine is to do: made and checked by the driver, sent to all workers."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from gossipw2v.config import loader

# what an engine says itself, or what would be another text than the one it brings
OWN = {"corpus", "graph", "graph_share", "jsonl", "csv", "parquet", "plain", "encoding", "peers", "min_peers", "fresh"}
OWN |= {"data_dir", "secret_file", "other_secret_file", "http", "http_token_file", "until_complete"}
MOST_NODES = 1000
PATIENCE = 600.0  # s


class EngineError(RuntimeError):
    """A swarm could not begin, or not one of its nodes has come to the end; the text says why, and what to do."""


@dataclass(frozen=True)
class SwarmPlan:
    """One swarm: how many nodes, and what each of them is told."""

    nodes: int
    settings: Mapping[str, object]  # of `gossipw2v start`, the same for all
    data_dir: str | None  # each keeps its state in a folder below, on a disk of its worker; None: nothing is kept
    patience: float  # s that a node waits for workers, and for the others
    secret: str  # of this swarm alone: nobody else can join it

    @property
    def threads(self) -> int:
        """Training threads of each node, as many as it takes of its worker's cores."""
        return int(str(self.settings["threads"]))


def plan(
    nodes: int, data_dir: str | os.PathLike[str] | None, patience: float, settings: Mapping[str, object]
) -> SwarmPlan:
    """A plan with all that is given checked, before anything is started. ValueError says what is wrong."""
    if not 1 <= nodes <= MOST_NODES:
        raise ValueError(f"nodes: {nodes} is out of bounds: 1 to {MOST_NODES}")
    if taken := sorted(OWN & settings.keys()):
        raise ValueError(f"{', '.join(taken)}: the engine sets this itself; leave it out")
    given = {"threads": 1, "listen": "0.0.0.0:0", "log_level": "info", **settings}
    loader.load({**given, "corpus": ".", "peers": "none", "data_dir": ".", "http": "127.0.0.1:0"}, None, {}, str)
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return SwarmPlan(nodes, given, None if data_dir is None else os.fspath(data_dir), patience, secret)

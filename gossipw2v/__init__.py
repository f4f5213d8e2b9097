"""word2vec trained by a swarm of equal nodes.

From Python: `train` runs one node in this process, `load` reads a file of vectors or asks a node for its own, `connect`
talks to a running node. They are imported when they are first used, so that `gossipw2v --help` answers at once.
"""

from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "train": "gossipw2v.api.training",
    "load": "gossipw2v.api.loading",
    "connect": "gossipw2v.api.connection",
    "WordVectors": "gossipw2v.api.vectors",
    "DivergedError": "gossipw2v.w2v.training.guard",
}

__all__ = ["DivergedError", "WordVectors", "__version__", "connect", "load", "train"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the whole of it may never be needed

    from gossipw2v.system.launch import prepare_machine, uncollected  # noqa: PLC0415

    prepare_machine()  # before numpy, where it is not there yet
    with uncollected(ours=False):
        return getattr(import_module(_WHERE[name]), name)

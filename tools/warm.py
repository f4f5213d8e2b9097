"""All that a node loads and compiles, done once: a process that imports this can fork nodes that are there at once."""

from gossipw2v.node import daemon
from gossipw2v.w2v.warmup import warm_up

VECTOR_SIZE = 128

warm_up(VECTOR_SIZE)

__all__ = ["daemon"]

"""All that a node loads and compiles, done once: a process that imports this can fork nodes that are there at once."""

from gossipw2v.node import daemon
from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.text import scanner
from gossipw2v.w2v.training import model

VECTOR_SIZE = 128

sgns.warm_up(VECTOR_SIZE)
model.warm_up(VECTOR_SIZE)
scanner.warm_up()

__all__ = ["daemon"]

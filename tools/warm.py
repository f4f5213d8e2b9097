"""All that a node loads and compiles, done once: a process that imports this can fork nodes that are there at once."""

from gossipw2v import daemon, kernels, model, scanner

VECTOR_SIZE = 128

kernels.warm_up(VECTOR_SIZE)
model.warm_up(VECTOR_SIZE)
scanner.warm_up()

__all__ = ["daemon"]

"""All that a node compiles, compiled at once: later a compiler would stall training and the event loop for seconds."""

from gossipw2v.w2v.kernels import sgns
from gossipw2v.w2v.text import scanner
from gossipw2v.w2v.training import model

__all__ = ["compiled", "warm_up"]

compiled = sgns.compiled


def warm_up(vector_size: int, sg: int = 1) -> None:
    """Compile everything, or load it from the disk cache, for skip-gram or CBOW. OSError if it cannot be kept there.

    Whatever is damaged there is compiled anew.
    """
    sgns.warm_up(vector_size, sg)
    model.warm_up(vector_size)
    scanner.warm_up()

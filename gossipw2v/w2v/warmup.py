"""All that a node compiles, compiled at once: later a compiler would stall training and the event loop for seconds."""

from gossipw2v.w2v.graphs import walks
from gossipw2v.w2v.kernels import merge, priority, quantize, sgns
from gossipw2v.w2v.kernels.search import lookup, nearest
from gossipw2v.w2v.phrases import counting
from gossipw2v.w2v.text import scanner

__all__ = ["compiled", "warm_up"]

compiled = sgns.compiled


def warm_up(vector_size: int, sg: int = 1, graph: bool = False) -> None:
    """Compile everything, or load it from the disk cache, for skip-gram or CBOW, text or a graph.

    OSError if it cannot be kept there. Whatever is damaged there is compiled anew.
    """
    sgns.warm_up(vector_size, sg)
    merge.warm_up(vector_size)
    quantize.warm_up(vector_size)
    priority.warm_up()
    nearest.warm_up()
    lookup.warm_up()
    scanner.warm_up()
    counting.warm_up()
    if graph:
        walks.warm_up()

"""word2vec trained by a swarm of equal nodes.

The path of the data, each word a module:

    files -> corpus -> words -> vocab -> shards -> trainer (kernels) -> model -> delta -> gossip -> wire -> peer
        => network =>
    peer -> wire -> gossip -> merge -> model -> export | status
"""

__version__ = "0.1.0"

"""Words become vectors.

`text` reads and counts, `kernels` are the compiled loops, `training` runs them and merges models; `warmup` compiles all
of it at once. Nothing here knows a peer.
"""

"""Words become vectors.

`text` reads and counts, `kernels` are the compiled loops, `training` runs them and merges models. Nothing here knows a
peer.
"""

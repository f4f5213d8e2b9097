"""Words become vectors.

`text` reads and counts, `phrases` joins words, `kernels` are the compiled loops, `training` runs them and merges
models, `evaluation` scores them; `warmup` compiles all at once. Nothing here knows a peer.
"""

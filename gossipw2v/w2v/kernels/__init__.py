"""Every loop that is compiled, and the only way to Numba.

`sgns` trains, with `windows` for CBOW; `merge`, `quantize` and `priority` work on rows that are exchanged; `hashing`
counts words, `phrases` pairs of them. `jit` says how all of it is compiled, and keeps the result on disk.
"""

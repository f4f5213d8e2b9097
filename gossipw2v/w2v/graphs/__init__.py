"""From lists of edges to word ids: walks that are made while they are trained, and never stored.

`source` is a node's graph, as `corpus` is its text; `layout` and `edges` read it, `csr` keeps it, `walks` walks it.
"""

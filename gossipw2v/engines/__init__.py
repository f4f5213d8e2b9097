"""Swarms on the clusters that people have: each engine brings text and places, and runs `gossipw2v start` as it is.

`fit` in `spark`, `dask` and `ray` starts a node on each worker and returns the vectors. A node is a process of its own
(`worker`), which ends with what started it (`leash`). Engines are imported when `fit` is called, none before.
"""

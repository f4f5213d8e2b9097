"""What a node keeps on disk: two generations of checkpoints, links of a stopped node; and vectors for others."""

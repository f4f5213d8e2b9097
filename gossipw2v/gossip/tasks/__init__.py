"""A text that all nodes have: who trains what of it, so that each task is done once."""

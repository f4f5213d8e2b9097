"""The swarm and the baselines of its field, side by side: see `tools/compare --help`."""

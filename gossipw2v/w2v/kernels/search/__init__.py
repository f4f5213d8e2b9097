"""The compiled loop of searches among vectors: `nearest` finds the rows nearest to a direction."""

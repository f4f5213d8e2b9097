"""The compiled loops of searches: `lookup` finds the row of a word, `nearest` the rows nearest to a direction."""

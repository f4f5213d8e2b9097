"""CBOW's windows: `shared` sums the rows of a few short ones, `stretches` those of many long ones."""

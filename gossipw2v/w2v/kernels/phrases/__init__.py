"""Tables of pairs of numbers: what `w2v/phrases` counts neighbours with, and joins them with."""

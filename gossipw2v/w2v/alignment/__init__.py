"""Models that were trained apart made one: turned into a common space, where their rows can be averaged."""

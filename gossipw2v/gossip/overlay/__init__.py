"""The tree of links over which deltas flow: choosing a parent, opening links, exchanging, going on after a fault."""

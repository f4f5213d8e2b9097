"""The compiled loops of graphs: `parsing` reads lists of edges, `rows` makes sorted rows of them, `walks` walks."""

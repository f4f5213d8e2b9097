"""Ways into the core: what its owner tells it, what comes in over connections, and what may be looked at."""

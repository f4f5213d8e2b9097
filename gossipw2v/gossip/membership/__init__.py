"""The members of the swarm (SWIM, Lifeguard), the connections to them, and how peers have behaved."""

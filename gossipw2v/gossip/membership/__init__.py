"""Who is there (SWIM, Lifeguard), over which connections, and how peers have behaved."""

"""What a node does in single stages of a job: training, waiting for the swarm, and following text that comes."""

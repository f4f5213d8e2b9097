"""What a job is given besides its text, the same on all of its nodes: a list of words, first vectors."""

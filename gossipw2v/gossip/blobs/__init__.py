"""What word counts, vocabularies and proposals are called on their way between nodes."""

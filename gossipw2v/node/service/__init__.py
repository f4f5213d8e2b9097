"""What a running node does besides its work: it is found, finds others, lets in, and reads its settings again."""

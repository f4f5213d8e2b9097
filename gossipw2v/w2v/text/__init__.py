"""From files to word ids: reading, cleaning, counting, the vocabulary and the encoded text."""

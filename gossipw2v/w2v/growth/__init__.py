"""A vocabulary that grows: versions of it, words that wait for the next one, and models that follow."""

"""A text that all nodes have: cut into pieces alike, each of which is encoded when it is trained."""

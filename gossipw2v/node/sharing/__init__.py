"""A text that all nodes have: the core deals out tasks, the threads train them, and here they meet."""

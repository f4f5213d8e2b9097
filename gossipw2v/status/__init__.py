"""What people and programs see of a node: its page, API, JSON and metrics, and the client that reads them."""

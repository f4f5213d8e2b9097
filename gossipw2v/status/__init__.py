"""What people and Prometheus see of a node: its JSON, metrics and page, and the client that reads them."""

"""What can be set: declared once, read from flags, file and environment."""

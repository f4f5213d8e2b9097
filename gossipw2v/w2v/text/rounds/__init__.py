"""Text that comes when a job was done: which files were trained, and how new ones are mixed with what was before."""

"""What people type: start, export, status and demo.

Nothing heavy is imported before a command needs it, so that `--help` is there at once.
"""
